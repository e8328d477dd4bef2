"""T106 metrics-fed: each metric is updated by its own step, by no other, and reset by nobody but the loop."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from assay.conformance.context import Context
from assay.conformance.harness.tasks import MetricCalls, changed_names, rehearse, train_run, validation_run
from assay.conformance.model import Level, Mode, NotApplicable, Rule, Subject, Target, Violation
from assay.conformance.specimens import SOUND_TASK, SoundTask

RULE = Rule(
    id="T106",
    slug="metrics-fed",
    level=Level.MUST,
    requirement="Each metric of build_metrics has a name of its own and is updated by its step, and by no other.",
    checks=(
        "Takes training steps and then a pass over the validation data, counts the calls of `update_state` and "
        "`reset_state` of each metric, and compares their states. In a graph, the metrics that eager steps move must "
        "move too. A metric that is updated without a change of its state (no positive in the data, say) is fed."
    ),
    why=(
        "A metric that nobody updates logs 0.0 or NaN for ever and looks like a model that does not learn. Two of one "
        "name overwrite each other in the logs. One object for training and validation mixes the two, and a step that "
        "resets a metric reports the last batch as if it were the whole data."
    ),
    bad="""
def build_metrics(self, training=True):
    return [self.accuracy]                       # one object for both

def validation_step(self, inputs, model, metrics=None):
    ...
    self.process_metrics(metrics, labels, outputs)
    logs = {m.name: m.result() for m in metrics}
    for metric in metrics:
        metric.reset_state()                     # the loop resets, before each evaluation
""",
    good="""
def build_metrics(self, training=True):
    return [tf.keras.metrics.SparseCategoricalAccuracy(name="accuracy")]

def validation_step(self, inputs, model, metrics=None):
    ...
    if metrics:
        self.process_metrics(metrics, labels, outputs)
    return {"loss": loss}
