"""L203 order-invariant: the reduced value does not depend on the order of the batch."""

from __future__ import annotations

from typing import Any

from assay.conformance.context import Context
from assay.conformance.harness import losses
from assay.conformance.harness.samples import Batch, sample_of
from assay.conformance.lazy import tf
from assay.conformance.model import Level, Mode, Rule, Target, Violation
from assay.conformance.specimens import CROSS_ENTROPY, DICE_LOSS, HUBER_LOSS, SoundCrossEntropy, SoundHuber

RULE = Rule(
    id="L203",
    slug="order-invariant",
    level=Level.MUST,
    requirement="The reduced value is the same for every order of the examples, and unreduced values follow the order.",
    checks=(
        "Permutes batches of 2 to 6 examples, labels and predictions together, and compares the loss; unreduced "
        "values must be permuted alike. The permutations are drawn by Hypothesis and shrunk to a small one."
    ),
    why=(
        "Batches are shuffled. A loss that pairs rows by position, or keeps a running state, is another function at "
        "each epoch; the effect looks like noise and no seed removes it."
    ),
    bad="""
def call(self, y_true, y_pred):
    negatives = tf.roll(y_pred, 1, axis=0)  # whoever happens to be next
    return tf.nn.relu(1.0 + distance(y_true, y_pred) - distance(y_true, negatives))
""",
    good="""
def call(self, y_true, y_pred):
    distances = pairwise_distance(y_true, y_pred)  # all of them
    return tf.reduce_mean(tf.nn.relu(1.0 + tf.linalg.diag_part(distances)[:, None] - distances), axis=-1)
""",
    modes=(Mode.EAGER,),
    targets=(Target.CPU, Target.GPU),
    references=("scikit-learn: check_methods_sample_order_invariance",),
)

ROWS = 5


def check(ctx: Context) -> None:
    """Compare permutations with the order as grown."""
    sample = sample_of(ctx)

    def orders() -> Any:
        from hypothesis import strategies

        return strategies.integers(2, ROWS + 1).flatmap(lambda size: strategies.permutations(range(size)))

    def examine(order: list[int]) -> None:
        _compare(ctx, sample.grow(len(order)), list(order))

    losses.explore(ctx, [list(range(ROWS))[::-1]], orders, examine)


def _compare(ctx: Context, batch: Batch, order: list[int]) -> None:
    loss = losses.component(ctx)
    expected, found = losses.value(ctx, loss, batch), losses.value(ctx, loss, batch.take(order))
    if expected.ndim and expected.shape[0] == len(order):
        expected = expected[order]
    if found.shape == expected.shape and ctx.tolerance("loss").allows(found, expected):
        return
    raise Violation(
        f"in the order {order} the loss of {losses.counted(len(order))} is {found.ravel()[:3].tolist()}; in the first "
        f"order it is {expected.ravel()[:3].tolist()}",
        cause="an example is compared with its neighbour in the batch, or weighted by its position",
        fix="Use each example by itself, or all pairs of a batch, never a row's position.",
    )


class _NextRowIsTheNegative(SoundHuber):
    def call(self, y_true: Any, y_pred: Any) -> Any:
        far = super().call(y_true, tf.roll(y_pred, 1, axis=0))
        return tf.nn.relu(0.5 + super().call(y_true, y_pred) - far)


class _WeighsByPosition(SoundCrossEntropy):
    def values(self, labels: Any, y_pred: Any) -> Any:
        losses = super().values(labels, y_pred)
        return losses * (1.0 + 0.1 * tf.cast(tf.range(tf.size(losses)), tf.float32))


MUTANTS = (
    HUBER_LOSS.replace(factory=_NextRowIsTheNegative, traits={"mixes_examples": True}, name="next row as negative"),
    CROSS_ENTROPY.replace(factory=_WeighsByPosition, name="weighs by position"),
)
TWIN = DICE_LOSS
