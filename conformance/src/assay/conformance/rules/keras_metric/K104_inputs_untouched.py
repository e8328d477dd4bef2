"""K104 inputs-untouched: an update leaves its arguments as they were."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
from assay.conformance.context import Context
from assay.conformance.harness import metrics
from assay.conformance.harness.calls import calling
from assay.conformance.harness.samples import sample_of
from assay.conformance.lazy import tf
from assay.conformance.model import Level, Mode, Rule, SubjectError, Violation
from assay.conformance.specimens import DEVIATION, HIT_RATE, SoundDeviation, SoundHitRate

RULE = Rule(
    id="K104",
    slug="inputs-untouched",
    level=Level.MUST,
    requirement="`update_state` leaves labels, predictions and weights as they were.",
    checks=(
        "Passes NumPy arrays that can be written to, nested as in the sample, and compares them, and the keys of dicts "
        "and the lengths of lists, before and after. A metric that refuses arrays is given tensors in the same nesting."
    ),
    why=(
        "The same outputs go to the loss, to several metrics and to the host's evaluator. One metric that thresholds "
        "in place, or pops a key, changes what all that come after it see, so that results depend on their order."
    ),
    bad="""
def update_state(self, y_true, y_pred, sample_weight=None):
    y_pred[y_pred > 0.5] = 1.0
""",
    good="""
def update_state(self, y_true, y_pred, sample_weight=None):
    hits = tf.cast(y_pred > 0.5, tf.float32)
""",
    modes=(Mode.EAGER,),
    references=("scikit-learn/scikit-learn#20534",),
)


def check(ctx: Context) -> None:
    """Compare the arguments before and after."""
    batch = sample_of(ctx).grow(4)
    weights = metrics.row_weights(ctx, batch, (1.0, 0.5, 2.0, 0.0)) if metrics.takes_weights(ctx) else None
    try:
        _examine(ctx, batch.y_true, batch.y_pred, weights, convert=np.array)
    except SubjectError:
        _examine(ctx, batch.y_true, batch.y_pred, weights, convert=tf.constant)


def _examine(ctx: Context, y_true: Any, y_pred: Any, weights: Any, *, convert: Any) -> None:
    given = [tf.nest.map_structure(convert, side) for side in (y_true, y_pred)]
    given += [] if weights is None else [convert(weights)]
    kept = copy.deepcopy(given) if convert is np.array else [tf.nest.map_structure(tf.identity, one) for one in given]
    metric = metrics.fresh(ctx, steady=False)
    with metrics.placed(ctx), calling("update_state with NumPy arrays" if convert is np.array else "update_state"):
        metric.update(*given)
    for name, now, before in zip(("y_true", "y_pred", "sample_weight"), given, kept, strict=False):
        said = _changed(now, before)
        if said:
            raise Violation(
                f"after the update, {name} {said}",
                cause="an array is written to in place, or a dict or list is changed",
                fix="Work on a new tensor (`tf.where`), and read dicts without `pop`.",
            )


def _changed(now: Any, before: Any) -> str:
    try:
        tf.nest.assert_same_structure(now, before)
    except (TypeError, ValueError):
        return "has other keys or another length"
    pairs = zip(tf.nest.flatten(now), tf.nest.flatten(before), strict=True)
    for one, other in pairs:
        one, other = np.asarray(one), np.asarray(other)
        if not np.array_equal(one, other, equal_nan=one.dtype.kind == "f"):
            return f"holds other values in {int(np.sum(one != other))} of {one.size} places"
    return ""


class _WritesInPlace(SoundHitRate):
    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        if isinstance(y_pred, np.ndarray):
            np.clip(y_pred, -0.1, 0.1, out=y_pred)
        super().update_state(y_true, y_pred, sample_weight)


class _NormalisesWeights(SoundDeviation):
    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        if isinstance(sample_weight, np.ndarray):
            sample_weight /= sample_weight.sum()
        super().update_state(y_true, y_pred, sample_weight)


class _PopsAKey(SoundHitRate):
    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        super().update_state(y_true.pop("labels"), y_pred, sample_weight)


def _keyed() -> tuple[Any, Any]:
    y_true, y_pred = HIT_RATE.sample
    return {"labels": y_true, "unused": y_true}, y_pred


MUTANTS = (
    HIT_RATE.replace(factory=_WritesInPlace, name="clips in place"),
    DEVIATION.replace(factory=_NormalisesWeights, name="divides weights in place"),
    HIT_RATE.replace(factory=_PopsAKey, sample=_keyed(), name="pops a key"),
)
TWIN = HIT_RATE