""",
    modes=(Mode.EAGER, Mode.GRAPH),
    targets=(Target.CPU,),
    references=("tensorflow/models: official/core/base_trainer.py resets metrics around its loops",),
)

_TRAINING, _VALIDATION = "training", "validation"
_STEP = {_TRAINING: "train_step", _VALIDATION: "validation_step"}


def check(ctx: Context) -> None:
    """Compare who is called and who moves in the two kinds of step."""
    seen = rehearse(ctx)
    build = seen.training.build
    if not build.train_metrics and not build.validation_metrics:
        raise NotApplicable("The Task has no metrics: build_metrics returns none for training and none for validation.")
    metrics = {_TRAINING: build.train_metrics, _VALIDATION: build.validation_metrics}
    for kind, members in metrics.items():
        _check_names(kind, members)
    _check_apart(build.train_metrics, build.validation_metrics)
    calls = {_TRAINING: seen.calls_in_training, _VALIDATION: seen.calls_in_evaluation}
    # The loop resets the validation metrics before an evaluation: that one is not the step's.
    for kind, members in metrics.items():
        for metric in members:
            _check_not_reset(kind, metric, calls[kind][id(metric)], by_loop=int(kind == _VALIDATION))
    before, after = seen.training.snapshots[0], seen.training.snapshots[-1]
    start, end = seen.evaluation.before, seen.evaluation.after
    moved = {
        _TRAINING: _moved(before.train_metrics, after.train_metrics),
        _VALIDATION: _moved(start.validation_metrics, end.validation_metrics),
    }
    for kind, members in metrics.items():
        _check_fed(kind, members, calls[kind], moved[kind])
    _check_left_alone(_TRAINING, _VALIDATION, _moved(before.validation_metrics, after.validation_metrics))
    _check_left_alone(_VALIDATION, _TRAINING, _moved(start.train_metrics, end.train_metrics))
    if ctx.mode is Mode.GRAPH:
        _check_moves_in_graph(ctx)


def _check_names(kind: str, metrics: Sequence[Any]) -> None:
    names = [metric.name for metric in metrics]
    repeated = sorted({name for name in names if names.count(name) > 1})
    if repeated:
        raise Violation(
            f"build_metrics(training={kind == _TRAINING}) returned {names.count(repeated[0])} metrics of the name "
            f"{repeated[0]!r} (all names: {names})",
            cause="metrics of one class were made without a name each",
            fix=f'Give each metric a name: {type(_first(metrics, repeated[0])).__name__}(name="...").',
        )


def _check_apart(training: Sequence[Any], validation: Sequence[Any]) -> None:
    shared = [metric.name for metric in training if any(metric is other for other in validation)]
    if shared:
        raise Violation(
            f"build_metrics returned the same object for training and for validation: {', '.join(shared)}",
            cause="the metrics are made once, and kept in the Task",
            fix="Make new metrics at each call of build_metrics.",
        )


def _check_not_reset(kind: str, metric: Any, calls: MetricCalls, *, by_loop: int) -> None:
    resets = calls.resets - by_loop
    if resets > 0:
        raise Violation(
            f"the {kind} metric {metric.name!r} was reset {resets} times during {calls.updates} updates",
            cause=f"{_STEP[kind]} (or what it calls) resets the metric, so that it forgets the batches before",
            fix="Leave reset_state to the loop, which calls it before each evaluation and each training loop.",
        )


def _check_fed(kind: str, metrics: Sequence[Any], calls: Mapping[int, MetricCalls], moved: set[str]) -> None:
    unfed = [metric.name for metric in metrics if not calls[id(metric)].updates and metric.name not in moved]
    if unfed:
        raise Violation(
            f"{_STEP[kind]} left {len(unfed)} of {len(metrics)} {kind} metrics without an update: {', '.join(unfed)}",
            cause="process_metrics does not reach them, or the step updates metrics of its own instead of those it "
            "is given",
            fix=f"Update every metric of the `metrics` argument in {_STEP[kind]}.",
        )


def _check_left_alone(kind: str, other: str, moved: set[str]) -> None:
    if moved:
        raise Violation(
            f"{_STEP[kind]} changed the state of {other} metrics: {', '.join(sorted(moved))}",
            cause="the Task keeps metrics in attributes, and updates them in both kinds of step",
            fix=f"Update in {_STEP[kind]} only the metrics of its `metrics` argument.",
        )


def _check_moves_in_graph(ctx: Context) -> None:
    """A metric that eager steps move must move in a graph: there, Python code runs once, while it is traced."""
    runs: dict[str, dict[Mode, set[str]]] = {_TRAINING: {}, _VALIDATION: {}}
    for mode in (Mode.EAGER, Mode.GRAPH):
        # The first step of a graph is left out: what is updated while it is traced looks like an update.
        shots = train_run(ctx, mode=mode).snapshots[1:]
        runs[_TRAINING][mode] = _moved(shots[0].train_metrics, shots[-1].train_metrics)
        evaluation = validation_run(ctx, mode=mode)
        runs[_VALIDATION][mode] = _moved(evaluation.before.validation_metrics, evaluation.after.validation_metrics)
    for kind, moved in runs.items():
        still = sorted(moved[Mode.EAGER] - moved[Mode.GRAPH])
        if still:
            raise Violation(
                f"in a graph {_STEP[kind]} did not change the {kind} metrics {', '.join(still)}; eagerly it does",
                cause="the update is Python or NumPy code, or is made under a Python condition, and runs only once, "
                "while the step is traced",
                fix="Update metrics with tensors through update_state, unconditionally.",
            )


def _moved(before: Mapping[str, np.ndarray], after: Mapping[str, np.ndarray]) -> set[str]:
    """The names of the metrics with a variable that changed; a state is named `<metric>/<position> <variable>`."""
    return {name.rpartition(" ")[0].rpartition("/")[0] for name in changed_names(before, after)}


def _first(metrics: Sequence[Any], name: str) -> Any:
    return next(metric for metric in metrics if metric.name == name)


class _LeavesOneOut(SoundTask):
    def process_metrics(self, metrics: Any, labels: Any, model_outputs: Any) -> None:
        super().process_metrics([m for m in metrics if m.name != "confidence"], labels, model_outputs)


class _SameNames(SoundTask):
    def build_metrics(self, training: bool = True) -> list[Any]:
        return super().build_metrics(True) + super().build_metrics(True)


class _OneObject(SoundTask):
    def build_metrics(self, training: bool = True) -> list[Any]:
        if not hasattr(self, "_metrics"):
            self._metrics = super().build_metrics(True)
        return self._metrics


class _ResetsAfterTheFirst(SoundTask):
    def process_metrics(self, metrics: Any, labels: Any, model_outputs: Any) -> None:
        super().process_metrics(metrics, labels, model_outputs)
        if not hasattr(self, "_warm"):
            self._warm = True
            for metric in metrics:
                metric.reset_state()


class _FeedsBoth(SoundTask):
    def build_metrics(self, training: bool = True) -> list[Any]:
        metrics = super().build_metrics(training)
        if not training:
            self._validation_metrics = metrics
        return metrics

    def train_step(self, inputs: Any, model: Any, optimizer: Any, metrics: Any = None) -> dict[str, Any]:
        self.process_metrics(self._validation_metrics, inputs[1], self.inference_step(inputs[0], model))
        return super().train_step(inputs, model, optimizer, metrics)


class _FedOnceWhileTraced(SoundTask):
    steps = 0

    def process_metrics(self, metrics: Any, labels: Any, model_outputs: Any) -> None:
        self.steps += 1
        if self.steps > 1:  # "skip the first batch": a trace sees the first batch only
            super().process_metrics(metrics, labels, model_outputs)


MUTANTS = (
    Subject(_LeavesOneOut, name="a metric that nobody updates"),
    Subject(_SameNames, name="two metrics of one name"),
    Subject(_OneObject, name="one metric for training and validation"),
    Subject(_ResetsAfterTheFirst, name="reset after the first update"),
    Subject(_FeedsBoth, name="training updates validation metrics"),
    Subject(_FedOnceWhileTraced, name="fed under a Python condition"),
)
TWIN = SOUND_TASK
