"""H202 padding-inert: what is in slots beyond the count, or under a false mask, changes nothing."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from assay.conformance.context import Context
from assay.conformance.harness import host_metrics
from assay.conformance.harness.host_metrics import GROUNDTRUTHS, SIDES, SideLayout
from assay.conformance.model import Level, Mode, NotApplicable, Rule, SubjectError, Violation
from assay.conformance.specimens import DETECTION_METRIC, TOKEN_METRIC, SoundDetectionMetric, SoundTokenAccuracy
from assay.conformance.specimens.host_sequences import token_batches

RULE = Rule(
    id="H202",
    slug="padding-inert",
    level=Level.MUST,
    requirement="Slots beyond the count of an example, and elements that a mask excludes, change nothing.",
    checks=(
        "Adds slots beyond the count and fills them with copies of real entries at the best score, with zeros and with "
        "-1, on either side; exchanges what lies under a false mask for values from elsewhere; appends rows that a "
        "mask `[batch]` excludes. The result must stay. The copies are also fed as counted, to see that they would "
        "matter. The count is an integer field named like one (`num_detections`), a mask a boolean field "
        "(`valid_masks`); the trait `count_field` names it otherwise."
    ),
    why=(
        "Accelerators want fixed shapes, so detections and objects come padded to 100 slots. Padding holds what the "
        "last computation left there: boxes that non-maximum suppression gathered with index 0, class -1, a score of "
        "0. An evaluator that reads all slots scores them; with zeros it looks right in every test, and with "
        "leftovers it does not."
    ),
    bad="""
for box, score in zip(predictions["detection_boxes"][row], predictions["detection_scores"][row]):
    detections.append((box, score))  # all 100 of them
""",
    good="""
count = int(predictions["num_detections"][row])
for box, score in zip(predictions["detection_boxes"][row, :count], predictions["detection_scores"][row, :count]):
    detections.append((box, score))
