"""Comparisons of a loss in another mode with eager calls: the same batches, values and gradients."""

from __future__ import annotations

from typing import Any

import numpy as np
from assay.conformance.context import Context
from assay.conformance.harness.compiling import explained
from assay.conformance.harness.losses.component import component
from assay.conformance.harness.losses.probes import row_weights
from assay.conformance.harness.losses.values import Gradient, gradient
from assay.conformance.harness.samples import Batch, sample_of
from assay.conformance.model.errors import NotApplicable, SubjectError, Violation
from assay.conformance.model.vocabulary import Mode

ROWS = 4
BATCHES = 3
_WEIGHTS = (1.0, 0.0, 0.5, 2.0)


def compare_with_eager(ctx: Context, *, cause: str, fix: str) -> None:
    """Compare values and gradients of several batches in the context's mode with those of eager calls.

    Args:
      ctx: The check's context.
      cause: What usually makes them differ in this mode.
      fix: How to mend it.

    Raises:
      Violation: If they differ.
      SubjectError: If the loss raises.
    """
    sample = sample_of(ctx)
    loss = component(ctx)
    for weighted in (False, True):
        if weighted and not loss.takes_weights:
            continue
        for seed in range(BATCHES if not weighted else 1):
            batch = sample.grow(ROWS, seed=seed)
            weights = weights_of(ctx, batch) if weighted else None
            if weighted and weights is None:
                continue
            try:
                found = gradient(ctx, loss, batch, weights)
            except SubjectError as error:
                raise explained(error, "the loss") from error
            expected = gradient(ctx, loss, batch, weights, mode=Mode.EAGER)
            _compare(ctx, found, expected, f"batch {seed + 1}" + (" with weights" if weighted else ""), cause, fix)


def weights_of(ctx: Context, batch: Batch) -> Any:
    """Return weights for a batch, one an example, or None where there is no shape that they should have."""
    try:
        return row_weights(ctx, batch, _WEIGHTS)
    except NotApplicable:
        return None  # one number for a batch: there is no shape that weights should have


def _compare(ctx: Context, found: Gradient, expected: Gradient, what: str, cause: str, fix: str) -> None:
    if found.value.shape != expected.value.shape or not ctx.tolerance("loss").allows(found.value, expected.value):
        raise Violation(
            f"in mode {ctx.mode}, {what} gives {np.ravel(found.value)[:3].tolist()} of shape "
            f"{list(found.value.shape)}; "
            f"eagerly it gives {np.ravel(expected.value)[:3].tolist()} of shape {list(expected.value.shape)}",
            cause=cause,
            fix=fix,
        )
    for one, two in zip(found.gradients, expected.gradients, strict=True):
        if (one is None) != (two is None):
            raise Violation(
                f"in mode {ctx.mode}, {what} has {'no' if one is None else 'a'} gradient, and eagerly it has "
                f"{'none' if two is None else 'one'}",
                cause=cause,
                fix=fix,
            )
        if one is not None and two is not None and not ctx.tolerance("loss").allows(one, two):
            far = float(np.nanmax(np.abs(one - two)))
            raise Violation(
                f"in mode {ctx.mode}, the gradients of {what} are up to {far:.3g} from the eager ones, the value is "
                "the "
                "same",
                cause=cause,
                fix=fix,
            )
