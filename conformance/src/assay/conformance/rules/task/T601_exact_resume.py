"""T601 exact-resume: a run that is killed and goes on in a new process is the run that was never interrupted."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from typing import Any, NoReturn

import numpy as np
from assay.conformance.context import Context
from assay.conformance.harness.tasks import Snapshot, changed_names, describe_changes, list_names
from assay.conformance.harness.tasks.persistence import (
    SAVED_AT,
    STEPS,
    ResumedRun,
    SavedRun,
    differing_steps,
    hidden_state,
    in_new_process,
    renamed,
    replica_local,
    resumed_run,
    saved_run,
)
from assay.conformance.harness.tasks.persistence.resuming import Steps
from assay.conformance.lazy import tf
from assay.conformance.model import Level, Mode, NotApplicable, Rule, Subject, Target, Violation
from assay.conformance.specimens import SOUND_TASK, SoundTask
from assay.conformance.tolerances import Tolerance

RULE = Rule(
    id="T601",
    slug="exact-resume",
    level=Level.MUST,
    requirement=(
        "k steps, a checkpoint, a new process and the other N - k steps give the batches, logs, weights, optimizer "
        "slots and metrics of N steps in one go, bit for bit."
    ),
    checks=(
        f"Takes {STEPS} traced steps of SGD with momentum and writes `tf.train.Checkpoint(model=, optimizer=, "
        f"iterator=, global_step=)` after {SAVED_AT}, with the model's `checkpoint_items`, the state of the training "
        "metrics and the random states of Keras 3 layers. A new process, which has seen neither the run nor this "
        "process, makes everything again, restores, and takes the steps that are left; so does the loop after a "
        "kill. On two replicas, and on a TPU, which belongs to one process at a time, the continuation is a new build "
        "in this process. Where a device is absent and XLA stands in, the steps are compiled. The first thing that "
        "differs is "
        "blamed: the position in the data, what was restored, or what the step depends on beside. A pipeline that "
        "cannot be saved is named by the operation that keeps it from being saved."
    ),
    why=(
        "Preemptions are daily life on accelerators. A run that starts its data again shows the first examples more "
        "often than the others, one whose momentum is lost jumps, and one whose noise differs cannot be debugged: "
        "the step that diverged never comes back. None of this shows in a loss curve unless it is looked for."
    ),
    bad="""
def build_inputs(self, params, input_context=None):
    dataset = self.examples().shuffle(1000, seed=params.seed).repeat()
    return dataset.map(lambda x, y: (x + tf.random.normal(x.shape), y)).batch(8)
""",
    good="""
def build_inputs(self, params, input_context=None):
    dataset = self.examples().shuffle(1000, seed=params.seed).repeat().enumerate()
    noise = lambda x, i: tf.random.stateless_normal(x.shape, seed=[params.seed, i])
    return dataset.map(lambda i, xy: (xy[0] + noise(xy[0], i), xy[1])).batch(8)
