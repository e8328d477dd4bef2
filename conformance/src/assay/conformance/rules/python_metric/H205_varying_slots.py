"""H205 varying-slots: batches may differ in size and in the number of slots, none at all included."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from assay.conformance.context import Context
from assay.conformance.harness import host_metrics
from assay.conformance.harness.host_metrics import PREDICTIONS, SIDES
from assay.conformance.harness.searching import search
from assay.conformance.model import Level, Mode, Rule, SubjectError, Violation
from assay.conformance.specimens import DETECTION_METRIC, SoundDetectionMetric

RULE = Rule(
    id="H205",
    slug="varying-slots",
    level=Level.MUST,
    requirement="Batches may differ in batch size and in the number of slots, and a batch may have no slot at all.",
    checks=(
        "Gives one example no object and another one a single object, on each side that has slots, feeds groups of 1, "
        "3 and all the rest with as few slots as each group needs (0, 1, many) in random orders, and compares with the "
        "same groups padded to equal slots. Without slots the batch size alone varies. An empty batch may be refused; "
        "when it is taken it must change nothing."
    ),
    why=(
        "The last batch of an evaluation is short, and ragged pipelines pad each batch to its own longest example. "
        "Arrays of different widths cannot be concatenated, a buffer allocated at the first batch does not hold the "
        "second, and `max()` of no slots raises: at the end of an epoch, on the one batch without any detection."
    ),
    bad="""
def update_state(self, groundtruths, predictions):
    self.boxes.append(predictions["boxes"])  # [batch, slots, 4]

def result(self):
    boxes = np.concatenate(self.boxes)  # fails when slots differ
""",
    good="""
def update_state(self, groundtruths, predictions):
    for boxes, count in zip(predictions["boxes"], predictions["num_detections"]):
        self.boxes.append(boxes[:count])  # one [n, 4] an image
