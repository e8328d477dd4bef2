"""The sample of a Python metric: read, taken apart into examples, and ready to be grown."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from assay.conformance.context import Context
from assay.conformance.harness.host_metrics.batching import Pair, split
from assay.conformance.harness.host_metrics.examples import Example
from assay.conformance.harness.host_metrics.fields import (
    GROUNDTRUTHS,
    PREDICTIONS,
    SIDES,
    Fields,
    flatten,
    holds_tensors,
    rebuild,
)
from assay.conformance.harness.host_metrics.inference import check_declared, infer_flat, infer_listed, infer_rows
from assay.conformance.harness.host_metrics.layout import Layout
from assay.conformance.model.errors import NotRun, UsageError

MOST_EXAMPLES = 16
"""Rules that run the metric many times look at so many examples at most: host metrics can be slow."""

_NUDGE = 1e-7
_REMEDY = (
    "Give a list of (groundtruths, predictions) batches, each side a dict of arrays [batch, ...] or an array, with "
    "three examples or more altogether."
)


@dataclasses.dataclass(frozen=True, eq=False)
class Sample:
    """What the subject's sample holds.

    Attributes:
      batches: The batches as given, every leaf a NumPy array.
      layout: Where its examples are.
      examples: The first examples; tied scores are moved apart by 1e-7, so that no tie has to be broken.
      nudged: How many scores were moved.
    """

    batches: tuple[Pair, ...]
    layout: Layout
    examples: tuple[Example, ...]
    nudged: int

    def __str__(self) -> str:
        """What was inferred from the sample, for the report."""
        nudged = f"; {self.nudged} tied scores moved apart" if self.nudged else ""
        return f"{len(self.batches)} batches, {len(self.examples)} examples used; {self.layout}{nudged}"


def sample_batches(ctx: Context) -> tuple[Pair, ...]:
    """Return the batches of the sample as given, every leaf a NumPy array; treat them as read-only.

    Raises:
      NotRun: If there is no sample, or it is no list of pairs.
    """

    def read() -> tuple[Pair, ...]:
        pairs = [(_as_arrays(truth), _as_arrays(found)) for truth, found in _pairs(ctx.subject.sample)]
        sides = [_alike(side) for side in zip(*pairs, strict=True)]
        return tuple(zip(*sides, strict=True))

    return ctx.share("host metric batches", read)


def given_as_tensors(ctx: Context) -> bool:
    """Whether the sample holds tensors: then that is what the metric is used to."""

    def look() -> bool:
        return any(holds_tensors(side) for pair in _pairs(ctx.subject.sample) for side in pair)

    return bool(ctx.share("host metric sample of tensors", look))


def sample_of(ctx: Context) -> Sample:
    """Return the sample, taken apart; shared by all rules.

    Raises:
      NotRun: If there is no sample, or its examples cannot be told apart.
    """
    sample = ctx.share("host metric sample", lambda: _read(ctx))
    ctx.note(f"sample: {sample}")
    return sample


def examples_of(ctx: Context, *, at_least: int = 2) -> tuple[Example, ...]:
    """Return the examples of the sample.

    Raises:
      NotRun: If there are fewer than the rule needs.
    """
    sample = sample_of(ctx)
    if len(sample.examples) < at_least:
        raise NotRun(f"The sample has {len(sample.examples)} examples, and this needs {at_least}.", remedy=_REMEDY)
    return sample.examples


def _read(ctx: Context) -> Sample:
    batches = sample_batches(ctx)
    traits = ctx.subject.traits
    if all(isinstance(side, list) and all(isinstance(e, Mapping) for e in side) for pair in batches for side in pair):
        listed = [
            {name: [flatten(entry) for entry in side] for name, side in zip(SIDES, pair, strict=True)}
            for pair in batches
        ]
        return _sample(batches, infer_listed(listed, traits), listed)
    fields = [{GROUNDTRUTHS: flatten(truth), PREDICTIONS: flatten(found)} for truth, found in batches]
    try:
        for trait in ("id_field", "count_field", "slot_fields"):
            check_declared(traits, trait, [path for batch in fields for side in SIDES for path in batch[side]])
    except UsageError as error:
        raise NotRun(str(error), remedy="Correct the trait.") from error
    rows, flat = infer_rows(fields, traits), infer_flat(fields, traits)
    layout = flat if flat is not None and (rows is None or _repeats(flat, fields)) else rows
    if layout is None:
        raise NotRun("The sample's examples cannot be told apart: its arrays share no first dimension.", remedy=_REMEDY)
    return _sample(batches, layout, fields)


def _sample(batches: tuple[Pair, ...], layout: Layout, fields: Sequence[Mapping[str, Any]]) -> Sample:
    examples = split(layout, fields)[:MOST_EXAMPLES]
    untied, nudged = _untied(layout, examples)
    return Sample(batches, layout, untied, nudged)


def _repeats(flat: Layout, batches: Sequence[Mapping[str, Fields]]) -> bool:
    """Whether an id comes more than once on a side of a batch: then its rows are objects, not examples."""
    columns = [np.ravel(batch[side][flat.id_of(side)]).tolist() for batch in batches for side in SIDES]
    return any(len(set(column)) < len(column) for column in columns)


def _untied(layout: Layout, examples: Sequence[Example]) -> tuple[tuple[Example, ...], int]:
    """Move equal scores of the predictions apart: which of two equals comes first is nobody's promise."""
    nudged = 0
    fields = [dict(example.sides[PREDICTIONS]) for example in examples]
    for path in layout.sides[PREDICTIONS].scores:
        arrays = [np.array(entry[path]) for entry in fields]
        if any(array.dtype.itemsize < np.dtype(np.float32).itemsize for array in arrays):
            continue
        largest = max((float(array.max(initial=-np.inf)) for array in arrays), default=0.0)
        seen: set[float] = set()
        for array, entry in zip(arrays, fields, strict=True):
            flat = array.reshape(-1)
            for index, value in enumerate(flat.tolist()):
                moved = value
                while moved in seen and np.isfinite(moved):
                    step = max(_NUDGE, 2 * float(np.spacing(np.abs(flat[index]))))
                    moved = float(array.dtype.type(moved - step if value >= largest else moved + step))
                nudged += moved != value
                seen.add(moved)
                flat[index] = moved
            entry[path] = array
    sides = zip(examples, fields, strict=True)
    return tuple(example.with_side(PREDICTIONS, entry) for example, entry in sides), nudged