""",
    modes=(Mode.GRAPH, Mode.REPLICAS),
    targets=(Target.CPU, Target.GPU, Target.TPU),
    traits=("random_step",),
    references=(
        "Lightning-AI/pytorch-lightning#19764",
        "huggingface/accelerate#2016",
        "keras-team/keras#19389",
        "tensorflow/tensorflow#27049",
    ),
)

_INSTEAD = {
    "PyFunc": "Write the map in TensorFlow ops, or do the Python work once and read its result from files.",
    "RngReadAndSkip": "Draw with tf.random.stateless_* from a seed and the position (`dataset.enumerate()`).",
    "Variable": "Pass what the map reads as an argument or a constant instead of a tf.Variable.",
}
_STATELESS = (
    "Draw with tf.random.stateless_* (tf.image.stateless_*), seeded by a seed and the position of the example, as "
    "`dataset.enumerate()` gives it."
)


def check(ctx: Context) -> None:
    """Compare the run that was not interrupted with its continuation in a new process, the first difference first."""
    one_replica = ctx if ctx.mode is Mode.XLA else ctx.in_mode(Mode.GRAPH)
    broken = ctx.share(("exact resume on one replica", one_replica.mode), lambda: _broken(one_replica))
    if broken is not None and ctx.mode is Mode.REPLICAS:
        raise NotApplicable(f"One replica does not resume exactly either, as T601 says in the mode {Mode.GRAPH}.")
    if broken is not None:
        raise broken
    if ctx.mode is Mode.REPLICAS:
        _compare(ctx)


def _broken(ctx: Context) -> Violation | None:
    """What breaks the rule on one replica; None when nothing does."""
    try:
        _compare(ctx)
    except Violation as found:
        return found
    return None


def _compare(ctx: Context) -> None:
    run = saved_run(ctx)
    _check_data_can_be_saved(run)
    resumed = resumed_run(ctx)
    _check_restored(ctx, run, resumed)
    _check_data(ctx, run, resumed)
    found = _differences(ctx, run.after, resumed.after)
    if not found:
        return
    if ctx.trait("random_step"):
        silenced = saved_run(ctx, silenced=True).after, resumed_run(ctx, silenced=True).after
        if not _differences(ctx, *silenced):
            ctx.note("Random layers draw other noise after a restore, which the trait random_step allows.")
            return
        if hidden_state(ctx).random:
            ctx.not_applicable_if("random_step")
    _refuse_unrepeatable(ctx, run)
    _blame(ctx, run, found)


def _check_data_can_be_saved(run: SavedRun) -> None:
    if run.unsaved is None:
        return
    operation, sentence = run.unsaved
    raise Violation(
        f"the position in the training data cannot be saved: {sentence}",
        cause=(
            "a random operation in a map draws from a state outside of the pipeline, which goes on from 0 after a "
            "restart"
            if _instead(operation) == _STATELESS
            else "the pipeline keeps state where TensorFlow's iterator cannot save it"
        ),
        fix=_instead(operation),
    )


def _instead(operation: str) -> str:
    return next((fix for part, fix in _INSTEAD.items() if part in operation), _STATELESS)


def _check_restored(ctx: Context, run: SavedRun, resumed: ResumedRun) -> None:
    """Compare the variables right after the restore with those when the checkpoint was written."""
    parts = _changed(ctx, run.saved, resumed.restored)
    if not parts and not resumed.unmatched:
        return
    raise Violation(
        f"{_here(ctx)}, {'; '.join(parts) or 'no variable differs'}"
        + (f"; TensorFlow says: {resumed.unmatched}" if resumed.unmatched else ""),
        cause=(
            "the checkpoint does not hold these variables, or they have another key in another process: an "
            "attribute is named after a counter, a set's order or a time, or a layer is kept in a container that is "
            "not tracked"
        ),
        fix="Give each layer or variable an attribute of the model with a fixed name; T602 says which are not tracked.",
    )


def _check_data(ctx: Context, run: SavedRun, resumed: ResumedRun) -> None:
    """Compare the batches that the steps after the restore were given."""
    expected, actual = run.after.digests, resumed.after.digests
    differing = [index for index, pair in enumerate(zip(expected, actual, strict=True)) if pair[0] != pair[1]]
    if not differing:
        return
    first = differing[0]
    earlier = [*run.before, *expected]
    if actual[first] in earlier:
        where = f"it is the batch of step {earlier.index(actual[first]) + 1} again"
    else:
        where = "it is none of the batches of the uninterrupted run"
    raise Violation(
        f"{_here(ctx)}, the variables agree and the batch of step {SAVED_AT + 1 + first} does not: {where}. The "
        f"pipeline is {', '.join(run.transformations)}",
        cause=(
            "build_inputs does not make the same pipeline in another process (an order drawn by NumPy or from a set, "
            "files listed as the system gives them), or parallel reads give examples in the order in which they come"
        ),
        fix=(
            "Let the order depend on params.seed alone: sort the files, shuffle with a seed, and read with "
            "deterministic=True."
        ),
    )


def _differences(ctx: Context, run: Steps, resumed: Steps) -> list[str]:
    """What differs after the steps that follow the restore, in words, each group once."""
    parts = []
    # A metric that a step logs on a replica is that replica's part, and a checkpoint holds the sum over replicas.
    only = "loss" if ctx.mode is Mode.REPLICAS else None
    steps = differing_steps(run.logs, resumed.logs, only=only)
    if steps:
        parts.append(f"the logs of step {steps[0]} differ{_by(run.logs, resumed.logs, steps[0])}")
    changed = _changed(ctx, run.end, resumed.end, named=not steps)
    parts.extend(f"after step {STEPS}, {part}" for part in changed)
    tolerance = _loosely(ctx, "metrics")
    names = [name for name, value in run.metrics.items() if not _same(value, resumed.metrics.get(name), tolerance)]
    return parts + ([f"the result of {', '.join(names)} differs"] if names else [])


def _changed(ctx: Context, expected: Snapshot, actual: Snapshot, *, named: bool = True) -> list[str]:
    """The variables that differ between two snapshots, group by group; by name, or counted."""
    exact = ctx.tolerance("exact")
    groups = (
        ("trainable weights", expected.weights, renamed(actual.weights, expected.weights), exact),
        (
            "other variables of the model",
            expected.statistics,
            renamed(actual.statistics, expected.statistics),
            _loosely(ctx, "replica statistics"),
        ),
        ("variables of the optimizer", expected.optimizer, renamed(actual.optimizer, expected.optimizer), exact),
        (
            "variables of the metrics",
            expected.train_metrics,
            renamed(actual.train_metrics, expected.train_metrics),
            _loosely(ctx, "metrics"),
        ),
    )
    parts = []
    for what, wanted, values, tolerance in groups:
        names = changed_names(wanted, values, relative=tolerance.relative, absolute=tolerance.absolute)
        if names and named:
            parts.append(describe_changes(wanted, values, names).replace("variables", what, 1))
        elif names:
            parts.append(f"{len(names)} of {len(wanted)} {what} differ")
    return parts


def _loosely(ctx: Context, quantity: str) -> Tolerance:
    """Exact, but on replicas, where each holds a part of statistics and metrics, and a checkpoint their mean or sum."""
    return ctx.tolerance(quantity if ctx.mode is Mode.REPLICAS else "exact")


def _refuse_unrepeatable(ctx: Context, run: SavedRun) -> None:
    """Lift the rule when two runs in this process differ too, in the last bits: arithmetic decides, not the restore."""
    again = saved_run(ctx, repetition=1)
    if not _differences(ctx, run.after, again.after) or again.after.digests != run.after.digests:
        return
    tolerance, wanted = ctx.tolerance("weights"), run.after.end.model
    if all(tolerance.allows(value, wanted[name]) for name, value in again.after.end.model.items()):
        raise NotApplicable("Two runs in one process differ in the last bits, so that a restore cannot be exact.")


def _blame(ctx: Context, run: SavedRun, found: list[str]) -> NoReturn:
    """Say what the step depends on beside its batch and what the checkpoint holds."""
    hidden = hidden_state(ctx)
    own = replica_local(run.build) if ctx.mode is Mode.REPLICAS else []
    if own:
        cause = f"each replica holds a value of its own of {list_names(own)}, and a checkpoint holds one, or their mean"
        fix = "Assign the mean over the replicas (`tf.distribute.get_replica_context().all_reduce`), so that all agree."
    elif hidden.random:
        cause = f"the step draws random numbers whose state no checkpoint holds: {'; '.join(hidden.random[:3])}"
        fix = (
            "Draw with tf.random.stateless_* from a seed and optimizer.iterations, or from a generator that is an "
            "attribute of the model. Dropout of tf_keras never saves its state: call "
            "tf_keras.backend.experimental.enable_tf_random_generator() and name each layer's `_random_generator` in "
            "`model.checkpoint_items`, or declare the trait random_step."
        )
    elif hidden.variables:
        cause = f"the step changes variables that no checkpoint holds: {list_names(hidden.variables)}"
        fix = "Make them attributes of the model, or name them in `model.checkpoint_items`."
    elif run.moved:
        cause = f"the step keeps state in Python, which no checkpoint holds: self.{', self.'.join(run.moved[:3])}"
        fix = "Keep it in a tf.Variable of the model, or derive it from optimizer.iterations."
    elif hidden.host:
        cause = f"the step calls Python, whose state no checkpoint holds: {'; '.join(hidden.host[:3])}"
        fix = "Write it in TensorFlow ops with variables of the model."
    else:
        cause = (
            "the step depends on state outside of the model, the optimizer and its batch: Python's, or the process's"
        )
        fix = "Keep what the step remembers in variables of the model, or name it in `model.checkpoint_items`."
    raise Violation(
        f"{_here(ctx)}, with the same variables and the same batches, {'; '.join(found)}", cause=cause, fix=fix
    )


def _here(ctx: Context) -> str:
    where = "process" if in_new_process(ctx) else "build"
    on = ", on two replicas" if ctx.mode is Mode.REPLICAS else ""
    return f"after a checkpoint at step {SAVED_AT} and a restore in a new {where}{on}"


def _by(expected: Any, actual: Any, step: int) -> str:
    """` (loss: 1.2 and 1.3)`: the first scalar of the logs of a step that differs."""
    index = step - SAVED_AT - 1
    pairs = zip(_scalars(expected[index]), _scalars(actual[index]), strict=False)
    return next((f" ({name}: {one:.6g} and {other:.6g})" for (name, one), (_, other) in pairs if one != other), "")


def _scalars(logs: Any) -> Iterator[tuple[str, float]]:
    for replica in logs:
        for name, value in replica.items() if isinstance(replica, Mapping) else ():
            if np.ndim(value) == 0 and np.issubdtype(np.asarray(value).dtype, np.number):
                yield str(name), float(value)


def _same(one: Any, other: Any, tolerance: Tolerance) -> bool:
    left, right = tf.nest.flatten(one), tf.nest.flatten(other)
    return len(left) == len(right) and all(
        np.shape(a) == np.shape(b) and tolerance.allows(b, a) for a, b in zip(left, right, strict=True)
    )


class _AugmentsWithState(SoundTask):
    """Adds noise to the training features, drawn from TensorFlow's own generator."""

    def build_inputs(self, params: Any, input_context: Any = None) -> Any:
        dataset = super().build_inputs(params, input_context)
        return dataset.map(lambda x, y: (x + tf.random.normal(tf.shape(x)), y)) if params.is_training else dataset


