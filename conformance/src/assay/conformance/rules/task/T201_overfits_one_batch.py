"""T201 overfits-one-batch: trained on one batch again and again, the loss falls."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, TypedDict

import numpy as np
from assay.conformance.context import Context
from assay.conformance.harness import as_numpy
from assay.conformance.harness.flavour import set_random_seed
from assay.conformance.harness.tasks import (
    Build,
    Snapshot,
    Stepper,
    changed_names,
    comparable_build,
    first_batch,
    make_optimizer,
    snapshot,
)
from assay.conformance.lazy import tf
from assay.conformance.model import Level, Mode, NotApplicable, Rule, Subject, Target, Violation
from assay.conformance.specimens import SOUND_TASK, SoundTask

RULE = Rule(
    id="T201",
    slug="overfits-one-batch",
    level=Level.MUST,
    requirement="Trained on one fixed batch, the loss falls within the declared number of steps.",
    checks=(
        "Takes traced steps on one training batch, random layers switched off, with optimizers of the suite's own one "
        "after another until one works: Adam at 0.01 and at 0.0003, SGD at 0.1. It stops as soon as the loss, without "
        "the model's weight regularisers, has fallen by the declared part of what it was (`overfit_fall`, 0.3) in "
        "the declared number of steps (`overfit_steps`, 60). A loss of zero has nothing to learn from."
    ),
    why=(
        "It is the first thing to try with a new model, and finds what no shape check does: labels that do not belong "
        "to their features, a gradient with the wrong sign, outputs that are detached from the loss, an activation "
        "that is dead from the start, a target that no output can reach."
    ),
    bad="""
def train_step(self, inputs, model, optimizer, metrics=None):
    features, labels = inputs
    features = tf.random.shuffle(features)  # the features alone: nothing is left to learn
""",
    good="""
def train_step(self, inputs, model, optimizer, metrics=None):
    features, labels = inputs
    order = tf.random.shuffle(tf.range(tf.shape(labels)[0]))
    features, labels = tf.gather(features, order), tf.gather(labels, order)
