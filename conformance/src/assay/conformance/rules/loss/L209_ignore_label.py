"""L209 ignore-label: elements with the ignored label change neither value nor gradient."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from assay.conformance.context import Context
from assay.conformance.harness import losses
from assay.conformance.harness.samples import Batch, sample_of
from assay.conformance.lazy import tf
from assay.conformance.model import Level, Mode, NotApplicable, Rule, Target, Violation
from assay.conformance.specimens import IGNORING_LOSS, SoundCrossEntropy

RULE = Rule(
    id="L209",
    slug="ignore-label",
    level=Level.MUST,
    requirement="The predictions of elements with the ignored label change neither the loss nor any gradient.",
    checks=(
        "Gives two of five examples, and others that Hypothesis draws, the label that the trait `ignore_label` names, "
        "changes their predictions a lot, and compares values and gradients. The gradients of the two must be zero."
    ),
    why=(
        "Void pixels and padding are labelled 255 or -1. When they are clipped to a class, or kept in a penalty on "
        "the logits, the model learns to predict that class wherever there is padding."
    ),
    bad="""
labels = tf.minimum(y_true, num_classes - 1)  # 255 becomes the last class
""",
    good="""
valid = tf.not_equal(y_true, 255)
losses = cross_entropy(tf.where(valid, y_true, 0), y_pred) * tf.cast(valid, tf.float32)
""",
    modes=(Mode.EAGER,),
    targets=(Target.CPU, Target.GPU, Target.TPU),
    traits=("ignore_label",),
    references=("tensorflow/models: the ignore label 255 of segmentation",),
)

ROWS = 5
IGNORED = (1, 3)
_FAR = 5.0


def ignoring(ctx: Context, batch: Batch, rows: Any) -> Batch:
    """Return a batch whose labels in some rows are the ignored one."""
    label = ctx.trait("ignore_label")
    if label is None:
        raise NotApplicable("The loss declares no 'ignore_label'.")
    arrays = [array.copy() for array in batch.truth]
    for array in arrays:
        if array.dtype.kind in "iuf" and array.ndim:
            array[list(rows)] = label
    return batch.with_truth(arrays)


def check(ctx: Context) -> None:
    """Change predictions under the ignored label."""
    if ctx.trait("ignore_label") is None:
        raise NotApplicable("The loss declares no 'ignore_label'.")

    def cases() -> Any:
        from hypothesis import strategies

        marks = strategies.lists(strategies.booleans(), min_size=1, max_size=6).filter(any)
        return marks.map(lambda found: tuple(row for row, marked in enumerate(found) if marked)).flatmap(
            lambda rows: strategies.tuples(strategies.integers(rows[-1] + 1, 6), strategies.just(rows))
        )

    losses.explore(ctx, [(ROWS, IGNORED)], cases, lambda case: _examine(ctx, *case), examples=6)


def _examine(ctx: Context, size: int, ignored: Sequence[int]) -> None:
    batch, rows = ignoring(ctx, sample_of(ctx).grow(size), ignored), list(ignored)
    other = [array.copy() for array in batch.predictions]
    for array in other:
        array[rows] = np.roll(array[rows], 1, axis=-1) * _FAR
    changed = batch.with_predictions(other)
    said = f"in a batch of {size} whose examples {rows} have the ignored label"
    for reduction in (losses.DEFAULT, losses.SUM):
        if not losses.has_reduction(ctx, reduction):
            continue
        loss = losses.component(ctx, reduction)
        expected, found = losses.gradient(ctx, loss, batch), losses.gradient(ctx, loss, changed)
        if not ctx.tolerance("loss").allows(found.value, expected.value):
            raise _violation(
                f"{said}, with reduction {reduction}, other predictions for them move the loss from "
                f"{np.ravel(expected.value)[:3].tolist()} to {np.ravel(found.value)[:3].tolist()}"
            )
        for gradient in found.gradients:
            if gradient is not None and np.any(gradient[rows]):
                most = float(np.abs(gradient[rows]).max())
                raise _violation(f"{said}, with reduction {reduction}, their gradients reach {most:.3g}")


def _violation(observed: str) -> Violation:
    return Violation(
        observed,
        cause="the ignored label is clipped or mapped to a class, or a term is added that does not know of it",
        fix="Replace the label by a valid one, compute, and multiply every term by the mask of valid elements.",
    )


class _ClipsTheLabel(SoundCrossEntropy):
    def call(self, y_true: Any, y_pred: Any) -> Any:
        return self.values(tf.minimum(y_true, y_pred.shape[-1] - 1), y_pred)


class _PenaltyOnAll(SoundCrossEntropy):
    def call(self, y_true: Any, y_pred: Any) -> Any:
        return super().call(y_true, y_pred) + 1e-2 * tf.reduce_sum(tf.square(y_pred), axis=-1)


def _made(cls: type[SoundCrossEntropy]) -> Any:
    return lambda: cls(ignore_label=255)


MUTANTS = (
    IGNORING_LOSS.replace(factory=_made(_ClipsTheLabel), name="clips the ignored label"),
    IGNORING_LOSS.replace(factory=_made(_PenaltyOnAll), name="a penalty on all logits"),
)
TWIN = IGNORING_LOSS
