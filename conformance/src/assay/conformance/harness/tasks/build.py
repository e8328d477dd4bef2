"""One Task with its model, optimizer and metrics, made inside a strategy's scope and started from equal weights."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from assay.conformance.context import Context
from assay.conformance.harness.calls import calling
from assay.conformance.harness.flavour import precision_policy
from assay.conformance.harness.pipelines.components import make_component
from assay.conformance.harness.pipelines.datasets import build_dataset, data_params
from assay.conformance.harness.strategies import placement, strategy_for
from assay.conformance.harness.tasks.optimizers import LEARNING_RATE, make_optimizer
from assay.conformance.harness.tasks.snapshots import assign_values, model_variables, variable_names
from assay.conformance.harness.values import as_numpy
from assay.conformance.model.errors import Violation
from assay.conformance.model.vocabulary import Mode, Target

MIXED_PRECISION_LOSS_SCALE = 2.0**10


@dataclasses.dataclass(frozen=True, eq=False)
class Build:
    """A Task ready to take steps.

    Attributes:
      task: The Task.
      model: Its model; every variable exists.
      optimizer: The suite's optimizer; every variable exists.
      train_metrics: What `build_metrics(training=True)` returned.
      validation_metrics: What `build_metrics(training=False)` returned.
      strategy: The strategy in whose scope everything was made.
      target: Where it runs.
      mode: How its steps run.
      precision: The global policy that it was made under, and that its steps run under.
      seed: Where randomness starts from, when it was made and again when a run begins.
      names: Gives the stable names of a group of variables (`model`, `optimizer`): those of the subject's first build.
    """

    task: Any
    model: Any
    optimizer: Any
    train_metrics: tuple[Any, ...]
    validation_metrics: tuple[Any, ...]
    strategy: Any
    target: Target
    mode: Mode
    precision: str
    seed: int
    names: Callable[[str, Sequence[Any]], list[str]]

    @property
    def num_replicas(self) -> int:
        """How many replicas the strategy keeps in sync."""
        return int(self.strategy.num_replicas_in_sync)

    @contextlib.contextmanager
    def placed(self) -> Iterator[None]:
        """The context in which to run code of this build: its precision policy, its strategy's scope or its device."""
        with precision_policy(self.precision), placement(self.target, self.strategy):
            yield


def build_task(
    ctx: Context,
    *,
    mode: Mode | None = None,
    learning_rate: float = LEARNING_RATE,
    momentum: float = 0.0,
    loss_scale: float | None = None,
    precision: str | None = None,
    strategy: Any = None,
    equal_start: bool = True,
) -> Build:
    """Make a new Task and everything it needs to take steps; never shared, so that a rule may do with it what it likes.

    Args:
      ctx: The check's context.
      mode: The mode; the context's own when None.
      learning_rate: Of the suite's SGD.
      momentum: Of the suite's SGD; above zero there are slot variables.
      loss_scale: Wrap the optimizer in a LossScaleOptimizer that starts at this scale.
      precision: The global policy while the model is made; `mixed_float16` in mixed-precision mode, else `float32`.
      strategy: The strategy in whose scope everything is made; that of the mode when None.
      equal_start: Start from the same weights as every other build of this subject; False leaves them as built.

    Raises:
      SubjectError: If the subject's code raises.
      NotRun: If the devices are not there.
      Violation: If two builds of the Task do not have the same variables.
    """
    mode = mode or ctx.mode
    if mode is Mode.MIXED_PRECISION:
        precision = precision or "mixed_float16"
        loss_scale = loss_scale or MIXED_PRECISION_LOSS_SCALE
    precision = precision or "float32"
    strategy = strategy_for(ctx.target, mode) if strategy is None else strategy
    with precision_policy(precision), placement(ctx.target, strategy):
        task = make_component(ctx)
        with calling("build_model"):
            model = task.build_model()
        _make_variables(task, model)
        if callable(getattr(task, "initialize", None)):
            with calling("initialize"):
                task.initialize(model)
        if equal_start:
            _start_equal(ctx, model)
        optimizer = make_optimizer(
            model,
            list(model.trainable_variables),
            learning_rate=learning_rate,
            momentum=momentum,
            loss_scale=loss_scale,
        )
        train_metrics, validation_metrics = _metrics(task, training=True), _metrics(task, training=False)

    def names(group: str, variables: Sequence[Any]) -> list[str]:
        return ctx.share(("names", group, len(variables)), lambda: variable_names(variables))

    return Build(
        task=task,
        model=model,
        optimizer=optimizer,
        train_metrics=train_metrics,
        validation_metrics=validation_metrics,
        strategy=strategy,
        target=ctx.target,
        mode=mode,
        precision=precision,
        seed=ctx.seed,
        names=names,
    )


def _metrics(task: Any, *, training: bool) -> tuple[Any, ...]:
    if not callable(getattr(task, "build_metrics", None)):
        return ()
    with calling(f"build_metrics(training={training})"):
        return tuple(task.build_metrics(training=training) or ())


def _make_variables(task: Any, model: Any) -> None:
    """Make the variables of a model that creates them at its first call, outside any replica."""
    if getattr(model, "built", True) and model.trainable_variables:
        return
    with calling("the first batch of build_inputs"):
        batch = next(iter(build_dataset(task, data_params(task, training=True))))
    features = batch[0] if isinstance(batch, tuple) and batch else batch
    with calling("inference_step, to make the model's variables"):
        if callable(getattr(task, "inference_step", None)):
            task.inference_step(features, model)
        else:
            model(features, training=False)


def _start_equal(ctx: Context, model: Any) -> None:
    """Give the model the values that the first build of this subject had."""
    variables = model_variables(model)
    initial = ctx.share("initial values", lambda: tuple(as_numpy(variable) for variable in variables))
    shapes, expected = [tuple(variable.shape) for variable in variables], [value.shape for value in initial]
    if shapes != expected:
        raise Violation(
            f"two builds of the model have different variables: first {len(expected)} of shapes {expected}, "
            f"then {len(shapes)} of shapes {shapes}",
            cause="build_model depends on state that changes between calls",
            fix="Let build_model depend on the Task's configuration alone.",
        )
    assign_values(variables, initial)
