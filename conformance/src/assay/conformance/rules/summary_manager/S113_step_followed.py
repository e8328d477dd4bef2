"""S113 step-followed: each write carries the step of that moment, and a missing step is said to be missing."""

from __future__ import annotations

from typing import Any

from assay.conformance.context import Context
from assay.conformance.harness import summaries
from assay.conformance.harness.summaries import Drive
from assay.conformance.lazy import tf
from assay.conformance.model import Level, Mode, NotApplicable, Rule, SubjectError, Violation
from assay.conformance.specimens import SCALAR_MANAGER, SoundSummaryManager

RULE = Rule(
    id="S113",
    slug="step-followed",
    level=Level.MUST,
    requirement="Each write carries the value that the step has at that time, and without a step the manager says so.",
    checks=(
        "Moves the step between writes, by different amounts, and reads the steps back, in subdirectories too. Then "
        "takes the step away (no `global_step`, and none set for `tf.summary`) and writes: an exception that speaks of "
        "the step is expected."
    ),
    why=(
        "The step is a variable that the training loop moves. A manager that reads it once puts all points at the step "
        "at which it was made; one that counts its own writes is right until the interval changes or the run resumes. "
        "Without a step, TensorFlow refuses, and a manager that falls back to 0 draws a vertical line instead."
    ),
    bad="""
def __init__(self, summary_dir, global_step):
    self.step = int(global_step)  # the step of this moment, for ever
""",
    good="""
def write_summaries(self, summary_dict):
    step = int(self.global_step)
""",
    modes=(Mode.EAGER,),
    traits=("reader",),
)

STEPS = (4, 5, 17, 100)
TAG, GROUP = "loss", "group"


def check(ctx: Context) -> None:
    """Move the step between writes, and take it away."""
    with summaries.sandbox() as root:
        with summaries.managed(ctx, root / "run") as one:
            for step in STEPS:
                one.write({TAG: float(step), GROUP: {TAG: float(step)}}, step=step)
            records = [record for record in one.finish() if record.path.endswith(TAG)]
            drive = one.drive
        actual = [record.step for record in records]
        if drive is Drive.DEFAULT and not summaries.follows_step(ctx):
            raise NotApplicable(
                "The factory brings a step of its own that the suite cannot set; let it take global_step."
            )
        wrong = [
            f"what was written at step {int(record.value)} is at step {record.step}"
            for record in records
            if record.step != int(record.value)
        ]
        if wrong or len(actual) != 2 * len(STEPS):
            raise Violation(
                f"of values written at the steps {list(STEPS)} (through {drive}), there are {len(actual)} of "
                f"{2 * len(STEPS)}" + (f": {summaries.listed(wrong)}" if wrong else ""),
                cause="the step is read once, when the manager is made, or the manager counts its own writes",
                fix="Keep the variable, and read it in each `write_summaries`.",
            )
        _check_without_step(ctx, root / "none")


def _check_without_step(ctx: Context, directory: Any) -> None:
    try:
        with summaries.managed(ctx, directory, stepless=True) as one:
            if one.drive is Drive.ATTRIBUTE:
                return  # it has a step of its own, always
            one.write_without_step({TAG: 1.0})
            actual = summaries.as_ledger(one.finish())
    except SubjectError as error:
        if "step" in str(error.original).casefold():
            return
        said = " ".join(str(error.original).split())
        raise Violation(
            f"without a step the manager raised {type(error.original).__name__}: {said[:160]}, which does not say so",
            cause="None is converted to a number, or compared with one",
            fix="Check the step before anything else, and say where it can be given.",
        ) from error
    there = ", ".join(summaries.name_of(key) for key in actual)
    raise Violation(
        f"without a step, {there or 'nothing'} was written, and nothing was said",
        cause="a default step is made up" if there else "values without a step are dropped",
        fix="Raise a ValueError that says that there is no step, and where it can be given.",
    )


class _StepAtBirth(SoundSummaryManager):
    def __init__(self, summary_dir: str | None, global_step: Any = None) -> None:
        super().__init__(summary_dir, None if global_step is None else int(global_step))


class _CountsWrites(SoundSummaryManager):
    count = 3

    def step(self) -> int:
        self.count += 1
        return min(self.count, super().step())


class _ZeroWithoutStep(SoundSummaryManager):
    def step(self) -> int:
        if self.global_step is None and tf.summary.experimental.get_step() is None:
            return 0
        return super().step()


class _ConvertsNone(SoundSummaryManager):
    def step(self) -> int:
        return int(self.global_step)


class _DropsWithoutStep(SoundSummaryManager):
    def write_summaries(self, summary_dict: Any) -> None:
        if self.global_step is not None:
            super().write_summaries(summary_dict)


MUTANTS = (
    SCALAR_MANAGER.replace(factory=_StepAtBirth, name="the step at its birth"),
    SCALAR_MANAGER.replace(factory=_CountsWrites, name="counts its own writes"),
    SCALAR_MANAGER.replace(factory=_ZeroWithoutStep, name="step 0 without a step"),
    SCALAR_MANAGER.replace(factory=_ConvertsNone, name="converts None to a number"),
    SCALAR_MANAGER.replace(factory=_DropsWithoutStep, name="drops values without a step"),
)
TWIN = SCALAR_MANAGER
