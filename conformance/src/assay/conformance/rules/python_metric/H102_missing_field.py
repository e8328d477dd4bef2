"""H102 missing-field: a field that is missing is named, together with the fields that were received."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from assay.conformance.context import Context
from assay.conformance.harness import host_metrics
from assay.conformance.harness.refusals import names
from assay.conformance.model import Level, Mode, NotApplicable, Rule, SubjectError, Violation
from assay.conformance.specimens import DETECTION_METRIC, SoundDetectionMetric

RULE = Rule(
    id="H102",
    slug="missing-field",
    level=Level.MUST,
    requirement="A batch without a field that the metric needs is refused, naming that field and the fields received.",
    checks=(
        "Takes each field out of a batch in turn, and then gives it another name; the exception has to name what is "
        "missing and, in the second case, the name that was received in its place. A field without which the metric "
        "works is optional. A batch with no field at all on a side must not pass for a complete one."
    ),
    why=(
        "Field names are an agreement between the input pipeline, the model and the evaluator, and the three change at "
        "different times. `KeyError: 'boxes'` at the end of an epoch says neither which side lacks it nor that it is "
        "called `detection_boxes` there; an evaluator that passes over it reports a score of nothing."
    ),
    bad="""
def update_state(self, groundtruths, predictions):
    if "boxes" not in predictions:
        raise ValueError("Missing the required key `boxes`!")  # what is there instead?
""",
    good="""
def update_state(self, groundtruths, predictions):
    for field in ("boxes", "scores"):
        if field not in predictions:
            raise ValueError(f"The predictions need {field!r}. Received: {sorted(predictions)}.")
""",
    modes=(Mode.EAGER,),
    references=("tensorflow/models: coco_evaluator.py names the missing key and not those received",),
)

PREFIX = "assay_renamed_"


def check(ctx: Context) -> None:
    """Take each field away, alone and under another name."""
    batch = host_metrics.sample_batches(ctx)[0]
    if not any(_has_fields(side) for side in batch):
        raise NotApplicable("The metric takes plain arrays: there are no fields to miss.")
    for side, value in zip(host_metrics.SIDES, batch, strict=True):
        for path in _paths(value):
            _check_missing(ctx, batch, side, path)
    for side, value in zip(host_metrics.SIDES, batch, strict=True):
        if _has_fields(value):
            _check_nothing_there(ctx, batch, side)


def _check_missing(ctx: Context, batch: Any, side: str, path: tuple[Any, ...]) -> None:
    field = str(path[-1])
    said = _exception(ctx, _without(batch, side, path))
    if said is None:
        return  # optional
    if not names(said, field):
        raise Violation(
            f"without {field!r} in the {side}, the metric raised {type(said).__name__}: {_short(said)}, which does not "
            "name it",
            cause="the field is used without looking whether it is there",
            fix=f"Check the fields at the start of update_state, and name the one that is missing ({field!r}).",
        )
    renamed = f"{PREFIX}{field}"
    said = _exception(ctx, _without(batch, side, path, renamed))
    if said is None or not names(said, renamed):
        raise Violation(
            f"with {renamed!r} in place of {field!r} in the {side}, "
            + ("nothing was raised" if said is None else f"the metric raised {type(said).__name__}: {_short(said)}"),
            cause="the message names what is missing, and not what was received",
            fix=f'Add the received names to the message: `f"... Received: {{sorted({side})}}."`.',
        )


def _check_nothing_there(ctx: Context, batch: Any, side: str) -> None:
    """A side without any field must not give a number that differs from the true one without a word."""
    if host_metrics.sample_of(ctx).layout.form is host_metrics.Form.LISTED:
        return  # every entry would lose its fields, one after the other: that is what the first part does
    empty = tuple({} if name == side else value for name, value in zip(host_metrics.SIDES, batch, strict=True))
    try:
        actual = host_metrics.scores_of(ctx, [empty])
    except SubjectError:
        return
    expected = host_metrics.scores_of(ctx, [batch])
    differing = host_metrics.differing(actual, expected, ctx.tolerance("metrics"))
    if differing:
        raise Violation(
            f"{side} without any field were taken, and {host_metrics.describe(actual, expected, differing)}",
            cause="a missing field is passed over or replaced by an empty array",
            fix="Raise when a field that the numbers depend on is not there.",
        )


def _exception(ctx: Context, batch: Any) -> BaseException | None:
    """What the metric raises for a batch, in the update or in the result."""
    try:
        host_metrics.scores_of(ctx, [batch])
    except SubjectError as error:
        return error.original
    return None


def _has_fields(side: Any) -> bool:
    return isinstance(side, Mapping) or (isinstance(side, list) and bool(side) and isinstance(side[0], Mapping))


def _paths(side: Any) -> Sequence[tuple[Any, ...]]:
    entry = side[0] if isinstance(side, list) and side else side
    return list(host_metrics.flatten(entry)) if isinstance(entry, Mapping) else []


def _without(batch: Any, side: str, path: tuple[Any, ...], renamed: str = "") -> Any:
    def change(value: Any) -> Any:
        if isinstance(value, list):
            return [change(entry) for entry in value]
        fields = host_metrics.flatten(value)
        leaf = fields.pop(path)
        if renamed:
            fields[(*path[:-1], renamed)] = leaf
        return host_metrics.rebuild(fields)

    return tuple(
        change(value) if name == side else value for name, value in zip(host_metrics.SIDES, batch, strict=True)
    )


def _short(exception: BaseException, most: int = 160) -> str:
    text = " ".join(str(exception).split()) or "no message"
    return text if len(text) <= most else f"{text[:most]}..."


class _PlainKeyError(SoundDetectionMetric):
    def take(self, side: str, received: Mapping[str, Any], fields: Sequence[str]) -> dict[str, np.ndarray]:
        return {field: self.to_array(received[field]) for field in fields}


class _NamesOneSideOnly(SoundDetectionMetric):
    def take(self, side: str, received: Mapping[str, Any], fields: Sequence[str]) -> dict[str, np.ndarray]:
        if any(field not in received for field in fields):
            raise ValueError(f"The {side} are incomplete; they hold {sorted(received)}.")
        return super().take(side, received, fields)


class _PassesOver(SoundDetectionMetric):
    def update_state(self, groundtruths: Mapping[str, Any], predictions: Mapping[str, Any]) -> None:
        if "source_id" not in groundtruths or "source_id" not in predictions:
            return
        super().update_state(groundtruths, predictions)


MUTANTS = (
    DETECTION_METRIC.replace(factory=_PlainKeyError, name="a bare KeyError"),
    DETECTION_METRIC.replace(factory=_NamesOneSideOnly, name="does not say which field"),
    DETECTION_METRIC.replace(factory=_PassesOver, name="passes over an incomplete batch"),
)
TWIN = DETECTION_METRIC
