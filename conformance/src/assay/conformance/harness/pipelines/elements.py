"""Elements of a dataset as they come: their tensors by name, and the first of them, kept for a look at the values."""

from __future__ import annotations

import dataclasses
import fnmatch
import time
from collections.abc import Iterator, Mapping
from typing import Any

from assay.conformance.context import Context
from assay.conformance.harness.calls import calling
from assay.conformance.harness.pipelines.components import make_component
from assay.conformance.harness.pipelines.datasets import build_dataset, data_params

MOST_ROWS = 128
"""How many examples are kept for a look at their values."""
_MOST_BYTES = 2**26  # 64 MiB
_MOST_ELEMENTS = 4096
_MOST_SECONDS = 20.0
_PARTS = ("features", "labels", "weights")


@dataclasses.dataclass(frozen=True, eq=False)
class Elements:
    """The beginning of a dataset.

    Attributes:
      spec: The dataset's `element_spec`, by the names of the tensors; empty where it has none.
      batches: The first elements, each its tensors by name.
      last: The last element, when the dataset ended.
      count: How many elements there were up to the end, or up to where the reading stopped.
    """

    spec: Mapping[str, Any]
    batches: tuple[Mapping[str, Any], ...]
    last: Mapping[str, Any] | None
    count: int


def named_leaves(element: Any) -> list[tuple[str, Any]]:
    """Return the tensors of an element with their names, in the order of `tf.nest.flatten`.

    A pair or triple is `features`, `labels` and `weights`; what lies in them is named by key: `labels/boxes`.
    """
    if isinstance(element, tuple) and not hasattr(element, "_fields") and 1 < len(element) <= len(_PARTS):
        parts = zip(_PARTS, element, strict=False)
        return [leaf for name, part in parts for leaf in _walk(part, name)]
    return list(_walk(element, ""))


def named_tensors(element: Any) -> list[tuple[str, Any]]:
    """Return the tensors of an element with their names; arrays, of a dataset that is none of tf.data, as tensors."""
    import tensorflow as tf

    kept = (tf.Tensor, tf.__internal__.CompositeTensor)
    return [
        (name, leaf if isinstance(leaf, kept) else tf.convert_to_tensor(leaf)) for name, leaf in named_leaves(element)
    ]


def read_elements(ctx: Context, *, training: bool, **overrides: Any) -> Elements:
    """Build the subject's dataset anew and read its first elements, and of evaluation data the last one too.

    Args:
      ctx: The check's context.
      training: Whether the data is for training.
      **overrides: Fields of the data parameters to set.

    Raises:
      SubjectError: If the pipeline raises.
      NotApplicable: If there is no data of this role.
    """

    def read() -> Elements:
        task = ctx.share("task for data", lambda: make_component(ctx))
        dataset = build_dataset(task, data_params(task, training=training, **overrides))
        return keep_elements(dataset, to_the_end=not training, name="training" if training else "validation")

    return ctx.share(("elements", training, tuple(sorted(overrides.items()))), read)


def keep_elements(dataset: Any, *, to_the_end: bool = False, at_most: int = MOST_ROWS, name: str = "") -> Elements:
    """Read the first elements of a dataset.

    Args:
      dataset: Yields nested structures of tensors.
      to_the_end: Go on to the last element, if it comes within some thousands, and keep that too.
      at_most: How many rows to keep.
      name: What messages call it.

    Raises:
      SubjectError: If the pipeline raises.
    """
    kept: list[dict[str, Any]] = []
    rows = size = count = 0
    last, start = None, time.monotonic()
    with calling(f"reading the {name} dataset"):
        for count, element in enumerate(dataset, start=1):
            if rows >= at_most or size >= _MOST_BYTES:
                last = element
                if not to_the_end or count >= _MOST_ELEMENTS or time.monotonic() - start > _MOST_SECONDS:
                    last = None
                    break
                continue
            leaves = dict(named_tensors(element))
            kept.append(leaves)
            rows += max(rows_of(leaves), 1)
            size += sum(_bytes(leaf) for leaf in leaves.values())
            last = element
        spec = dict(named_leaves(getattr(dataset, "element_spec", ())))
    return Elements(spec, tuple(kept), None if last is None else dict(named_tensors(last)), count)


def rows_of(leaves: Mapping[str, Any]) -> int:
    """Return how many examples an element has: the first dimension that most of its tensors share; 0 without any."""
    counts: dict[int, int] = {}
    for leaf in leaves.values():
        shape = getattr(leaf, "shape", None)
        if shape is not None and shape.rank:
            rows = int(shape[0]) if shape[0] is not None else int(leaf.nrows())
            counts[rows] = counts.get(rows, 0) + 1
    return max(counts, key=lambda rows: counts[rows]) if counts else 0


def matches_name(pattern: str, name: str) -> bool:
    """Whether a pattern, as in a shell, speaks of a tensor: `labels/boxes`, `boxes` or `labels/*` of `labels/boxes`."""
    parts = name.split("/")
    return any(fnmatch.fnmatchcase("/".join(parts[start:]), pattern) for start in range(len(parts)))


def _walk(node: Any, prefix: str) -> Iterator[tuple[str, Any]]:
    if isinstance(node, Mapping):
        entries = [(str(key), node[key]) for key in sorted(node)]
    elif isinstance(node, tuple) and hasattr(node, "_fields"):
        entries = list(zip(node._fields, node, strict=True))
    elif isinstance(node, list | tuple):
        entries = [(str(index), value) for index, value in enumerate(node)]
    elif dataclasses.is_dataclass(node) and not isinstance(node, type):
        entries = [(field.name, getattr(node, field.name)) for field in dataclasses.fields(node)]
    else:
        yield prefix or "element", node
        return
    for key, value in entries:
        yield from _walk(value, f"{prefix}/{key}" if prefix else key)


def _bytes(leaf: Any) -> int:
    shape, dtype = getattr(leaf, "shape", None), getattr(leaf, "dtype", None)
    if shape is None or not shape.is_fully_defined():
        return 0
    return int(shape.num_elements()) * int(getattr(dtype, "size", 0) or 16)
