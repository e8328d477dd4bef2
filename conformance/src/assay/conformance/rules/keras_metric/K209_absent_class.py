"""K209 absent-class: a class that occurs nowhere does to the mean over classes what is declared."""

from __future__ import annotations

from typing import Any

import numpy as np
from assay.conformance.context import Context
from assay.conformance.harness import metrics
from assay.conformance.harness.samples import Batch, Domain, perfect, sample_of
from assay.conformance.lazy import tf
from assay.conformance.model import Level, Mode, NotApplicable, Rule, Violation
from assay.conformance.specimens import IOU, SoundIoU

RULE = Rule(
    id="K209",
    slug="absent-class",
    level=Level.MUST,
    requirement="A class that is in no label and no prediction is left out of the mean, or counts as declared.",
    checks=(
        "Takes the examples of all classes but one, with perfect predictions. The mean over classes must be 1 when the "
        "trait `absent_class` says `excluded` or `one`, and the share of the classes present when it says `zero`. Of a "
        "dict with several entries one must be that mean."
    ),
    why=(
        "Small evaluation sets and single batches lack classes. Whether they count as zero moves a mean IoU by whole "
        "points, and two tools that differ in this cannot be compared."
    ),
    bad="""
return tf.reduce_mean(tf.math.divide_no_nan(both, either))  # an absent class is a zero
""",
    good="""
present = either > 0
return tf.reduce_mean(tf.boolean_mask(both / either, present))
""",
    modes=(Mode.EAGER,),
    traits=("absent_class",),
    references=("keras-team/keras#20574",),
)


def check(ctx: Context) -> None:
    """Leave a class out."""
    policy = ctx.trait("absent_class")
    if policy is None:
        raise NotApplicable("The subject declares no trait 'absent_class'.")
    for missing in (0, -1):
        batch, classes, present = _without(ctx, missing)
        expected = present / classes if policy == "zero" else 1.0
        found = metrics.evaluate(ctx, [batch])
        numbers = {name: value for name, value in found.items() if value.size == 1}
        if not any(ctx.tolerance("metrics").allows(value, expected) for value in numbers.values()):
            said = ", ".join(f"{name} is {metrics.shown(value)}" for name, value in numbers.items())
            raise Violation(
                f"with {present} of {classes} classes present and perfect predictions, {said or 'there is no mean'}; "
                f"the policy {policy!r} calls for {expected:.6g}",
                cause="the mean divides by all classes, or by the classes of another batch",
                fix="Divide by the number of classes that occur, or declare the policy that you mean.",
            )


def _without(ctx: Context, missing: int) -> tuple[Batch, int, int]:
    """A batch of perfect predictions without the examples of one class; how many classes there are, and are left."""
    batch = sample_of(ctx).batch
    leaf = batch.layout.truth[0]
    if len(batch.truth) != 1 or leaf.domain not in (Domain.CLASS_IDS, Domain.ONE_HOT) or leaf.classes < 2:
        raise NotApplicable("The labels are not class ids or one-hot rows.")
    truth = batch.truth[0]
    ids = truth.argmax(axis=-1) if leaf.domain is Domain.ONE_HOT else truth.reshape(truth.shape[0], -1)[:, 0]
    if ids.shape != (batch.size,) or truth.size not in (batch.size, batch.size * leaf.classes):
        raise NotApplicable("The labels are not one an example.")
    occurring = np.unique(ids)
    kept = [row for row in range(batch.size) if ids[row] != occurring[missing]]
    chosen = perfect(batch.take(kept)) if len(occurring) > 1 else None
    if chosen is None:
        raise NotApplicable("The sample has one class, or what is perfect cannot be told.")
    return chosen, leaf.classes, len(occurring) - 1


class _CountsAbsentAsZero(SoundIoU):
    def average(self, ratios: Any, present: Any) -> Any:
        return tf.reduce_mean(ratios)


class _TakesTheLastClassesOff(SoundIoU):
    def average(self, ratios: Any, present: Any) -> Any:
        count = tf.reduce_sum(tf.cast(present, tf.int32))
        return tf.math.divide_no_nan(tf.reduce_sum(ratios[:count]), tf.cast(count, ratios.dtype))


MUTANTS = (
    IOU.replace(factory=_CountsAbsentAsZero, name="counts an absent class as zero"),
    IOU.replace(factory=_TakesTheLastClassesOff, name="takes the first classes for those present"),
)
TWIN = IOU
