"""S104 durable-flush: after a flush another process reads everything, and closing twice is safe."""

from __future__ import annotations

from typing import Any

from assay.conformance.context import Context
from assay.conformance.harness import summaries
from assay.conformance.model import Level, Mode, Rule, Violation
from assay.conformance.specimens import SCALAR_MANAGER, SoundSummaryManager

RULE = Rule(
    id="S104",
    slug="durable-flush",
    level=Level.MUST,
    requirement="After `flush()` a second process reads every value; `close()` loses nothing and may be called twice.",
    checks=(
        "Writes, flushes, and lets another process read the files, while the manager is still open; writes again "
        "without a flush, closes twice and reads again. A manager without `flush` has to be durable by itself; one "
        "without `close` is only flushed."
    ),
    why=(
        "Event writers keep their events for up to two minutes. A job that is preempted, or killed by the scheduler, "
        "never gets to hand them over: what the loop flushed at its last checkpoint is all that is left, and it should "
        "be all that was written by then. A `close` that fails when called again hides the exception that led there."
    ),
    bad="""
def flush(self):
    self.writers[""].flush()  # the subdirectories are not flushed
""",
    good="""
def flush(self):
    for writer in self.writers.values():
        writer.flush()
""",
    modes=(Mode.EAGER,),
    traits=("reader",),
    references=("google/CommonLoopUtils: metric_writers/interface.py flush",),
)


def check(ctx: Context) -> None:
    """Read from another process after a flush, and again after closing twice."""
    values = summaries.sample_values(ctx)
    steps = summaries.steps_of(ctx, (1, 2, 3))
    writes = [summaries.scaled(values, float(step)) for step in steps]
    with summaries.sandbox() as root:
        directory = root / "run"
        with summaries.managed(ctx, directory) as one:
            for step in steps[:2]:
                one.write(writes[step - 1], step=step)
                one.flush()
                _compare(ctx, directory, writes[:step], f"after flush() number {step}", "flush")
            for step in steps[2:]:
                one.write(writes[step - 1], step=step)
            if callable(getattr(one.manager, "close", None)):
                one.close()
                one.close()
                _compare(ctx, directory, writes, "after close(), twice", "close")


def _compare(ctx: Context, directory: Any, writes: Any, when: str, method: str) -> None:
    records = summaries.read_in_another_process(directory, ctx.trait("reader"))
    wrong = summaries.unwritten(records, *writes)
    if wrong:
        total = sum(len(summaries.ledger_of(values, 0)) for values in writes)
        raise Violation(
            f"{when}, a second process read {total - len(wrong)} of {total} values: {summaries.listed(wrong)}",
            cause=f"{method}() does nothing, or leaves out the writers of groups",
            fix=f"Call `{method}()` of every writer that was made.",
        )


class _Keeps(SoundSummaryManager):
    """Keeps values until it hands them over; what is handed over when is what its mutants get wrong."""

    def __init__(self, summary_dir: str | None, global_step: Any = None) -> None:
        super().__init__(summary_dir, global_step)
        self.kept: list[Any] = []

    def emit(self, group: tuple[str, ...], tag: str, value: Any, step: int) -> None:
        self.kept.append((group, tag, value, step))

    def hand_over(self, depth: int = 99) -> None:
        """Write what is kept, of groups up to a depth."""
        kept, self.kept = self.kept, []
        for group, tag, value, step in kept:
            if len(group) <= depth:
                with self.writer(group).as_default():
                    super().emit(group, tag, value, step)
            else:
                self.kept.append((group, tag, value, step))
        super().flush()


class _WhenClosed(_Keeps):
    def flush(self) -> None:
        pass

    def close(self) -> None:
        self.hand_over()
        super().close()


class _FlushesTheTop(_Keeps):
    def flush(self) -> None:
        self.hand_over(depth=0)

    def close(self) -> None:
        self.hand_over()
        super().close()


class _EveryOtherFlush(_Keeps):
    """Hands over what was there before the last flush: one write is always held back."""

    held = 0

    def flush(self) -> None:
        ready, self.kept = self.kept[: self.held], self.kept[self.held :]
        held, self.kept = self.kept, ready
        self.hand_over()
        self.kept = held
        self.held = len(held)


class _CloseDrops(_Keeps):
    def flush(self) -> None:
        self.hand_over()


class _ClosesOnce(SoundSummaryManager):
    closed = False

    def close(self) -> None:
        if self.closed:
            raise RuntimeError("The manager is closed.")
        super().close()
        self.closed = True


MUTANTS = (
    SCALAR_MANAGER.replace(factory=_WhenClosed, name="flush does nothing"),
    SCALAR_MANAGER.replace(factory=_FlushesTheTop, name="flushes the top directory only"),
    SCALAR_MANAGER.replace(factory=_EveryOtherFlush, name="is one flush behind"),
    SCALAR_MANAGER.replace(factory=_CloseDrops, name="close drops what is kept"),
    SCALAR_MANAGER.replace(factory=_ClosesOnce, name="closing again raises"),
)
TWIN = SCALAR_MANAGER
