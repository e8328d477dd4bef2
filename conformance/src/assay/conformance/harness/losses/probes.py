"""What is seen of a loss before it is judged: the shape of its unreduced values, and whether it couples examples."""

from __future__ import annotations

from typing import Any

import numpy as np
from assay.conformance.context import Context
from assay.conformance.harness.losses.component import DEFAULT, NONE, SUM, LossComponent, component, has_reduction
from assay.conformance.harness.losses.values import value
from assay.conformance.harness.samples import Batch, opposed, sample_of, varied
from assay.conformance.model.errors import NotApplicable
from assay.conformance.model.vocabulary import Mode

ROWS = 5
_OTHER = 1
"""The seed of a second batch of the same rows with other predictions."""
_STRONGLY = 4
"""How often those are varied, after they were turned round: a coupling through a maximum shows only when the largest
becomes another, and one through a quotient only when its divisor moves."""


def unreduced(ctx: Context, batch: Batch) -> np.ndarray:
    """Return the unreduced values of a batch, one an example or more.

    Raises:
      NotApplicable: If the loss gives one number for a whole batch whatever its reduction.
    """
    values = value(ctx, component(ctx, NONE), batch, mode=Mode.EAGER)
    if values.ndim == 0 or values.shape[0] != batch.size:
        raise NotApplicable(
            f"The loss has no value of its own for each example: unreduced, {batch.size} examples give the shape "
            f"{list(values.shape)}."
        )
    return values


def summed(ctx: Context) -> LossComponent:
    """Return the loss in a form that adds up its examples: the sum when it can be switched, else as it comes."""
    return component(ctx, SUM) if has_reduction(ctx, SUM) else component(ctx, DEFAULT)


def row_weights(ctx: Context, batch: Batch, weights: Any) -> np.ndarray:
    """Return one weight an example as an array in the shape of the unreduced values.

    Args:
      ctx: The check's context.
      batch: The batch that is weighted.
      weights: `[batch]`.
    """
    shape = unreduced(ctx, batch).shape if has_reduction(ctx, NONE) else (batch.size,)
    flat = np.asarray(weights, np.float32).reshape((batch.size,) + (1,) * (len(shape) - 1))
    return np.broadcast_to(flat, shape).astype(np.float32)


def coupling(ctx: Context) -> str:
    """Return how the loss of one example moves when only other examples' predictions do; empty when it does not.

    Unreduced values are compared row by row. A loss that gives one number is asked whether the effects of changing two
    rows add up: they do for every sum and mean over examples, whatever it divides by.
    """
    return ctx.share("loss coupling", lambda: _coupling(ctx))


def require_independent_examples(ctx: Context) -> None:
    """Lift the rule for a loss whose examples cannot be told apart, by its own word or as was seen.

    Raises:
      NotApplicable: If the trait `mixes_examples` is set, or the examples are coupled.
    """
    ctx.not_applicable_if("mixes_examples")
    if coupling(ctx):
        raise NotApplicable("The loss of one example depends on the others (see L212), so rows cannot be taken apart.")


def coupling_of(ctx: Context, size: int, row: int, *, seed: int = 0, mode: Mode = Mode.EAGER) -> str:
    """Return how the loss of a batch couples one of its examples with the others; empty when it does not.

    Args:
      ctx: The check's context.
      size: How many examples, two or more.
      row: The example whose predictions are changed.
      seed: Which batch of that size.
      mode: How the loss is called.
    """
    first = sample_of(ctx).grow(size, seed=seed)
    second = _varied(ctx, first)
    rest = [index for index in range(size) if index != row]
    if has_reduction(ctx, NONE):
        loss = component(ctx, NONE)
        values = value(ctx, loss, first, mode=mode)
        if values.ndim and values.shape[0] == size:
            changed = value(ctx, loss, _mixed(first, second, [row]), mode=mode)
            if changed.shape != values.shape:
                return f"its unreduced shape changes from {list(values.shape)} to {list(changed.shape)}"
            if ctx.tolerance("coupling").allows(changed[rest], values[rest]):
                return ""
            moved = float(np.max(np.abs(changed[rest] - values[rest])))
            return (
                f"with other predictions for example {row} of {size} alone, the unreduced values of the other examples "
                f"move by up to {moved:.3g}"
            )
    return _not_additive(ctx, first, second, row, rest, mode)


def _coupling(ctx: Context) -> str:
    return next((found for row in range(ROWS) if (found := coupling_of(ctx, ROWS, row))), "")


def _not_additive(ctx: Context, first: Batch, second: Batch, row: int, rest: list[int], mode: Mode) -> str:
    loss, allowed = summed(ctx), ctx.tolerance("additive")

    def total(rows: list[int]) -> float:
        return float(np.sum(value(ctx, loss, _mixed(first, second, rows), mode=mode)))

    neither, alone, others, both = total([]), total([row]), total(rest), total([row, *rest])
    if not np.all(np.isfinite([neither, alone, others, both])):
        return ""
    together, apart = both - neither, (alone - neither) + (others - neither)
    scale = max(abs(neither), abs(alone), abs(others), abs(both), abs(together), abs(apart))
    if abs(together - apart) <= allowed.absolute + allowed.relative * scale:
        return ""
    return (
        f"other predictions for example {row} of {first.size} move the loss by {alone - neither:.6g}, for the others "
        f"by {others - neither:.6g}, and for all by {together:.6g}, which is not what the two add up to"
    )


def _varied(ctx: Context, batch: Batch) -> Batch:
    """The same rows with quite other predictions."""
    random = np.random.default_rng([ctx.seed, _OTHER])
    batch = batch.map_predictions(opposed)
    for _ in range(_STRONGLY):
        batch = batch.map_predictions(lambda leaf, array: varied(leaf, array, random))
    return batch


def _mixed(first: Batch, second: Batch, rows: list[int]) -> Batch:
    """The first batch with some rows' predictions from the second."""
    arrays = []
    for leaf, one, two in zip(first.layout.predictions, first.predictions, second.predictions, strict=True):
        array = one.copy()
        if leaf.batched:
            array[rows] = two[rows]
        arrays.append(array)
    return first.with_predictions(arrays)
