"""T602 restore-complete: a checkpoint of the model and the optimizer holds all that a new build needs, and no more."""

from __future__ import annotations

import itertools
import tempfile
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from assay.conformance.context import Context
from assay.conformance.harness import as_numpy, calling
from assay.conformance.harness.tasks import (
    Build,
    Snapshot,
    changed_names,
    comparable_build,
    evaluate,
    model_variables,
    snapshot,
    train,
    training_batches,
    validation_batches,
)
from assay.conformance.harness.tasks.optimizers import optimizer_variables
from assay.conformance.lazy import tf
from assay.conformance.model import Level, Mode, Rule, Subject, Target, Violation
from assay.conformance.specimens import SOUND_TASK, SoundTask
from assay.conformance.specimens.task import HIDDEN_UNITS, NUM_CLASSES, NUM_FEATURES

RULE = Rule(
    id="T602",
    slug="restore-complete",
    level=Level.MUST,
    requirement="A checkpoint restores every variable of a new build, and holds nothing that a new build lacks.",
    checks=(
        "Takes two steps of SGD with momentum, writes `tf.train.Checkpoint(model=, optimizer=)` with the model's "
        "`checkpoint_items`, makes the Task again, changes every variable and restores. The keys on both sides, "
        "`assert_consumed` and `assert_existing_objects_matched`, and every value must agree; then once more with the "
        "model alone, as an evaluation job restores it. A variable of the Task itself that training changes and the "
        "checkpoint lacks is blamed when the next step, or a validation step, differs without it."
    ),
    why=(
        "TensorFlow restores what it finds and is silent about the rest. Keras 3 does not show TensorFlow the layers "
        "that a subclassed model holds in a list: after a resume their moving statistics are those of a new model, "
        "both assertions pass, and the only sign is an evaluation that is worse than before."
    ),
    bad="""
class Backbone(tf.keras.Model):
    def __init__(self):
        super().__init__()
        self.blocks = [Block(64), Block(128)]  # Keras 3: not in tf.train.Checkpoint(model=...)
""",
    good="""
class Backbone(tf.keras.Model):
    def __init__(self):
        super().__init__()
        self.blocks = []
        for index, width in enumerate((64, 128)):
            block = Block(width)
            setattr(self, f"block_{index}", block)  # an attribute with a fixed name
            self.blocks.append(block)
""",
    modes=(Mode.EAGER,),
    targets=(Target.CPU,),
    traits=("random_step",),
    references=(
        "keras-team/keras#19389",
        "keras-team/keras#19425",
        "TensorFlow guide, Training checkpoints: Loading mechanics",
    ),
)

STEPS = 2
MOMENTUM = 0.9  # so that the optimizer has slots
_NAMED_AT_MOST = 4
_RANDOM_STATE = "seed_generator_state"  # the state of dropout in Keras 3: exact resume is another rule's
_TRACKED = (
    "tf.train.Checkpoint follows attributes: it does not see layers that a Keras 3 model holds in a list or a dict, "
    "nor what is held by a plain Python object"
)
_TRACK = (
    "Give each layer or variable an attribute of the model with a fixed name, or name it in `model.checkpoint_items`."
)


def check(ctx: Context) -> None:
    """Save after some steps, restore into a new build, and compare keys, values and what happens next."""
    batches = training_batches(ctx, STEPS + 1)
    saved = comparable_build(ctx, momentum=MOMENTUM)
    own_before = _own_state(saved)
    train(saved, batches[:STEPS])
    reached = snapshot(saved)
    with tempfile.TemporaryDirectory() as folder:
        path = _write(saved, f"{folder}/saved")
        fresh = comparable_build(ctx, momentum=MOMENTUM, equal_start=False)
        _check_keys(path, _write(fresh, f"{folder}/fresh"))
        for alone in (False, True):
            _spoil(fresh)
            _restore(fresh, path, alone=alone)
            _check_values(reached, fresh, alone=alone)
        _restore(fresh, path, alone=False)
    changed = [
        name for name, value in _own_state(saved).items() if not np.array_equal(value, own_before.get(name, np.nan))
    ]
    if changed and not ctx.trait("random_step"):
        _check_next_steps(ctx, saved, fresh, batches[STEPS], changed)


def _checkpoint(build: Build, *, alone: bool) -> Any:
    items = dict(getattr(build.model, "checkpoint_items", None) or {})
    if not alone:
        items["optimizer"] = build.optimizer
    with calling("tf.train.Checkpoint(model=, optimizer=, **model.checkpoint_items)"):
        return tf.train.Checkpoint(model=build.model, **items)


