"""H203 duplicate-id: an example that comes again under its id is counted once, or rejected."""

from __future__ import annotations

from typing import Any

from assay.conformance.context import Context
from assay.conformance.harness import host_metrics
from assay.conformance.harness.refusals import is_refusal
from assay.conformance.model import Level, Mode, NotApplicable, Rule, SubjectError, Violation
from assay.conformance.specimens import DETECTION_METRIC, SoundDetectionMetric

RULE = Rule(
    id="H203",
    slug="duplicate-id",
    level=Level.MUST,
    requirement="An example whose id was seen before is counted once, or rejected with an error.",
    checks=(
        "Repeats an example in the same batch and in a later one. The result must stay as it was, or the metric must "
        "raise an error of its own. The same rows under a new id are fed as well, to see that they would matter. The "
        "id is a field with one integer or text an example, named like one (`source_id`, `image_id`) and never "
        "repeated in the sample; the trait `id_field` names it otherwise. The trait `duplicates` says which of the two "
        "happens, and is verified. A metric that works as well without the id cannot know it, and is left alone unless "
        "it declares one."
    ),
    why=(
        "Examples come twice when shards overlap, when a dataset is repeated or padded to a multiple of the batch "
        "size, when an evaluation resumes after a preemption. An image that counts twice moves the score by little, "
        "which is why nobody notices, and never in the same way on two machines."
    ),
    bad="""
def update_state(self, groundtruths, predictions):
    for image_id, boxes in zip(groundtruths["source_id"], groundtruths["boxes"]):
        self.images.append((image_id, boxes))
""",
    good="""
def update_state(self, groundtruths, predictions):
    for image_id, boxes in zip(groundtruths["source_id"].tolist(), groundtruths["boxes"]):
        self.images.setdefault(image_id, boxes)
""",
    modes=(Mode.EAGER,),
    traits=("id_field", "duplicates"),
    references=("tensorflow/models#8823",),
)

REPEATED = 4
"""How many examples are repeated, each alone."""


def check(ctx: Context) -> None:
    """Repeat some examples, each alone, and compare."""
    expected = host_metrics.baseline(ctx)
    layout = host_metrics.sample_of(ctx).layout
    if not layout.id_sides:
        raise NotApplicable(f"No field holds an id ({layout}). The trait 'id_field' names one.")
    if layout.form is host_metrics.Form.FLAT:
        raise NotApplicable("An id comes with each object of its example, so that it says nothing about repetition.")
    if not ctx.trait("id_field") and not _looked_at(ctx, expected):
        names = ", ".join(repr(host_metrics.field_name(layout.id_of(side))) for side in layout.id_sides)
        raise NotApplicable(
            f"The metric does not look at {names}: without it the result is the same. The trait 'id_field' says that "
            "it is meant to."
        )
    examples = list(host_metrics.examples_of(ctx))
    matters = False
    for number in range(min(REPEATED, len(examples))):
        if not _matters(ctx, number, expected):
            continue
        matters = True
        again = examples[number]
        together = host_metrics.join(layout, [*examples, again])
        later = [*host_metrics.join(layout, examples), *host_metrics.join(layout, [again])]
        for where, batches in (("in the same batch", together), ("in a later batch", later)):
            _check(ctx, batches, expected, f"example {number + 1} repeated {where}")
    if not matters:
        raise NotApplicable("The same rows under a new id do not change the result either: nothing can be seen here.")


def _looked_at(ctx: Context, expected: host_metrics.Scores) -> bool:
    """Whether the metric misses the id when it is not there."""
    layout, examples = host_metrics.sample_of(ctx).layout, host_metrics.examples_of(ctx)
    for side in layout.id_sides:
        path = layout.id_of(side)
        examples = tuple(
            example.with_side(side, {name: leaf for name, leaf in example.sides[side].items() if name != path})
            for example in examples
        )
    try:
        actual = host_metrics.scores_of_examples(ctx, examples)
    except SubjectError:
        return True
    return bool(host_metrics.differing(actual, expected, ctx.tolerance("metrics")))


def _matters(ctx: Context, number: int, expected: host_metrics.Scores) -> bool:
    """Whether the rows of an example, under an id of their own, change the result."""
    layout, examples = host_metrics.sample_of(ctx).layout, host_metrics.examples_of(ctx)
    copy = host_metrics.with_id(layout, examples[number], host_metrics.new_id(layout, examples))
    try:
        actual = host_metrics.scores_of_examples(ctx, [*examples, copy])
    except SubjectError:
        return True  # an id that it does not know is refused; a known one is not new
    return bool(host_metrics.differing(actual, expected, ctx.tolerance("metrics")))


def _check(ctx: Context, batches: Any, expected: host_metrics.Scores, what: str) -> None:
    declared = ctx.trait("duplicates")
    try:
        actual = host_metrics.scores_of(ctx, batches)
    except SubjectError as error:
        if declared == "counted_once" or not is_refusal(error.original):
            raise
        return
    differing = host_metrics.differing(actual, expected, ctx.tolerance("metrics"))
    if differing:
        raise Violation(
            f"with {what}, {host_metrics.describe(actual, expected, differing)}",
            cause="examples are appended to a list without looking at their id",
            fix="Keep examples in a dict by id and leave out, or refuse, an id that is there already.",
        )
    if declared == "rejected":
        raise Violation(
            f"with {what}, nothing was raised, and the trait duplicates='rejected' says that it is",
            cause="the declaration and the code disagree",
            fix="Raise for an id that was seen, or declare duplicates='counted_once'.",
        )


class _AppendsScenes(SoundDetectionMetric):
    def add(self, source_id: int, scene: Any) -> None:
        super().add(len(self.scenes), scene)


class _KnowsTheBatchOnly(SoundDetectionMetric):
    """Looks for a repeated id within a batch, and forgets it with the batch."""

    batch = 0

    def update_state(self, groundtruths: Any, predictions: Any) -> None:
        self.batch += 1
        super().update_state(groundtruths, predictions)

    def add(self, source_id: int, scene: Any) -> None:
        super().add((source_id, self.batch), scene)  # type: ignore[arg-type]


class _FallsOver(SoundDetectionMetric):
    def add(self, source_id: int, scene: Any) -> None:
        if source_id in self.scenes:
            self.scenes[source_id][len(scene)][0]  # an index that is not there
        super().add(source_id, scene)


MUTANTS = (
    DETECTION_METRIC.replace(factory=_AppendsScenes, name="appends without a look at ids"),
    DETECTION_METRIC.replace(factory=_KnowsTheBatchOnly, name="knows the ids of one batch"),
    DETECTION_METRIC.replace(factory=_FallsOver, traits={}, name="falls over a known id"),
)
TWIN = DETECTION_METRIC
