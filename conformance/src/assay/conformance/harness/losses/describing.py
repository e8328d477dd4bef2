"""What was inferred of a loss before it is checked, for the report."""

from __future__ import annotations

from assay.conformance.context import Context
from assay.conformance.harness.losses.component import component
from assay.conformance.harness.samples import describe as describe_sample
from assay.conformance.model.errors import NotApplicable, NotRun, SubjectError


def describe(ctx: Context) -> tuple[str, ...]:
    """Return what the suite takes a loss and its sample for, a line each.

    Beside the sample's two lines, one on how the loss is called when its parameters' names decided that. Whether it
    couples its examples is what L212 reports, and what an element of the unreduced values is, what L101 does.

    Args:
      ctx: The check's context.
    """
    lines = list(describe_sample(ctx))
    try:
        arguments = component(ctx, steady=False).arguments
    except (NotApplicable, NotRun, SubjectError):
        return tuple(lines)
    if arguments.reversed and "arguments" not in ctx.subject.traits:
        lines.append(
            "called as (predictions, labels): inferred from the names of its parameters, the trait 'arguments' "
            "overrides it"
        )
    return tuple(lines)
