"""T001 signatures: the methods take the contract's arguments and return the contract's forms."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any

from assay.conformance.context import Context
from assay.conformance.harness import calling
from assay.conformance.harness.tasks import (
    build_task,
    observe_training,
    training_batches,
    validation_batches,
    validation_run,
)
from assay.conformance.lazy import tf
from assay.conformance.model import Level, Mode, Rule, Subject, Target, Violation
from assay.conformance.specimens import SOUND_TASK, SoundTask

RULE = Rule(
    id="T001",
    slug="signatures",
    level=Level.MUST,
    requirement="The Task's methods accept the arguments that loops call them with, and return the forms they expect.",
    checks=(
        "Binds each method that the Task has to the calls that loops make of it, by position and by name; takes a "
        "train and a validation step without metrics; looks at what `build_metrics`, `build_losses` and "
        "`reduce_aggregated_logs` return. A Task need not inherit from anything, and may have more parameters as long "
        "as they have defaults."
    ),
    why=(
        "A loop calls `train_step(inputs, model=..., optimizer=..., metrics=...)` and `reduce_aggregated_logs` once, "
        "after a whole evaluation: a parameter with another name is found there, and not before. Code that is written "
        "for any Task (distillation, fine-tuning, this suite) calls `build_losses` by name, and cannot with others."
    ),
    bad="""
def train_step(self, inputs, net, opt, metrics):  # other names, and the metrics are required
    ...

def build_losses(self, outputs, targets):         # other names, and no auxiliary losses
    ...
    return total, box, classes                    # more than the total
""",
    good="""
def train_step(self, inputs, model, optimizer, metrics=None):
    ...

def build_losses(self, labels, model_outputs, aux_losses=None):
    ...
    return total
""",
    modes=(Mode.EAGER,),
    targets=(Target.CPU,),
    references=(
        "tensorflow/models: official/core/base_task.py and official/core/base_trainer.py make these calls",
        "tensorflow/models: official/vision/tasks/retinanet.py names the arguments of build_losses otherwise",
    ),
)

_REQUIRED = ("build_model", "build_inputs", "train_step", "validation_step")
_CONTRACT: Mapping[str, tuple[str, ...]] = {
    "build_model": ("()",),
    "initialize": ("(model)",),
    "build_inputs": ("(params)", "(params, input_context)"),
    "build_losses": (
        "(labels=, model_outputs=)",
        "(labels=, model_outputs=, aux_losses=)",
    ),
    "build_metrics": ("()", "(training=)"),
    "process_metrics": ("(metrics, labels, model_outputs)",),
    "train_step": ("(inputs, model=, optimizer=)", "(inputs, model=, optimizer=, metrics=)"),
    "validation_step": ("(inputs, model=)", "(inputs, model=, metrics=)"),
    "inference_step": ("(inputs, model)", "(inputs, model=)"),
    "aggregate_logs": ("(state, step_logs)",),
    "reduce_aggregated_logs": ("(aggregated_logs)", "(aggregated_logs, global_step=)"),
}
"""The calls that loops make of each method: arguments by position, and by name where there is an equals sign."""


def check(ctx: Context) -> None:
    """Bind every method, take the steps without metrics, and look at what is returned."""
    build = build_task(ctx)
    for method, calls in _CONTRACT.items():
        _check_binds(build.task, method, calls)
    _check_metrics(build.task)
    with build.placed():
        for name, batch in (
            ("train_step", training_batches(ctx, 1)[0]),
            ("validation_step", validation_batches(ctx)[0]),
        ):
            arguments = {"model": build.model} | ({"optimizer": build.optimizer} if name == "train_step" else {})
            with calling(f"{name} without metrics"):
                getattr(build.task, name)(batch, **arguments)
    _check_loss(ctx)
    _check_reduced(ctx)


def _check_binds(task: Any, method: str, calls: tuple[str, ...]) -> None:
    function = getattr(task, method, None)
    if not callable(function):
        if method in _REQUIRED:
            raise Violation(
                f"the Task has no method {method}()",
                cause="the loop cannot do without it",
                fix=f"Add {method}{calls[-1].replace('=', '')}.",
            )
        return
    signature = _signature(function)
    if signature is None:
        return
    for call in calls:
        try:
            signature.bind(*_positional(call), **_by_name(call))
        except TypeError as mismatch:
            raise Violation(
                f"{method}{signature} cannot be called as {method}{_shown(call)}: {mismatch}",
                cause="a parameter has another name than in the contract, is missing, or is required without need",
                fix=f"Declare {method} with the parameters {_declared(calls)}; further ones need defaults.",
            ) from None


def _check_metrics(task: Any) -> None:
    if not callable(getattr(task, "build_metrics", None)):
        return
    for training in (True, False):
        with calling(f"build_metrics(training={training})"):
            metrics = task.build_metrics(training=training)
        if not isinstance(metrics, list | tuple):
            raise Violation(
                f"build_metrics(training={training}) returned {_form(metrics)}",
                cause="the loop adds its own metrics to a list of them",
                fix="Return a list of metrics, an empty one when there are none.",
            )
        for metric in metrics:
            missing = [part for part in ("name", "update_state", "result") if not hasattr(metric, part)]
            if missing:
                raise Violation(
                    f"build_metrics(training={training}) returned a list with {_form(metric)} without {missing[0]}",
                    cause="it is not a metric",
                    fix="Return Keras metrics, or objects with name, update_state, result and reset_state.",
                )


def _check_loss(ctx: Context) -> None:
    """What `build_losses` returned when the Task's own train step called it."""
    for call in observe_training(ctx).steps[0].loss_calls:
        if len(tf.nest.flatten(call.result)) != 1 or isinstance(call.result, list | tuple | Mapping):
            raise Violation(
                f"build_losses returned {_form(call.result)}",
                cause="the parts of the loss are returned beside the total",
                fix="Return the total alone, a scalar; keep the parts in metrics or in the logs of the step.",
            )
        if len(getattr(call.result, "shape", ())):
            raise Violation(
                f"build_losses returned a tensor of shape {list(call.result.shape)}",
                cause="the loss has not been reduced to one number: a loss with reduction 'none', without a mean",
                fix="Return the mean over the examples, a scalar.",
            )