class _ReadsThroughPython(SoundTask):
    """Passes the training examples through Python."""

    def build_inputs(self, params: Any, input_context: Any = None) -> Any:
        dataset = super().build_inputs(params, input_context)
        return dataset.map(self._through_python) if params.is_training else dataset

    def _through_python(self, features: Any, labels: Any) -> Any:
        same = tf.numpy_function(lambda x: x, [features], tf.float32)
        return tf.ensure_shape(same, features.shape), labels


class _OrdersByProcess(SoundTask):
    """Draws the order of the examples from a number that each process has for itself."""

    def build_inputs(self, params: Any, input_context: Any = None) -> Any:
        features, labels = self.examples(training=params.is_training)
        order = np.random.default_rng(os.getpid()).permutation(len(labels))
        dataset = tf.data.Dataset.from_tensor_slices((features[order], labels[order]))
        dataset = dataset.repeat() if params.is_training else dataset
        return dataset.batch(params.global_batch_size, drop_remainder=params.drop_remainder)


class _StatefulNoise(SoundTask):
    """Adds noise in the step, drawn from TensorFlow's own generator."""

    def forward(self, model: Any, features: Any, *, training: bool) -> Any:
        noise = 0.1 * tf.random.normal(tf.shape(features)) if training else 0.0
        return super().forward(model, features + noise, training=training)


