"""What a target must be able to compile of a Keras metric: its update, with and without weights."""

from __future__ import annotations

import functools

from assay.conformance.context import Context
from assay.conformance.harness.metrics.component import fresh, placed, row_weights, takes_weights, tensors
from assay.conformance.harness.samples import sample_of
from assay.conformance.model.errors import NotApplicable
from assay.conformance.targets.programs import Program

_ROWS = 4
_WEIGHTS = (1.0, 0.0, 0.5, 2.0)


def programs(ctx: Context) -> list[Program]:
    """Return the update of a metric as a program, and the same with weights where it takes them.

    Raises:
      SubjectError: If the metric cannot be made.
    """
    return ctx.share("programs", lambda: _make(ctx))


def _make(ctx: Context) -> list[Program]:
    metric = fresh(ctx)
    batch = sample_of(ctx).grow(_ROWS)

    def update(*sides: object) -> None:
        metric.update(*sides)

    make = functools.partial(Program, function=update, placed=functools.partial(placed, ctx))
    found = [make("update_state", arguments=tensors(batch))]
    if takes_weights(ctx):
        try:
            weights = row_weights(ctx, batch, _WEIGHTS)
        except NotApplicable:  # one number for a batch: there is no shape that weights should have
            return found
        found.append(make("update_state with weights", arguments=tensors(batch, weights)))
    return found