def _alike(sides: Sequence[Any]) -> list[Any]:
    """The same side of all batches, with a list in each where there is one in any: rows may be alike by chance."""
    if not all(isinstance(side, Mapping) for side in sides):
        return list(sides)
    fields = [flatten(side) for side in sides]
    lists = {path for entry in fields for path, value in entry.items() if isinstance(value, list)}
    return [
        rebuild({path: list(value) if path in lists else value for path, value in entry.items()}) for entry in fields
    ]


def _pairs(sample: Any) -> list[tuple[Any, Any]]:
    if callable(sample):
        sample = sample()
    if sample is None:
        raise NotRun("A Python metric is checked on a sample, and this subject has none.", remedy=_REMEDY)
    if isinstance(sample, tuple) and len(sample) == 2 and not all(_is_pair(entry) for entry in sample):
        sample = [sample]
    if not isinstance(sample, list | tuple) or not sample or not all(_is_pair(entry) for entry in sample):
        raise NotRun(f"The sample is {_described(sample)}, and not a list of batches.", remedy=_REMEDY)
    return [tuple(entry) for entry in sample]


def _is_pair(entry: Any) -> bool:
    return isinstance(entry, list | tuple) and len(entry) == 2


def _described(sample: Any) -> str:
    if isinstance(sample, list | tuple) and sample:
        odd = next((entry for entry in sample if not _is_pair(entry)), None)
        return f"a {type(sample).__name__} with a {type(odd).__name__} in it"
    return "empty" if isinstance(sample, list | tuple) else f"a {type(sample).__name__}"


def _as_arrays(side: Any) -> Any:
    if isinstance(side, list) and side and all(isinstance(entry, Mapping) for entry in side):
        return [rebuild(flatten(entry)) for entry in side]
    return rebuild(flatten(side))
