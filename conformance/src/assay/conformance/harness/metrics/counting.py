"""Counts in the state of a metric, put where many examples would take them: whether one more still counts."""

from __future__ import annotations

import dataclasses

import numpy as np
from assay.conformance.context import Context
from assay.conformance.harness.metrics.component import fresh, update
from assay.conformance.harness.samples import Batch, perfect, sample_of, wrong

_SEEDS = range(8)
_HALF = 0.5


@dataclasses.dataclass(frozen=True)
class Stall:
    """A count that one example more does not move as it should.

    Attributes:
      name: The name of the variable.
      dtype: Its dtype.
      value: The count before.
      added: What the example added.
      expected: What it should have added.
    """

    name: str
    dtype: str
    value: float
    added: float
    expected: float

    def __str__(self) -> str:
        """`count is 33554432, and another example adds 0 to it in place of 1`."""
        added = f"adds {self.added:g} to it in place of {self.expected:g}"
        return f"{self.name} is {self.value:.0f}, and another example {added}"


@dataclasses.dataclass(frozen=True)
class _Growth:
    """What one example adds to one variable.

    Attributes:
      name: The name of the variable.
      step: How much each number of it grows, in float64.
      steady: Which numbers grew by the same twice.
      far: The variable after many examples, in its dtype; numbers that are not steady are as they were.
    """

    name: str
    step: np.ndarray
    steady: np.ndarray
    far: np.ndarray

    @property
    def counts(self) -> np.ndarray:
        """Which numbers count: those that grow by whole amounts, and have room for that many."""
        return self.steady & (self.step == np.round(self.step)) & (np.abs(self.step) >= 1)


def counts_examples(ctx: Context) -> bool:
    """Whether a number in the variables grows by a whole amount with each example; shared by all rules."""
    return ctx.share("a batch that counts", lambda: _counted(ctx)) is not None


def stalled(ctx: Context, examples: int) -> Stall | None:
    """Return a count that does not go on after many examples, or None.

    The state is not counted up to there: what an example adds is read off twice, and multiplied. What is missing from
    a count may turn up in another variable, as in a compensated sum or a split counter; then nothing is wrong.

    Args:
      ctx: The check's context.
      examples: How many examples.

    Raises:
      SubjectError: If the metric raises.
    """
    batch = ctx.share("a batch that counts", lambda: _counted(ctx))
    if batch is None:
        return None
    grown = _grown(ctx, batch, examples)
    metric = fresh(ctx)
    if len(metric.variables) != len(grown):
        update(ctx, metric, batch)  # a metric that makes its variables late is K401's matter
    metric.assign([one.far for one in grown])
    before = metric.state()
    update(ctx, metric, batch)
    added = [_minus(now, old) for now, old in zip(metric.state(), before, strict=True)]
    lost = [_lost(one, by) for one, by in zip(grown, added, strict=True)]
    if any(_moved(one, by) for one, by in zip(grown, added, strict=True)):
        return None
    for growth, gone, old, by in zip(grown, lost, before, added, strict=True):
        if gone.any():
            place = int(np.flatnonzero(gone)[0])
            value, step = np.asarray(old, np.float64).ravel()[place], growth.step.ravel()[place]
            return Stall(growth.name, old.dtype.name, float(value), float(by.ravel()[place]), float(step))
    return None


def _counted(ctx: Context) -> Batch | None:
    """A batch of one example that some number counts."""
    for seed in _SEEDS:
        batch = sample_of(ctx).grow(1, seed=seed)
        for one in (batch, wrong(batch), perfect(batch)):
            if one is not None and any(growth.counts.any() for growth in _grown(ctx, one, 1)):
                return one
    return None


def _grown(ctx: Context, batch: Batch, examples: int) -> list[_Growth]:
    """What a batch adds to each variable of a metric."""
    metric = fresh(ctx)
    start = metric.state()
    update(ctx, metric, batch)
    once = metric.state()
    update(ctx, metric, batch)
    twice = metric.state()
    if len(start) != len(once):
        start = [np.zeros_like(one) for one in once]
    names = [str(getattr(one, "name", "")).partition(":")[0] or "a variable" for one in metric.variables]
    return [_growth(ctx, examples, *one) for one in zip(names, start, once, twice, strict=True)]


def _growth(ctx: Context, examples: int, name: str, start: np.ndarray, once: np.ndarray, twice: np.ndarray) -> _Growth:
    if not _is_number(start) or not start.shape == once.shape == twice.shape:
        return _Growth(name, np.zeros(twice.shape), np.zeros(twice.shape, bool), twice)
    step, second = _minus(once, start), _minus(twice, once)
    near = ctx.tolerance("metrics")
    steady = np.abs(step - second) <= near.absolute + near.relative * np.abs(step)
    with np.errstate(over="ignore", invalid="ignore"):
        target = np.asarray(start, np.float64) + examples * step
        far = target.astype(start.dtype)
    if start.dtype.kind in "iu":
        steady &= np.abs(target) < np.iinfo(start.dtype).max
    steady &= np.isfinite(step)
    return _Growth(name, step, steady, np.where(steady, far, twice).astype(twice.dtype))


def _lost(growth: _Growth, added: np.ndarray) -> np.ndarray:
    """Which counts did not grow as they did at first."""
    return growth.counts & ~(np.abs(added - growth.step) <= _HALF * np.abs(growth.step))


def _moved(growth: _Growth, added: np.ndarray) -> bool:
    """Whether a number moved, and by another amount than at first: what is missing elsewhere has gone there."""
    changed = np.isfinite(added) & (added != 0) & (np.abs(added - growth.step) > _HALF * np.abs(growth.step))
    return bool(np.any(growth.steady & changed))


def _minus(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    if not _is_number(one):
        return np.zeros(one.shape)
    with np.errstate(invalid="ignore"):
        return np.asarray(one, np.float64) - np.asarray(other, np.float64)


def _is_number(array: np.ndarray) -> bool:
    return array.dtype.kind in "iuf" or array.dtype.name == "bfloat16"
