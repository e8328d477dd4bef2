"""Infers the layout of a sample from names, types, shapes and values; traits say it where that is not enough."""

from __future__ import annotations

import dataclasses
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from assay.conformance.harness.host_metrics.fields import SIDES, Fields, Path, field_name
from assay.conformance.harness.host_metrics.layout import Form, Layout, SideLayout
from assay.conformance.model.errors import UsageError
from assay.conformance.suggestions import did_you_mean

Batch = Mapping[str, Fields]
"""One batch: the fields of its groundtruths and of its predictions."""

_ID = re.compile(r"(^|.*[_/])(id|ids|key|uid|guid|filename|file_name)$")
_NOT_AN_ID = re.compile(r"class|categor|label|track|object|instance|annotation|token|word|pred|segment")
_COUNT = re.compile(r"^(num|n|count|len|valid)_|(^|_)(count|counts|length|lengths|num)$")
_NOT_A_COUNT = re.compile(r"class|categor")
_MASK = re.compile(r"(^|_)(valid|mask|masks)($|_)")
_SLOT = re.compile(r"box|score|class|categor|label|area|crowd|mask|keypoint|confidence")
_BOX = re.compile(r"box")
_NO_SLOT = re.compile(r"image_info|image_size|image_shape")


def infer_rows(batches: Sequence[Batch], traits: Mapping[str, Any]) -> Layout | None:
    """Return the layout of batches whose examples are rows, or None when the arrays have no common first dimension."""
    if not all(_batch_size(batch) is not None for batch in batches):
        return None
    sides = {side: _rows_of(side, batches, traits) for side in SIDES}
    return Layout(Form.ROWS, _as_sequences(sides, batches) or sides)


def _rows_of(side: str, batches: Sequence[Batch], traits: Mapping[str, Any]) -> SideLayout:
    """The layout of one side whose examples are rows."""
    rows, constant = _by_role(side, batches)
    columns = [batch[side] for batch in batches]
    identity = _declared(traits, "id_field", rows) or _unique(_id_field(rows, columns), columns)
    count, slots = _count_and_slots(rows, columns, traits)
    masks = _masks([path for path in rows if path not in (identity, count)], columns)
    mask = next((path for path in masks if not _is_column(columns[0][path])), None)
    row_mask = next((path for path in masks if _is_column(columns[0][path])), None)
    if count is None and mask is not None and np.ndim(columns[0][mask]) == 2:
        slots = _as_wide_as(mask, rows, columns)
    slots = slots or _declared_all(traits, "slot_fields", rows) or _boxes(rows, columns)
    lists = tuple(path for path in rows if any(isinstance(column[path], list) for column in columns))
    ragged = [path for path in lists if any(np.ndim(entry) for column in columns for entry in column[path])]
    return SideLayout(
        rows=tuple(rows),
        slots=tuple(dict.fromkeys([*slots, *ragged])),
        id=identity,
        count=count,
        mask=mask,
        row_mask=row_mask,
        constant=tuple(constant),
        lists=lists,
        fillers=_fillers(slots, count, columns) if count is not None else {},
        scores=_scores(rows, columns),
    )


def _as_sequences(sides: Mapping[str, SideLayout], batches: Sequence[Batch]) -> dict[str, SideLayout] | None:
    """The sides of a sequence task: one says where the padding is, and the other is as wide and says nothing.

    What looked like slots is then as wide as it has to be: places of a sequence, key points, classes of a multi-label.
    """
    for side, other in (SIDES, SIDES[::-1]):
        one, two = sides[side], sides[other]
        if not one.padded or two.slots or two.count is not None or two.mask is not None:
            continue
        widths = [batch[side][one.slots[0]].shape[1] for batch in batches]
        wide = tuple(
            path
            for path in two.rows
            if all(np.ndim(batch[other][path]) >= 2 for batch in batches)
            and [batch[other][path].shape[1] for batch in batches] == widths
        )
        if wide and not any(_BOX.search(_last(path)) for path in (*one.slots, *wide)):
            return {
                side: dataclasses.replace(one, slots=(), sequence=one.slots),
                other: dataclasses.replace(two, sequence=wide),
            }
    return None