def _write(build: Build, path: str) -> str:
    checkpoint = _checkpoint(build, alone=False)
    with calling("tf.train.Checkpoint.write"):
        return str(checkpoint.write(path))


def _restore(build: Build, path: str, *, alone: bool) -> None:
    """Restore, and let TensorFlow's own assertions speak."""
    status = _checkpoint(build, alone=alone).read(path)
    if alone:
        status.expect_partial()
    try:
        status.assert_existing_objects_matched()
        if not alone:
            status.assert_consumed()
    except AssertionError as error:
        what = "the model alone" if alone else "the model and the optimizer"
        first = next(iter(str(error).splitlines()), "")
        raise Violation(
            f"restoring {what} into a new build left something unmatched: {first[:300]}",
            cause="a new build has other objects than the one that was saved",
            fix="Let build_model make the same structure, under the same attribute names, every time.",
        ) from error


def _check_keys(saved: str, fresh: str) -> None:
    """Compare the keys that the trained build writes with those that a new one would write."""
    old, new = _keys(saved), _keys(fresh)
    unmatched, unrestored = sorted(old - new), sorted(new - old)
    if not unmatched and not unrestored:
        return
    parts = []
    if unmatched:
        parts.append(f"{len(unmatched)} of {len(old)} values of the checkpoint have no place: {_named(unmatched)}")
    if unrestored:
        parts.append(f"{len(unrestored)} of {len(new)} variables have no value in it: {_named(unrestored)}")
    raise Violation(
        f"a checkpoint after {STEPS} steps and a new build of the Task do not fit: {'; '.join(parts)}",
        cause=(
            "attributes are named after a counter or a layer's automatic name, the structure depends on what was built "
            "before in the process, or the first step makes variables"
        ),
        fix="Use attribute names that are the same in every build, and make every variable in build_model.",
    )


def _keys(path: str) -> set[str]:
    suffix = "/.ATTRIBUTES/VARIABLE_VALUE"
    names = (name for name, _ in tf.train.list_variables(path))
    return {name.removesuffix(suffix) for name in names if name.endswith(suffix)}


def _spoil(build: Build) -> None:
    """Change every variable of the model and the optimizer, so that whatever is not restored shows."""
    for variable in [*model_variables(build.model), *optimizer_variables(build.optimizer)]:
        value = as_numpy(variable)
        if np.issubdtype(value.dtype, np.number):
            variable.assign(value + np.ones((), value.dtype))


def _check_values(reached: Snapshot, fresh: Build, *, alone: bool) -> None:
    """Compare every variable of the restored build with what was saved."""
    restored = snapshot(fresh)
    wanted, values = dict(reached.model), dict(restored.model)
    if not alone:
        wanted |= {f"{name} of the optimizer": value for name, value in reached.optimizer.items()}
        values |= {f"{name} of the optimizer": value for name, value in restored.optimizer.items()}
    names = [name for name in changed_names(wanted, values) if _RANDOM_STATE not in name]
    if not names:
        return
    how = "from a checkpoint, without its optimizer (as an evaluation job does)" if alone else "from a checkpoint"
    raise Violation(
        f"{len(names)} of {len(wanted)} variables keep the values of a new build when the model is restored {how}, and "
        f"no assertion of TensorFlow's says so: {_named([name.partition(' ')[2] for name in names])}",
        cause=_TRACKED,
        fix=_TRACK,
    )


def _check_next_steps(ctx: Context, saved: Build, fresh: Build, batch: Any, changed: list[str]) -> None:
    """Raise when the restored build goes on otherwise than the saved one: state of the Task was lost."""
    tolerance = ctx.tolerance("weights")
    ends = []
    for build in (saved, fresh):
        run = train(build, [batch])
        logs = evaluate(build, validation_batches(ctx)[:1]).logs
        ends.append((run.snapshots[-1].weights, _numbers(run.logs), _numbers(logs)))
    parts = []
    names = changed_names(ends[0][0], ends[1][0], relative=tolerance.relative, absolute=tolerance.absolute)
    if names:
        parts.append(f"{len(names)} of {len(ends[0][0])} weights differ after the next step")
    for index, step in ((1, "train"), (2, "validation")):
        pairs = zip(ends[0][index], ends[1][index], strict=False)
        if not all(tolerance.allows(other, one) for one, other in pairs):
            parts.append(f"the logs of the next {step} step differ")
    if parts:
        raise Violation(
            f"training changes {_named(changed)}, which no checkpoint holds; after a restore {' and '.join(parts)}",
            cause="the Task keeps state of its own that is neither the model's nor the optimizer's",
            fix="Make the variable an attribute of the model, or name it in `model.checkpoint_items`.",
        )