class _OwnGenerator(SoundTask):
    """Draws noise from a generator that is an attribute of the Task."""

    def __init__(self) -> None:
        super().__init__()
        self._generator: Any = None

    def build_model(self) -> Any:
        self._generator = tf.random.Generator.from_seed(1)
        return super().build_model()

    def forward(self, model: Any, features: Any, *, training: bool) -> Any:
        noise = 0.1 * self._generator.normal(tf.shape(features)) if training else 0.0
        return super().forward(model, features + noise, training=training)


class _CountsInTheTask(SoundTask):
    """Warms the loss up by a count of steps that only the Task knows."""

    def __init__(self) -> None:
        super().__init__()
        self._steps: Any = None

    def build_model(self) -> Any:
        self._steps = tf.Variable(0.0, trainable=False, name="warm_up_steps")
        return super().build_model()

    def replica_share(self, loss: Any) -> Any:
        factor = tf.minimum(1.0, 0.1 * self._steps.assign_add(1.0))
        return super().replica_share(loss) * factor


MUTANTS = (
    Subject(_AugmentsWithState, name="stateful noise in the pipeline"),
    Subject(_ReadsThroughPython, name="Python in the pipeline"),
    Subject(_OrdersByProcess, name="an order that each process has for itself"),
    Subject(_StatefulNoise, name="stateful noise in the step"),
    Subject(_OwnGenerator, name="a generator of the Task"),
    Subject(_CountsInTheTask, name="counts steps in the Task"),
)
TWIN = SOUND_TASK
