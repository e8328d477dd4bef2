"""T607 initialize-honest: `initialize` loads what it claims to load, or says that it did not."""

from __future__ import annotations

import gc
import os
import tempfile
import types
from typing import Any

import numpy as np
from assay.conformance.context import Context
from assay.conformance.harness import as_numpy, calling, require
from assay.conformance.harness.pipelines import make_component
from assay.conformance.harness.tasks import list_names, model_variables
from assay.conformance.harness.tasks.persistence.checkpoints import SUFFIX
from assay.conformance.harness.tasks.persistence.damaging import Damage, damage, key_of_value
from assay.conformance.harness.tasks.persistence.initialising import (
    CHECKPOINT,
    MODULES,
    claimed_variables,
    config_with_checkpoint,
    field,
    listening,
    loadable,
    says_so,
    set_field,
    write_donor,
)
from assay.conformance.harness.tasks.snapshots import assign_values, variable_names
from assay.conformance.lazy import tf
from assay.conformance.model import Level, Mode, NotApplicable, Rule, Subject, SubjectError, Target, Violation
from assay.conformance.specimens import CONFIGURED_TASK, SoundTask

RULE = Rule(
    id="T607",
    slug="initialize-honest",
    level=Level.MUST,
    requirement=(
        "initialize() loads everything that it claims to load, or raises or warns; it leaves nothing out in silence."
    ),
    checks=(
        "For a Task whose configuration has `init_checkpoint`: writes a checkpoint of another build of the model "
        "(`tf.train.Checkpoint(model=, **model.checkpoint_items)`), points `init_checkpoint` at it, calls "
        "`initialize` on a new model, and compares every variable of the parts that `init_checkpoint_modules` "
        "names, or of the whole model when it says `all`. Then the same checkpoint without the value of one "
        "variable, with a layer renamed, with another shape of a variable, and a path where there is none: each "
        "time `initialize` must raise, or say so in a warning or a log record of that level; silence with a layer "
        "left at random is a violation."
    ),
    why=(
        "A backbone that was not loaded trains too, a few points worse, and nobody knows why: "
        "`tf.train.Checkpoint.read(path).expect_partial()` takes a checkpoint of which nothing fits, and says "
        "nothing. A layer that was renamed since, a path with a typing error, another number of classes: days are "
        "spent on each."
    ),
    bad="""
def initialize(self, model):
    if self.task_config.init_checkpoint:
        tf.train.Checkpoint(model=model).read(self.task_config.init_checkpoint).expect_partial()
""",
    good="""
def initialize(self, model):
    if self.task_config.init_checkpoint:
        status = tf.train.Checkpoint(model=model).read(self.task_config.init_checkpoint)
        status.expect_partial().assert_existing_objects_matched()
""",
    modes=(Mode.EAGER,),
    targets=(Target.CPU,),
    references=("keras-team/keras#19389", "TensorFlow guide, Training checkpoints: Loading mechanics"),
)

_ASSERT = (
    "Call `assert_existing_objects_matched()` on the status of the restore, and let it and what `read` raises through."
)
_SILENCE = (
    "what the restore says is thrown away: `expect_partial()` without an assertion, an `except` that passes, a test "
    "whether the file exists, or loading by name where the shapes agree"
)


def check(ctx: Context) -> None:
    """Load a sound checkpoint, and then damaged ones."""
    task = make_component(ctx)
    require(task, "initialize")
    config = config_with_checkpoint(task)
    if config is None:
        raise NotApplicable(
            f"The Task's configuration has no field {CHECKPOINT!r}: there is nothing to point anywhere."
        )
    donor, model = _new_model(task), _new_model(task)
    start = [as_numpy(variable) for variable in model_variables(model)]
    with tempfile.TemporaryDirectory(prefix="assay-donor-") as folder:
        paths = write_donor(donor, f"{folder}/donor", seed=ctx.seed)
        before = field(config, CHECKPOINT)
        if not set_field(config, CHECKPOINT, paths[0]):
            raise NotApplicable(f"The suite cannot set {CHECKPOINT!r} in the Task's configuration, which is locked.")
        try:
            path, loaded = _load_sound(task, config, model, donor, paths)
            _check_claim(config, model, donor, loaded)
            _check_damaged(task, config, model, start, donor, path, loaded)
        finally:
            set_field(config, CHECKPOINT, before)


def _new_model(task: Any) -> Any:
    with calling("build_model"):
        model = task.build_model()
    if not model_variables(model):
        raise NotApplicable(
            "The model makes its variables later than build_model, so that there is nothing to load into."
        )
    return model


def _load_sound(task: Any, config: Any, model: Any, donor: Any, paths: list[str]) -> tuple[str, list[str]]:
    """Load a checkpoint that holds everything, in the first form that the Task takes.

    Returns:
      The checkpoint, and the names of the variables that were loaded from it.
    """
    refused = ""
    for path in paths:
        set_field(config, CHECKPOINT, path)
        try:
            with calling("initialize"), listening():
                task.initialize(model)
        except SubjectError as error:
            refused = (
                refused or f"{type(error.original).__name__}: {(str(error.original).splitlines() or [''])[0][:200]}"
            )
            continue
        loaded = _loaded(model, donor)
        if loaded:
            return path, loaded
    if refused:
        raise NotApplicable(f"initialize reads another form of checkpoint than tf.train.Checkpoint(model=): {refused}")
    raise Violation(
        f"{CHECKPOINT} names a checkpoint of this very model, initialize returns, and not one of "
        f"{len(loadable(model_variables(model)))} variables is loaded",
        cause="initialize does not read it, or looks for its parts under names that are not there and does not mind",
        fix=_ASSERT,
    )


