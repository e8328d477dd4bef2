"""K401 variables-early: all variables exist before the first update."""

from __future__ import annotations

from typing import Any

from assay.conformance.context import Context
from assay.conformance.harness import metrics
from assay.conformance.harness.calls import calling
from assay.conformance.harness.metrics import updates
from assay.conformance.harness.samples import sample_of
from assay.conformance.lazy import tf
from assay.conformance.model import Level, Mode, Rule, SubjectError, Target, Violation
from assay.conformance.specimens import HIT_RATE, IOU, SoundHitRate, SoundIoU

RULE = Rule(
    id="K401",
    slug="variables-early",
    level=Level.MUST,
    requirement="All variables exist after construction, or after `build` with the shapes, before the first update.",
    checks=(
        "Lists the variables of a new metric (after `build(y_true_shape, y_pred_shape)` where it has one), updates it "
        "inside a `tf.function` and lists them again: there must be as many. Then the metric is reset and updated "
        "again."
    ),
    why=(
        "A variable made during an update belongs to the graph or the replica that happened to be traced: TensorFlow "
        "refuses it at the second trace, a strategy does not mirror it, and a checkpoint restored before the first "
        "step leaves it out."
    ),
    bad="""
def update_state(self, y_true, y_pred, sample_weight=None):
    if self.matrix is None:
        self.matrix = self.add_weight(shape=(y_pred.shape[-1],) * 2)
""",
    good="""
def __init__(self, num_classes, **kwargs):
    super().__init__(**kwargs)
    self.matrix = self.add_weight(shape=(num_classes, num_classes), initializer="zeros")
""",
    modes=(Mode.GRAPH,),
    targets=(Target.CPU, Target.GPU, Target.TPU),
    references=("tensorflow/tensorflow#33517",),
)


def check(ctx: Context) -> None:
    """Count variables around the first update in a graph."""
    batch = sample_of(ctx).grow(4)
    metric = metrics.fresh(ctx, steady=False)
    build = getattr(metric.metric, "build", None)
    if callable(build):
        shapes = [tf.nest.map_structure(lambda array: array.shape, side) for side in (batch.y_true, batch.y_pred)]
        try:
            with metrics.placed(ctx), calling("build(y_true_shape, y_pred_shape)"):
                build(*shapes)
        except SubjectError:
            pass  # a `build` of another kind; the update decides
    before = len(metric.variables)
    created = updates.creations(ctx, metric, batch)
    after = len(metric.variables)
    if created or after != before:
        raise Violation(
            f"the metric had {before} variables before its first update and has {after} after it; the update made "
            f"{created} variables",
            cause="variables are made when the first batch shows its shape",
            fix="Take the shape (`num_classes`, thresholds) in the constructor and make all variables there.",
        )


class _MakesThemLate(SoundHitRate):
    def __init__(self) -> None:
        super().__init__()
        self.late: Any = None

    def count(self, y_true: Any, y_pred: Any, weights: Any) -> None:
        if self.late is None:
            with tf.init_scope():
                self.late = self.add("late")
        super().count(y_true, y_pred, weights)


class _ShapedByTheFirstBatch(SoundIoU):
    def __init__(self) -> None:
        super().__init__()
        self.variables.clear()
        self.confusion = None

    def count(self, y_true: Any, y_pred: Any, weights: Any) -> None:
        if self.confusion is None:
            self.confusion = self.add("confusion", (y_pred.shape[-1], y_pred.shape[-1]))
        super().count(y_true, y_pred, weights)


MUTANTS = (
    HIT_RATE.replace(factory=_MakesThemLate, name="makes a variable late"),
    IOU.replace(factory=_ShapedByTheFirstBatch, name="shaped by the first batch"),
)
TWIN = IOU
