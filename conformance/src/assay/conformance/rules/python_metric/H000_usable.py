"""H000 usable: the metric can be made, fed and asked for its result; nothing else can be observed otherwise."""

from __future__ import annotations

from typing import Any

from assay.conformance.context import Context
from assay.conformance.harness import host_metrics
from assay.conformance.model import Level, Mode, Rule, Violation
from assay.conformance.specimens import ACCURACY_METRIC, SoundAccuracy

RULE = Rule(
    id="H000",
    slug="usable",
    level=Level.MUST,
    requirement="The factory makes a metric that takes each batch of the sample and gives a result.",
    checks=(
        "Calls the factory, `update_state(groundtruths, predictions)` with each batch of the sample, and `result()`. "
        "The sample is a list of `(groundtruths, predictions)`; each side is a dict of arrays `[batch, ...]`, an "
        "array, or a list of one dict an example. The suite infers from it which field is the id of an example, which "
        "one counts the slots in use or masks padding, and which fields have slots; a trait says what names cannot."
    ),
    why=(
        "Every other rule watches these calls. When one of them raises, that is the one thing to mend, and the other "
        "rules are not run instead of all failing for the same reason."
    ),
    bad="""
class Recall:
    def update_state(self, groundtruths, predictions):
        self.found += (groundtruths["labels"] == predictions["labels"]).sum()  # self.found was never set
""",
    good="""
class Recall:
    def __init__(self):
        self.reset_state()

    def reset_state(self):
        self.found = 0
""",
    modes=(Mode.EAGER,),
    traits=("id_field", "count_field", "slot_fields"),
    gate=True,
)

METHODS = ("update_state", "result")


def check(ctx: Context) -> None:
    """Feed the sample as it is; what the metric raises is the failure."""
    batches = host_metrics.sample_batches(ctx)
    metric = host_metrics.make_metric(ctx)
    missing = [name for name in METHODS if not callable(getattr(metric, name, None))]
    if missing:
        raise Violation(
            f"the factory returned a {type(metric).__name__} without the methods {', '.join(missing)}",
            cause="the factory returns something other than the metric, or the metric has other names for them",
            fix="Return an object with `update_state(groundtruths, predictions)`, `result()` and `reset_state()`.",
        )
    for number, batch in enumerate(batches, start=1):
        host_metrics.update(ctx, metric, batch, f"batch {number} of {len(batches)} of the sample")
    scores = host_metrics.result(metric, "result() after the whole sample")
    if not scores or all(value is None for value in scores.values()):
        raise Violation(
            f"result() after {len(batches)} batches returned {'None' if scores else 'an empty mapping'}",
            cause="result() computes the numbers and does not return them",
            fix="Return a dict of names to numbers, or a number, from `result()`.",
        )


class _NeverReset(SoundAccuracy):
    def __init__(self) -> None:
        self.num_classes = 3  # and no matrix


class _ReturnsNothing(SoundAccuracy):
    def result(self) -> Any:
        super().result()


MUTANTS = (
    ACCURACY_METRIC.replace(factory=_NeverReset, name="state is never made"),
    ACCURACY_METRIC.replace(factory=_ReturnsNothing, name="result returns nothing"),
)
TWIN = ACCURACY_METRIC
