"""A few eager training steps, watched from all sides: what the rules about the train step share.

The suite's own tape runs around the step and differentiates the loss that the step computed, in that very step: the
same dropout masks, batch statistics and labels. That gradient is independent of what the step did with its own.
"""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from assay.conformance.context import Context
from assay.conformance.harness.calls import calling
from assay.conformance.harness.flavour import set_random_seed, weights_of
from assay.conformance.harness.tasks.batches import training_batches
from assay.conformance.harness.tasks.build import Build, build_task
from assay.conformance.harness.tasks.containers import fresh_containers
from assay.conformance.harness.tasks.layer_calls import LayerCall, watching_layers
from assay.conformance.harness.tasks.loss_calls import LossCall, total_loss, watching_losses
from assay.conformance.harness.tasks.optimizers import applied_gradients, optimizer_iterations
from assay.conformance.harness.tasks.snapshots import Snapshot, model_variables, snapshot
from assay.conformance.harness.values import as_numpy
from assay.conformance.model.vocabulary import Mode

OBSERVED_STEPS = 3
LOGGED_LOSS = "logs['loss']"
BUILT_LOSS = "build_losses"

Gradients = Mapping[str, np.ndarray | None]
"""A gradient, or None where nothing connects, by the name of a trainable variable."""


@dataclasses.dataclass(frozen=True, eq=False)
class ObservedStep:
    """One watched step.

    Attributes:
      before: The variables before it.
      after: The variables after it.
      counted: By how much it moved `optimizer.iterations`.
      learning_rate: The optimizer's after the step; a step may set it.
      applied: What the optimizer was given: a list a call, of `(name, gradient or None)`.
      objectives: The gradient of each loss that the suite could get hold of, by what the loss is: the one in the logs,
        and the one that `build_losses` returned. A loss that no trainable variable is connected to is left out.
      losses: The value of each of these losses, connected or not; those that are no numbers are left out.
      data_gradients: The gradient of `build_losses` without auxiliary losses; None when that could not be had.
      regulariser_gradients: The gradient of the sum of the model's weight regularisers; None when there are none.
      aux_gradients: The gradient of the sum of all losses that the model itself has after the forward pass; None when
        there are none, or they are connected to nothing.
      layer_calls: The calls of the model and its layers that take the `training` flag.
      loss_calls: The calls of `build_losses`.
      aux_losses: How many losses the model itself has after the forward pass: regularisers and those added in `call`.
    """

    before: Snapshot
    after: Snapshot
    counted: int
    learning_rate: float
    applied: Sequence[Sequence[tuple[str, np.ndarray | None]]]
    objectives: Mapping[str, Gradients]
    losses: Mapping[str, float]
    data_gradients: Gradients | None
    regulariser_gradients: Gradients | None
    aux_gradients: Gradients | None
    layer_calls: Sequence[LayerCall]
    loss_calls: Sequence[LossCall]
    aux_losses: int

    def applied_sum(self) -> dict[str, np.ndarray]:
        """What the optimizer was given for each variable, summed over its calls; without those given as None."""
        total: dict[str, np.ndarray] = {}
        for name, gradient in (pair for call in self.applied for pair in call):
            if gradient is not None:
                total[name] = total[name] + gradient if name in total else gradient
        return total


@dataclasses.dataclass(frozen=True, eq=False)
class Observation:
    """A few watched steps from the common initial weights.

    Attributes:
      build: What ran. Do not run it again.
      steps: The steps, on consecutive batches.
      weights: The names of the variables that would be trainable if nothing was frozen.
      constrained: The names of those with a constraint, which the optimizer applies after the update.
    """

    build: Build
    steps: tuple[ObservedStep, ...]
    weights: frozenset[str]
    constrained: frozenset[str]

    @property
    def trainable(self) -> tuple[str, ...]:
        """The names of the trainable variables."""
        return self.steps[0].before.trainable

    @property
    def frozen(self) -> tuple[str, ...]:
        """The names of the weights that the Task froze."""
        return tuple(name for name in self.steps[0].before.model if name in self.weights - set(self.trainable))


def observe_training(ctx: Context, *, precision: str | None = None, steps: int = OBSERVED_STEPS) -> Observation:
    """Return eager training steps watched from all sides, shared by all rules that ask for the same.

    Args:
      ctx: The check's context; its mode does not matter.
      precision: The global precision policy; float32 when None.
      steps: How many steps.

    Raises:
      SubjectError: If the step raises.
    """

    def observe() -> Observation:
        build = build_task(ctx, mode=Mode.EAGER, precision=precision)
        set_random_seed(build.seed)
        seen = tuple(observe_step(build, batch) for batch in training_batches(ctx, OBSERVED_STEPS)[:steps])
        variables = model_variables(build.model)
        names = dict(zip(map(id, variables), build.names("model", variables), strict=True))
        constrained = {names[id(v)] for v in variables if getattr(v, "constraint", None) is not None}
        weights = {names[id(variable)] for variable in weights_of(build.model)}
        return Observation(build, seen, frozenset(weights), frozenset(constrained))

    return ctx.share(("observed training", precision, steps), observe)


