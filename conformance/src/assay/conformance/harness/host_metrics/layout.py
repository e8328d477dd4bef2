"""The layout of a sample: where its examples are, and which field is the id, the count, the mask, the slots."""

from __future__ import annotations

import dataclasses
import enum
from collections.abc import Mapping

from assay.conformance.harness.host_metrics.fields import SIDES, Path, field_name


class Form(enum.StrEnum):
    """How a batch holds its examples."""

    ROWS = "rows"
    """Arrays `[batch, ...]` on both sides: the example is a row of each."""
    FLAT = "flat"
    """Rows are objects, `[objects, ...]`, with the id of the example that each belongs to; sides differ in length."""
    LISTED = "listed"
    """Each side is a list with one mapping an example."""


@dataclasses.dataclass(frozen=True)
class SideLayout:
    """One side of a batch.

    Attributes:
      rows: Fields with one row an example: `[batch, ...]`.
      slots: Fields with objects, of which an example has any number: `[batch, slots, ...]`, or `[objects, ...]` in a
        flat batch.
      sequence: Fields `[batch, length, ...]` whose places are the same on both sides: tokens, key points.
      id: The field with the id of each example.
      count: The field with the number of slots, or of places, in use.
      mask: The field that is false where there is padding: `[batch, slots]`, or of the shape of a label map.
      row_mask: The field that is false where a whole row is padding: `[batch]`.
      constant: Fields that have nothing to do with examples, given as they come.
      lists: Row fields that are a list with one entry an example: a text, or an array of its own length.
      fillers: What the sample's own padding holds.
      scores: Float fields whose values rank things.
    """

    rows: tuple[Path, ...] = ()
    slots: tuple[Path, ...] = ()
    sequence: tuple[Path, ...] = ()
    id: Path | None = None
    count: Path | None = None
    mask: Path | None = None
    row_mask: Path | None = None
    constant: tuple[Path, ...] = ()
    lists: tuple[Path, ...] = ()
    fillers: Mapping[Path, object] = dataclasses.field(default_factory=dict)
    scores: tuple[Path, ...] = ()

    @property
    def padded(self) -> bool:
        """Whether there may be slots that belong to no object, and a field says which."""
        return bool(self.slots) and (self.count is not None or self.mask in self.slots)


@dataclasses.dataclass(frozen=True)
class Layout:
    """How to take a sample's batches apart into examples, and to put examples together into batches.

    Attributes:
      form: Where the examples are.
      sides: The layout of `groundtruths` and of `predictions`.
    """

    form: Form
    sides: Mapping[str, SideLayout]

    def id_of(self, side: str) -> Path:
        """The id field of a side that has one."""
        path = self.sides[side].id
        if path is None:
            raise KeyError(f"The {side} have no id field.")
        return path

    def may_be_empty(self, side: str) -> bool:
        """Whether an example can have no object at all on a side."""
        return bool(self.sides[side].slots)

    @property
    def id_sides(self) -> tuple[str, ...]:
        """The sides that have an id."""
        return tuple(side for side in SIDES if self.sides[side].id is not None)

    def __str__(self) -> str:
        """What was inferred, in one sentence."""
        parts = [f"{_FORMS[self.form]}"]
        for side in SIDES:
            layout = self.sides[side]
            roles = [
                ("id", layout.id),
                ("count", layout.count),
                ("mask", layout.mask),
                ("mask of rows", layout.row_mask),
            ]
            said = [f"{role} {field_name(path)!r}" for role, path in roles if path is not None]
            for role, paths in (("slots", layout.slots), ("sequences", layout.sequence)):
                if paths:
                    said.append(f"{role} " + ", ".join(repr(field_name(path)) for path in paths))
            parts.append(f"{side}: {', '.join(said) or 'no id, count, mask or slots'}")
        return "; ".join(parts)


_FORMS = {
    Form.ROWS: "an example is a row of each array",
    Form.FLAT: "an example is the rows that share an id",
    Form.LISTED: "an example is an entry of each list",
}
