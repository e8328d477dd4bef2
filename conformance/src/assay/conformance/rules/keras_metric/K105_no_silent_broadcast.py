"""K105 no-silent-broadcast: shapes that do not match are aligned or refused, and never spread over each other."""

from __future__ import annotations

from typing import Any

import numpy as np
from assay.conformance.context import Context
from assay.conformance.harness import metrics
from assay.conformance.harness.calls import calling
from assay.conformance.harness.samples import Batch, sample_of
from assay.conformance.lazy import tf
from assay.conformance.model import Level, Mode, NotApplicable, Rule, SubjectError, Violation
from assay.conformance.specimens import DEVIATION, HIT_RATE, SoundDeviation, SoundHitRate

RULE = Rule(
    id="K105",
    slug="no-silent-broadcast",
    level=Level.MUST,
    requirement="Labels `[n]` and `[n, 1]`, and weights of one number an example, are aligned or refused, and never "
    "broadcast over other examples.",
    checks=(
        "Adds a last dimension of one to labels (or takes it away) and compares the result with that of the sample's "
        "own shape; an exception is accepted. Then gives as many examples as a row has values, with weights of zero "
        "and one, `[n]` and `[n, 1]`, and compares with the examples of weight one alone."
    ),
    why=(
        "`[n] - [n, 1]` is `[n, n]`: every prediction is compared with every label and the mean looks like a metric. "
        "Weights `[n]` times values `[n, n]` weigh columns instead of examples, and nobody notices."
    ),
    bad="""
def update_state(self, y_true, y_pred, sample_weight=None):
    self.total.assign_add(tf.reduce_mean(tf.abs(y_true - y_pred)))
""",
    good="""
def update_state(self, y_true, y_pred, sample_weight=None):
    y_true.shape.assert_is_compatible_with(y_pred.shape)
""",
    modes=(Mode.EAGER,),
    references=("tensorflow/tensorflow#30040",),
)

ROWS = 4


def check(ctx: Context) -> None:
    """Try other ranks of labels and of weights."""
    looked = _check_labels(ctx)
    if metrics.takes_weights(ctx):
        _check_weights(ctx)
        looked = True
    if not looked:
        raise NotApplicable("The labels have no last dimension to add or to take away, and there are no weights.")


def _check_labels(ctx: Context) -> bool:
    sample = sample_of(ctx)
    if len(sample.layout.truth) != 1 or len(sample.layout.predictions) != 1:
        return False
    batch = sample.grow(ROWS)
    truth, expected = batch.truth[0], metrics.evaluate(ctx, [batch])
    if truth.ndim == 1:
        other = truth[:, np.newaxis]
    elif truth.ndim == 2 and truth.shape[1] == 1:
        other = truth[:, 0]
    else:
        return False
    metric = metrics.fresh(ctx)
    try:
        with metrics.placed(ctx), calling("update_state"):
            metric.update(tf.constant(other), tf.constant(batch.predictions[0]))
        found = metrics.result(ctx, metric)
    except SubjectError:
        return True  # refused
    differs = metrics.difference(ctx, found, expected)
    if differs:
        raise _violation(f"with labels {list(other.shape)} in place of {list(truth.shape)}, {differs}")
    return True


def _check_weights(ctx: Context) -> None:
    sample = sample_of(ctx)
    shape = sample.batch.truth[0].shape
    square = shape[1] if len(shape) == 2 and shape[1] > 1 else ROWS
    batch = sample.grow(square)
    values = np.asarray([1.0, 0.0] * square, np.float32)[:square]
    kept = batch.take([row for row in range(square) if values[row]])
    expected = metrics.evaluate(ctx, [kept], [metrics.row_weights(ctx, kept, [1.0] * kept.size)])
    for weights in (values, values[:, np.newaxis]):
        found = _weighted(ctx, batch, weights)
        differs = "" if found is None else metrics.difference(ctx, found, expected)
        if differs:
            raise _violation(
                f"with {square} labels {list(batch.truth[0].shape)} and weights {list(weights.shape)} that are 1 and 0 "
                f"in turn, {differs}, as of the examples of weight 1"
            )


def _weighted(ctx: Context, batch: Batch, weights: np.ndarray) -> metrics.Numbers | None:
    try:
        return metrics.evaluate(ctx, [batch], [weights])
    except SubjectError:
        return None


def _violation(observed: str) -> Violation:
    return Violation(
        observed,
        cause="arrays of different rank are combined, and NumPy's rule of broadcasting makes a table of them",
        fix="Compare the ranks first: squeeze a last dimension of one, and refuse what does not fit.",
    )


class _SpreadsLabels(SoundHitRate):
    def prepare(self, y_true: Any, y_pred: Any) -> tuple[Any, Any]:
        return y_true, y_pred

    def values(self, y_true: Any, y_pred: Any) -> Any:
        hits = tf.cast(tf.equal(tf.cast(y_true, tf.int64), tf.argmax(y_pred, axis=-1)), tf.float32)
        return hits if len(hits.shape) == 1 else tf.reduce_mean(hits, axis=-1)


class _SpreadsWeights(SoundDeviation):
    def align(self, given: Any, ones: Any) -> Any:
        return given

    def values(self, y_true: Any, y_pred: Any) -> Any:
        return tf.abs(y_true - y_pred)

    def accumulate(self, values: Any, weights: Any) -> None:
        super().accumulate(values, weights * tf.ones_like(values))


MUTANTS = (
    HIT_RATE.replace(factory=_SpreadsLabels, name="spreads labels over predictions"),
    DEVIATION.replace(factory=_SpreadsWeights, name="spreads weights over columns"),
)
TWIN = HIT_RATE