def _check_reduced(ctx: Context) -> None:
    reduced: Any = validation_run(ctx).reduced
    if not isinstance(reduced, Mapping):
        raise Violation(
            f"reduce_aggregated_logs returned {_form(reduced)}",
            cause="the loop adds what it returns to the logs of the evaluation",
            fix="Return a dict from name to value, an empty one when there is nothing to report.",
        )


def _signature(function: Callable[..., Any]) -> inspect.Signature | None:
    try:
        return inspect.signature(function)
    except (TypeError, ValueError):  # written in another language: it cannot be read
        return None


def _arguments(call: str) -> list[str]:
    return [argument for argument in call.strip("()").split(", ") if argument]


def _positional(call: str) -> list[None]:
    return [None for argument in _arguments(call) if not argument.endswith("=")]


def _by_name(call: str) -> dict[str, None]:
    return {argument[:-1]: None for argument in _arguments(call) if argument.endswith("=")}


def _shown(call: str) -> str:
    return call.replace("=", "=...")


def _declared(calls: tuple[str, ...]) -> str:
    """The parameters as a signature: those that are not in every call are optional."""
    always = {argument.rstrip("=") for argument in _arguments(calls[0])}
    names = [argument.rstrip("=") for argument in _arguments(calls[-1])]
    return f"({', '.join(name if name in always else f'{name}=None' for name in names)})"


def _form(value: Any) -> str:
    if isinstance(value, list | tuple):
        return f"a {type(value).__name__} of {len(value)}"
    return f"a {type(value).__name__}" if value is not None else "nothing"


class _OtherNames(SoundTask):
    def train_step(self, inputs: Any, net: Any, opt: Any, metrics: Any = None) -> dict[str, Any]:
        return super().train_step(inputs, net, opt, metrics)


class _LossesTheOtherWay(SoundTask):
    def build_losses(self, outputs: Any, labels: Any, aux_losses: Any = None) -> Any:  # type: ignore[override]
        return super().build_losses(labels, outputs, aux_losses)

    def train_step(self, inputs: Any, model: Any, optimizer: Any, metrics: Any = None) -> dict[str, Any]:
        features, labels = inputs
        with tf.GradientTape() as tape:
            outputs = self.forward(model, features, training=True)
            loss = self.build_losses(outputs=outputs, labels=labels, aux_losses=model.losses)
        variables = self.variables_to_train(model)
        self.apply(optimizer, tape.gradient(self.replica_share(loss), variables), variables)
        self.process_metrics(metrics or [], labels, outputs)
        return self.train_logs(loss)

    def validation_step(self, inputs: Any, model: Any, metrics: Any = None) -> dict[str, Any]:
        features, labels = inputs
        outputs = self.forward(model, features, training=False)
        self.process_metrics(metrics or [], labels, outputs)
        return self.validation_logs(labels, outputs, self.build_losses(outputs=outputs, labels=labels))


class _NeedsMetrics(SoundTask):
    def process_metrics(self, metrics: Any, labels: Any, model_outputs: Any) -> None:
        super().process_metrics([metrics[0], *metrics[1:]], labels, model_outputs)


class _MetricsByName(SoundTask):
    def build_metrics(self, training: bool = True) -> Any:
        return {metric.name: metric for metric in super().build_metrics(training)}


MUTANTS = (
    Subject(_OtherNames, name="other names for model and optimizer"),
    Subject(_LossesTheOtherWay, name="build_losses(outputs, labels)"),
    Subject(_NeedsMetrics, name="fails without metrics"),
    Subject(_MetricsByName, name="metrics in a dict"),
)
TWIN = SOUND_TASK
