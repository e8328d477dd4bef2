"""L104 no-silent-broadcast: labels [n] and predictions [n, 1] are aligned or refused, never broadcast to [n, n]."""

from __future__ import annotations

from typing import Any

import numpy as np
from assay.conformance.context import Context
from assay.conformance.harness import losses
from assay.conformance.harness.samples import ELEMENTWISE, Batch, Domain, opposed, sample_of
from assay.conformance.lazy import tf
from assay.conformance.model import Level, Mode, NotApplicable, Rule, SubjectError, Violation
from assay.conformance.specimens import CROSS_ENTROPY, HUBER_LOSS, SoundCrossEntropy, SoundHuber

RULE = Rule(
    id="L104",
    slug="no-silent-broadcast",
    level=Level.MUST,
    requirement="Labels and predictions whose ranks differ by a trailing 1 are aligned or refused, never broadcast.",
    checks=(
        "Where each element stands for itself (numbers, binary labels, independent probabilities or logits), takes "
        "one column of the sample and calls the loss with `[n]` against `[n, 1]` in both directions: the total must "
        "be that of equal shapes, or an exception. Class ids `[n]` are also given as `[n, 1]`."
    ),
    why=(
        "A dataset yields labels `[n]` and a Dense(1) layer gives `[n, 1]`. Their difference is `[n, n]`, whose mean "
        "is a plausible loss that pulls every prediction to the mean label. Nothing fails and the model learns "
        "nothing."
    ),
    bad="""
def call(self, y_true, y_pred):
    return tf.square(y_pred - y_true)  # [n, 1] - [n] is [n, n]
""",
    good="""
def call(self, y_true, y_pred):
    if len(y_true.shape) == len(y_pred.shape) - 1:
        y_true = y_true[..., tf.newaxis]
    y_true.shape.assert_is_compatible_with(y_pred.shape)
    return tf.square(y_pred - y_true)
""",
    modes=(Mode.EAGER,),
    traits=("domain",),
    references=("tensorflow/tensorflow#30040", "keras-team/keras#14627"),
)

ROWS = 4


def check(ctx: Context) -> None:
    """Compare mixed ranks with equal ranks."""
    sample = sample_of(ctx)

    def cases() -> Any:
        return losses.grown(2, ROWS + 1)

    losses.explore(ctx, [(ROWS, 0)], cases, lambda case: _examine(ctx, sample.grow(case[0], seed=case[1])), examples=4)


def _examine(ctx: Context, batch: Batch) -> None:
    if len(batch.truth) != 1 or len(batch.predictions) != 1:
        raise NotApplicable("The sample has several labels or predictions, so ranks are not compared.")
    truth, prediction = batch.layout.truth[0], batch.layout.predictions[0]
    if truth.domain is Domain.CLASS_IDS:
        _check_ids(ctx, batch)
        return
    if truth.domain not in ELEMENTWISE or prediction.domain not in ELEMENTWISE:
        raise NotApplicable(f"A row of {truth.domain} or {prediction.domain} cannot be cut down to one element.")
    if batch.truth[0].shape != batch.predictions[0].shape and batch.truth[0].size != batch.predictions[0].size:
        raise NotApplicable("Labels and predictions are of different shapes, so that no column can be taken of both.")
    column = [array.reshape(batch.size, -1)[:, :1] for array in (batch.truth[0], batch.predictions[0])]
    flat = [array[:, 0] for array in column]
    references = [total for pair in (column, flat) if (total := _total(ctx, batch, *pair)) is not None]
    if not references:
        raise NotApplicable("The loss refuses a single column, so that ranks cannot be compared.")
    if _looks_at_rows(ctx, batch, column):
        raise NotApplicable("One column alone does not move the loss: it looks at whole rows, as a softmax does.")
    for labels, predictions in ((flat[0], column[1]), (column[0], flat[1])):
        _compare(ctx, _total(ctx, batch, labels, predictions), references, labels, predictions)


def _looks_at_rows(ctx: Context, batch: Batch, column: list[np.ndarray]) -> bool:
    """Whether a column of predictions says nothing by itself: the softmax of one number is 1 whatever the number."""
    totals = [_total(ctx, batch, labels, column[1]) for labels in (column[0], column[0][::-1])]
    if totals[0] is None or totals[1] is None or not ctx.tolerance("loss").allows(totals[0], totals[1]):
        return False
    moved = batch.map_predictions(lambda leaf, array: opposed(leaf, array))
    found = _total(ctx, batch, column[0], moved.predictions[0].reshape(batch.size, -1)[:, :1])
    return found is not None and ctx.tolerance("loss").allows(found, totals[0])


def _check_ids(ctx: Context, batch: Batch) -> None:
    labels, predictions = batch.truth[0], batch.predictions[0]
    other = labels[..., 0] if labels.ndim == predictions.ndim else labels[..., np.newaxis]
    if other.ndim not in (predictions.ndim, predictions.ndim - 1):
        raise NotApplicable("The class ids are not one an example or one a row of predictions.")
    reference = _total(ctx, batch, labels, predictions)
    if reference is not None:
        _compare(ctx, _total(ctx, batch, other, predictions), [reference], other, predictions)


def _total(ctx: Context, batch: Batch, labels: np.ndarray, predictions: np.ndarray) -> float | None:
    """The loss, added up when it is unreduced; None when it is refused."""
    changed = Batch(batch.layout, (labels,), (predictions,), batch.size)
    try:
        return float(np.sum(losses.value(ctx, losses.component(ctx), changed)))
    except SubjectError:
        return None


def _compare(
    ctx: Context, found: float | None, references: list[float], labels: np.ndarray, predictions: np.ndarray
) -> None:
    if found is None or any(ctx.tolerance("loss").allows(found, reference) for reference in references):
        return
    raise Violation(
        f"labels {list(labels.shape)} with predictions {list(predictions.shape)} give {found:.6g}; the same values "
        f"with fitting shapes give {references[0]:.6g}",
        cause="the shapes are broadcast against each other, so that each label meets each prediction",
        fix="Bring the labels to the rank of the predictions, or raise an error that names both shapes.",
    )


class _Broadcasts(SoundHuber):
    def prepare(self, y_true: Any, y_pred: Any) -> tuple[Any, Any]:
        return tf.cast(y_true, tf.float32), tf.cast(y_pred, tf.float32)


class _GathersWithTheWholeBatch(SoundCrossEntropy):
    def prepare(self, y_true: Any, y_pred: Any) -> tuple[Any, Any]:
        return tf.cast(y_true, tf.int32), tf.cast(y_pred, tf.float32)

    def values(self, labels: Any, y_pred: Any) -> Any:
        return -tf.reduce_sum(tf.one_hot(labels, y_pred.shape[-1]) * tf.nn.log_softmax(y_pred), axis=-1)


MUTANTS = (
    HUBER_LOSS.replace(factory=_Broadcasts, name="subtracts unequal ranks"),
    CROSS_ENTROPY.replace(factory=_GathersWithTheWholeBatch, name="one-hot of a column meets every row"),
)
TWIN = HUBER_LOSS
