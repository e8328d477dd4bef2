"""One example of a sample, apart from its batch, and what rules do to one: take objects away, add some, rename it."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from assay.conformance.harness.host_metrics.fields import SIDES, Fields
from assay.conformance.harness.host_metrics.layout import Form, Layout


@dataclasses.dataclass(frozen=True, eq=False)
class Example:
    """One example, without the batch dimension and without padding that a count declares.

    Attributes:
      sides: The fields of its groundtruths and of its predictions; slot fields are `[objects, ...]`.
    """

    sides: Mapping[str, Fields]

    def with_side(self, side: str, fields: Fields) -> Example:
        """Return a copy with other fields on one side."""
        return Example({**self.sides, side: fields})


def objects(layout: Layout, example: Example, side: str) -> int:
    """Return how many objects an example has on a side; 0 where the side has no slots."""
    slots = layout.sides[side].slots
    return len(example.sides[side][slots[0]]) if slots else 0


def keep_objects(layout: Layout, example: Example, side: str, index: Any) -> Example:
    """Return a copy with some of the objects of a side: those of an index or a slice, as NumPy takes it."""
    slots = layout.sides[side].slots
    fields = {path: leaf[index] if path in slots else leaf for path, leaf in example.sides[side].items()}
    return example.with_side(side, fields)


def without_objects(layout: Layout, example: Example, side: str) -> Example:
    """Return a copy with no object on a side."""
    return keep_objects(layout, example, side, slice(0, 0))


def add_objects(layout: Layout, example: Example, other: Example, side: str, index: Any) -> Example:
    """Return a copy of an example with objects of another one added to a side, after its own."""
    layout_of_side = layout.sides[side]
    fields = dict(example.sides[side])
    for path in layout_of_side.slots:
        more = other.sides[side][path][index]
        if layout.form is Form.FLAT and path == layout_of_side.id:
            more = _filled_like(more, identity(layout, example))
        fields[path] = np.concatenate([fields[path], more])
    return example.with_side(side, fields)


def identity(layout: Layout, example: Example) -> Any:
    """Return the id of an example as a Python value; None when it has none."""
    for side in layout.id_sides:
        values = np.ravel(example.sides[side][layout.id_of(side)]).tolist()
        if values:
            return values[0]
    return None


def with_id(layout: Layout, example: Example, value: Any) -> Example:
    """Return a copy under another id."""
    for side in layout.id_sides:
        path = layout.id_of(side)
        fields = example.sides[side]
        example = example.with_side(side, {**fields, path: _filled_like(fields[path], value)})
    return example


def new_id(layout: Layout, examples: Sequence[Example]) -> Any:
    """Return an id that no example has, of the same type as theirs."""
    largest = max(value for value in (identity(layout, example) for example in examples) if value is not None)
    if isinstance(largest, int):
        return largest + 1
    return largest + (b"0" if isinstance(largest, bytes) else "0")


def with_predictions_of(layout: Layout, example: Example, other: Example) -> Example:
    """Return an example with its own groundtruths and id, and the predictions of another one."""
    swapped = Example({SIDES[0]: example.sides[SIDES[0]], SIDES[1]: other.sides[SIDES[1]]})
    value = identity(layout, example)
    return swapped if value is None else with_id(layout, swapped, value)


def _filled_like(array: Any, value: Any) -> np.ndarray:
    """An array of one value: integers keep their type, and texts are as long as they need to be."""
    array = np.asarray(array)
    return np.full(array.shape, value, array.dtype if array.dtype.kind in "iuO" else None)
