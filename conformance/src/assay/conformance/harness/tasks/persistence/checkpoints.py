"""The checkpoint of a build, with all that a careful training loop saves: what it holds, writing it, restoring it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from assay.conformance.harness.calls import calling
from assay.conformance.harness.flavour import layers_of
from assay.conformance.harness.tasks.build import Build

SUFFIX = "/.ATTRIBUTES/VARIABLE_VALUE"
ITERATOR = "iterator"
GLOBAL_STEP = "global_step"


def checkpoint_of(build: Build, **further: Any) -> Any:
    """Return a `tf.train.Checkpoint` of what a training loop saves of a build.

    It holds the model with its `checkpoint_items`, the optimizer, the state of the training metrics, and the random
    states that Keras 3 layers keep (which TensorFlow's tracking does not see).

    Args:
      build: The build.
      **further: More parts: the global step, the iterator.

    Raises:
      SubjectError: If `checkpoint_items` are not what a checkpoint can hold.
    """
    import tensorflow as tf

    items = dict(getattr(build.model, "checkpoint_items", None) or {})
    items |= {"model": build.model, "optimizer": build.optimizer}
    metrics = {metric.name: list(getattr(metric, "variables", ())) for metric in build.train_metrics}
    if any(metrics.values()):
        items["train_metrics"] = metrics
    if states := random_states(build.model):
        items["random_states"] = states
    with calling("tf.train.Checkpoint(model=, optimizer=, **model.checkpoint_items)"):
        return tf.train.Checkpoint(**items, **further)


def random_states(model: Any) -> list[Any]:
    """Return the variables of Keras 3 in which layers keep their random state, each once."""
    found: list[Any] = []
    for layer in layers_of(model):
        for generator in getattr(layer, "_seed_generators", ()):
            if not any(generator.state is state for state in found):
                found.append(generator.state)
    return found


def write(checkpoint: Any, path: str) -> str:
    """Write a checkpoint, and return its path.

    Raises:
      SubjectError: If TensorFlow cannot write one of its parts.
    """
    with calling("tf.train.Checkpoint.write"):
        return str(checkpoint.write(path))


def read(build: Build, checkpoint: Any, path: str) -> str:
    """Restore a checkpoint into what it was made of.

    Returns:
      What TensorFlow's assertions say of it, in one line; an empty string when everything on both sides was matched.

    Raises:
      SubjectError: If restoring raises, as it does when a shape has changed.
    """
    with build.placed(), calling("tf.train.Checkpoint.read"):
        status = checkpoint.read(path)
    try:
        status.assert_existing_objects_matched()
        status.assert_consumed()
    except AssertionError as error:
        return next(iter(str(error).splitlines()), "an object was not matched")[:300]
    return ""


def keys_of(path: str) -> frozenset[str]:
    """Return the keys of the variables in a checkpoint, without the suffix that they all have."""
    import tensorflow as tf

    return frozenset(name.removesuffix(SUFFIX) for name, _ in tf.train.list_variables(path) if name.endswith(SUFFIX))


def renamed(values: Mapping[str, Any], names: Iterable[str]) -> dict[str, Any]:
    """Return values of one process under the names of another, position by position.

    Keras numbers its layers through the process, so that the names of a variable differ; its position does not.
    """
    names = list(names)
    return dict(zip(names, values.values(), strict=True)) if len(names) == len(values) else dict(values)