def observe_step(build: Build, batch: Any) -> ObservedStep:
    """Take one eager training step and watch it.

    Args:
      build: A build in eager mode.
      batch: The batch.

    Raises:
      SubjectError: If the step raises.
    """
    import tensorflow as tf

    model, optimizer = build.model, build.optimizer
    trainable = list(model.trainable_variables)
    variables = model_variables(model)
    names = dict(zip(map(id, variables), build.names("model", variables), strict=True))
    given = [as_numpy(variable) for variable in trainable]
    before, counted, known = snapshot(build), optimizer_iterations(optimizer), len(applied_gradients(optimizer))
    with (
        build.placed(),
        watching_layers(model) as layer_calls,
        watching_losses(build.task) as loss_calls,
        _eager_functions(build.task),
        tf.GradientTape(persistent=True) as tape,
    ):
        regulariser = _sum_of(getattr(model, "losses", ()))
        with calling("train_step, watched"):
            logs = build.task.train_step(fresh_containers(batch), model, optimizer, metrics=list(build.train_metrics))
        seen = list(loss_calls)
        with _values(trainable, given):  # regularisers are computed when they are read, of the weights of that moment
            own_losses = list(getattr(model, "losses", ()))
            own = _sum_of(own_losses)
        built = _sum_of(total_loss(call.result) for call in seen)
        data = _sum_of(_without_aux(call) for call in seen)

    def gradients(loss: Any) -> Gradients | None:
        return _gradients(tape, loss, trainable, names)

    logged = logs.get(getattr(build.task, "loss", "loss")) if isinstance(logs, Mapping) else None
    objectives = {LOGGED_LOSS: logged, BUILT_LOSS: built}
    found = {what: gradients(loss) for what, loss in objectives.items()}
    return ObservedStep(
        before=before,
        after=snapshot(build),
        counted=optimizer_iterations(optimizer) - counted,
        learning_rate=float(as_numpy(optimizer.learning_rate)),
        applied=[
            [(names.get(id(v)) or str(getattr(v, "name", v)), _dense(gradient)) for gradient, v in call]
            for call in applied_gradients(optimizer)[known:]
        ],
        objectives={what: values for what, values in found.items() if values is not None},
        losses={what: float(as_numpy(loss)) for what, loss in objectives.items() if _is_number(loss)},
        data_gradients=gradients(data),
        regulariser_gradients=gradients(regulariser),
        aux_gradients=gradients(own),
        layer_calls=tuple(layer_calls),
        loss_calls=tuple(seen),
        aux_losses=len(own_losses),
    )


@contextlib.contextmanager
def _values(variables: Sequence[Any], values: Sequence[np.ndarray]) -> Iterator[None]:
    """Give variables other values for a while."""
    present = [as_numpy(variable) for variable in variables]
    for variable, value in zip(variables, values, strict=True):
        variable.assign(value)
    try:
        yield
    finally:
        for variable, value in zip(variables, present, strict=True):
            variable.assign(value)


def _is_number(loss: Any) -> bool:
    """Whether a loss has one value: a tensor of a graph has none."""
    return loss is not None and hasattr(loss, "numpy") and not len(loss.shape)


def _gradients(tape: Any, loss: Any, trainable: Sequence[Any], names: Mapping[int, str]) -> Gradients | None:
    """The gradient of a loss, or None when the loss is not one, or is connected to no variable."""
    import tensorflow as tf

    if not tf.is_tensor(loss) or not loss.dtype.is_floating or not trainable:
        return None
    try:
        found = tape.gradient(loss, list(trainable))
    except (LookupError, ValueError, tf.errors.OpError):  # not differentiable: nothing is known about it
        return None
    if all(gradient is None for gradient in found):
        return None
    return {names[id(v)]: _dense(gradient) for v, gradient in zip(trainable, found, strict=True)}


def _dense(gradient: Any) -> np.ndarray | None:
    """A gradient as an array; embeddings have sparse ones. One of a graph has no value, and is none."""
    import tensorflow as tf

    if gradient is None:
        return None
    dense = tf.convert_to_tensor(gradient)
    return np.asarray(dense.numpy(), dtype=np.float64) if hasattr(dense, "numpy") else None


def _sum_of(losses: Any) -> Any:
    """The sum of scalar tensors, or None when there are none, or one of them has no value."""
    import tensorflow as tf

    found = [tf.convert_to_tensor(loss) for loss in losses if loss is not None]
    if not found or not all(hasattr(loss, "numpy") and loss.dtype.is_floating for loss in found):
        return None
    return tf.add_n([tf.reduce_sum(tf.cast(loss, tf.float32)) for loss in found])


def _without_aux(call: LossCall) -> Any:
    """The total of the same call without auxiliary losses; NaN when the Task cannot do that."""
    try:
        return call.again(None) if call.concrete else np.float32(np.nan)
    except Exception:  # whether it can is the question of another rule
        return np.float32(np.nan)


@contextlib.contextmanager
def _eager_functions(task: Any) -> Iterator[None]:
    """Run `tf.function`s eagerly when the Task has made one of its own train step: its insides could not be seen."""
    import tensorflow as tf

    before = tf.config.functions_run_eagerly()
    tf.config.run_functions_eagerly(before or hasattr(task.train_step, "get_concrete_function"))
    try:
        yield
    finally:
        tf.config.run_functions_eagerly(before)
