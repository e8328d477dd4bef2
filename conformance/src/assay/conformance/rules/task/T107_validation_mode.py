"""T107 validation-mode: validation and inference run the model with training=False."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from assay.conformance.context import Context
from assay.conformance.harness import as_numpy, calling, metric_variables_in
from assay.conformance.harness.tasks import (
    Build,
    LayerCall,
    build_task,
    changed_names,
    describe_changes,
    model_variables,
    reset_metric,
    snapshot,
    validation_batches,
    validation_run,
    watching_layers,
)
from assay.conformance.lazy import tf
from assay.conformance.model import Level, Mode, NotApplicable, Rule, Subject, SubjectError, Target, Violation
from assay.conformance.specimens import DROPOUT_TASK, SoundTask

RULE = Rule(
    id="T107",
    slug="validation-mode",
    level=Level.MUST,
    requirement="validation_step and inference_step run the model with training=False.",
    checks=(
        "Watches the value of `training` that the model and each of its layers receive in the two steps, and takes "
        "each step twice on the same batch: the same input must give the same output and move no statistic. In a "
        "graph, the loss of each validation batch must be that of eager mode."
    ),
    why=(
        "With training=True dropout throws activations away and batch normalisation uses the statistics of the batch, "
        "so that the result of an example depends on the others in its batch and on chance, and the statistics that "
        "serving will use are moved by validation data. The reported accuracy is of a model that nobody will deploy."
    ),
    bad="""
def validation_step(self, inputs, model, metrics=None):
    features, labels = inputs
    outputs = model(features, training=True)  # copied from train_step
""",
    good="""
def validation_step(self, inputs, model, metrics=None):
    features, labels = inputs
    outputs = self.inference_step(features, model)  # model(features, training=False)
""",
    modes=(Mode.EAGER, Mode.GRAPH),
    targets=(Target.CPU, Target.GPU),
    traits=("random_inference",),
    references=("Keras: the argument training of Dropout and BatchNormalization",),
)

_LOSS = "loss"
_HARD_CODED = (
    "training=True is written into the model's own call, or is given to a model whose call does not have that argument"
)
_RANDOM = "the model or the step draws random numbers whatever `training` is: dropout without a look at the flag"
_FIX = "Call the model with training=False in validation_step and inference_step."


@dataclasses.dataclass(frozen=True)
class _TwoRuns:
    """One step, taken twice on one batch."""

    calls: tuple[LayerCall, ...]
    first: Mapping[str, np.ndarray]
    second: Mapping[str, np.ndarray]
    before: Mapping[str, np.ndarray]
    after: Mapping[str, np.ndarray]


def check(ctx: Context) -> None:
    """Judge what the model received, then what came out."""
    runs = ctx.share("inference twice", lambda: _run_twice(ctx))
    for step, seen in runs.items():
        _check_flag(step, seen)
    for step, seen in runs.items():
        _check_statistics(step, seen)
        if not ctx.trait("random_inference"):
            _check_repeats(ctx, step, seen)
    if not any(seen.calls or seen.before for seen in runs.values()):
        raise NotApplicable(
            "No layer of the model takes `training` and the model keeps no statistics: it has one mode."
        )
    if ctx.mode is not Mode.EAGER:
        _check_graph(ctx)


def _run_twice(ctx: Context) -> dict[str, _TwoRuns]:
    build = build_task(ctx, mode=Mode.EAGER)
    task, model, batch = build.task, build.model, validation_batches(ctx)[0]
    features = batch[0] if isinstance(batch, tuple) and batch else batch

    def validate() -> Any:
        for metric in build.validation_metrics:
            reset_metric(metric)
        logs = task.validation_step(batch, model, metrics=list(build.validation_metrics))
        # Other logs may count on from call to call; the loss depends on the batch alone.
        return {f"the {_LOSS}": logs[_LOSS]} if isinstance(logs, Mapping) and _LOSS in logs else {}

    def infer() -> Any:
        return {f"output {n}": leaf for n, leaf in enumerate(tf.nest.flatten(task.inference_step(features, model)))}

    runs = {"validation_step": _twice(build, "validation_step", validate)}
    if callable(getattr(task, "inference_step", None)):
        # One that wants other inputs than the features of a batch cannot be called from here.
        with contextlib.suppress(SubjectError):
            runs["inference_step"] = _twice(build, "inference_step", infer)
    return runs


def _twice(build: Build, step: str, run: Callable[[], Any]) -> _TwoRuns:
    before = _statistics(build)
    with build.placed(), watching_layers(build.model) as calls, calling(f"{step}, twice on one batch"):
        first, second = _values(run()), _values(run())
    return _TwoRuns(tuple(calls), first, second, before, _statistics(build))


def _check_flag(step: str, seen: _TwoRuns) -> None:
    wrong = [call for call in seen.calls if call.by_task and call.training]
    if wrong:
        below = _ran_below(seen)
        inside = f", and with it {_some(below)}" if below else ""
        raise Violation(
            f"{step} called {wrong[0].layer} with training=True{inside}",
            cause="the call was copied from train_step, or `training` has True as its default",
            fix=_FIX,
        )


def _check_statistics(step: str, seen: _TwoRuns) -> None:
    """Statistics that move because a layer ran in training mode; T102 speaks about all others."""
    moved = [name for name in changed_names(seen.before, seen.after) if seen.before[name].dtype.kind == "f"]
    below = _ran_below(seen)
    if moved and below:
        raise Violation(
            f"{step} moved statistics: {describe_changes(seen.before, seen.after, moved)}; {_some(below)} ran "
            "with training=True",
            cause=_HARD_CODED,
            fix="Pass the `training` argument of the model's call on to its layers.",
        )


def _check_repeats(ctx: Context, step: str, seen: _TwoRuns) -> None:
    tolerance = ctx.tolerance("loss")
    for name, first in seen.first.items():
        second = seen.second.get(name)
        if second is None or first.shape != second.shape or tolerance.allows(second, first):
            continue
        worst = np.max(np.abs(first - second))
        below = _ran_below(seen)
        raise Violation(
            f"{step} gave two results for one batch and the same weights: {name} differs by up to {worst:.3g}"
            + (f"; {_some(below)} ran with training=True" if below else ""),
            cause=_HARD_CODED if below else _RANDOM,
            fix=(
                "Let everything random depend on the `training` argument, and pass it on to the layers; if inference "
                "is random on purpose, declare the trait random_inference."
            ),
        )


def _check_graph(ctx: Context) -> None:
    """The loss of each batch in a graph is that of eager mode, as far as training mode would change it."""
    if ctx.trait("random_inference"):
        raise NotApplicable("The subject declares the trait 'random_inference': losses cannot be compared.")
    eager, graph = validation_run(ctx, mode=Mode.EAGER).logs, validation_run(ctx).logs
    for number, (ours, theirs) in enumerate(zip(eager, graph, strict=True), start=1):
        if _LOSS not in ours[0] or _LOSS not in theirs[0]:
            raise NotApplicable("validation_step logs no loss that could be compared with eager mode.")
        expected, actual = (np.asarray(as_numpy(logs[0][_LOSS]), np.float64) for logs in (ours, theirs))
        if not ctx.tolerance("graph loss").allows(actual, expected):
            raise Violation(
                f"validation_step logged the loss {actual:.6g} for batch {number} in a graph, {expected:.6g} eagerly",
                cause="`training` depends on whether the code runs eagerly, or random numbers are drawn in a graph",
                fix=_FIX,
            )


def _ran_below(seen: _TwoRuns) -> list[str]:
    """The layers that ran in training mode below the one that the Task called."""
    return list(dict.fromkeys(call.layer for call in seen.calls if call.training and not call.by_task))


def _statistics(build: Build) -> dict[str, np.ndarray]:
    """The model's variables that are not trained, without those of metrics that the model owns."""
    variables = model_variables(build.model)
    owned = {id(variable) for variable in metric_variables_in(build.model)}
    names = build.names("model", variables)
    metrics = {name for name, variable in zip(names, variables, strict=True) if id(variable) in owned}
    return {name: value for name, value in snapshot(build).statistics.items() if name not in metrics}


