"""A new component from its factory: a Task, or an input pipeline in the form of a Task's data."""

from __future__ import annotations

from typing import Any

from assay.conformance.context import Context
from assay.conformance.harness.calls import calling
from assay.conformance.harness.flavour import set_random_seed
from assay.conformance.harness.pipelines.pipeline import pipeline_of
from assay.conformance.model.kinds import Kind


def make_component(ctx: Context) -> Any:
    """Return a new component from the subject's factory, seeded; an input pipeline as a `Pipeline`.

    Raises:
      SubjectError: If the factory raises.
      NotRun: If an input pipeline cannot be called.
    """
    set_random_seed(ctx.seed)
    if ctx.subject.kind is Kind.INPUT_PIPELINE:
        return pipeline_of(ctx.subject)
    with calling("the factory"):
        return ctx.subject.factory()
