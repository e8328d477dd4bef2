"""A SavedModel of `inference_step`: written here, asked in a new process."""

from __future__ import annotations

import dataclasses
from typing import Any

from assay.conformance.context import Context
from assay.conformance.harness.calls import calling, require
from assay.conformance.harness.tasks.batches import training_batches, validation_batches
from assay.conformance.harness.tasks.build import Build, build_task
from assay.conformance.harness.tasks.persistence.operations import host_operations
from assay.conformance.harness.tasks.runs import train
from assay.conformance.harness.values import as_numpy, nested_as_numpy
from assay.conformance.model.errors import NotApplicable, SubjectError
from assay.conformance.model.vocabulary import Mode
from assay.conformance.processes.folders import KeptFolder
from assay.conformance.processes.new_process import run_in_new_process, warm_up

_STEPS = 2
_UNTRACKED = "untracked"


@dataclasses.dataclass(frozen=True, eq=False)
class Export:
    """A SavedModel, and what the model answers here.

    Attributes:
      path: Where it is.
      folder: What it is in; the files live as long as this object.
      features: Batches of features: a whole one and one of a single example, as NumPy values.
      answers: What `inference_step` returned for each, as NumPy values.
      host: The operations of the export that call Python.
      fixed: What was raised when it was traced for a batch of unknown size; then the export takes the whole batch only.
      untracked: What TensorFlow said when a variable or table was not part of the export; nothing was written then.
    """

    path: str
    folder: KeptFolder
    features: tuple[Any, ...]
    answers: tuple[Any, ...]
    host: tuple[str, ...] = ()
    fixed: SubjectError | None = None
    untracked: str = ""


def export(ctx: Context) -> Export:
    """Train a little, export `inference_step` with the model, and ask the model here.

    Raises:
      NotApplicable: If the Task has no `inference_step`, or its features are no plain tensors.
      SubjectError: If the subject's code raises.
    """
    import tensorflow as tf

    warm_up()
    build = build_task(ctx, mode=Mode.EAGER)
    inference_step = require(build.task, "inference_step")
    train(build, training_batches(ctx, 3)[:_STEPS])  # a model that has only just been made may answer by accident
    batch = validation_batches(ctx)[0]
    features = batch[0] if isinstance(batch, tuple) and batch else batch
    if not all(isinstance(leaf, tf.Tensor) for leaf in tf.nest.flatten(features)):
        raise NotApplicable("The features are ragged or sparse, which the suite does not export.")
    first = tf.nest.map_structure(lambda leaf: leaf[:1] if leaf.shape.rank else leaf, features)
    with build.placed(), calling("inference_step"):
        answers = tuple(nested_as_numpy(inference_step(one, build.model)) for one in (features, first))
    fixed = None
    try:
        serve = _traced(build, features, static=False)
    except SubjectError as error:
        serve, fixed = _traced(build, features, static=True), error
    module = _module_of(build, serve)
    asked = tuple(tf.nest.map_structure(as_numpy, one) for one in (features, first))
    host = tuple(host_operations(serve.get_concrete_function().graph))
    folder = KeptFolder("assay-export-")
    one = Export(f"{folder.name}/export", folder, asked, answers, host, fixed)
    try:
        with build.placed(), calling("tf.saved_model.save"):
            tf.saved_model.save(module, one.path)
    except SubjectError as error:
        if _UNTRACKED not in str(error.original):
            raise
        return dataclasses.replace(one, untracked=str(error.original))
    return one


def answers_in_new_process(ctx: Context, one: Export) -> list[Any]:
    """Load an export in a new process and return its answers, as NumPy values.

    Raises:
      SubjectError: If loading or calling it raises there.
    """
    asked = one.features if one.fixed is None else one.features[:1]
    return run_in_new_process(answer_there, ctx.target, "answering in a new process", path=one.path, features=asked)


def answer_there(path: str, features: tuple[Any, ...]) -> list[Any]:
    """Load an export and ask it: what the new process does."""
    import tensorflow as tf

    with calling("tf.saved_model.load"):
        loaded = tf.saved_model.load(path)
    with calling("the exported inference_step"):
        return [nested_as_numpy(loaded.serve(tf.nest.map_structure(tf.constant, one))) for one in features]


def _traced(build: Build, features: Any, *, static: bool) -> Any:
    """`inference_step` as a traced function of features; for any batch size, or for that of these."""
    import tensorflow as tf

    def spec(leaf: Any) -> Any:
        shape = leaf.shape if static or not leaf.shape.rank else tf.TensorShape([None, *leaf.shape[1:]])
        return tf.TensorSpec(shape, leaf.dtype)

    @tf.function(input_signature=[tf.nest.map_structure(spec, features)])
    def serve(inputs: Any) -> Any:
        return build.task.inference_step(inputs, build.model)

    size = "" if static else " for a batch of unknown size"
    with build.placed(), calling(f"inference_step, traced{size}"):
        serve.get_concrete_function()
    return serve


def _module_of(build: Build, serve: Any) -> Any:
    """A module with the function, the model, and what the Task itself holds that TensorFlow can track."""
    import tensorflow as tf

    module = tf.Module()
    module.model = build.model
    module.serve = serve
    for name, value in getattr(build.task, "__dict__", {}).items():
        if isinstance(value, tf.__internal__.tracking.Trackable) and value is not build.model:
            setattr(module, f"task_{name.strip('_')}", value)
    return module
