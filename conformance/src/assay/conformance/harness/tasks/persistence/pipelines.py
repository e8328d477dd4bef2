"""The training data as a loop reads it: an iterator with a position, which a checkpoint may be able to hold."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from typing import Any

from assay.conformance.harness.calls import calling
from assay.conformance.harness.pipelines.datasets import DEFAULT_BATCH_SIZE, build_dataset, data_params
from assay.conformance.harness.strategies import REPLICAS
from assay.conformance.harness.tasks.build import Build
from assay.conformance.harness.tasks.persistence.operations import operation_places
from assay.conformance.harness.values import as_numpy
from assay.conformance.model.errors import NotApplicable

_STATEFUL = re.compile(r"(\w+) is stateful")
_NAMED_AT_MOST = 8


def training_data(build: Build) -> Any:
    """Return the training dataset of a build's own Task, with global batches that two replicas can share.

    Raises:
      SubjectError: If the pipeline raises.
    """
    params = data_params(build.task, training=True)
    size = params.get("global_batch_size") if isinstance(params, dict) else getattr(params, "global_batch_size", None)
    size = int(size or DEFAULT_BATCH_SIZE)
    return build_dataset(build.task, data_params(build.task, training=True, global_batch_size=size + size % REPLICAS))


def why_unsaved(dataset: Any, iterator: Any) -> tuple[str, str] | None:
    """Return why the position of an iterator cannot be saved: the operation and a sentence; None when it can be.

    Args:
      dataset: What the iterator reads.
      iterator: The iterator.
    """
    import tensorflow as tf

    if not hasattr(iterator, "_serialize_to_tensors"):
        kind = type(dataset).__name__
        return kind, f"build_inputs returns a {kind}, whose iterator no tf.train.Checkpoint can hold"
    try:
        iterator._serialize_to_tensors()
    except tf.errors.OpError as error:
        match = _STATEFUL.search(error.message)
        if match is None:
            return "", f"TensorFlow cannot save its iterator: {error.message.splitlines()[0][:200]}"
        name = match.group(1)
        places = sorted({place for one in _datasets(dataset) for place in _places_in(one, name)})
        where = f" ({'; '.join(places[:3])})" if places else ""
        return name, f"its operation {name} keeps a state of its own that no checkpoint can hold{where}"
    return None


def transformations(dataset: Any) -> list[str]:
    """Return the transformations of a dataset, from the last to the source: `Batch, Shuffle, TensorSlice`."""
    names = [type(one).__name__.strip("_").removesuffix("Dataset") or "Dataset" for one in _datasets(dataset)]
    return list(dict.fromkeys(names))[:_NAMED_AT_MOST]


def digest_of(batch: Any) -> str:
    """Return a digest of all tensors of a batch, ragged and sparse ones included."""
    import tensorflow as tf

    content = hashlib.blake2b(digest_size=16)
    for leaf in tf.nest.flatten(batch, expand_composites=True):
        array = as_numpy(leaf)
        content.update(f"{array.dtype}{array.shape}".encode())
        content.update(repr(array.tolist()).encode() if array.dtype == object else array.tobytes())
    return content.hexdigest()


def next_batch(iterator: Any, step: int) -> Any:
    """Draw the batch of a step, counted from 1.

    Raises:
      SubjectError: If the pipeline raises.
      NotApplicable: If it ends.
    """
    with calling(f"reading the training batch of step {step}"):
        batch = next(iterator, None)
    if batch is None:
        raise NotApplicable(f"The training data ends before step {step}; I204 says more.")
    return batch


def _datasets(dataset: Any) -> Iterator[Any]:
    """A dataset and all that it reads from."""
    yield dataset
    inputs = getattr(dataset, "_inputs", None)
    for one in inputs() if callable(inputs) else ():
        yield from _datasets(one)


def _places_in(dataset: Any, operation: str) -> list[str]:
    functions = getattr(dataset, "_functions", None)
    found: list[str] = []
    for wrapper in functions() if callable(functions) else ():
        graph = getattr(getattr(wrapper, "function", None), "graph", None)
        if graph is not None:
            kind = type(dataset).__name__.strip("_").removesuffix("Dataset")
            found.extend(f"{kind}: {place}" for place in operation_places(graph, operation))
    return found