""",
    modes=(Mode.EAGER,),
    traits=("count_field", "slot_fields", "order_dependent"),
)

GROUP_SIZES = (1, 1, 3)
WIDER = 2


def check(ctx: Context) -> None:
    """Vary batch sizes and slots, first in the plain orders, then at random."""
    host_metrics.baseline(ctx, at_least=3)
    groups = _groups(ctx)
    orders = [list(range(len(groups)))]
    if not ctx.trait("order_dependent"):
        orders += [orders[0][::-1]]
    for order in orders:
        _compare(ctx, groups, order, [0] * len(groups))
    _check_empty_batch(ctx, groups)

    def cases() -> Any:
        from hypothesis import strategies as st

        some = st.permutations(orders[0]) if not ctx.trait("order_dependent") else st.just(orders[0])
        return st.tuples(some, st.lists(st.integers(0, WIDER), min_size=len(groups), max_size=len(groups)))

    search(ctx, cases, lambda case: _compare(ctx, groups, *case))


def _groups(ctx: Context) -> list[list[host_metrics.Example]]:
    """The examples in groups of 1, 1, 3 and the rest; the first has no object on any side, the second one of each."""
    layout = host_metrics.sample_of(ctx).layout
    examples = list(host_metrics.examples_of(ctx))
    # In flat batches an example without objects on both sides is not there at all.
    for side in SIDES if layout.form is not host_metrics.Form.FLAT else (PREDICTIONS,):
        if layout.may_be_empty(side):
            examples[0] = host_metrics.without_objects(layout, examples[0], side)
            examples[1] = host_metrics.keep_objects(layout, examples[1], side, slice(0, 1))
    groups = []
    for size in GROUP_SIZES:
        groups.append(examples[:size])
        examples = examples[size:]
    return [group for group in [*groups, examples] if group]


def _compare(ctx: Context, groups: Sequence[Any], order: Sequence[int], wider: Sequence[int]) -> None:
    """Compare groups with slots of their own with the same groups at equal slots, or in one batch without slots."""
    layout = host_metrics.sample_of(ctx).layout
    chosen = [groups[index] for index in order]
    everything = [example for group in groups for example in group]
    needed = {side: max(host_metrics.objects(layout, example, side) for example in everything) for side in SIDES}
    equal = {side: most + WIDER for side, most in needed.items()}
    own = [
        {side: max(host_metrics.objects(layout, example, side) for example in group) + more for side in SIDES}
        for group, more in zip(chosen, wider, strict=True)
    ]
    batches = [
        batch
        for group, slots in zip(chosen, own, strict=True)
        for batch in host_metrics.join(layout, group, slots=slots)
    ]
    if any(layout.sides[side].padded for side in SIDES):
        same = [batch for group in chosen for batch in host_metrics.join(layout, group, slots=equal)]
        what = "with equal slots"
    else:
        same, what = host_metrics.join(layout, everything), "in one batch"
    actual, expected = host_metrics.scores_of(ctx, batches), host_metrics.scores_of(ctx, same)
    differing = host_metrics.differing(actual, expected, ctx.tolerance("metrics"))
    if differing:
        sizes = ", ".join(str(len(group)) for group in chosen)
        slots = "; ".join(f"{side}: {', '.join(str(one[side]) for one in own)} slots" for side in SIDES if needed[side])
        raise Violation(
            f"in batches of {sizes} examples{f' ({slots})' if slots else ''}, "
            f"{host_metrics.describe(actual, expected, differing)} {what}",
            cause="the number of slots, or of examples, of one batch is used for another, or enters the result",
            fix="Take the objects of each example out of the batch by its count, and keep them by themselves.",
        )


def _check_empty_batch(ctx: Context, groups: Sequence[Any]) -> None:
    """A batch of no example may be refused; when it is taken, it must not change the result."""
    layout = host_metrics.sample_of(ctx).layout
    examples = [example for group in groups for example in group]
    empty = host_metrics.empty_batch(layout, examples)
    if empty is None:
        return
    batches = host_metrics.join(layout, examples)
    try:
        actual = host_metrics.scores_of(ctx, [*batches, empty])
    except SubjectError:
        return
    expected = host_metrics.scores_of(ctx, batches)
    differing = host_metrics.differing(actual, expected, ctx.tolerance("metrics"))
    if differing:
        raise Violation(
            f"with a batch of no examples at the end, {host_metrics.describe(actual, expected, differing)} without it",
            cause="a mean over the batch is taken, which for no examples is NaN or 0",
            fix="Add sums and counts to the state instead of means.",
        )


class _ConcatenatesBatches(SoundDetectionMetric):
    def reset_state(self) -> None:
        super().reset_state()
        self.boxes: list[np.ndarray] = []

    def update_state(self, groundtruths: Any, predictions: Any) -> None:
        super().update_state(groundtruths, predictions)
        boxes = self.__dict__.setdefault("boxes", [])
        boxes.append(self.to_array(predictions["detection_boxes"]))

    def result(self) -> dict[str, Any]:
        if self.__dict__.get("boxes"):
            np.concatenate(self.boxes)
        return super().result()


class _FirstWidth(SoundDetectionMetric):
    """Has room for as many detections as the first batch has slots."""

    slots = -1

    def update_state(self, groundtruths: Any, predictions: Any) -> None:
        if self.slots < 0:
            self.slots = self.to_array(predictions["detection_boxes"]).shape[1]
        super().update_state(groundtruths, predictions)

    def detections(self, found: Any, row: int) -> int:
        return min(self.slots, super().detections(found, row))


class _BestOfNone(SoundDetectionMetric):
    def update_state(self, groundtruths: Any, predictions: Any) -> None:
        self.to_array(predictions["detection_scores"]).max(axis=-1)  # for a log line
        super().update_state(groundtruths, predictions)


class _SkipsNarrowBatches(SoundDetectionMetric):
    def update_state(self, groundtruths: Any, predictions: Any) -> None:
        if self.to_array(predictions["detection_boxes"]).shape[1] > 0:
            super().update_state(groundtruths, predictions)


MUTANTS = (
    DETECTION_METRIC.replace(factory=_ConcatenatesBatches, name="concatenates padded batches"),
    DETECTION_METRIC.replace(factory=_FirstWidth, name="room for the first batch"),
    DETECTION_METRIC.replace(factory=_BestOfNone, name="the best of no slots"),
    DETECTION_METRIC.replace(factory=_SkipsNarrowBatches, name="skips a batch without slots"),
)
TWIN = DETECTION_METRIC
