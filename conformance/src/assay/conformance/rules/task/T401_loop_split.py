"""T401 loop-split: k steps in one traced loop are k traced steps, and those are k eager ones."""

from __future__ import annotations

from typing import Any

from assay.conformance.context import Context
from assay.conformance.harness.tasks import comparable_build, comparable_run, state_difference, train_in_loop
from assay.conformance.lazy import tf
from assay.conformance.model import Level, Mode, Rule, Subject, Target, Violation
from assay.conformance.specimens import SOUND_TASK, SoundTask

RULE = Rule(
    id="T401",
    slug="loop-split",
    level=Level.MUST,
    requirement="Steps give the same weights taken eagerly, traced one by one, or traced as one loop.",
    checks=(
        "Takes three SGD steps on the same batches from the same weights, random layers switched off. In eager mode: "
        "op by op against one `tf.function` call a step, compared after each step. In graph mode and on two replicas: "
        "one call of a `tf.function` that loops over the three steps and their dataset against three calls. Weights, "
        "the model's other variables and the training metrics are compared."
    ),
    why=(
        "Python runs once, while a step is traced; afterwards only the graph runs. A counter, a flag or a tensor that "
        "the step keeps in Python is frozen at its first value, and what `steps_per_loop` is set to must change the "
        "speed and nothing else. The debugger, where steps run eagerly, then shows a model that training never has."
    ),
    bad="""
def train_step(self, inputs, model, optimizer, metrics=None):
    self.steps += 1  # runs once, while the step is traced
    weight = min(1.0, self.steps / 1000)  # 0.001, for ever
    ...
    loss = loss + weight * auxiliary_loss
""",
    good="""
def train_step(self, inputs, model, optimizer, metrics=None):
    step = tf.cast(optimizer.iterations, tf.float32)  # a variable: read each time
    weight = tf.minimum(1.0, (step + 1.0) / 1000.0)
    ...
    loss = loss + weight * auxiliary_loss
""",
    modes=(Mode.EAGER, Mode.GRAPH, Mode.REPLICAS),
    targets=(Target.CPU, Target.GPU),
    traits=("random_step",),
    references=(
        "orbit: steps_per_loop",
        "TensorFlow guide, Better performance with tf.function: Executing Python side effects",
    ),
)

_FROZEN = (
    "the step keeps something in Python (a counter, a flag, the last loss): eager steps see it change, a traced step "
    "keeps the value that it had while it was traced"
)
_OTHER_PATH = "the step asks whether it runs eagerly, or makes a NumPy or Python number that is frozen in the trace"
_USE_VARIABLES = (
    "Keep what changes in a tf.Variable that is made before the first step, or compute it from `optimizer.iterations`."
)


def check(ctx: Context) -> None:
    """Compare eager steps with traced ones, or a traced loop with traced steps."""
    if ctx.mode is Mode.EAGER:
        _check_eager(ctx)
    else:
        _check_loop(ctx)


def _check_eager(ctx: Context) -> None:
    eager, graph = comparable_run(ctx), comparable_run(ctx, mode=Mode.GRAPH)
    start = eager.snapshots[0]
    for step in range(1, len(eager.snapshots)):
        seen = state_difference(ctx, graph.snapshots[step], eager.snapshots[step], start, step)
        if seen:
            raise Violation(
                f"after step {step} a traced run is not what an eager run is: {seen}",
                cause=_OTHER_PATH if step == 1 else _FROZEN,
                fix=_USE_VARIABLES,
            )


def _check_loop(ctx: Context) -> None:
    single = comparable_run(ctx)
    steps = len(single.batches)
    loop = train_in_loop(comparable_build(ctx), single.batches)
    seen = state_difference(ctx, loop, single.snapshots[-1], single.snapshots[0], steps)
    if seen:
        raise Violation(
            f"{steps} steps in one traced loop are not {steps} traced steps: {seen}",
            cause=(
                "the step makes variables or other state when it first runs, and what it does then differs from what "
                "it does afterwards: a loop is traced as a whole, so that every step of it is a later one"
            ),
            fix="Make variables in build_model or in the constructor, with values that do not come from a batch.",
        )


class _PythonCounter(SoundTask):
    """Warms up by a Python counter."""

    def __init__(self) -> None:
        super().__init__()
        self._steps = 0

    def replica_share(self, loss: Any) -> Any:
        self._steps += 1
        return super().replica_share(loss) * min(1.0, self._steps / 3)


class _KeepsTheLastLoss(SoundTask):
    """Doubles the step after a loss that was high, which it keeps in an attribute."""

    def __init__(self) -> None:
        super().__init__()
        self._last: Any = None

    def replica_share(self, loss: Any) -> Any:
        high = self._last is not None and self._last > 0.1
        self._last = tf.stop_gradient(loss)
        return super().replica_share(loss) * tf.where(high, 2.0, 1.0)


class _BufferFromTheFirstStep(SoundTask):
    """Starts a sum of gradients from the gradients of the first step."""

    def __init__(self) -> None:
        super().__init__()
        self._sums: list[Any] = []

    def apply(self, optimizer: Any, gradients: Any, variables: Any) -> None:
        if not self._sums:
            self._sums = [tf.Variable(gradient) for gradient in gradients]
        else:
            for total, gradient in zip(self._sums, gradients, strict=True):
                total.assign_add(gradient)
        super().apply(optimizer, [tf.identity(total) for total in self._sums], variables)


MUTANTS = (
    Subject(_PythonCounter, name="warm-up by a Python counter"),
    Subject(_KeepsTheLastLoss, name="keeps the last loss in an attribute"),
    Subject(_BufferFromTheFirstStep, name="a buffer started from the first step"),
)
TWIN = SOUND_TASK