""",
    modes=(Mode.EAGER,),
    traits=("count_field", "slot_fields"),
    references=("tensorflow/models: coco_utils converts every slot, whatever num_detections says",),
)

MORE_SLOTS = 3
"""So many slots of padding are added: more than one wrong entry, so that ranks change."""


def check(ctx: Context) -> None:
    """Fill the padding of each side that has any."""
    expected = host_metrics.baseline(ctx)
    layout = host_metrics.sample_of(ctx).layout
    checks = [
        (side, check_side)
        for side in SIDES
        for check_side, applies in (
            (_check_slots, layout.sides[side].count is not None and layout.sides[side].slots),
            (_check_hidden, layout.sides[side].count is not None and layout.sides[side].sequence),
            (_check_hidden, layout.sides[side].mask is not None),
            (_check_rows, layout.sides[side].row_mask is not None),
        )
        if applies
    ]
    if not checks:
        raise NotApplicable(
            f"No field says what is padding ({layout}). The trait 'count_field' names one that counts slots."
        )
    effective = [check_side(ctx, side, expected) for side, check_side in checks]
    if not any(effective):
        raise NotApplicable("Even when it is counted, what was put in place of the padding does not change the result.")


def _check_slots(ctx: Context, side: str, expected: host_metrics.Scores) -> bool:
    """Fill slots beyond the count; returns whether the filling changes the result when it is counted."""
    layout, examples = host_metrics.sample_of(ctx).layout, host_metrics.examples_of(ctx)
    width = max(host_metrics.objects(layout, example, side) for example in examples) + MORE_SLOTS
    count = host_metrics.field_name(layout.sides[side].count or ())
    copies = _Copies(layout, examples, side)
    for what, junk in (("copies of real entries", copies), ("zeros", _constant(0)), ("-1", _constant(-1))):
        try:
            actual = host_metrics.scores_of_examples(ctx, examples, slots={side: width}, junk=junk)
        except SubjectError:
            if junk is copies:
                raise
            continue  # a filling that the sample does not use may be refused
        differing = host_metrics.differing(actual, expected, ctx.tolerance("metrics"))
        if differing:
            raise Violation(
                f"with {what} in the {side}' slots beyond {count!r} ({width} slots), "
                f"{host_metrics.describe(actual, expected, differing)}",
                cause=f"every slot is read, whatever {count!r} says, or another sign of padding is trusted",
                fix=f"Read the first {count!r} slots of each example and no more.",
            )
    try:
        control = host_metrics.scores_of_examples(ctx, examples, slots={side: width}, junk=copies, counts={side: width})
    except SubjectError:
        return True
    return bool(host_metrics.differing(control, expected, ctx.tolerance("metrics")))


def _check_hidden(ctx: Context, side: str, expected: host_metrics.Scores) -> bool:
    """Exchange what a mask or a count excludes; returns whether there was anything of that kind."""
    layout, examples = host_metrics.sample_of(ctx).layout, host_metrics.examples_of(ctx)
    here = layout.sides[side]
    path = here.mask if here.mask is not None else here.count
    assert path is not None
    # A mask of a sequence, or of a label map, speaks of the other side too; one of objects, and a count, do not.
    across = here.mask is not None and (bool(here.sequence) or np.ndim(examples[0].sides[side][path]) > 1)
    changed, any_hidden = [], False
    for example in examples:
        hidden = _hidden(example.sides[side], here)
        any_hidden |= bool(hidden.any())
        for other in SIDES if across else (side,):
            fields = {
                name: leaf if (other, name) == (side, path) else _exchanged(leaf, hidden)
                for name, leaf in example.sides[other].items()
            }
            example = example.with_side(other, fields)
        changed.append(example)
    actual = host_metrics.scores_of_examples(ctx, changed)
    differing = host_metrics.differing(actual, expected, ctx.tolerance("metrics"))
    if differing:
        name = host_metrics.field_name(path)
        raise Violation(
            f"with other values where {name!r} of the {side} says that there is padding, "
            f"{host_metrics.describe(actual, expected, differing)}",
            cause=f"{name!r} is applied to one part of the computation and not to another",
            fix=f"Select with {name!r} first, and compute from what is left.",
        )
    return any_hidden


def _hidden(fields: Mapping[Any, Any], layout: SideLayout) -> np.ndarray:
    """Where an example has padding."""
    if layout.mask is None:
        return np.arange(len(fields[layout.sequence[0]])) >= int(np.ravel(fields[layout.count])[0])
    hidden = ~np.asarray(fields[layout.mask], bool)
    return hidden[..., 0] if hidden.ndim > 2 and hidden.shape[-1] == 1 else hidden


def _check_rows(ctx: Context, side: str, expected: host_metrics.Scores) -> bool:
    """Append rows that the mask of rows excludes; returns whether they change the result when it does not."""
    layout, examples = host_metrics.sample_of(ctx).layout, list(host_metrics.examples_of(ctx))
    path = layout.sides[side].row_mask
    assert path is not None

    def with_rows(valid: bool) -> host_metrics.Scores:
        rows = list(examples)
        for example in examples[:MORE_SLOTS]:
            for other in SIDES:
                mask = layout.sides[other].row_mask
                if mask is not None:
                    fields = example.sides[other]
                    example = example.with_side(other, {**fields, mask: np.full_like(fields[mask], valid)})
            rows.append(
                host_metrics.with_id(layout, example, host_metrics.new_id(layout, rows)) if layout.id_sides else example
            )
        return host_metrics.scores_of_examples(ctx, rows)

    actual = with_rows(False)
    differing = host_metrics.differing(actual, expected, ctx.tolerance("metrics"))
    if differing:
        name = host_metrics.field_name(path)
        raise Violation(
            f"with {MORE_SLOTS} more rows whose {name!r} is false, "
            f"{host_metrics.describe(actual, expected, differing)}",
            cause=f"{name!r} is not looked at: the rows that fill the last batch are counted as examples",
            fix=f"Select the rows with {name!r} first.",
        )
    try:
        return bool(host_metrics.differing(with_rows(True), expected, ctx.tolerance("metrics")))
    except SubjectError:
        return True


def _exchanged(leaf: Any, hidden: np.ndarray) -> Any:
    """A copy with the hidden elements replaced by the visible ones, in turn; of another shape, as it is."""
    if np.shape(leaf)[: hidden.ndim] != hidden.shape or hidden.all():
        return leaf
    leaf = np.array(leaf)
    visible = leaf[~hidden]
    leaf[hidden] = visible[np.arange(int(hidden.sum())) % len(visible)][::-1]
    return leaf


class _Copies:
    """Fills padding with the objects of all examples in turn, at the best score that any has."""

    def __init__(self, layout: host_metrics.Layout, examples: Any, side: str) -> None:
        self.layout, self.side = layout, side
        self.rows = {
            path: np.concatenate([example.sides[side][path] for example in examples])
            for path in layout.sides[side].slots
        }

    def __call__(self, side: str, path: Any, shape: tuple[int, ...], dtype: np.dtype) -> np.ndarray:
        if side != self.side or not len(self.rows.get(path, ())):
            return np.zeros(shape, dtype)
        rows = self.rows[path]
        taken = rows[np.arange(shape[0]) % len(rows)]
        return np.full_like(taken, rows.max()) if path in self.layout.sides[side].scores else taken


def _constant(value: int) -> Any:
    def junk(side: str, path: Any, shape: tuple[int, ...], dtype: np.dtype) -> np.ndarray:
        fill: Any = value
        if dtype.kind == "u":
            fill = max(value, 0)
        elif dtype.kind in "US":
            fill = ""
        return np.full(shape, fill).astype(dtype)

    return junk


class _AllDetections(SoundDetectionMetric):
    def detections(self, found: Mapping[str, np.ndarray], row: int) -> int:
        return found["detection_boxes"].shape[1]


class _PositiveScores(SoundDetectionMetric):
    """Takes a positive score for a detection: right as long as padding is zero."""

    def detections(self, found: Mapping[str, np.ndarray], row: int) -> int:
        return int((found["detection_scores"][row] > 0).sum())


class _AllObjects(SoundDetectionMetric):
    def take(self, side: str, received: Mapping[str, Any], fields: Any) -> dict[str, np.ndarray]:
        arrays = super().take(side, received, fields)
        if side == GROUNDTRUTHS:
            arrays["num_boxes"] = (arrays["classes"] >= 0).sum(axis=-1)  # padding is -1, is it not?
        return arrays


class _CountsRightPadding(SoundTokenAccuracy):
    def hits(self, tokens: np.ndarray, found: np.ndarray, mask: np.ndarray) -> int:
        return int((tokens == found).sum())


def _with_row_mask() -> list[Any]:
    """A sample whose rows a mask may exclude, which the metric knows nothing of."""
    return [({**truth, "valid": np.ones(len(truth["tokens"]), bool)}, found) for truth, found in token_batches()]


MUTANTS = (
    DETECTION_METRIC.replace(factory=_AllDetections, name="scores every slot"),
    DETECTION_METRIC.replace(factory=_PositiveScores, name="trusts scores of 0"),
    DETECTION_METRIC.replace(factory=_AllObjects, name="trusts classes of -1"),
    TOKEN_METRIC.replace(factory=_CountsRightPadding, name="counts right padding"),
    TOKEN_METRIC.replace(sample=_with_row_mask(), name="counts rows that fill a batch"),
)
TWIN = DETECTION_METRIC
