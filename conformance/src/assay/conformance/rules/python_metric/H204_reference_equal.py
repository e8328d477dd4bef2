"""H204 reference-equal: the metric agrees with its reference, on the sample and on data grown from it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from assay.conformance.context import Context
from assay.conformance.harness import host_metrics
from assay.conformance.harness.calls import calling
from assay.conformance.harness.searching import search
from assay.conformance.model import Level, Mode, NotApplicable, NotRun, Rule, Violation
from assay.conformance.specimens import DETECTION_METRIC, SoundDetectionMetric

RULE = Rule(
    id="H204",
    slug="reference-equal",
    level=Level.MUST,
    requirement="The result agrees with the declared reference.",
    checks=(
        "Calls the trait `reference` with a list of `(groundtruths, predictions)` batches of NumPy arrays and compares "
        "what it returns, a dict of some of the result's names or one number, with the result: for the sample as it "
        "is, for examples alone, and for random choices of examples in which predictions have been exchanged. NaN in "
        "the reference stands for `undefined_value`."
    ),
    why=(
        "A score is compared with published ones, which were computed by the field's own tool. Details that look free "
        "(which of two boxes takes an object, 11 points or the area under the curve, whether a missed class counts) "
        "move it by points. The reference, slow and plain, is the only thing that can tell."
    ),
    bad="""
precision = hits / np.arange(1, len(hits) + 1)
ap = np.mean(precision)  # over detections; the definition averages over objects
""",
    good="""
precision = np.cumsum(hits) / np.arange(1, len(hits) + 1)
envelope = np.maximum.accumulate(precision[::-1])[::-1]
ap = envelope[hits].sum() / num_objects

Subject(MyMetric, sample, traits={"reference": pycocotools_scores})
""",
    modes=(Mode.EAGER,),
    traits=("reference", "undefined_value", "random_result"),
    references=("tensorflow/models#6421", "cocodataset/cocoapi: PythonAPI/pycocotools/cocoeval.py"),
)

ALONE = 8


def check(ctx: Context) -> None:
    """Compare on the sample, and on random choices of its examples."""
    reference = ctx.trait("reference")
    if reference is None:
        raise NotApplicable("The subject declares no trait 'reference' to compare with.")
    ctx.not_applicable_if("random_result")
    _compare(ctx, reference, host_metrics.sample_batches(ctx), "the sample")
    try:
        examples = host_metrics.examples_of(ctx, at_least=2)
    except NotRun:
        return  # examples that cannot be told apart were compared together
    layout = host_metrics.sample_of(ctx).layout
    for number, example in enumerate(examples[:ALONE], start=1):  # where classes are absent
        _compare(ctx, reference, host_metrics.join(layout, [example]), f"example {number} alone")

    def cases() -> Any:
        from hypothesis import strategies as st

        indices = list(range(len(examples)))
        chosen = st.lists(st.sampled_from(indices), min_size=1, max_size=len(indices), unique=True)
        return st.tuples(chosen, st.permutations(indices))

    def examine(case: tuple[Sequence[int], Sequence[int]]) -> None:
        chosen, others = case
        mixed = [host_metrics.with_predictions_of(layout, examples[i], examples[others[i]]) for i in chosen]
        what = f"examples {list(chosen)} with the predictions of {[others[i] for i in chosen]}"
        _compare(ctx, reference, host_metrics.join(layout, mixed), what)

    search(ctx, cases, examine)


def _compare(ctx: Context, reference: Any, batches: Sequence[Any], what: str) -> None:
    with calling("the reference"), host_metrics.quietly():
        wanted = host_metrics.as_scores(
            reference([tuple(host_metrics.map_leaves(np.copy, side) for side in batch) for batch in batches])
        )
    expected = {name: _defined(value, ctx.trait("undefined_value")) for name, value in wanted.items()}
    actual = host_metrics.scores_of(ctx, batches)
    missing = [name for name in expected if name not in actual]
    if missing or not expected:
        raise Violation(
            f"the reference returned {sorted(expected)}, and the result has {sorted(actual)}",
            cause="the reference and the metric call the same number by different names",
            fix="Let the reference return a dict with names of the result, or one number when the result is one.",
        )
    actual = {name: actual[name] for name in expected}
    differing = host_metrics.differing(actual, expected, ctx.tolerance("metrics"))
    if differing:
        raise Violation(
            f"of {what}, {host_metrics.describe(actual, expected, differing)} in the reference",
            cause="a detail of the definition is another one: ties, matching, interpolation, or what counts as absent",
            fix="Compare the two step by step on this case, which was made as small as it gets.",
        )


def _defined(value: Any, undefined: float) -> Any:
    if not isinstance(value, np.ndarray):
        return value
    return np.where(np.isnan(value), undefined, value)


class _MeanOverDetections(SoundDetectionMetric):
    def hits_of(self, scenes: Any, one: int) -> tuple[np.ndarray, int]:
        hits, total = super().hits_of(scenes, one)
        return hits, max(total, len(hits))


class _WorstFirst(SoundDetectionMetric):
    def hits_of(self, scenes: Any, one: int) -> tuple[np.ndarray, int]:
        hits, total = super().hits_of(scenes, one)
        return hits[::-1], total


class _AnyClass(SoundDetectionMetric):
    """Lets a detection of one class find an object of another."""

    def hits_of(self, scenes: Any, one: int) -> tuple[np.ndarray, int]:
        relabelled = [(boxes, classes, found, np.full_like(labels, one), scores)
                      for boxes, classes, found, labels, scores in scenes]  # fmt: skip
        return super().hits_of(relabelled, one)


class _AbsentCountsZero(SoundDetectionMetric):
    """Averages over all classes it knows, absent ones as 0; right where every class is present."""

    def result(self) -> dict[str, Any]:
        numbers = super().result()
        present = {int(one) for scene in self.ordered() for one in scene[1]}
        return numbers | ({"AP": numbers["AP"] * len(present) / 2} if present else {})


MUTANTS = (
    DETECTION_METRIC.replace(factory=_MeanOverDetections, name="averages over detections"),
    DETECTION_METRIC.replace(factory=_WorstFirst, name="worst score first"),
    DETECTION_METRIC.replace(factory=_AnyClass, name="matches across classes"),
    DETECTION_METRIC.replace(factory=_AbsentCountsZero, name="an absent class counts 0"),
)
TWIN = DETECTION_METRIC
