"""S000 usable: the manager can be made and writes one set of values; nothing else can be observed otherwise."""

from __future__ import annotations

from typing import Any

from assay.conformance.context import Context
from assay.conformance.harness import summaries
from assay.conformance.harness.calls import calling
from assay.conformance.model import Level, Mode, Rule, Violation
from assay.conformance.specimens import SCALAR_MANAGER, SoundSummaryManager

RULE = Rule(
    id="S000",
    slug="usable",
    level=Level.MUST,
    requirement="The factory makes a manager of a directory, which writes a nested dict of values into files there.",
    checks=(
        "Calls the factory with `summary_dir` (by keyword, or as the first argument), `write_summaries` with the "
        "sample, and `flush()`. The suite moves the step through the factory's `global_step`, a `step` argument of "
        "`write_summaries`, a variable that the manager keeps, or `tf.summary.experimental.set_step`, whichever is "
        "there. Files that are no TensorBoard event files are read back with the trait `reader`."
    ),
    why=(
        "Every other rule watches these calls. When one of them raises, that is the one thing to mend, and the other "
        "rules are not run instead of all failing for the same reason."
    ),
    bad="""
class Summaries:
    def __init__(self, summary_dir):
        self.writer = tf.summary.create_file_writer(directory)  # NameError
""",
    good="""
class Summaries:
    def __init__(self, summary_dir, global_step=None):
        self.writer = tf.summary.create_file_writer(summary_dir)
""",
    modes=(Mode.EAGER,),
    traits=("reader",),
    gate=True,
)


def check(ctx: Context) -> None:
    """Write the sample once; what the manager raises is the failure."""
    values = summaries.sample_values(ctx)
    with summaries.sandbox() as root:
        directory = root / "run"
        with calling("the factory"):
            probe = summaries.make_manager(ctx, directory)
        if not callable(getattr(probe, "write_summaries", None)):
            raise Violation(
                f"the factory returned a {type(probe).__name__} without the method write_summaries",
                cause="the factory returns something other than the manager, or the manager has another name for it",
                fix="Return an object with `write_summaries(summary_dict)`, and `flush()` and `close()` where needed.",
            )
        with summaries.managed(ctx, directory) as one:
            one.write(values, step=1)
            one.flush()
            one.close()
        if not summaries.files_in(directory):
            raise Violation(
                "after write_summaries, flush() and close() there is no file in the summary directory",
                cause="the manager is disabled, or writes somewhere else than in `summary_dir`",
                fix="Write into the directory that the factory was given.",
            )


class _RaisesWhenWriting(SoundSummaryManager):
    def emit(self, group: tuple[str, ...], tag: str, value: Any, step: int) -> None:
        raise NotImplementedError("subclasses write")


class _WritesNothing(SoundSummaryManager):
    def enabled(self) -> bool:
        return False


MUTANTS = (
    SCALAR_MANAGER.replace(factory=_RaisesWhenWriting, name="raises when it writes"),
    SCALAR_MANAGER.replace(factory=_WritesNothing, name="writes nothing at all"),
)
TWIN = SCALAR_MANAGER
