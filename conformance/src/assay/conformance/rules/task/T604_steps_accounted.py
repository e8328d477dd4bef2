"""T604 steps-accounted: a loop of n steps counts n steps, and what is saved says so."""

from __future__ import annotations

import itertools
import re
import tempfile
from typing import Any

import numpy as np
from assay.conformance.context import Context
from assay.conformance.harness.tasks import build_task, optimizer_iterations, training_batches
from assay.conformance.harness.tasks.persistence import TracedLoop, checkpoint_of, write
from assay.conformance.lazy import tf
from assay.conformance.model import Level, Mode, Rule, Subject, Target, Violation
from assay.conformance.specimens import SOUND_TASK, SoundTask

LOOPS = (1, 2, 5)
MOMENTUM = 0.9
_BATCHES = 3
_COUNTER = re.compile(r"optimizer/.*iter")

RULE = Rule(
    id="T604",
    slug="steps-accounted",
    level=Level.MUST,
    requirement="A loop of n steps advances the optimizer's count by exactly n, and a checkpoint holds that count.",
    checks=(
        f"Traces one training loop and runs it for {', '.join(map(str, LOOPS[:-1]))} and {LOOPS[-1]} steps; after each "
        "call `optimizer.iterations` must have risen by the number asked for. Then writes a checkpoint, looks for its "
        "files, and reads the count out of them."
    ),
    why=(
        "Learning rate schedules, checkpoint names, evaluations and the end of the run all follow the step count. A "
        "step that sometimes does not apply its gradients, decided by a Python counter, is decided once, when it is "
        "traced: the run goes on for days at the learning rate of step 0."
    ),
    bad="""
def train_step(self, inputs, model, optimizer, metrics=None):
    gradients, loss = self.gradients(inputs, model)
    self.calls += 1
    if self.calls % 4 == 0:  # decided when the step is traced, once
        optimizer.apply_gradients(zip(gradients, model.trainable_variables))
    return {"loss": loss}
""",
    good="""
optimizer = tf.keras.optimizers.SGD(0.1, gradient_accumulation_steps=4)  # the optimizer accumulates, and counts

def train_step(self, inputs, model, optimizer, metrics=None):
    gradients, loss = self.gradients(inputs, model)
    optimizer.apply_gradients(zip(gradients, model.trainable_variables))
    return {"loss": loss}
""",
    modes=(Mode.GRAPH,),
    targets=(Target.CPU,),
    references=("orbit Controller: the warning about a global step that does not match the steps taken",),
)


def check(ctx: Context) -> None:
    """Run loops of several lengths, count, and look at what is saved."""
    build = build_task(ctx, momentum=MOMENTUM)
    loop = TracedLoop(build, training_batches(ctx, _BATCHES))
    counts = [optimizer_iterations(build.optimizer)]
    for steps in LOOPS:
        loop(steps)
        counts.append(optimizer_iterations(build.optimizer))
    advanced = [after - before for before, after in itertools.pairwise(counts)]
    if advanced != list(LOOPS):
        pairs = ", ".join(f"{asked} by {counted}" for asked, counted in zip(LOOPS, advanced, strict=True))
        raise Violation(
            f"loops of so many steps advance optimizer.iterations by so much: {pairs}",
            cause=_cause(advanced),
            fix="Apply the gradients exactly once in each call of train_step, and leave optimizer.iterations alone.",
        )
    _check_saved(build, counts[-1])


def _cause(advanced: list[int]) -> str:
    """What the numbers look like."""
    if not any(advanced):
        return "no step applies its gradients: a condition in Python was decided when the step was traced"
    factors = {counted / asked for asked, counted in zip(LOOPS, advanced, strict=True)}
    if len(factors) == 1 and (factor := factors.pop()) > 1:
        return f"each step applies gradients {factor:g} times"
    if any(counted < 0 for counted in advanced):
        return "the Task sets optimizer.iterations back, to start a schedule again"
    if all(counted <= asked for asked, counted in zip(LOOPS, advanced, strict=True)):
        return "some steps do not apply their gradients, or the Task sets optimizer.iterations back"
    return "how often a step applies gradients depends on something else than its call"


def _check_saved(build: Any, steps: int) -> None:
    """Write a checkpoint, find its files, and find the count in them."""
    with tempfile.TemporaryDirectory() as folder:
        path = write(checkpoint_of(build), f"{folder}/checkpoint")
        files = tf.io.gfile.glob(f"{path}*")
        if not any(file.endswith(".index") for file in files):
            raise Violation(
                "an explicit save wrote no checkpoint",
                cause="something that is saved with the model takes the write over",
                fix="Keep only layers, variables and metrics in the model and its `checkpoint_items`.",
            )
        found = {
            key: tf.train.load_variable(path, key) for key, _ in tf.train.list_variables(path) if _COUNTER.match(key)
        }
    counts = [int(value) for value in found.values() if np.ndim(value) == 0]
    if counts and steps not in counts:
        raise Violation(
            f"the checkpoint says that {counts[0]} steps were taken, and it was {steps}",
            cause="what is saved under the optimizer's key is not the optimizer that trains",
            fix="Do not name a part of `model.checkpoint_items` `optimizer`.",
        )


class _AppliesEverySecondCall(SoundTask):
    """Decides in Python, while the step is traced, whether gradients are applied."""

    calls = 0

    def apply(self, optimizer: Any, gradients: Any, variables: Any) -> None:
        self.calls += 1
        if self.calls % 2 == 0:
            super().apply(optimizer, gradients, variables)


class _AppliesTwice(SoundTask):
    """Applies half of each gradient, twice."""

    def apply(self, optimizer: Any, gradients: Any, variables: Any) -> None:
        halves = [0.5 * gradient for gradient in gradients]
        super().apply(optimizer, halves, variables)
        super().apply(optimizer, halves, variables)


class _StartsTheScheduleAgain(SoundTask):
    """Sets the optimizer's count back to start a cyclic schedule again."""

    def apply(self, optimizer: Any, gradients: Any, variables: Any) -> None:
        super().apply(optimizer, gradients, variables)
        count = tf.convert_to_tensor(optimizer.iterations)
        optimizer.iterations.assign(tf.where(count >= 4, tf.zeros_like(count), count))


class _CountsInTheItems(SoundTask):
    """Puts a number where a checkpoint takes layers and variables."""

    def build_model(self) -> Any:
        model = super().build_model()
        model.checkpoint_items = {"version": 3}
        return model


MUTANTS = (
    Subject(_AppliesEverySecondCall, name="applies every second call, decided in Python"),
    Subject(_AppliesTwice, name="applies halves twice"),
    Subject(_StartsTheScheduleAgain, name="sets the count back"),
    Subject(_CountsInTheItems, name="checkpoint items that cannot be saved"),
)
TWIN = SOUND_TASK
