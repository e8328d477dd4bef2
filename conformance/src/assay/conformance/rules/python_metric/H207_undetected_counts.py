"""H207 undetected-counts: an example with groundtruth and without any prediction counts as missed."""

from __future__ import annotations

from typing import Any

from assay.conformance.context import Context
from assay.conformance.harness import host_metrics
from assay.conformance.harness.host_metrics import GROUNDTRUTHS, PREDICTIONS
from assay.conformance.model import Level, Mode, NotApplicable, Rule, Violation
from assay.conformance.specimens import DETECTION_METRIC, SoundDetectionMetric

RULE = Rule(
    id="H207",
    slug="undetected-counts",
    level=Level.MUST,
    requirement="An example with groundtruth in which nothing was predicted counts: its objects are missed ones.",
    checks=(
        "Takes all predictions of one example away, in a batch with others and in one of its own that has no slot, and "
        "compares with leaving the example out: the two must differ for some example. Whether missed objects matter to "
        "the metric at all (they do not to a precision) is found out first, by adding objects to examples that keep "
        "one prediction each."
    ),
    why=(
        "An evaluator that is driven by its predictions never meets the images without any. Recall and average "
        "precision are then computed over the images in which something was found, and a model that stays silent when "
        "in doubt looks better than it is."
    ),
    bad="""
for image_id, group in groupby(detections, key=image_id_of):  # images with a detection
    total += len(objects[image_id])
""",
    good="""
total = sum(len(boxes) for boxes in objects.values())
""",
    modes=(Mode.EAGER,),
    traits=("count_field", "slot_fields", "id_field"),
)

TRIES = 6
AMONG_OTHERS, ALONE = "in a batch with others", "in a batch of its own, without a slot"
PLACES = (AMONG_OTHERS, ALONE)


def check(ctx: Context) -> None:
    """Compare an example without predictions with no example."""
    host_metrics.baseline(ctx, at_least=2)
    layout, examples = host_metrics.sample_of(ctx).layout, list(host_metrics.examples_of(ctx))
    if not layout.may_be_empty(PREDICTIONS):
        raise NotApplicable(f"An example cannot be without predictions ({layout}).")
    if not layout.may_be_empty(GROUNDTRUTHS):
        raise NotApplicable(f"The groundtruths are not known to be objects that can be missed ({layout}).")
    candidates = [
        number
        for number, example in enumerate(examples)
        if host_metrics.objects(layout, example, GROUNDTRUTHS) and host_metrics.objects(layout, example, PREDICTIONS)
    ][:TRIES]
    if not _misses_matter(ctx):
        raise NotApplicable("Objects that are not found do not change the result, which looks at predictions alone.")
    unseen = [where for where in PLACES if not any(_counts(ctx, number, where) for number in candidates)]
    if candidates and unseen:
        raise Violation(
            f"for each of {len(candidates)} examples, taking its predictions away ({' and '.join(unseen)}) gives the "
            "same result as leaving the example out",
            cause="examples are visited through their predictions, or skipped when they have none",
            fix="Count the objects of every example that comes, before looking at its predictions.",
        )


def _counts(ctx: Context, number: int, where: str) -> bool:
    """Whether an example without predictions makes another result than no example."""
    layout, examples = host_metrics.sample_of(ctx).layout, host_metrics.examples_of(ctx)
    rest = [example for index, example in enumerate(examples) if index != number]
    silent = host_metrics.without_objects(layout, examples[number], PREDICTIONS)
    others = host_metrics.join(layout, rest)
    alone = [*others, *host_metrics.join(layout, [silent])]
    kept = host_metrics.scores_of(ctx, host_metrics.join(layout, [*rest, silent]) if where == AMONG_OTHERS else alone)
    left_out = ctx.share(("host metric without", number), lambda: host_metrics.scores_of(ctx, others))
    return bool(host_metrics.differing(kept, left_out, ctx.tolerance("metrics")))


def _misses_matter(ctx: Context) -> bool:
    """Whether objects that nobody finds change the result: they are added to examples with one prediction each."""
    layout, examples = host_metrics.sample_of(ctx).layout, host_metrics.examples_of(ctx)
    single = [host_metrics.keep_objects(layout, example, PREDICTIONS, slice(0, 1)) for example in examples]
    before = host_metrics.scores_of_examples(ctx, single)
    changed = tries = 0
    for number, example in enumerate(single[:TRIES]):
        donor = examples[(number + 1) % len(examples)]
        if not host_metrics.objects(layout, donor, GROUNDTRUTHS):
            continue
        more = host_metrics.add_objects(layout, example, donor, GROUNDTRUTHS, slice(0, 1))
        after = host_metrics.scores_of_examples(ctx, [*single[:number], more, *single[number + 1 :]])
        tries += 1
        changed += bool(host_metrics.differing(after, before, ctx.tolerance("metrics")))
    return changed * 2 > tries


class _VisitsDetections(SoundDetectionMetric):
    def ordered(self) -> list[Any]:
        return [scene for scene in super().ordered() if len(scene[2])]

    def result(self) -> dict[str, Any]:
        return {name: value for name, value in super().result().items() if name != "images"}


class _SkipsSilentImages(SoundDetectionMetric):
    def add(self, source_id: int, scene: Any) -> None:
        if len(scene[4]):
            super().add(source_id, scene)


MUTANTS = (
    DETECTION_METRIC.replace(factory=_SkipsSilentImages, name="skips images without detections"),
    DETECTION_METRIC.replace(factory=_VisitsDetections, name="visits images by their detections"),
)
TWIN = DETECTION_METRIC
