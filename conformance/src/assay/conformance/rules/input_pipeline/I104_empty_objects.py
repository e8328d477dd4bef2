"""I104 empty-objects: an example without objects passes through training and evaluation."""

from __future__ import annotations

from typing import Any

import numpy as np
from assay.conformance.context import Context
from assay.conformance.harness.pipelines import build_dataset, data_params, make_component
from assay.conformance.harness.pipelines.boxes import dense
from assay.conformance.harness.pipelines.elements import keep_elements, read_elements, rows_of
from assay.conformance.harness.pipelines.records import Records, read_records, without_objects
from assay.conformance.harness.pipelines.restoring import plain_message
from assay.conformance.lazy import tf
from assay.conformance.model import Level, Mode, NotApplicable, Rule, SubjectError, Target, Violation
from assay.conformance.specimens import DETECTION_PIPELINE, SoundDetection

RULE = Rule(
    id="I104",
    slug="empty-objects",
    level=Level.MUST,
    requirement="An example without objects passes through training and evaluation, and its numbers are finite.",
    checks=(
        "Where the parameters name TFRecord files with one entry an object (`image/object/...`, `.../bbox/...`): "
        "copies records, empties those lists in every other one, and reads them through the pipeline as training and "
        "as evaluation data. Nothing may raise, numbers must be as finite as those of full records, and evaluation "
        "must not leave such an example out."
    ),
    why=(
        "A hundredth of COCO's images show no object. An argmax or a maximum over no box raises, or gives minus "
        "infinity and then NaN, after hours of training, at whatever step the image comes. Leaving them out of "
        "evaluation hides every false detection that they would have counted."
    ),
    bad="""
best = tf.argmax(overlaps, axis=1)  # raises when there is no box
""",
    good="""
overlaps = tf.pad(overlaps, [[0, 0], [0, 1]])  # a box that overlaps nothing stands at the end
best = tf.argmax(overlaps, axis=1)
""",
    modes=(Mode.EAGER,),
    targets=(Target.CPU,),
    references=("tensorflow/models: official/vision/dataloaders/tf_example_decoder.py (a tf.cond for no boxes)",),
)

MOST_COPIES = 64
_FIX = "Run the pipeline on a record without objects; pad or guard what reduces, sorts or indexes over objects."


def check(ctx: Context) -> None:
    """Read records of which half are without objects, in both roles."""
    reasons = []
    for training in (True, False):
        try:
            records = read_records(ctx, training=training)
            if not records.object_keys:
                raise NotApplicable("The records have no features with one entry an object.")
        except NotApplicable as lifted:
            reasons.append(lifted.reason)
            continue
        _check_role(ctx, records, training)
    if len(reasons) == 2:
        raise NotApplicable(reasons[0])


def _check_role(ctx: Context, records: Records, training: bool) -> None:
    role = "training" if training else "evaluation"
    task = ctx.share("task for data", lambda: make_component(ctx))
    ordinary = read_elements(ctx, training=training)
    rows = rows_of(ordinary.batches[0]) if ordinary.batches else 1
    count = min(max(4, 2 * rows), MOST_COPIES)
    full = [records.examples[index % len(records.examples)] for index in range(count)]
    mixed = [
        without_objects(example, records.object_keys) if index % 2 else example for index, example in enumerate(full)
    ]
    overrides: dict[str, Any] = {} if training else {"drop_remainder": False}
    with records.written(mixed) as (changes, _):
        params = data_params(task, training=training, **overrides, **changes)
        try:
            dataset = build_dataset(task, params)
            elements = keep_elements(dataset, at_most=2 * count, to_the_end=not training, name=role)
        except SubjectError as error:
            _raise_if_full_records_pass(ctx, records, full, training, overrides, error)
            raise
    unfinished = _unfinished(elements.batches) - _unfinished(ordinary.batches)
    if unfinished:
        raise Violation(
            f"{role}: with records without objects, {', '.join(sorted(unfinished))} hold NaN or infinite values; "
            "with full records they do not",
            cause="a maximum, a mean or a ratio over no object",
            fix=_FIX,
        )
    seen = sum(rows_of(leaves) for leaves in elements.batches)
    if not training and seen < count:
        raise Violation(
            f"evaluation: {seen} examples come from {count} records, of which {count // 2} are without objects",
            cause="examples without objects are filtered out",
            fix="Filter in training only: in evaluation each detection in such an image counts as false.",
        )
    if training and not seen:
        raise Violation(
            f"training: no batch comes from {count} records, of which {count // 2} are without objects",
            cause="the pipeline waits for a full batch that never comes",
            fix=_FIX,
        )


def _raise_if_full_records_pass(
    ctx: Context, records: Records, full: list[Any], training: bool, overrides: dict[str, Any], error: SubjectError
) -> None:
    """Say that it is the missing objects, when copies of full records pass."""
    task = ctx.share("task for data", lambda: make_component(ctx))
    try:
        with records.written(full) as (changes, _):
            params = data_params(task, training=training, **overrides, **changes)
            keep_elements(build_dataset(task, params), at_most=len(full))
    except SubjectError as same:
        raise NotApplicable(
            f"Records cannot be copied for this pipeline: it raises {type(same.original).__name__} on plain copies too."
        ) from same
    role = "training" if training else "evaluation"
    said = plain_message(error.original)[:300]
    raise Violation(
        f"{role}: a record without objects raises {type(error.original).__name__}: {said}",
        cause="an operation that needs at least one object: an argmax, a top_k, a gather, a maximum",
        fix=_FIX,
    ) from error


def _unfinished(batches: Any) -> set[str]:
    """The names of floating-point tensors with a value that is not finite."""
    return {
        name
        for leaves in batches
        for name, leaf in leaves.items()
        if getattr(getattr(leaf, "dtype", None), "is_floating", False)
        and not np.all(np.isfinite(dense(leaf).astype(np.float64)))
    }


class _LargestBox(SoundDetection):
    """Gives the area of the largest box, which is minus infinity where there is none."""

    def with_statistics(self, labels: Any, boxes: Any) -> Any:
        areas = (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])
        return {**labels, "largest": tf.reduce_max(areas)}


class _FirstBox(SoundDetection):
    def with_statistics(self, labels: Any, boxes: Any) -> Any:
        return {**labels, "first": boxes[0]}


class _MatchesBoxes(SoundDetection):
    """Gives each of four anchors the box that it overlaps most."""

    def with_statistics(self, labels: Any, boxes: Any) -> Any:
        distances = tf.abs(tf.constant([[0.1], [0.3], [0.6], [0.9]]) - boxes[tf.newaxis, :, 0])
        return {**labels, "match": tf.argmin(distances, axis=1)}


class _FilteredInEvaluation(SoundDetection):
    def kept(self, dataset: Any, training: bool) -> Any:
        return dataset.filter(lambda image, labels: tf.reduce_any(labels["classes"] > 0))


MUTANTS = (
    DETECTION_PIPELINE.replace(factory=_MatchesBoxes, name="matches anchors with boxes"),
    DETECTION_PIPELINE.replace(factory=_LargestBox, name="the largest of no box"),
    DETECTION_PIPELINE.replace(factory=_FirstBox, name="the first of no box"),
    DETECTION_PIPELINE.replace(factory=_FilteredInEvaluation, name="filters in evaluation"),
)
TWIN = DETECTION_PIPELINE
