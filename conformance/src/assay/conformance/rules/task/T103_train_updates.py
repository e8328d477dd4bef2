"""T103 train-updates: training changes what is trainable, and nothing that is frozen."""

from __future__ import annotations

import types
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from assay.conformance.context import Context
from assay.conformance.harness.tasks import (
    Observation,
    ObservedStep,
    Snapshot,
    changed_names,
    common_factor,
    describe_changes,
    list_names,
    matches_any,
    model_variables,
    observe_training,
    train_run,
)
from assay.conformance.lazy import tf
from assay.conformance.model import Level, Mode, Rule, Subject, Target, Violation
from assay.conformance.specimens import CONFIGURED_TASK, SoundTask

RULE = Rule(
    id="T103",
    slug="train-updates",
    level=Level.MUST,
    requirement="Training changes every trainable weight that has a gradient, and no frozen one.",
    checks=(
        "Takes three training steps and compares the weights. Frozen are those that become trainable when every layer "
        "is set to trainable. A weight that did not move is held against the step only when the loss has a gradient "
        "for it that is not zero, which the suite computes itself. A frozen weight may follow a trained one, by one "
        "factor of the way at each step: an average, or a teacher. An option `freeze_<part>` of the Task's "
        "configuration that is on must be true of the model's part of that name."
    ),
    why=(
        "A layer that is left out of the update, or a backbone that is frozen in the configuration only, fails "
        "nothing: the loss falls all the same, only less far, or the pretrained features are washed away. It takes a "
        "comparison of checkpoints to find out, and nobody makes one."
    ),
    bad="""
def build_model(self):
    model = ResNetWithHead(self.task_config)
    self._variables = list(model.backbone.trainable_variables)       # the head is not among them
    return model

def train_step(self, inputs, model, optimizer, metrics=None):
    ...
    optimizer.apply_gradients(zip(tape.gradient(loss, self._variables), self._variables))
    for variable in model.variables:                                  # the frozen ones, too
        variable.assign(variable * (1.0 - self.weight_decay))
""",
    good="""
def build_model(self):
    model = ...
    model.backbone.trainable = not self.task_config.freeze_backbone
    return model

def train_step(self, inputs, model, optimizer, metrics=None):
    ...
    variables = model.trainable_variables
    optimizer.apply_gradients(zip(tape.gradient(loss, variables), variables))
""",
    modes=(Mode.EAGER, Mode.GRAPH, Mode.REPLICAS),
    targets=(Target.CPU,),
    traits=("untrained_variables", "random_step"),
    references=("tensorflow/models: the option freeze_backbone of the vision tasks",),
)

_FREEZE = "freeze_"


def check(ctx: Context) -> None:
    """Compare the weights before and after the steps."""
    seen = observe_training(ctx)
    _check_configured(seen)
    snapshots = [seen.steps[0].before, seen.steps[-1].after] if ctx.mode is Mode.EAGER else train_run(ctx).snapshots
    before, after = snapshots[0], snapshots[-1]
    _check_frozen(ctx, seen, before, after)
    moved = set(changed_names(seen.steps[0].before.weights, seen.steps[-1].after.weights))
    still = _unmoved(ctx, seen, before, after)
    if ctx.mode is not Mode.EAGER and ctx.trait("random_step"):
        still = [name for name in still if name not in moved]  # layers skipped at random: others than eagerly
    if still:
        _blame_unmoved(seen, still, elsewhere=[name for name in still if name in moved])


def _check_frozen(ctx: Context, seen: Observation, before: Snapshot, after: Snapshot) -> None:
    old, new = ({name: shot.model[name] for name in seen.frozen} for shot in (before, after))
    changed = changed_names(old, new)
    if changed and not all(_follows(ctx, seen, name) for name in changed):
        raise Violation(
            f"after {len(seen.steps)} training steps, of the frozen weights {describe_changes(old, new, changed)}",
            cause="the step assigns to model.variables or model.weights, or keeps a list of variables that was made "
            "before the layers were frozen",
            fix="Update model.trainable_variables only, and ask the model for them at each step.",
        )


def _follows(ctx: Context, seen: Observation, name: str) -> bool:
    """Whether each step moves a frozen weight by one factor towards a trained one: an average of it, a teacher."""

    def towards(step: ObservedStep, other: str) -> bool:
        start = step.before.model[name]
        moved = {name: step.after.model[name].astype(np.float64) - start}
        for fast in (step.after.model[other], step.before.model[other]):
            apart = {name: fast.astype(np.float64) - start}
            factor = common_factor(moved, apart, tolerance=ctx.tolerance("average"), weights={name: start})
            if factor is not None and 0.0 < factor <= 1.0:
                return True
        return not np.any(moved[name])

    def same_shape(other: str) -> bool:
        return seen.steps[0].before.model[other].shape == seen.steps[0].before.model[name].shape

    return any(all(towards(step, other) for step in seen.steps) for other in filter(same_shape, seen.trainable))