def _loaded(model: Any, donor: Any) -> list[str]:
    """The names of the variables that have the donor's values now."""
    variables, others = model_variables(model), model_variables(donor)
    names = variable_names(variables)
    ids = {id(one) for one in loadable(variables)}
    return [
        name
        for name, one, other in zip(names, variables, others, strict=True)
        if id(one) in ids and np.array_equal(as_numpy(one), as_numpy(other))
    ]


def _check_claim(config: Any, model: Any, donor: Any, loaded: list[str]) -> None:
    claimed = claimed_variables(config, model)
    if claimed is None:
        return
    variables = model_variables(model)
    names = dict(zip(map(id, variables), variable_names(variables), strict=True))
    left = [names[id(one)] for one in claimed if id(one) in names and names[id(one)] not in loaded]
    if left:
        raise Violation(
            f"{MODULES} is {field(config, MODULES)!r} and the checkpoint holds the whole model; initialize returns, "
            f"and {len(left)} of {len(claimed)} variables keep other values: {list_names(left)}",
            cause="a part is not restored, or not all of the model is tracked (Keras 3: layers in a list or a dict)",
            fix=_ASSERT,
        )


def _check_damaged(
    task: Any, config: Any, model: Any, start: list[np.ndarray], donor: Any, path: str, loaded: list[str]
) -> None:
    """Load checkpoints that lack something, and look at what is left at random without a word."""
    variables = model_variables(donor)
    values = dict(zip(variable_names(model_variables(model)), (as_numpy(one) for one in variables), strict=True))
    names = [name for name in loaded if values[name].ndim > 1] or loaded
    key = next((found for name in names if (found := key_of_value(path, values[name]))), "")
    if not key:
        return
    silent = []
    for how in Damage:
        damaged = damage(path, key, how, f"{path}-{how.name.lower()}")
        lost = {name for name in loaded if key_of_value(path, values[name]) in damaged.keys}
        left = _left_in_silence(task, config, model, start, damaged.path, _words_of(key))
        silent += [f"{how} leaves {list_names(sorted(lost & left))} as it was"] if lost & left else []
    nowhere = f"{os.path.dirname(path)}/nothing/here"
    left = _left_in_silence(task, config, model, start, nowhere, [nowhere])
    silent += ["a path where there is none leaves everything as it was"] if left >= set(loaded) else []
    if silent:
        raise Violation(
            f"without an exception, a warning or a log record that says so, a checkpoint {'; '.join(silent)}"
            if not silent[0].startswith("a path")
            else f"without an exception, a warning or a log record that says so, {silent[0]}",
            cause=_SILENCE,
            fix=_ASSERT,
        )


def _words_of(key: str) -> list[str]:
    """The names in a key by which a message may speak of it."""
    return [part for part in key.removesuffix(SUFFIX).split("/") if len(part) > 2 and part != "model"]


def _left_in_silence(
    task: Any, config: Any, model: Any, start: list[np.ndarray], path: str, words: list[str]
) -> set[str]:
    """The variables that `initialize` leaves as they were, when it says nothing; none when it raises or says so."""
    variables = model_variables(model)
    assign_values(variables, start)
    set_field(config, CHECKPOINT, path)
    try:
        with calling("initialize"), listening() as said:
            task.initialize(model)
            gc.collect()
    except SubjectError:
        return set()
    if says_so(said, words):
        return set()
    return {
        name
        for name, variable, value in zip(variable_names(variables), variables, start, strict=True)
        if np.array_equal(as_numpy(variable), value)
    }


class _Initialised(SoundTask):
    """Loads what its configuration names, as far as `load` does."""

    def __init__(self) -> None:
        super().__init__()
        self.task_config = types.SimpleNamespace(init_checkpoint="", init_checkpoint_modules="all")

    def initialize(self, model: Any) -> None:
        """Load the checkpoint when there is one."""
        if self.task_config.init_checkpoint:
            self.load(model, self.task_config.init_checkpoint)

    def load(self, model: Any, path: str) -> None:
        """Load what fits, and mind nothing."""
        tf.train.Checkpoint(model=model).read(path).expect_partial()


class _TakesTheFirstLayers(_Initialised):
    """Loads the first layer only, although all are claimed."""

    def load(self, model: Any, path: str) -> None:
        whole = tf.train.Checkpoint(model=self.build_model())
        whole.read(path).assert_existing_objects_matched().expect_partial()
        model.layers[0].set_weights(whole.model.layers[0].get_weights())


class _LooksUnderAnotherName(_Initialised):
    """Looks for a part that the checkpoint does not have."""

    def load(self, model: Any, path: str) -> None:
        tf.train.Checkpoint(network=model).read(path).expect_partial()


class _CatchesWhatIsRaised(_Initialised):
    """Goes on from scratch when the checkpoint does not fit."""

    def load(self, model: Any, path: str) -> None:
        try:
            status = tf.train.Checkpoint(model=model).read(path)
            status.expect_partial().assert_existing_objects_matched()
        except Exception:
            return


class _LoadsWhatIsThere(_Initialised):
    """Loads strictly, when there is a file."""

    def load(self, model: Any, path: str) -> None:
        if tf.io.gfile.exists(f"{path}.index"):
            status = tf.train.Checkpoint(model=model).read(path)
            status.expect_partial().assert_existing_objects_matched()


MUTANTS = (
    Subject(_Initialised, name="minds nothing"),
    Subject(_TakesTheFirstLayers, name="loads a part of what it claims"),
    Subject(_LooksUnderAnotherName, name="looks under another name"),
    Subject(_CatchesWhatIsRaised, name="catches what is raised"),
    Subject(_LoadsWhatIsThere, name="loads strictly, when there is a file"),
)
TWIN = CONFIGURED_TASK
