"""S105 step-once: each tag and step is written once, and steps never go back, also after a resume."""

from __future__ import annotations

import collections
from collections.abc import Iterable, Sequence
from typing import Any

from assay.conformance.context import Context
from assay.conformance.harness import summaries
from assay.conformance.harness.refusals import is_refusal
from assay.conformance.harness.searching import search
from assay.conformance.model import Level, Mode, NotApplicable, Rule, SubjectError, Violation
from assay.conformance.specimens import SCALAR_MANAGER, SoundSummaryManager

RULE = Rule(
    id="S105",
    slug="step-once",
    level=Level.MUST,
    requirement="A directory holds each tag and step once, in steps that never go back, also when a run is resumed.",
    checks=(
        "Writes a step twice; writes some steps, closes, makes a new manager on the same directory and goes on from an "
        "earlier step, as a run does that resumes from its last checkpoint; then random sequences of writes and "
        "resumes. The repetition may be left out or refused with an error, or the old values may be taken back with a "
        "`SessionLog.START` event, as TensorBoard understands it. Steps before and beyond the repeated ones must be "
        "there."
    ),
    why=(
        "A preempted run resumes from its last checkpoint, which is older than its last summary. The steps in between "
        "are written twice, and TensorBoard joins the points in the order in which it finds them: the curve doubles "
        "back, smoothing mixes two runs, and exported tables have two values for a step."
    ),
    bad="""
def write_summaries(self, summary_dict):
    with self.writer.as_default():
        tf.summary.scalar("loss", summary_dict["loss"], step=self.global_step)  # whatever is there already
""",
    good="""
if step > self.last_step_of(directory):  # read from its event files when the writer is made
    tf.summary.scalar("loss", summary_dict["loss"], step=step)
""",
    modes=(Mode.EAGER,),
    traits=("reader",),
    references=("google/CommonLoopUtils: writing the same metric at one step twice is not allowed",),
)

FIRST_RUN, RESUMED = (10, 20, 30), (20, 30, 40)
EXAMPLES = 6
_FIX = "Keep the tags and steps that each directory holds, read from its files when it is opened; write only others."


def check(ctx: Context) -> None:
    """Repeat a step, resume, and then do both at random."""
    if not summaries.follows_step(ctx):
        raise NotApplicable("The suite cannot set the manager's step: let the factory take global_step.")
    values = summaries.sample_values(ctx)
    _check(ctx, values, [[10, 10, 20]], "a step was written twice")
    _check(ctx, values, [FIRST_RUN, RESUMED], "a run was resumed at an earlier step")

    def cases() -> Any:
        from hypothesis import strategies as st

        run = st.lists(st.integers(0, 3), min_size=1, max_size=3)
        return st.lists(st.tuples(st.integers(0, 4), run), min_size=1, max_size=3)

    search(ctx, cases, lambda case: _check(ctx, values, _runs(case), "at random"), examples=EXAMPLES)


def _runs(case: Iterable[tuple[int, Sequence[int]]]) -> list[list[int]]:
    """Steps of each run: each starts a little before the last step of the one before, and never goes back by itself."""
    runs: list[list[int]] = []
    last = 5
    for back, advances in case:
        step = max(last - back, 1)
        steps = []
        for advance in advances:
            step += advance
            steps.append(step)
        runs.append(steps)
        last = step
    return runs


