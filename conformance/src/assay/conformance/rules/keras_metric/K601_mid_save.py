"""K601 mid-save: a metric saved in the middle and restored goes on as if nothing had happened."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

from assay.conformance.context import Context
from assay.conformance.harness import metrics
from assay.conformance.harness.calls import calling
from assay.conformance.lazy import tf
from assay.conformance.model import Level, Mode, Rule, Violation
from assay.conformance.specimens import DEVIATION, HIT_RATE, IOU, SoundDeviation, SoundHitRate, SoundIoU

RULE = Rule(
    id="K601",
    slug="mid-save",
    level=Level.MUST,
    requirement="Saved in the middle of an accumulation and restored into a new object, the metric goes on equally.",
    checks=(
        "Updates, saves the variables with `tf.train.Checkpoint` (the metric itself where it is trackable), restores "
        "them into a new metric, updates both again and compares."
    ),
    why=(
        "Jobs are preempted in the middle of an interval. What is not in a variable is lost then: the resumed run "
        "reports the mean of half an epoch, or a mixture."
    ),
    bad="""
def update_state(self, y_true, y_pred, sample_weight=None):
    self.scores.extend(y_pred.numpy())  # not in any checkpoint
""",
    good="""
def update_state(self, y_true, y_pred, sample_weight=None):
    self.histogram.assign_add(tf.histogram_fixed_width(y_pred, (0.0, 1.0), dtype=tf.float32))
""",
    modes=(Mode.EAGER,),
    references=("keras-team/keras#22490",),
)


def check(ctx: Context) -> None:
    """Save, restore, go on."""
    first, second = metrics.contrasting(ctx, 4, 3)
    saved, restored = metrics.fresh(ctx), metrics.fresh(ctx)
    metrics.update(ctx, saved, first)
    if len(restored.variables) != len(saved.variables):
        metrics.update(ctx, restored, second)  # a metric that makes its variables late is K401's matter
    with tempfile.TemporaryDirectory() as directory, metrics.placed(ctx):
        with calling("tf.train.Checkpoint.write"):
            path = _checkpoint(saved).write(str(Path(directory) / "metric"))
        with calling("tf.train.Checkpoint.read"):
            _checkpoint(restored).read(path)
    _compare(ctx, restored, [first], "restored into a new metric")
    metrics.update(ctx, restored, second)
    _compare(ctx, restored, [first, second], "restored into a new metric and updated")


def _checkpoint(metric: metrics.Metric) -> Any:
    if isinstance(metric.metric, tf.__internal__.tracking.Trackable):
        return tf.train.Checkpoint(metric=metric.metric)
    variables = [one if isinstance(one, tf.Variable) else getattr(one, "value", one) for one in metric.variables]
    return tf.train.Checkpoint(**{f"variable_{index}": variable for index, variable in enumerate(variables)})


def _compare(ctx: Context, metric: metrics.Metric, batches: list[Any], when: str) -> None:
    differs = metrics.difference(ctx, metrics.result(ctx, metric), metrics.evaluate(ctx, batches))
    if differs:
        raise Violation(
            f"{when}, {differs}, as without the interruption",
            cause="part of the state is kept in Python, or in a variable that the metric does not list",
            fix="Keep all state in variables made with `self.add_weight`, as attributes of the metric.",
        )


class _KeepsAList(SoundDeviation):
    def __init__(self) -> None:
        super().__init__()
        self.kept: list[Any] = []

    def accumulate(self, values: Any, weights: Any) -> None:
        self.kept.append((tf.reduce_sum(values), tf.reduce_sum(weights)))

    def result(self) -> Any:
        total = sum((one for one, _ in self.kept), tf.zeros((), tf.float64))
        weight = sum((one for _, one in self.kept), tf.zeros((), tf.float64))
        return tf.cast(tf.math.divide_no_nan(total, weight), self.dtype)

    def reset_state(self) -> None:
        self.kept.clear()


class _UnlistedVariable(SoundHitRate):
    def __init__(self) -> None:
        super().__init__()
        self.variables.pop()

    def reset_state(self) -> None:
        super().reset_state()
        self.weight.assign(0.0)


class _FlagInPython(SoundIoU):
    seen = False

    def count(self, y_true: Any, y_pred: Any, weights: Any) -> None:
        if not self.seen:
            self.confusion.assign(tf.zeros_like(self.confusion))
        self.seen = True
        super().count(y_true, y_pred, weights)

    def reset_state(self) -> None:
        super().reset_state()
        self.seen = False


MUTANTS = (
    DEVIATION.replace(factory=_KeepsAList, name="keeps batches in a list"),
    HIT_RATE.replace(factory=_UnlistedVariable, name="a variable is not listed"),
    IOU.replace(factory=_FlagInPython, name="a flag in Python"),
)
TWIN = IOU