""",
    modes=(Mode.GRAPH,),
    targets=(Target.CPU, Target.GPU),
    traits=("overfit_steps", "overfit_fall"),
    references=("A. Karpathy, A Recipe for Training Neural Networks, 2019: overfit a single batch",),
)

LOSS = "loss"
LADDER = (("adam", 0.01), ("adam", 0.0003), ("sgd", 0.1))
"""Tried in this order. Adam moves each weight by about the learning rate a step, whatever the scale of the loss."""
_SMOOTHED = 5


class _Blame(TypedDict):
    """What a violation says beside what was observed."""

    cause: str
    fix: str


@dataclasses.dataclass(frozen=True)
class _Attempt:
    """What came of one optimizer.

    Attributes:
      optimizer: Its name and learning rate, for messages.
      losses: The logged losses without weight regularisers, the first before any update.
      moved: How many of the trainable weights changed.
    """

    optimizer: str
    losses: Sequence[float]
    moved: int

    @property
    def lowest(self) -> float:
        """The lowest mean of a few consecutive losses: noise alone reaches a low value once."""
        series = [loss for loss in self.losses if np.isfinite(loss)]
        windows = range(max(1, len(series) - _SMOOTHED + 1))
        return min((float(np.mean(series[at : at + _SMOOTHED])) for at in windows if series), default=float("nan"))


def check(ctx: Context) -> None:
    """Try one optimizer after another."""
    attempts: list[_Attempt] = []
    for algorithm, learning_rate in LADDER:
        attempt = _attempt(ctx, algorithm, learning_rate)
        if not attempt.losses[0]:
            raise NotApplicable("The loss of the first batch is zero from the start: there is nothing to learn from.")
        if _fell(ctx, attempt.losses):
            return
        attempts.append(attempt)
    _blame(ctx, attempts)


def _attempt(ctx: Context, algorithm: str, learning_rate: float) -> _Attempt:
    build = comparable_build(ctx, learning_rate=learning_rate)
    if algorithm != "sgd":
        with build.placed():
            variables = list(build.model.trainable_variables)
            optimizer = make_optimizer(build.model, variables, learning_rate=learning_rate, algorithm=algorithm)
            build = dataclasses.replace(build, optimizer=optimizer)
    set_random_seed(build.seed)
    before = snapshot(build)
    losses: list[float] = []
    for loss in _losses(ctx, build):
        losses.append(loss)
        if _fell(ctx, losses) or not np.isfinite(loss):
            break
    return _Attempt(
        f"{algorithm.capitalize() if algorithm != 'sgd' else 'SGD'}({learning_rate:g})", losses, _moved(before, build)
    )


def _moved(before: Snapshot, build: Build) -> int:
    return len(changed_names(before.weights, snapshot(build).weights))


def _losses(ctx: Context, build: Build) -> Iterator[float]:
    """The logged loss of each step, without the regularisers of the weights that it was computed with."""

    def step(batch: Any) -> Any:
        return build.task.train_step(batch, build.model, build.optimizer, metrics=list(build.train_metrics))

    stepper, batch = Stepper(build, step, name="train_step"), first_batch(ctx)
    for _ in range(ctx.trait("overfit_steps")):
        penalty = _regularisers(build.model)
        logs = stepper(batch)[0]
        if not isinstance(logs, Mapping) or LOSS not in logs or np.size(logs[LOSS]) != 1:
            raise NotApplicable("train_step logs no loss that is one number, which T101 is about.")
        yield float(np.asarray(as_numpy(logs[LOSS]), np.float64).reshape(())) - penalty


def _regularisers(model: Any) -> float:
    """The sum of the losses of weights; those of activities, left by a traced call, have no value here."""
    known = [loss for loss in getattr(model, "losses", ()) if hasattr(loss, "numpy")]
    return float(sum(np.sum(as_numpy(loss), dtype=np.float64) for loss in known))


def _fell(ctx: Context, losses: Sequence[float]) -> bool:
    """Whether the mean of the last losses is below the first by the declared part."""
    if len(losses) <= _SMOOTHED:
        return False
    last = float(np.mean(losses[-_SMOOTHED:]))
    return bool(np.isfinite(last)) and losses[0] - last >= ctx.trait("overfit_fall") * abs(losses[0])


def _blame(ctx: Context, attempts: Sequence[_Attempt]) -> None:
    first = attempts[0].losses[0]
    wanted = first - ctx.trait("overfit_fall") * abs(first)
    series = "; ".join(
        f"{attempt.optimizer}: {attempt.lowest:.4g} (the lowest mean of {_SMOOTHED} steps), and "
        f"{attempt.losses[-1]:.4g} at step {len(attempt.losses)}"
        for attempt in attempts
    )
    raise Violation(
        f"on one batch the loss began at {first:.4g} and did not fall to {wanted:.4g}: {series}",
        **_cause(attempts),
    )


def _cause(attempts: Sequence[_Attempt]) -> _Blame:
    first = attempts[0].losses[0]
    if not any(attempt.moved for attempt in attempts):
        return {
            "cause": "no trainable weight moved: the optimizer is never applied, or gets gradients of zero",
            "fix": "See T103 and T301: the gradients must reach the optimizer that the step is given.",
        }
    if all(not np.isfinite(attempt.losses[-1]) for attempt in attempts):
        return {
            "cause": "the loss is not finite after a few updates, at any learning rate: a logarithm or a division by "
            "something that reaches zero",
            "fix": "Compute the loss from logits, and use tf.math.divide_no_nan.",
        }
    if all(len(set(attempt.losses)) == 1 for attempt in attempts):
        return {
            "cause": "the weights move and the logged loss does not: it does not depend on them, or is a constant of "
            "the trace",
            "fix": "Log the loss that the tape differentiates, computed in this step.",
        }
    if all(_rises(attempt.losses) for attempt in attempts if np.isfinite(attempt.losses[-1])):
        return {
            "cause": "the loss rises at every learning rate: the gradient is applied with the wrong sign, or another "
            "loss than the logged one is minimised",
            "fix": "Minimise what you log: differentiate the loss, and let the optimizer subtract.",
        }
    wobble = max(float(np.std(np.diff(attempt.losses))) for attempt in attempts if len(attempt.losses) > 1)
    if wobble > 0.01 * abs(first):
        return {
            "cause": "the loss goes up and down and does not fall: features and labels are shuffled apart, or the "
            "noise in the step is larger than what can be learned",
            "fix": "Print features and labels of one example as the loss sees them. If learning is this slow by "
            "design, declare the traits overfit_steps or overfit_fall.",
        }
    return {
        "cause": "what the loss depends on most is not trained: dead activations, saturated outputs, a detached part, "
        "or a target that no output can reach",
        "fix": "Look at the outputs beside the labels. If learning is this slow by design, declare the traits "
        "overfit_steps or overfit_fall.",
    }


def _rises(losses: Sequence[float]) -> bool:
    return len(losses) > 1 and losses[-1] > losses[0] and float(np.mean(np.diff(losses) > 0.0)) > 0.7


class _ShufflesTheFeatures(SoundTask):
    """Shuffles the features without the labels, at each step anew; the logits start at zero, as is customary."""

    def build_model(self) -> Any:
        layers = tf.keras.layers
        stack = [layers.Input((8,)), layers.Dense(16, activation="tanh"), layers.Dense(3, kernel_initializer="zeros")]
        return tf.keras.Sequential(stack)

    def train_step(self, inputs: Any, model: Any, optimizer: Any, metrics: Any = None) -> dict[str, Any]:
        features, labels = inputs
        return super().train_step((tf.random.shuffle(features), labels), model, optimizer, metrics)


class _Ascends(SoundTask):
    def replica_share(self, loss: Any) -> Any:
        return -super().replica_share(loss)


class _DeadFromTheStart(SoundTask):
    """Every hidden unit is below zero for every input, and behind a ReLU."""

    def build_model(self) -> Any:
        layers = tf.keras.layers
        dead = layers.Dense(8, activation="relu", bias_initializer=tf.keras.initializers.Constant(-100.0))
        return tf.keras.Sequential([layers.Input((8,)), dead, layers.Dense(3, use_bias=False)])


class _SaturatedTarget(SoundTask):
    """Squeezes the logits into [-0.1, 0.1]: no output can come near the target."""

    def forward(self, model: Any, features: Any, *, training: bool) -> Any:
        return 0.1 * tf.tanh(super().forward(model, features, training=training))


class _LogsAConstant(SoundTask):
    def train_logs(self, loss: Any) -> dict[str, Any]:
        return {self.loss: 0.0 * tf.stop_gradient(loss) + 1.0}


MUTANTS = (
    Subject(_ShufflesTheFeatures, traits={"random_step": True}, name="shuffles the features alone"),
    Subject(_Ascends, name="climbs instead of descending"),
    Subject(_DeadFromTheStart, name="dead units from the start"),
    Subject(_SaturatedTarget, name="outputs that cannot reach the target"),
    Subject(_LogsAConstant, name="logs a constant"),
)
TWIN = SOUND_TASK
