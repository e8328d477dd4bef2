"""K210 ignore-label: elements with the ignored label count for nothing."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from assay.conformance.context import Context
from assay.conformance.harness import metrics
from assay.conformance.harness.samples import Batch, Domain
from assay.conformance.lazy import tf
from assay.conformance.model import Level, Mode, NotApplicable, Rule, Target, Violation
from assay.conformance.specimens import IGNORING_HIT_RATE, SoundIgnoringHitRate

RULE = Rule(
    id="K210",
    slug="ignore-label",
    level=Level.MUST,
    requirement="Elements with the ignored label count for nothing, whatever is predicted for them.",
    checks=(
        "Gives whole examples the label that the trait `ignore_label` names: the result must be that without these "
        "examples, and stay when their predictions change. Where an example has several labels, gives one of them the "
        "ignored label and changes the prediction that belongs to it, too."
    ),
    why=(
        "Void pixels and padding are labelled 255 or -1. Clipped to a class, or left in the count that the sum is "
        "divided by, they move the score by as much as there is padding, which depends on how images were cropped."
    ),
    bad="""
labels = tf.minimum(y_true, num_classes - 1)  # 255 becomes the last class
""",
    good="""
weights = tf.cast(tf.not_equal(y_true, 255), tf.float32)
labels = tf.where(tf.equal(y_true, 255), 0, y_true)
""",
    modes=(Mode.EAGER,),
    targets=(Target.CPU, Target.GPU, Target.TPU),
    traits=("ignore_label",),
    references=("tensorflow/models: the ignore label 255 of segmentation",),
)

ROWS = 5
IGNORED = (1, 3)


def check(ctx: Context) -> None:
    """Ignore examples, and single labels."""
    label = ctx.trait("ignore_label")
    if label is None:
        raise NotApplicable("The subject declares no trait 'ignore_label'.")
    before, batch = metrics.contrasting(ctx, 3, ROWS)
    whole = [np.isin(np.arange(ROWS), IGNORED).reshape([-1] + [1] * (one.ndim - 1)) for one in batch.truth]
    masks = [np.broadcast_to(mask, one.shape) for mask, one in zip(whole, batch.truth, strict=True)]
    ignoring = _with_label(batch, masks, label)
    kept = batch.take([row for row in range(ROWS) if row not in IGNORED])
    found = metrics.evaluate(ctx, [before, ignoring])
    differs = metrics.difference(ctx, found, metrics.evaluate(ctx, [before, kept]))
    if differs:
        raise _violation(f"with the label {label} for examples {list(IGNORED)}, {differs}, as without them")
    _compare(ctx, before, ignoring, _changed(ignoring, masks), f"examples {list(IGNORED)}, which have the label")
    if any(one.ndim > 1 and one.shape[1] > 1 for one in batch.truth):
        masks = [_first_of_each(one) for one in batch.truth]
        ignoring = _with_label(batch, masks, label)
        _compare(ctx, before, ignoring, _changed(ignoring, masks), "the first elements, which have the label")


def _compare(ctx: Context, before: Batch, ignoring: Batch, changed: Batch, where: str) -> None:
    """The result must stay when ignored predictions change."""
    expected = metrics.evaluate(ctx, [before, ignoring])
    differs = metrics.difference(ctx, metrics.evaluate(ctx, [before, changed]), expected)
    if differs:
        label = ctx.trait("ignore_label")
        raise _violation(f"with other predictions for {where} {label}, {differs}, as with the predictions of before")


def _with_label(batch: Batch, masks: Sequence[np.ndarray], label: int) -> Batch:
    pairs = zip(batch.truth, masks, batch.layout.truth, strict=True)
    changed = [
        np.where(mask, label, array) if leaf.domain in (Domain.CLASS_IDS, Domain.POSITIVE, Domain.REAL) else array
        for array, mask, leaf in pairs
    ]
    if all(np.array_equal(one, other) for one, other in zip(changed, batch.truth, strict=True)):
        raise NotApplicable("The labels are not class ids, so that none can be the ignored one.")
    return batch.with_truth(changed)


def _changed(batch: Batch, masks: Sequence[np.ndarray]) -> Batch:
    """The batch with the predictions of ignored labels turned round: another class is the highest, in the domain."""
    arrays = [array.copy() for array in batch.predictions]
    for truth, mask in zip(batch.layout.truth, masks, strict=True):
        if truth.partner is None:
            continue
        array = arrays[truth.partner]
        mask = mask[..., 0] if mask.ndim == array.ndim and mask.shape != array.shape else mask
        if mask.shape == array.shape:
            array[mask] = array.max(initial=0) + array.min(initial=0) - array[mask]
        elif array.shape[: mask.ndim] == mask.shape:
            array[mask] = np.roll(array[mask], 1, axis=-1)
    return batch.with_predictions(arrays)


def _first_of_each(array: np.ndarray) -> np.ndarray:
    mask = np.zeros(array.shape, bool)
    if array.ndim > 1:
        mask.reshape(array.shape[0], -1)[:, 0] = True
    return mask


def _violation(observed: str) -> Violation:
    return Violation(
        observed,
        cause="the ignored label is clipped or mapped to a class, or stays in the count that is divided by",
        fix="Give elements with the ignored label weight zero, in the sum and in the count.",
    )


class _ClipsToTheLastClass(SoundIgnoringHitRate):
    def prepare(self, y_true: Any, y_pred: Any) -> tuple[Any, Any]:
        y_true, y_pred = super().prepare(y_true, y_pred)
        return tf.minimum(y_true, y_pred.shape[-1] - 1), y_pred


class _StaysInTheCount(SoundIgnoringHitRate):
    def valid(self, y_true: Any, weights: Any) -> Any:
        return weights


class _IgnoresByTheFirst(SoundIgnoringHitRate):
    def valid(self, y_true: Any, weights: Any) -> Any:
        return tf.where(tf.equal(y_true[:1], self.ignore_label), tf.zeros_like(weights), weights)


MUTANTS = (
    IGNORING_HIT_RATE.replace(factory=_ClipsToTheLastClass, name="clips the ignored label to a class"),
    IGNORING_HIT_RATE.replace(factory=_StaysInTheCount, name="keeps ignored examples in the count"),
    IGNORING_HIT_RATE.replace(factory=_IgnoresByTheFirst, name="looks at the first label only"),
)
TWIN = IGNORING_HIT_RATE
