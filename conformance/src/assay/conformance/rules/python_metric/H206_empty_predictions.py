"""H206 empty-predictions: when nothing at all is predicted, the result is defined."""

from __future__ import annotations

from typing import Any

import numpy as np
from assay.conformance.context import Context
from assay.conformance.harness import host_metrics
from assay.conformance.harness.host_metrics import PREDICTIONS
from assay.conformance.model import Level, Mode, NotApplicable, Rule, Violation
from assay.conformance.specimens import DETECTION_METRIC, SoundDetectionMetric

RULE = Rule(
    id="H206",
    slug="empty-predictions",
    level=Level.MUST,
    requirement="Without a single prediction over all examples, the result is a defined number.",
    checks=(
        "Takes all predictions away from all examples: with no slots at all, and with slots of which none is in use. "
        "Both must give the same finite numbers (or the declared `undefined_value`). Predictions are known to be "
        "objects by a count, a mask, or fields named like boxes; where each example has exactly one prediction the "
        "rule does not apply."
    ),
    why=(
        "A detector that is just beginning to learn, or has diverged, finds nothing above the threshold. That is a "
        "score of 0, and the first evaluation of most runs. An evaluator that raises there (`loadRes` of an empty list "
        "is an IndexError) ends the run at its first evaluation; one that returns NaN hides the divergence."
    ),
    bad="""
detections = np.concatenate(self.detections)  # ValueError: need at least one array to concatenate
order = np.argsort(-detections[:, 4])
""",
    good="""
if not any(len(found) for found in self.detections):
    return {"AP": 0.0 if self.num_objects else -1.0}
""",
    modes=(Mode.EAGER,),
    traits=("undefined_value", "count_field", "slot_fields"),
    references=("cocodataset/cocoapi: loadRes reads anns[0]",),
)

SLOTS = 4


def check(ctx: Context) -> None:
    """Take all predictions away, in both ways in which there can be none."""
    host_metrics.baseline(ctx)
    layout, examples = host_metrics.sample_of(ctx).layout, host_metrics.examples_of(ctx)
    if not layout.may_be_empty(PREDICTIONS):
        raise NotApplicable(f"An example cannot be without predictions ({layout}).")
    empty = [host_metrics.without_objects(layout, example, PREDICTIONS) for example in examples]
    first = host_metrics.scores_of_examples(ctx, empty)
    _check_defined(ctx, first, "without any prediction (no slots)")
    _check_defined(ctx, host_metrics.scores_of_examples(ctx, empty[:1]), "of one example without any prediction")
    if not layout.sides[PREDICTIONS].padded:
        return
    second = host_metrics.scores_of_examples(ctx, empty, slots={PREDICTIONS: SLOTS})
    _check_defined(ctx, second, f"without any prediction ({SLOTS} slots, none in use)")
    differing = host_metrics.differing(second, first, ctx.tolerance("metrics"))
    if differing:
        raise Violation(
            f"without any prediction, {host_metrics.describe(second, first, differing)}, with {SLOTS} unused slots "
            "instead of none",
            cause="unused slots are taken for predictions when there are no others",
            fix="Look at the count before anything else.",
        )


def _check_defined(ctx: Context, scores: host_metrics.Scores, what: str) -> None:
    undefined = ctx.trait("undefined_value")
    bad = [name for name, value in scores.items() if not host_metrics.is_defined(value, undefined)]
    if bad:
        shown = ", ".join(f"{name} = {scores[name]}" for name in bad[:3])
        raise Violation(
            f"{what}, {shown}",
            cause="a mean or a ratio over the predictions",
            fix=f"Return 0 where objects were missed, and {undefined:g} where there was nothing to find.",
        )


class _FallsOverNothing(SoundDetectionMetric):
    def result(self) -> dict[str, Any]:
        if self.scenes:
            scores = np.concatenate([scene[4] for scene in self.ordered()])
            scores.max()  # of no score
        return super().result()


class _PrecisionOfNothing(SoundDetectionMetric):
    def result(self) -> dict[str, Any]:
        found = np.concatenate([scene[4] for scene in self.ordered()] or [np.ones(1)])
        return super().result() | {"confidence": float(np.mean(found))}


class _TakesUnusedSlots(SoundDetectionMetric):
    def detections(self, found: Any, row: int) -> int:
        count = super().detections(found, row)
        return count or found["detection_boxes"].shape[1]  # 0 is false

    def result(self) -> dict[str, Any]:
        return super().result() | {"detections": sum(len(scene[4]) for scene in self.ordered())}


MUTANTS = (
    DETECTION_METRIC.replace(factory=_FallsOverNothing, name="the best of no detection"),
    DETECTION_METRIC.replace(factory=_PrecisionOfNothing, name="a mean over no detection"),
    DETECTION_METRIC.replace(factory=_TakesUnusedSlots, name="a count of 0 is no count"),
)
TWIN = DETECTION_METRIC
