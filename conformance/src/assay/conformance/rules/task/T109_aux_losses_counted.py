"""T109 aux-losses-counted: auxiliary losses are summed into the loss, once, and may be absent."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from assay.conformance.context import Context
from assay.conformance.harness import as_numpy, calling
from assay.conformance.harness.flavour import set_random_seed
from assay.conformance.harness.tasks import (
    LossCall,
    ObservedStep,
    build_task,
    common_factor,
    first_batch,
    list_names,
    observe_training,
)
from assay.conformance.harness.tasks.observation import LOGGED_LOSS
from assay.conformance.lazy import tf
from assay.conformance.model import Level, Mode, NotApplicable, Rule, Subject, SubjectError, Target, Violation
from assay.conformance.specimens import CONFIGURED_TASK, SoundTask

RULE = Rule(
    id="T109",
    slug="aux-losses-counted",
    level=Level.MUST,
    requirement="build_losses adds the sum of aux_losses, takes None and an empty list, and train_step gives it them.",
    checks=(
        "Calls `build_losses` again with the labels and outputs that the train step gave it, with None, an empty list "
        "and three numbers for `aux_losses`. When the model has weight regularisers, computes their gradient and looks "
        "for it in the update. When layers add losses in `call`, the update must have something of their gradient. A "
        "configured `losses.loss_weight` may weigh the whole."
    ),
    why=(
        "Weight decay by regularisers reaches the weights on this way only. When it is dropped, the configuration "
        "says 1e-4 and the run has none; when it is averaged over the layers or counted twice, it is off by a factor "
        "that depends on the depth of the model. Neither changes the shape of any curve at first."
    ),
    bad="""
def build_losses(self, labels, model_outputs, aux_losses=None):
    loss = cross_entropy(labels, model_outputs)
    return loss + tf.reduce_mean(aux_losses)  # the mean of them; and fails without any
""",
    good="""
def build_losses(self, labels, model_outputs, aux_losses=None):
    loss = cross_entropy(labels, model_outputs)
    return loss + tf.add_n(aux_losses) if aux_losses else loss
""",
    modes=(Mode.EAGER,),
    targets=(Target.CPU,),
    references=("tensorflow/models: build_losses(labels, model_outputs, aux_losses=model.losses) in official/vision",),
)

_PROBES = (0.5, 0.125, 0.0625)
"""What three auxiliary losses are, in units of the loss: their sum, mean, first and last all differ."""


def check(ctx: Context) -> None:
    """Compare three calls of `build_losses`; then look for the regularisers in the update."""
    step = observe_training(ctx).steps[0]
    call = next((call for call in step.loss_calls if call.concrete), None) or _call_with_raw_labels(ctx)
    weight = _configured_weight(observe_training(ctx).build.task)
    _check_sum(ctx, call, weight)
    _check_update(ctx, step, weight)
    _check_added(ctx, step)


def _call_with_raw_labels(ctx: Context) -> LossCall:
    """A call of the suite's own, for a Task whose train step does not use `build_losses` in the open."""
    build, batch = build_task(ctx, mode=Mode.EAGER), first_batch(ctx)
    function = getattr(build.task, "build_losses", None)
    if not callable(function) or not (isinstance(batch, tuple) and len(batch) == 2):
        raise NotApplicable("The Task has no build_losses, or batches that are not (features, labels).")
    try:
        arguments = {"labels": batch[1], "model_outputs": build.model(batch[0], training=True)}
        return LossCall(function, arguments, function(**arguments))
    except Exception as unknown:
        raise NotApplicable(
            "train_step does not call build_losses where it could be watched, and it cannot be called with the labels "
            f"of the batch and the outputs of the model: {type(unknown).__name__}."
        ) from None


