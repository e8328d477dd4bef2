"""Takes batches apart into examples, and puts examples together into batches of any size, order and padding."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from assay.conformance.harness.host_metrics.examples import Example
from assay.conformance.harness.host_metrics.fields import GROUNDTRUTHS, PREDICTIONS, SIDES, Fields, Path, rebuild
from assay.conformance.harness.host_metrics.layout import Form, Layout, SideLayout

Pair = tuple[Any, Any]
"""A batch as the metric takes it: groundtruths and predictions."""

Junk = Callable[[str, Path, tuple[int, ...], np.dtype], np.ndarray]
"""Fills the padding of a field: `junk(side, path, shape, dtype)`."""


def split(layout: Layout, batches: Iterable[Mapping[str, Any]]) -> list[Example]:
    """Return the examples of all batches, in order."""
    cut: Mapping[Form, Callable[..., Iterator[Example]]] = {
        Form.ROWS: _split_rows,
        Form.FLAT: _split_flat,
        Form.LISTED: _split_listed,
    }
    return [example for batch in batches for example in cut[layout.form](layout, batch)]


def join(
    layout: Layout,
    examples: Sequence[Example],
    *,
    slots: Mapping[str, int] | None = None,
    junk: Junk | None = None,
    counts: Mapping[str, int] | None = None,
) -> list[Pair]:
    """Return the examples as batches: one where shapes allow it, else one for each run of examples that are alike.

    Args:
      layout: The sample's layout.
      examples: What to put together, in this order.
      slots: At least so many slots a side, where padding can be declared; as few as are needed when None.
      junk: Fills the padding; when None it holds what the sample's own padding does, or zeros.
      counts: Says so many objects a side instead of the true number: what a metric sees that counts its padding.
    """
    if not examples:
        return []
    if layout.form is Form.LISTED:
        lists = [[rebuild(example.sides[side]) for example in examples] for side in SIDES]
        return [(lists[0], lists[1])]
    if layout.form is Form.FLAT:
        return [(_flat_side(examples, GROUNDTRUTHS), _flat_side(examples, PREDICTIONS))]
    runs = itertools.groupby(examples, key=lambda example: _shapes(layout, example))
    return [_rows(layout, list(run), slots or {}, junk, counts or {}) for _, run in runs]


def empty_batch(layout: Layout, examples: Sequence[Example]) -> Pair | None:
    """Return a batch of no examples, or None when the layout has constant fields only to tell it by."""
    if layout.form is Form.LISTED:
        return [], []
    first = join(layout, examples[:1])
    if layout.form is Form.ROWS and any(layout.sides[side].lists for side in SIDES):
        return None
    keep = {side: set(layout.sides[side].constant) for side in SIDES}
    sides = []
    for side, value in zip(SIDES, first[0], strict=True):
        fields = _as_fields(value)
        sides.append(rebuild({path: leaf if path in keep[side] else leaf[:0] for path, leaf in fields.items()}))
    return sides[0], sides[1]


def _as_fields(side: Any, path: Path = ()) -> Fields:
    if isinstance(side, Mapping):
        return {inner: leaf for key, value in side.items() for inner, leaf in _as_fields(value, (*path, key)).items()}
    return {path: side}


def _split_rows(layout: Layout, batch: Mapping[str, Fields]) -> Iterator[Example]:
    sizes = [len(batch[side][path]) for side in SIDES for path in layout.sides[side].rows]
    order = _order(layout, batch, sizes[0])
    for row in range(sizes[0]):
        sides = {}
        for side in SIDES:
            here = layout.sides[side]
            at = order[row] if side == PREDICTIONS else row
            used = int(np.ravel(batch[side][here.count])[at]) if here.slots and here.count is not None else None
            sides[side] = {path: _cut(leaf, path, here, at, used) for path, leaf in batch[side].items()}
        yield Example(sides)


def _cut(leaf: Any, path: Path, layout: SideLayout, row: int, used: int | None) -> Any:
    if path in layout.constant:
        return leaf
    return leaf[row][:used] if path in layout.slots else leaf[row]


def _order(layout: Layout, batch: Mapping[str, Fields], size: int) -> list[int]:
    """Which row of the predictions belongs to each row of the groundtruths: by id where both sides have it."""
    if len(layout.id_sides) == len(SIDES):
        truths, found = (np.ravel(batch[side][layout.id_of(side)]).tolist() for side in SIDES)
        if truths != found and sorted(truths) == sorted(found):
            return [found.index(value) for value in truths]
    return list(range(size))


def _split_flat(layout: Layout, batch: Mapping[str, Fields]) -> Iterator[Example]:
    ids = {side: np.ravel(batch[side][layout.id_of(side)]) for side in SIDES}
    for value in dict.fromkeys([*ids[GROUNDTRUTHS].tolist(), *ids[PREDICTIONS].tolist()]):
        yield Example({side: {path: leaf[ids[side] == value] for path, leaf in batch[side].items()} for side in SIDES})


def _split_listed(layout: Layout, batch: Mapping[str, list[Fields]]) -> Iterator[Example]:
    for truth, found in zip(batch[GROUNDTRUTHS], batch[PREDICTIONS], strict=True):
        yield Example({GROUNDTRUTHS: truth, PREDICTIONS: found})


def _flat_side(examples: Sequence[Example], side: str) -> Any:
    paths = examples[0].sides[side]
    return rebuild({path: np.concatenate([example.sides[side][path] for example in examples]) for path in paths})


def _shapes(layout: Layout, example: Example) -> tuple[Any, ...]:
    """What must be alike for two examples to share a batch."""
    alike: list[Any] = []
    for side in SIDES:
        here = layout.sides[side]
        for path, leaf in example.sides[side].items():
            if path not in here.constant and path not in here.lists:
                shape = np.shape(leaf)
                alike.append((side, path, shape[1:] if path in here.slots and here.padded else shape))
    return tuple(alike)


def _rows(
    layout: Layout,
    examples: Sequence[Example],
    slots: Mapping[str, int],
    junk: Junk | None,
    counts: Mapping[str, int],
) -> Pair:
    widths = {side: max(_width(layout, examples, side), slots.get(side, 0)) for side in SIDES}
    sides = []
    for side in SIDES:
        here = layout.sides[side]
        fields: Fields = {}
        for path, first in examples[0].sides[side].items():
            leaves = [example.sides[side][path] for example in examples]
            if path in here.constant:
                fields[path] = first
            elif path in here.lists:
                fields[path] = leaves
            elif path == here.count and here.slots:
                numbers = [counts.get(side, len(example.sides[side][here.slots[0]])) for example in examples]
                pairs = zip(leaves, numbers, strict=True)
                fields[path] = np.stack([np.full_like(old, number) for old, number in pairs])
            elif path in here.slots and here.padded:
                fields[path] = np.stack([_padded(leaf, widths[side], side, path, here, junk) for leaf in leaves])
            else:
                fields[path] = np.stack(leaves)
        sides.append(rebuild(fields))
    return sides[0], sides[1]


def _width(layout: Layout, examples: Sequence[Example], side: str) -> int:
    slots = layout.sides[side].slots
    return max((len(example.sides[side][slots[0]]) for example in examples), default=0) if slots else 0


def _padded(leaf: np.ndarray, width: int, side: str, path: Path, layout: SideLayout, junk: Junk | None) -> np.ndarray:
    shape = (width - len(leaf), *leaf.shape[1:])
    if junk is None or path == layout.mask:
        padding = np.zeros(shape, leaf.dtype)
        if path in layout.fillers:
            padding[...] = layout.fillers[path]
    else:
        padding = junk(side, path, shape, leaf.dtype)
    return np.concatenate([leaf, padding.astype(leaf.dtype)])
