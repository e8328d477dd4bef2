"""S106 train-eval-apart: two managers with the same tags do not mix."""

from __future__ import annotations

from typing import Any, ClassVar

from assay.conformance.context import Context
from assay.conformance.harness import summaries
from assay.conformance.model import Level, Mode, Rule, Violation
from assay.conformance.specimens import SCALAR_MANAGER, SoundSummaryManager

RULE = Rule(
    id="S106",
    slug="train-eval-apart",
    level=Level.MUST,
    requirement="Two managers in two directories, used in turn with the same tags, keep their values apart.",
    checks=(
        "Makes one manager for `train` and one for `validation`, writes the same tags with other values in turn, at "
        "the same and at different steps, and reads both directories."
    ),
    why=(
        "Training and validation report `loss` and `accuracy` alike, in two directories, so that TensorBoard draws "
        "them in one plot. A writer that is set as the global default, or kept in a cache on the class under its "
        "relative path, is shared: validation points appear in the training curve."
    ),
    bad="""
class Summaries:
    writers = {}  # one dict for all managers

    def __init__(self, summary_dir):
        tf.summary.create_file_writer(summary_dir).set_as_default()  # the last one made gets everything
""",
    good="""
class Summaries:
    def __init__(self, summary_dir):
        self.writers = {}
""",
    modes=(Mode.EAGER,),
    traits=("reader",),
    references=("tensorflow/models: train/ and validation/ below the model directory",),
)

RUNS = ("train", "validation")


def check(ctx: Context) -> None:
    """Use two managers in turn."""
    values = summaries.sample_values(ctx)
    writes: dict[str, list[dict[str, Any]]] = {run: [] for run in RUNS}
    with (
        summaries.sandbox() as root,
        summaries.managed(ctx, root / RUNS[0]) as train,
        summaries.managed(ctx, root / RUNS[1]) as validation,
    ):
        turns = [(train, RUNS[0], 1), (validation, RUNS[1], 1)]
        if len(summaries.steps_of(ctx, (1, 2))) > 1:
            turns += [(train, RUNS[0], 2), (validation, RUNS[1], 5)]
        for number, (one, run, step) in enumerate(turns, start=1):
            writes[run].append(summaries.scaled(values, float(number)))
            one.write(writes[run][-1], step=step)
        found = {RUNS[0]: train.finish(), RUNS[1]: validation.finish()}
    for run, other in (RUNS, RUNS[::-1]):
        absent = summaries.unwritten(found[run], *writes[run])
        # What is not absent there although the other manager wrote it.
        foreign = len(summaries.ledger_of(values, 0)) * len(writes[other]) - len(
            summaries.unwritten(found[run], *writes[other])
        )
        if absent or foreign:
            said = [*absent, *([f"{foreign} values of {other} are there as well"] if foreign else [])]
            raise Violation(
                f"in {run}/, with two managers used in turn, {summaries.listed(said)}",
                cause="the managers share a writer: on the class, in the module, or as TensorFlow's default",
                fix="Keep the writers on the instance, and use `with writer.as_default():` around each write.",
            )


class _SharedWriters(SoundSummaryManager):
    everything: ClassVar[dict[Any, Any]] = {}
    known: ClassVar[dict[Any, Any]] = {}

    def __init__(self, summary_dir: str | None, global_step: Any = None) -> None:
        super().__init__(summary_dir, global_step)
        self.writers, self.written = self.everything, self.known

    def close(self) -> None:
        for writer in self.writers.values():
            writer.close()
        self.writers.clear()
        self.written.clear()


class _SharedDirectory(SoundSummaryManager):
    """Keeps the directory on the class: the manager made last decides."""

    def __init__(self, summary_dir: str | None, global_step: Any = None) -> None:
        super().__init__(summary_dir, global_step)
        type(self).where = summary_dir

    where: ClassVar[str | None] = None

    def directory(self, group: tuple[str, ...]) -> Any:
        own, self.summary_dir = self.summary_dir, self.where
        try:
            return super().directory(group)
        finally:
            self.summary_dir = own


MUTANTS = (
    SCALAR_MANAGER.replace(factory=_SharedWriters, name="writers on the class"),
    SCALAR_MANAGER.replace(factory=_SharedDirectory, name="the directory on the class"),
)
TWIN = SCALAR_MANAGER