def infer_flat(batches: Sequence[Batch], traits: Mapping[str, Any]) -> Layout | None:
    """Return the layout of batches of objects that carry the id of their example, or None when they are no such."""
    sides = {}
    for side in SIDES:
        columns = [batch[side] for batch in batches]
        paths = list(columns[0])
        lengths = [{_length(column.get(path)) for path in paths} for column in columns]
        identity = _declared(traits, "id_field", paths) or _id_field(paths, columns)
        if identity is None or any(len(sizes) != 1 or None in sizes for sizes in lengths):
            return None
        sides[side] = SideLayout(slots=tuple(paths), id=identity, scores=_scores(paths, columns))
    return Layout(Form.FLAT, sides)


def infer_listed(batches: Sequence[Mapping[str, list[Fields]]], traits: Mapping[str, Any]) -> Layout:
    """Return the layout of batches whose sides are lists of one mapping an example."""
    sides = {}
    for side in SIDES:
        entries = [entry for batch in batches for entry in batch[side]]
        paths = list(entries[0]) if entries else []
        identity = _declared(traits, "id_field", paths) or next((path for path in paths if _is_id(path)), None)
        arrays = [path for path in paths if path != identity and all(np.ndim(entry[path]) for entry in entries)]
        slots = _declared_all(traits, "slot_fields", paths) or (
            tuple(arrays) if all(len({len(entry[path]) for path in arrays}) == 1 for entry in entries) else ()
        )
        sides[side] = SideLayout(rows=tuple(paths), slots=slots, id=identity, scores=_scores(paths, entries))
    return Layout(Form.LISTED, sides)


def _batch_size(batch: Batch) -> int | None:
    """The first dimension that both sides have most often, or None when they have none in common."""
    sizes = [Counter(_length(leaf) for leaf in batch[side].values() if _length(leaf) is not None) for side in SIDES]
    shared = set(sizes[0]) & set(sizes[1])
    return max(shared, key=lambda size: sizes[0][size] + sizes[1][size]) if shared else None


def _by_role(side: str, batches: Sequence[Batch]) -> tuple[list[Path], list[Path]]:
    """The fields with a row an example, and the others."""
    rows: list[Path] = []
    constant: list[Path] = []
    for path in batches[0][side]:
        fits = all(_length(batch[side].get(path)) == _batch_size(batch) for batch in batches)
        (rows if fits else constant).append(path)
    return rows, constant


def _id_field(paths: Sequence[Path], columns: Sequence[Fields]) -> Path | None:
    """The field that is named like an id and holds one integer or text an example."""
    for path in paths:
        arrays = [np.asarray(column[path]) for column in columns if not isinstance(column[path], list)]
        if (
            len(arrays) == len(columns)
            and _is_id(path)
            and all(_is_column(a) and a.dtype.kind in "iuSUO" for a in arrays)
        ):
            return path
    return None


def _is_id(path: Path) -> bool:
    name = field_name(path).casefold()
    return bool(_ID.match(name)) and not _NOT_AN_ID.search(name)


def _unique(path: Path | None, columns: Sequence[Fields]) -> Path | None:
    if path is None:
        return None
    values = [value for column in columns for value in np.asarray(column[path]).ravel().tolist()]
    return path if len(set(values)) == len(values) else None


def _count_and_slots(
    rows: Sequence[Path], columns: Sequence[Fields], traits: Mapping[str, Any]
) -> tuple[Path | None, tuple[Path, ...]]:
    """The field that counts the slots in use, and the fields that have those slots."""
    declared = _declared(traits, "count_field", rows)
    named = [path for path in rows if _COUNT.search(_last(path)) and not _NOT_A_COUNT.search(_last(path))]
    for path in [declared] if declared is not None else named:
        arrays = [np.asarray(column[path]) for column in columns]
        if not all(_is_column(array) and array.dtype.kind in "iu" for array in arrays):
            continue
        most = [int(array.max(initial=0)) for array in arrays]
        if any(array.size and array.min() < 0 for array in arrays):
            continue
        slots = _declared_all(traits, "slot_fields", rows) or _with_slots(rows, columns, most)
        if slots:
            return path, slots
    return None, ()


def _with_slots(rows: Sequence[Path], columns: Sequence[Fields], most: Sequence[int]) -> tuple[Path, ...]:
    """The fields that share a second dimension which is never below the count: the commonest one."""
    widths: dict[Path, tuple[int, ...]] = {}
    for path in rows:
        arrays = [column[path] for column in columns]
        if _NO_SLOT.search(_last(path)) or any(isinstance(array, list) or np.ndim(array) < 2 for array in arrays):
            continue
        width = tuple(array.shape[1] for array in arrays)
        if all(size >= needed for size, needed in zip(width, most, strict=True)):
            widths[path] = width
    if not widths:
        return ()
    commonest = Counter(widths.values()).most_common(1)[0][0]
    return tuple(path for path, width in widths.items() if width == commonest)