def _values(outputs: Mapping[str, Any]) -> dict[str, np.ndarray]:
    """The outputs that are numbers; text, and tensors of a graph, are left out."""
    values = {name: as_numpy(leaf) for name, leaf in outputs.items() if _has_value(leaf)}
    numbers = {name: value for name, value in values.items() if tf.as_dtype(value.dtype).is_floating}
    return {name: value.astype(np.float64) for name, value in numbers.items()}


def _has_value(leaf: Any) -> bool:
    return isinstance(leaf, float | np.ndarray) or (tf.is_tensor(leaf) and hasattr(leaf, "numpy"))


def _some(layers: list[str]) -> str:
    more = len(layers) - 3
    return ", ".join(layers[:3]) + (f" and {more} more" if more > 0 else "")


class _TrainingMode(SoundTask):
    def validation_step(self, inputs: Any, model: Any, metrics: Any = None) -> dict[str, Any]:
        features, labels = inputs
        outputs = self.forward(model, features, training=True)
        self.process_metrics(metrics or [], labels, outputs)
        return self.validation_logs(labels, outputs, self.build_losses(labels, outputs, aux_losses=model.losses))


class _InfersInTrainingMode(SoundTask):
    def inference_step(self, inputs: Any, model: Any) -> Any:
        return self.forward(model, inputs, training=True)


class _AlwaysDrops(SoundTask):
    def forward(self, model: Any, features: Any, *, training: bool) -> Any:
        return super().forward(model, tf.nn.dropout(features, 0.5), training=training)


class _EagerlyOnly(SoundTask):
    def validation_step(self, inputs: Any, model: Any, metrics: Any = None) -> dict[str, Any]:
        self._training = not tf.executing_eagerly()
        return super().validation_step(inputs, model, metrics)

    def forward(self, model: Any, features: Any, *, training: bool) -> Any:
        return super().forward(model, features, training=training or getattr(self, "_training", False))


MUTANTS = (
    Subject(_TrainingMode, name="validates with training=True"),
    Subject(lambda: _InfersInTrainingMode(dropout=0.5), traits={"random_step": True}, name="infers with training=True"),
    Subject(_AlwaysDrops, traits={"random_step": True}, name="dropout that ignores the flag"),
    Subject(lambda: _EagerlyOnly(dropout=0.5), traits={"random_step": True}, name="training mode in graphs"),
)
TWIN = DROPOUT_TASK