def _own_state(build: Build) -> dict[str, np.ndarray]:
    """The values of the variables that the Task holds in its attributes, beside the model, its items and metrics."""
    items = getattr(build.model, "checkpoint_items", None) or {}
    known = [*model_variables(build.model), *optimizer_variables(build.optimizer)]
    known.extend(itertools.chain.from_iterable(_variables_in(item) for item in items.values()))
    ids = {id(variable) for variable in known}
    return {
        f"the Task's {name}": as_numpy(variable)
        for attribute, value in sorted(getattr(build.task, "__dict__", {}).items())
        for name, variable in _named_variables(attribute, value)
        if id(variable) not in ids
    }


def _named_variables(name: str, value: Any) -> Iterator[tuple[str, Any]]:
    variables = _variables_in(value)
    for index, variable in enumerate(variables):
        yield (name if len(variables) == 1 else f"{name}[{index}]"), variable


def _variables_in(value: Any) -> list[Any]:
    """The variables that a value is, holds, or holds in a container; those of metrics are left out."""
    if isinstance(value, tf.Variable) or (hasattr(value, "path") and hasattr(value, "assign")):
        return [value]
    if isinstance(value, Mapping):
        value = list(value.values())
    if isinstance(value, list | tuple):
        return [variable for part in value for variable in _variables_in(part)]
    if isinstance(value, type) or (hasattr(value, "update_state") and hasattr(value, "result")):
        return []
    variables = getattr(value, "variables", None)
    return list(variables) if isinstance(variables, list | tuple) else []


def _numbers(logs: Any) -> list[np.ndarray]:
    leaves = [leaf for leaf in tf.nest.flatten(logs) if tf.is_tensor(leaf)]
    return [as_numpy(leaf) for leaf in leaves if leaf.dtype.is_floating or leaf.dtype.is_integer]


def _named(names: list[str]) -> str:
    more = len(names) - _NAMED_AT_MOST
    return ", ".join(names[:_NAMED_AT_MOST]) + (f" and {more} more" if more > 0 else "")


class _LayerInAPlainObject(SoundTask):
    """Holds a layer where neither Keras nor TensorFlow looks for one."""

    def build_model(self) -> Any:
        layers = tf.keras.layers

        class Trunk:
            def __init__(self) -> None:
                self.hidden = layers.Dense(HIDDEN_UNITS, activation="tanh", name="hidden")
                self.hidden.build((None, NUM_FEATURES))

        class Model(tf.keras.Model):
            def __init__(self) -> None:
                super().__init__()
                self.trunk = Trunk()
                self.logits = layers.Dense(NUM_CLASSES, name="logits")

            def call(self, inputs: Any, training: bool = False) -> Any:
                return self.logits(self.trunk.hidden(inputs))

            @property
            def trainable_variables(self) -> list[Any]:
                return [*super().trainable_variables, *self.trunk.hidden.trainable_variables]

            @property
            def variables(self) -> list[Any]:
                return [*super().variables, *self.trunk.hidden.variables]

        model = Model()
        model(tf.zeros((1, NUM_FEATURES)))
        return model


class _AttributesNumberedThroughTheProcess(SoundTask):
    """Names an attribute after a counter that goes on from build to build."""

    _builds = itertools.count()

    def build_model(self) -> Any:
        model = super().build_model()
        setattr(model, f"offset_{next(self._builds)}", tf.Variable(1.0, trainable=False))
        return model


class _KeepsItsOwnAverage(SoundTask):
    """Weighs the loss with a running mean that only the Task knows."""

    def __init__(self) -> None:
        super().__init__()
        self._average = tf.Variable(1.0, trainable=False)

    def replica_share(self, loss: Any) -> Any:
        self._average.assign(0.5 * self._average + 0.5 * tf.stop_gradient(loss))
        return super().replica_share(loss) / self._average


MUTANTS = (
    Subject(_LayerInAPlainObject, name="a layer in a plain object"),
    Subject(_AttributesNumberedThroughTheProcess, name="attributes numbered through the process"),
    Subject(_KeepsItsOwnAverage, name="keeps a running mean in the Task"),
)
TWIN = SOUND_TASK