def _check_sum(ctx: Context, call: LossCall, weight: float) -> None:
    absent, empty = _loss(ctx, call, None), _loss(ctx, call, [])
    if not ctx.tolerance("loss").allows(empty, absent):
        raise Violation(
            f"build_losses returned {absent:.6g} with aux_losses=None and {empty:.6g} with aux_losses=[]",
            cause="None and an empty list take different ways through the code",
            fix="Write `if aux_losses:` and add tf.add_n(aux_losses) there.",
        )
    unit = max(1.0, abs(absent)) if np.isfinite(absent) else 1.0
    added = _loss(ctx, call, [tf.constant(unit * probe) for probe in _PROBES]) - absent
    factor = added / (unit * sum(_PROBES))
    if not ctx.tolerance("aux factor").allows(factor, 1.0) and not ctx.tolerance("aux factor").allows(factor, weight):
        given = ", ".join(f"{unit * probe:.4g}" for probe in _PROBES)
        raise Violation(
            f"aux_losses of {given} raised the loss by {added:.4g}, {factor:.2f} x their sum {unit * sum(_PROBES):.4g}",
            cause=_cause_of_sum(ctx, factor),
            fix="Add the sum, `tf.add_n(aux_losses)`, once.",
        )


def _loss(ctx: Context, call: LossCall, aux_losses: Sequence[Any] | None) -> float:
    set_random_seed(ctx.seed)
    given = "None" if aux_losses is None else f"a list of {len(aux_losses)}"
    try:
        with calling(f"build_losses with aux_losses={given}"):
            total = call.again(aux_losses)
    except SubjectError as error:
        if aux_losses:
            raise
        raise Violation(
            f"{error.doing} raised {type(error.original).__name__}: {error.original}",
            cause="build_losses adds up aux_losses without asking whether there are any",
            fix="Write `if aux_losses:` and add tf.add_n(aux_losses) there.",
        ) from error
    if total is None:
        raise Violation(
            "build_losses returned nothing that could be taken for the total loss",
            cause="it returns parts without the total, or nothing",
            fix="Return the total loss, a scalar.",
        )
    return float(np.sum(as_numpy(total), dtype=np.float64))


def _cause_of_sum(ctx: Context, factor: float) -> str:
    total = sum(_PROBES)
    known = {
        0.0: "aux_losses are ignored",
        1.0 / len(_PROBES): "their mean is added instead of their sum",
        _PROBES[0] / total: "only the first of them is added",
        _PROBES[-1] / total: "only the last of them is added",
        2.0: "they are added twice",
        -1.0: "they are subtracted",
    }
    near = ctx.tolerance("aux factor")
    return next((cause for value, cause in known.items() if near.allows(factor, value)), "they are weighed by a factor")


def _check_update(ctx: Context, step: ObservedStep, weight: float) -> None:
    """The weight regularisers, in the gradient that the step made beyond that of the data."""
    regularisers = _known(step.regulariser_gradients)
    data = _known(step.data_gradients)
    regularised = {name: g for name, g in regularisers.items() if np.any(g) and name in data}
    if not regularised:
        return
    near, factor = ctx.tolerance("regulariser"), None
    for gradients in (step.applied_sum(), _known(step.objectives.get(LOGGED_LOSS))):
        beyond = {name: gradients[name] - data[name] for name in regularised if name in gradients}
        # What is left of a difference of two gradients carries the rounding of both.
        rounding = {name: data[name] for name in beyond}
        factor = common_factor(beyond, regularised, tolerance=near, weights=rounding)
        if factor is not None:
            break
    # No factor: clipped, or with terms of another kind, such as losses of activities. Nobody can tell.
    if factor is None or near.allows(factor, 1.0) or near.allows(factor, weight):
        return
    raise Violation(
        f"the gradient of the model's weight regularisers is in the update {abs(factor):.2f} times for "
        f"{list_names(regularised)}",
        cause=_cause_of_update(ctx, factor, step),
        fix="Call build_losses(labels, outputs, aux_losses=model.losses) in train_step, and add them nowhere else.",
    )


def _cause_of_update(ctx: Context, factor: float, step: ObservedStep) -> str:
    near = ctx.tolerance("regulariser")
    if near.allows(factor, 0.0):
        return f"train_step does not give build_losses the {step.aux_losses} losses of the model"
    if near.allows(factor, 2.0):
        return "model.losses are given to build_losses and added in train_step again"
    return "the regularisers are weighed by a factor between model.losses and the loss"