def _check_configured(seen: Observation) -> None:
    """What the configuration says is frozen, is."""
    for option, name, part in _parts_to_freeze(seen.build.task, seen.build.model):
        variables = model_variables(seen.build.model)
        inside = {id(variable) for variable in part.variables}
        names = seen.build.names("model", variables)
        trainable = [
            name for name, v in zip(names, variables, strict=True) if id(v) in inside and name in seen.trainable
        ]
        if trainable:
            raise Violation(
                f"the configuration says {option}=True, and {len(trainable)} weights of the model's {name} are "
                f"trainable: {list_names(trainable)}",
                cause="the option is not read when the model is built, or is overwritten afterwards",
                fix=f"Set `{name}.trainable = False` in build_model when `task_config.{option}` is true.",
            )


def _parts_to_freeze(task: Any, model: Any) -> Iterator[tuple[str, str, Any]]:
    """Each option `freeze_<part>` that is on, with the part of the model it speaks about."""
    config = getattr(task, "task_config", None)
    options = config if isinstance(config, Mapping) else getattr(config, "__dict__", {})
    for option, value in dict(options).items():
        name = str(option).removeprefix(_FREEZE)
        if value is True and name != option:
            part = getattr(model, name, None) or _layer(model, name)
            if hasattr(part, "trainable_variables"):
                yield option, name, part


def _layer(model: Any, name: str) -> Any:
    return next((layer for layer in getattr(model, "layers", ()) if layer.name == name), None)


def _unmoved(ctx: Context, seen: Observation, before: Snapshot, after: Snapshot) -> list[str]:
    """The trainable weights that did not move although the loss has a gradient for them."""
    changed = set(changed_names(before.weights, after.weights))
    return [
        name
        for name in before.trainable
        if name not in changed
        and not matches_any(name, ctx.trait("untrained_variables"))
        and _should_move(seen, name, before.model[name])
    ]


def _should_move(seen: Observation, name: str, value: np.ndarray) -> bool:
    """Whether some step's gradient is large enough to change the value; one that is not there is another rule's."""
    smallest = np.spacing(np.abs(value.astype(np.float32)))
    for step in seen.steps:
        known = [gradients.get(name) for gradients in step.objectives.values()]
        if not step.objectives:  # the loss could not be differentiated: go by what the optimizer was given
            known = [step.applied_sum().get(name, np.ones_like(value))]
        if any(g is not None and np.any(np.abs(step.learning_rate * g) > smallest) for g in known):
            return True
    return False


def _blame_unmoved(seen: Observation, still: list[str], *, elsewhere: list[str]) -> None:
    given = {name for step in seen.steps for call in step.applied for name, _ in call}
    missing = [name for name in still if name not in given]
    observed = (
        f"{len(still)} of {len(seen.trainable)} trainable weights did not change in {len(seen.steps)} steps although "
        f"the loss has a gradient for them: {list_names(still)}"
    )
    if elsewhere:
        raise Violation(
            f"{observed}; in eager mode {list_names(elsewhere)} did",
            cause="the list of variables, or the update itself, depends on Python state that a trace freezes",
            fix="Take model.trainable_variables inside the step, and make no update under a Python condition.",
        )
    if given and missing:
        raise Violation(
            f"{observed}; the optimizer was not given {list_names(missing)}",
            cause="the list of variables that the step updates is not model.trainable_variables",
            fix="Use model.trainable_variables for the gradient and for the update, or freeze what is to stay.",
        )
    raise Violation(
        observed,
        cause="their gradients are zeroed or masked between the tape and the optimizer, or the update is undone",
        fix="Give the optimizer the gradients as the tape returns them; freeze what is to stay.",
    )


class _LeavesOutBiases(SoundTask):
    def variables_to_train(self, model: Any) -> list[Any]:
        return [variable for variable in model.trainable_variables if len(variable.shape) > 1]


class _DecaysEverything(SoundTask):
    def apply(self, optimizer: Any, gradients: Any, variables: Any) -> None:
        super().apply(optimizer, gradients, variables)
        for variable in self._model.variables:
            variable.assign(tf.convert_to_tensor(variable) * 0.99)

    def variables_to_train(self, model: Any) -> list[Any]:
        self._model = model
        return super().variables_to_train(model)


class _FreezesOnPaper(SoundTask):
    def __init__(self) -> None:
        super().__init__(frozen=False)
        self.task_config = types.SimpleNamespace(freeze_hidden=True)


class _TrainsTheHeadFirst(SoundTask):
    steps = 0

    def apply(self, optimizer: Any, gradients: Any, variables: Any) -> None:
        if self.steps == 0:  # "warm up the head": a trace remembers only the first step
            gradients = [tf.zeros_like(gradient) for gradient in gradients[:-2]] + list(gradients[-2:])
        self.steps += 1
        super().apply(optimizer, gradients, variables)


MUTANTS = (
    Subject(_LeavesOutBiases, name="leaves the biases out"),
    Subject(lambda: _DecaysEverything(frozen=True), name="decays the frozen weights too"),
    Subject(_FreezesOnPaper, name="freezes in the configuration only"),
    Subject(_TrainsTheHeadFirst, name="a Python counter decides what is trained"),
)
TWIN = CONFIGURED_TASK