def _check(ctx: Context, values: dict[str, Any], runs: Sequence[Sequence[int]], what: str) -> None:
    with summaries.sandbox() as root:
        directory = root / "run"
        factor = 0.0
        for steps in runs:
            with summaries.managed(ctx, directory) as one:
                for step in steps:
                    factor += 1.0
                    _write(one, summaries.scaled(values, factor), step)
                one.flush()
                one.close()
        records = summaries.read_records(directory, ctx.trait("reader"))
    done = f"after writing the steps {' and then, with a new manager, '.join(str(list(steps)) for steps in runs)}"
    _check_once(records, done, what)
    last = max(step for steps in runs for step in steps)
    present = {(record.directory, record.tag, record.step) for record in records}
    for which, step, cause in (
        *(
            (f"step {step} was before the resumed ones", step, "files are removed when a run resumes")
            for step in _kept(runs)
        ),
        ("that step was new", last, "a resumed directory is taken for a finished one"),
    ):
        absent = [summaries.name_of(key) for key in summaries.ledger_of(values, step) if key not in present]
        if absent:
            raise Violation(
                f"{done}, {summaries.listed(absent)} is absent, although {which}",
                cause=cause,
                fix="Keep what is there, leave out the steps that are there already, and write those beyond them.",
            )


def _kept(runs: Sequence[Sequence[int]]) -> list[int]:
    """Steps that were new when they were written, before the place where any later run set in."""
    kept = []
    for number, steps in enumerate(runs[:-1]):
        before = max((step for earlier in runs[:number] for step in earlier), default=-1)
        after = min(step for later in runs[number + 1 :] for step in later)
        kept += [step for step in steps if before < step < after]
    return kept


def _write(one: summaries.Managed, values: dict[str, Any], step: int) -> None:
    """Write; to refuse a repetition is a way to keep the rule."""
    try:
        one.write(values, step=step)
    except SubjectError as error:
        if not is_refusal(error.original):
            raise


def _check_once(records: Sequence[summaries.Record], done: str, what: str) -> None:
    counts = collections.Counter((record.directory, record.tag, record.step) for record in records)
    repeated = [f"{summaries.name_of(key)} is there {count} times" for key, count in counts.items() if count > 1]
    last: dict[tuple[str, str], int] = {}
    back = []
    for record in records:
        before = last.get((record.directory, record.tag), record.step)
        if record.step < before:
            back.append(f"{record.path} goes from step {before} back to {record.step}")
        last[record.directory, record.tag] = record.step
    if repeated or back:
        raise Violation(
            f"{done}, {summaries.listed([*repeated, *back])}",
            cause=f"{what}, and the manager does not know what the directory holds",
            fix=_FIX,
        )


class _WritesAgain(SoundSummaryManager):
    def admits(self, group: tuple[str, ...], key: str, step: int) -> bool:
        return True


class _KnowsItselfOnly(SoundSummaryManager):
    def history(self, group: tuple[str, ...]) -> set[tuple[str, int]]:
        return set()


class _LastStepOnly(SoundSummaryManager):
    """Leaves out the step that was written last, and no other."""

    def admits(self, group: tuple[str, ...], key: str, step: int) -> bool:
        written = self.written[group]
        if (key, step) in written and step == max(known for _, known in written):
            return False
        written.add((key, step))
        return True


class _StartsAfresh(SoundSummaryManager):
    """Removes what is there, so that nothing can be there twice."""

    def history(self, group: tuple[str, ...]) -> set[tuple[str, int]]:
        for file in self.directory(group).glob("*tfevents*"):
            file.unlink()
        return set()


class _FinishedOnceResumed(SoundSummaryManager):
    def admits(self, group: tuple[str, ...], key: str, step: int) -> bool:
        if "resumed" not in self.__dict__:
            self.resumed = bool(self.written[group])
        return not self.resumed and super().admits(group, key, step)


MUTANTS = (
    SCALAR_MANAGER.replace(factory=_WritesAgain, name="writes a step again"),
    SCALAR_MANAGER.replace(factory=_KnowsItselfOnly, name="forgets what the files hold"),
    SCALAR_MANAGER.replace(factory=_LastStepOnly, name="knows the last step only"),
    SCALAR_MANAGER.replace(factory=_StartsAfresh, name="removes what is there"),
    SCALAR_MANAGER.replace(factory=_FinishedOnceResumed, name="writes nothing after a resume"),
)
TWIN = SCALAR_MANAGER