def _check_added(ctx: Context, step: ObservedStep) -> None:
    """The losses that layers add in `call`: the update has nothing of them when it is the data's and the weights'."""
    data, every, weights = (
        _known(one) for one in (step.data_gradients, step.aux_gradients, step.regulariser_gradients)
    )
    applied = step.applied_sum()
    names = [name for name in every if name in applied and name in data]
    added = {name: every[name] - weights.get(name, 0.0) for name in names}
    beyond = {name: applied[name] - data[name] - weights.get(name, 0.0) for name in names}
    size, rest = _norm(added), min(_norm(beyond), _norm({name: applied[name] - data[name] for name in names}))
    near = ctx.tolerance("added")
    if size <= near.absolute * _norm({name: data[name] for name in names}) or rest > near.relative * size:
        return
    raise Violation(
        f"the update has nothing of the losses that layers add with add_loss: their gradient has a norm of {size:.4g}, "
        f"and what the update has beside the loss of the data and the regularisers one of {rest:.4g}",
        cause="the step does not pass model.losses to build_losses, or reads them before the forward pass",
        fix="Call `build_losses(labels, outputs, aux_losses=model.losses)` after the forward pass.",
    )


def _norm(gradients: Mapping[str, np.ndarray]) -> float:
    return float(np.sqrt(sum(np.sum(np.square(value)) for value in gradients.values())))


def _known(gradients: Mapping[str, np.ndarray | None] | None) -> dict[str, np.ndarray]:
    return {name: gradient for name, gradient in (gradients or {}).items() if gradient is not None}


def _configured_weight(task: Any) -> float:
    """`task_config.losses.loss_weight`, by which some Tasks weigh the whole loss."""
    losses = getattr(getattr(task, "task_config", None), "losses", None)
    weight = losses.get("loss_weight") if isinstance(losses, Mapping) else getattr(losses, "loss_weight", None)
    return float(weight) if isinstance(weight, int | float) else 1.0


class _IgnoresThem(SoundTask):
    def build_losses(self, labels: Any, model_outputs: Any, aux_losses: Any = None) -> Any:
        return super().build_losses(labels, model_outputs)


class _AddsTheirMean(SoundTask):
    def build_losses(self, labels: Any, model_outputs: Any, aux_losses: Any = None) -> Any:
        loss = super().build_losses(labels, model_outputs)
        return loss + tf.reduce_mean(tf.stack(aux_losses)) if aux_losses else loss


class _NeedsThem(SoundTask):
    def build_losses(self, labels: Any, model_outputs: Any, aux_losses: Any = None) -> Any:
        return super().build_losses(labels, model_outputs) + tf.add_n([tf.constant(0.0), *aux_losses])


class _StepForgetsThem(SoundTask):
    def train_step(self, inputs: Any, model: Any, optimizer: Any, metrics: Any = None) -> dict[str, Any]:
        features, labels = inputs
        with tf.GradientTape() as tape:
            outputs = self.forward(model, features, training=True)
            loss = self.build_losses(labels, outputs)
            objective = self.replica_share(loss)
        variables = self.variables_to_train(model)
        self.apply(optimizer, tape.gradient(objective, variables), variables)
        self.process_metrics(metrics or [], labels, outputs)
        return self.train_logs(loss)


class _StepForgetsActivities(_StepForgetsThem):
    def build_model(self) -> Any:
        model = super().build_model()
        model.add(tf.keras.layers.ActivityRegularization(l2=0.1, name="activities"))
        return model


class _StepAddsThemAgain(SoundTask):
    def replica_share(self, loss: Any) -> Any:
        return super().replica_share(loss + tf.add_n(self._model.losses))

    def forward(self, model: Any, features: Any, *, training: bool) -> Any:
        self._model = model
        return super().forward(model, features, training=training)

    def train_logs(self, loss: Any) -> dict[str, Any]:
        return {self.loss: loss + tf.add_n(self._model.losses)}


MUTANTS = (
    Subject(lambda: _IgnoresThem(weight_decay=0.01), name="ignores aux_losses"),
    Subject(_AddsTheirMean, name="adds the mean of aux_losses"),
    Subject(_NeedsThem, name="fails without aux_losses"),
    Subject(lambda: _StepForgetsThem(weight_decay=0.01), name="train_step forgets model.losses"),
    Subject(_StepForgetsActivities, name="train_step forgets what a layer adds"),
    Subject(lambda: _StepAddsThemAgain(weight_decay=0.01), name="train_step adds model.losses again"),
)
TWIN = CONFIGURED_TASK
