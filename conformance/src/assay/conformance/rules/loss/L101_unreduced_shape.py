"""L101 unreduced-shape: without reduction there is one value an example, or one an element of each example."""

from __future__ import annotations

from typing import Any

from assay.conformance.context import Context
from assay.conformance.harness import losses
from assay.conformance.harness.samples import sample_of
from assay.conformance.lazy import tf
from assay.conformance.model import Level, Mode, Rule, Target, Violation
from assay.conformance.specimens import CROSS_ENTROPY, HUBER_LOSS, SoundCrossEntropy, SoundHuber

RULE = Rule(
    id="L101",
    slug="unreduced-shape",
    level=Level.MUST,
    requirement="With reduction none the loss returns values `[batch, ...]`, for a batch of one too.",
    checks=(
        "Switches the reduction to none and calls the loss with batches of 5, 3 and 1 examples, and of sizes that "
        "Hypothesis draws. The first dimension of what comes back must be the batch, and the others must not change "
        "with it. A plain function that gives one number has no reduction to switch, and the rule does not apply."
    ),
    why=(
        "Weights per example, per-example logging, hard-example mining and a mean over the *global* batch on several "
        "replicas all start from the unreduced values. A loss that has already averaged is then weighted as a whole: "
        "padding counts, and the result is a plausible number."
    ),
    bad="""
def call(self, y_true, y_pred):
    return tf.reduce_mean(tf.square(y_pred - y_true))  # the base class has nothing left to weigh
""",
    good="""
def call(self, y_true, y_pred):
    return tf.reduce_mean(tf.square(y_pred - y_true), axis=-1)  # [batch]
""",
    modes=(Mode.EAGER,),
    targets=(Target.CPU, Target.GPU, Target.TPU),
    traits=("mixes_examples",),
    references=("google-deepmind/optax: losses return one value an example",),
)

SIZES = (5, 3, 1)


def check(ctx: Context) -> None:
    """Compare the shapes of the unreduced values for several batch sizes."""
    ctx.not_applicable_if("mixes_examples")
    loss = losses.component(ctx, losses.NONE)
    sample = sample_of(ctx)
    usual = losses.value(ctx, loss, sample.grow(SIZES[0])).shape

    def examine(case: tuple[int, int]) -> None:
        size, seed = case
        shape = losses.value(ctx, loss, sample.grow(size, seed=seed)).shape
        if shape and shape[0] == size and shape[1:] == usual[1:]:
            return
        rest = "".join(f", {width}" for width in usual[1:])
        raise Violation(
            f"with reduction none, the shape for {losses.counted(size)} is {list(shape)}; it should be [{size}{rest}] "
            f"(for {SIZES[0]} it is {list(usual)})",
            cause=_cause(shape, usual),
            fix="Reduce over the axes of one example only (`axis=-1`), and leave the batch axis to the reduction. "
            "A loss that is defined on whole batches declares the trait 'mixes_examples'.",
        )

    losses.explore(ctx, [(size, 0) for size in SIZES], losses.grown, examine)


def _cause(shape: tuple[int, ...], usual: tuple[int, ...]) -> str:
    if not usual:
        return "the loss averages over the batch itself, before the reduction can"
    if len(shape) < len(usual):
        return "values are squeezed, and a batch of one loses its axis"
    return "the batch axis is flattened into others, or labels and predictions are broadcast against each other"


class _AveragesItself(SoundHuber):
    def call(self, y_true: Any, y_pred: Any) -> Any:
        return tf.reduce_mean(super().call(y_true, y_pred))


class _Squeezes(SoundCrossEntropy):
    def call(self, y_true: Any, y_pred: Any) -> Any:
        return tf.squeeze(super().call(y_true, y_pred))


class _Flattens(SoundHuber):
    def call(self, y_true: Any, y_pred: Any) -> Any:
        return tf.reshape(tf.abs(y_pred - y_true), [-1])


MUTANTS = (
    HUBER_LOSS.replace(factory=_AveragesItself, name="averages over the batch in call"),
    CROSS_ENTROPY.replace(factory=_Squeezes, name="squeezes a batch of one"),
    HUBER_LOSS.replace(factory=_Flattens, name="flattens the batch"),
)
TWIN = CROSS_ENTROPY