def _as_wide_as(mask: Path, rows: Sequence[Path], columns: Sequence[Fields]) -> tuple[Path, ...]:
    """The mask, and the fields whose shape begins with the mask's."""
    return tuple(
        path
        for path in rows
        if all(np.shape(column[path])[:2] == column[mask].shape for column in columns if np.ndim(column[path]) >= 2)
        and all(np.ndim(column[path]) >= 2 for column in columns)
    )


def _boxes(rows: Sequence[Path], columns: Sequence[Fields]) -> tuple[Path, ...]:
    """Slots without a count: boxes, and what shares their second dimension and is named like an object's field."""
    for path in rows:
        if _BOX.search(_last(path)) and all(np.ndim(column[path]) == 3 for column in columns):
            widths = [column[path].shape[1] for column in columns]
            return tuple(
                other
                for other in rows
                if _SLOT.search(_last(other))
                and all(np.ndim(column[other]) >= 2 for column in columns)
                and [column[other].shape[1] for column in columns] == widths
            )
    return ()


def _masks(rows: Sequence[Path], columns: Sequence[Fields]) -> list[Path]:
    """The boolean fields that are named like masks."""
    found = []
    for path in rows:
        arrays = [np.asarray(column[path]) for column in columns if not isinstance(column[path], list)]
        boolean = len(arrays) == len(columns) and all(array.dtype.kind == "b" for array in arrays)
        if boolean and _MASK.search(_last(path)):
            found.append(path)
    return found


def _fillers(slots: Sequence[Path], count: Path, columns: Sequence[Fields]) -> dict[Path, Any]:
    """The commonest value of each slot field's padding, where the sample has any."""
    fillers: dict[Path, Any] = {}
    for path in slots:
        padding = [
            row[used:].ravel()
            for column in columns
            for row, used in zip(column[path], np.ravel(column[count]), strict=True)
        ]
        values = np.concatenate(padding) if padding else np.zeros(0)
        if values.size:
            fillers[path] = Counter(values.tolist()).most_common(1)[0][0]
    return fillers


def _scores(paths: Sequence[Path], columns: Sequence[Fields]) -> tuple[Path, ...]:
    """Float fields that may rank things: neither boxes nor images, and not only whole numbers."""
    found = []
    for path in paths:
        arrays = [np.asarray(column[path]) for column in columns if not isinstance(column[path], list)]
        floats = arrays and all(array.dtype.kind == "f" and array.ndim <= 2 for array in arrays)
        if floats and not _BOX.search(_last(path)) and any((array % 1).any() for array in arrays):
            found.append(path)
    return tuple(found)


def _declared(traits: Mapping[str, Any], trait: str, paths: Sequence[Path]) -> Path | None:
    found = _declared_all(traits, trait, paths)
    return found[0] if found else None


def _declared_all(traits: Mapping[str, Any], trait: str, paths: Sequence[Path]) -> tuple[Path, ...]:
    """The fields that a trait names on a side."""
    value = traits.get(trait) or ()
    wanted = (value,) if isinstance(value, str) else tuple(value)
    return tuple(path for path in paths if field_name(path) in wanted)


def check_declared(traits: Mapping[str, Any], trait: str, paths: Sequence[Path]) -> None:
    """Refuse a trait that names a field which the sample does not have on either side.

    Raises:
      UsageError: If there is no such field; the message suggests the nearest.
    """
    value = traits.get(trait) or ()
    known = sorted({field_name(path) for path in paths})
    for name in (value,) if isinstance(value, str) else tuple(value):
        if name not in known:
            raise UsageError(f"The trait {trait!r} names the field {name!r}; {did_you_mean(name, known)}.")


def _length(leaf: Any) -> int | None:
    if isinstance(leaf, list):
        return len(leaf)
    return int(leaf.shape[0]) if getattr(leaf, "ndim", 0) else None


def _is_column(array: np.ndarray) -> bool:
    """Whether an array is `[batch]`, or `[batch, 1]`."""
    return array.ndim == 1 or (array.ndim == 2 and array.shape[1] == 1)


def _last(path: Path) -> str:
    return str(path[-1]).casefold() if path else ""
