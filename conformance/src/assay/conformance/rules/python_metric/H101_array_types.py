"""H101 array-types: NumPy arrays, tensors and tuples of the values of several replicas give the same result."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from assay.conformance.context import Context
from assay.conformance.harness import host_metrics
from assay.conformance.harness.calls import calling
from assay.conformance.harness.host_metrics import Handed
from assay.conformance.harness.refusals import is_refusal
from assay.conformance.model import Level, Mode, NotApplicable, Rule, SubjectError, Violation
from assay.conformance.specimens import DETECTION_METRIC, SoundDetectionMetric

RULE = Rule(
    id="H101",
    slug="array-types",
    level=Level.MUST,
    requirement="NumPy arrays, tensors, and tuples with the values of each replica give the same result.",
    checks=(
        "Feeds the sample's batches as NumPy arrays, as eager tensors, and with every array as a tuple of one part, of "
        "two, and of two of which one is empty, as `strategy.experimental_local_results` hands them over, and compares "
        "the results. A kind of array that the metric refuses in so many words is not held against it."
    ),
    why=(
        "The evaluation loop hands a host metric whatever the step returned: eager tensors on one device, tuples of "
        "tensors under a distribution strategy, in unequal parts at the end of the data. `np.asarray` of a tuple makes "
        "a new first axis, and `values[0]` takes the first replica only; both give a number, and it is wrong by a "
        "factor that nobody sees."
    ),
    bad="""
def update_state(self, groundtruths, predictions):
    labels = groundtruths["labels"]
    if isinstance(labels, tuple):
        labels = labels[0]  # the examples of every other replica are gone
""",
    good="""
def to_array(value):
    if isinstance(value, tuple):  # one entry a replica
        return np.concatenate([np.asarray(part) for part in value])
    return np.asarray(value)
""",
    modes=(Mode.EAGER,),
    references=("tensorflow/models: official/vision/evaluation/coco_evaluator.py _convert_to_numpy",),
)

Convert = Callable[[Any], Any]


def check(ctx: Context) -> None:
    """Compare each way of handing over the arrays with the one that the sample has."""
    host_metrics.baseline(ctx)  # two equal runs agree
    batches = host_metrics.sample_batches(ctx)
    own = host_metrics.takes(ctx)[0]
    plain: dict[str, Convert] = {Handed.ARRAYS: lambda side: side, Handed.TENSORS: host_metrics.as_tensors}
    expected = _scores(ctx, batches, plain[own], own)
    layout = host_metrics.sample_of(ctx).layout
    ways = {what: convert for what, convert in plain.items() if what != own}
    if layout.form is host_metrics.Form.ROWS and not _has_other_leaves(batches):
        ways |= {
            "tuples of one array": _each(lambda array: (array,)),
            "tuples of two arrays": _each(_halves),
            "tuples of two arrays, the second one empty": _each(lambda array: (array, array[:0])),
            "tuples of two tensors": _each(lambda array: tuple(map(host_metrics.as_tensors, _halves(array)))),
        }
    refused = {}
    for what, convert in ways.items():
        try:
            actual = _scores(ctx, batches, convert, what)
        except SubjectError as error:
            if not is_refusal(error.original):
                raise
            refused[what] = error.original
            continue
        differing = host_metrics.differing(actual, expected, ctx.tolerance("metrics"))
        if differing:
            raise Violation(
                f"with {what}, {host_metrics.describe(actual, expected, differing)} with {own}",
                cause="a tuple was stacked to a new axis, or only the values of one replica were used"
                if "tuple" in what
                else "tensors take another path through the metric than arrays",
                fix="Turn every input into one array first: join a tuple along the first axis, then `np.asarray`.",
            )
    if len(refused) == len(ways):
        first = next(iter(refused.items()))
        raise NotApplicable(f"The metric takes {own} only; of {first[0]} it says: {first[1]}")


def _scores(ctx: Context, batches: Any, convert: Convert, what: str) -> host_metrics.Scores:
    with host_metrics.seeded(ctx.seed):
        metric = host_metrics.make_metric(ctx)
        for number, batch in enumerate(batches, start=1):
            sides = [convert(host_metrics.map_leaves(np.copy, side)) for side in batch]
            with calling(f"update_state with {what} (batch {number})"), host_metrics.quietly():
                metric.update_state(*sides)
        return host_metrics.result(metric, f"result() after {what}")


def _each(change: Callable[[np.ndarray], Any]) -> Convert:
    """A conversion of sides that changes each array."""
    return lambda side: host_metrics.map_leaves(change, side)


def _halves(array: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    first = (len(array) + 1) // 2
    return array[:first], array[first:]


def _has_other_leaves(batches: Any) -> bool:
    """Whether a leaf has no examples to share out between replicas."""
    leaves: list[Any] = []
    for batch in batches:
        for side in batch:
            found = host_metrics.flatten(side)
            sizes = [len(leaf) if isinstance(leaf, list) or np.ndim(leaf) else None for leaf in found.values()]
            leaves += [isinstance(leaf, list) for leaf in found.values()] + [None in sizes]
    return any(leaves)


class _FirstReplicaOnly(SoundDetectionMetric):
    def to_array(self, value: Any) -> np.ndarray:
        return np.asarray(value[0] if isinstance(value, tuple) else value)


class _StacksReplicas(SoundDetectionMetric):
    def to_array(self, value: Any) -> np.ndarray:
        return np.asarray(value)  # a tuple of equal parts becomes [replicas, batch, ...]


class _AsksForArrays(SoundDetectionMetric):
    def to_array(self, value: Any) -> np.ndarray:
        return np.concatenate([part.copy() for part in value]) if isinstance(value, tuple) else value.copy()


MUTANTS = (
    DETECTION_METRIC.replace(factory=_FirstReplicaOnly, name="uses the first replica only"),
    DETECTION_METRIC.replace(factory=_StacksReplicas, name="stacks the replicas"),
    DETECTION_METRIC.replace(factory=_AsksForArrays, name="calls a method that tensors do not have"),
)
TWIN = DETECTION_METRIC
