"""L212 example-independent: the loss of one example does not depend on the others of the batch."""

from __future__ import annotations

from typing import Any

from assay.conformance.context import Context
from assay.conformance.harness import losses
from assay.conformance.lazy import tf
from assay.conformance.model import Level, Mode, Rule, Target, Violation
from assay.conformance.specimens import CROSS_ENTROPY, HUBER_LOSS, SoundCrossEntropy, SoundHuber

RULE = Rule(
    id="L212",
    slug="example-independent",
    level=Level.MUST,
    requirement="The loss of one example does not depend on the predictions for the others in its batch.",
    checks=(
        "Changes the predictions of one example, in batches of five and of sizes that Hypothesis draws, and compares "
        "the unreduced values of the others. A loss that gives one number for a batch is asked instead whether the "
        "effects of two such changes add up, as they do for every sum or mean over examples. A loss that couples "
        "examples by design declares the trait `mixes_examples`."
    ),
    why=(
        "Examples are split over replicas, padded, bucketed and accumulated in micro-batches. A loss that mixes them "
        "by accident (a softmax or a maximum over axis 0) gives other gradients for each way of cutting the same "
        "data."
    ),
    bad="""
probabilities = tf.nn.softmax(y_pred, axis=0)  # over the batch
""",
    good="""
probabilities = tf.nn.softmax(y_pred, axis=-1)  # over the classes
""",
    modes=(Mode.EAGER,),
    targets=(Target.CPU, Target.GPU, Target.TPU),
    traits=("mixes_examples",),
    references=("tensorflow/tensorflow#39268",),
)


def check(ctx: Context) -> None:
    """Change one example and look at the others."""
    ctx.not_applicable_if("mixes_examples")
    losses.component(ctx)

    def cases() -> Any:
        from hypothesis import strategies

        return strategies.integers(2, 6).flatmap(
            lambda size: strategies.tuples(strategies.just(size), strategies.integers(0, size - 1), losses.seeds())
        )

    plain = [(5, row, 0) for row in range(5)] if losses.coupling(ctx) else []
    if ctx.mode is Mode.XLA:
        plain = plain or [(5, 0, 0)]  # what is not coupled op by op may be when it is compiled
    losses.explore(ctx, plain, cases, lambda case: _examine(ctx, *case))


def _examine(ctx: Context, size: int, row: int, seed: int) -> None:
    mode = Mode.XLA if ctx.mode is Mode.XLA else Mode.EAGER
    seen = losses.coupling_of(ctx, size, row, seed=seed, mode=mode)
    if seen:
        raise Violation(
            seen,
            cause="an operation runs over the batch axis: a softmax, a norm, a maximum, a mean",
            fix="Give the operation the axis of one example (`axis=-1`); if the coupling is meant (contrastive, Dice "
            "over a batch), declare the trait 'mixes_examples'.",
        )


class _SoftmaxOverTheBatch(SoundCrossEntropy):
    def values(self, labels: Any, y_pred: Any) -> Any:
        return super().values(labels, y_pred - tf.reduce_logsumexp(y_pred, axis=0, keepdims=True))


class _ScalesByTheLargest(SoundHuber):
    def call(self, y_true: Any, y_pred: Any) -> Any:
        losses = super().call(y_true, y_pred)
        return losses / (1.0 + tf.reduce_max(losses))


def _rms(y_true: Any, y_pred: Any) -> Any:
    return tf.sqrt(tf.reduce_mean(tf.square(y_pred - y_true)))


MUTANTS = (
    CROSS_ENTROPY.replace(factory=_SoftmaxOverTheBatch, name="softmax over the batch"),
    HUBER_LOSS.replace(factory=_ScalesByTheLargest, name="scales by the largest of the batch"),
    HUBER_LOSS.replace(factory=_rms, traits={}, name="root of the mean over the batch"),
)
TWIN = CROSS_ENTROPY
