"""What a target must be able to compile of a subject, by its kind: what a training loop would run on it."""

from __future__ import annotations

from assay.conformance.context import Context
from assay.conformance.harness import losses, metrics, tasks
from assay.conformance.model.kinds import Kind
from assay.conformance.targets.programs import Program

_PROGRAMS = {
    Kind.LOSS: losses.programs,
    Kind.KERAS_METRIC: metrics.programs,
    Kind.TASK: tasks.step_programs,
}


def programs_of(kind: Kind, ctx: Context) -> list[Program]:
    """Return the programs of a subject; none for a kind that runs on the host.

    Args:
      kind: The kind of the rule that is carried out.
      ctx: The check's context.

    Raises:
      NotApplicable: If nothing of it can be told: a loss that draws random numbers.
      SubjectError: If the subject cannot be made.
    """
    return _PROGRAMS[kind](ctx) if kind in _PROGRAMS else []
