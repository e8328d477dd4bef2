"""S102 disabled-inert: a manager without a directory takes everything and makes no file."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Any

from assay.conformance.context import Context
from assay.conformance.harness import summaries
from assay.conformance.harness.calls import calling
from assay.conformance.harness.refusals import is_refusal
from assay.conformance.lazy import tf
from assay.conformance.model import Level, Mode, NotApplicable, Rule, SubjectError, Violation
from assay.conformance.specimens import SCALAR_MANAGER, SoundSummaryManager

RULE = Rule(
    id="S102",
    slug="disabled-inert",
    level=Level.MUST,
    requirement="With `summary_dir=None` every call succeeds and no file is made.",
    checks=(
        "Makes a manager with None as its directory, in an empty working directory, writes, asks for a writer and "
        "writes with it, flushes and closes, and lists the files. A factory that refuses None in so many words is not "
        "one that can be disabled, and the rule does not apply."
    ),
    why=(
        "Training without summaries is a matter of configuration: `save_summary=False`, or all workers but the chief. "
        "`os.path.join(str(None), ...)` makes a directory called None wherever the job was started, once on each "
        "worker; an unguarded join raises in the middle of the first loop."
    ),
    bad="""
def __init__(self, summary_dir):
    self.writer = tf.summary.create_file_writer(str(summary_dir))  # ./None
""",
    good="""
def write_summaries(self, summary_dict):
    if self.summary_dir is None:
        return
""",
    modes=(Mode.EAGER,),
    references=("tensorflow/models: orbit/utils/summary_manager.py",),
)


def check(ctx: Context) -> None:
    """Use a manager without a directory, and look for files."""
    values = summaries.sample_values(ctx)
    with summaries.sandbox() as root, contextlib.chdir(root):
        try:
            with summaries.managed(ctx, None) as one:
                one.write(values, step=1)
                _write_with_writer(one)
                one.flush()
                one.write(values, step=2)
                one.flush()
                one.close()
        except SubjectError as error:
            if error.doing.startswith("the factory") and is_refusal(error.original):
                raise NotApplicable(f"The manager cannot be disabled; of None it says: {error.original}") from error
            raise
        found = summaries.files_in(Path(root))
    if found:
        raise Violation(
            f"with summary_dir=None there is now {', '.join(found[:3])} in the working directory",
            cause="None is turned into text, or into the working directory, and taken for a directory",
            fix="Return at once from every method when `summary_dir` is None.",
        )


def _write_with_writer(one: summaries.Managed) -> None:
    writer_of = getattr(one.manager, "summary_writer", None)
    if callable(writer_of):
        with calling("summary_writer() and a write with it"), writer_of().as_default():
            tf.summary.scalar("loss", 1.0, step=1)


class _NoneAsText(SoundSummaryManager):
    def enabled(self) -> bool:
        return True


class _WorkingDirectory(SoundSummaryManager):
    def __init__(self, summary_dir: str | None, global_step: Any = None) -> None:
        super().__init__(summary_dir or "", global_step)


class _WriterAnyway(SoundSummaryManager):
    def summary_writer(self, relative_path: str = "") -> Any:
        return self.writer(tuple(relative_path.split("/")) if relative_path else ())


class _JoinsNone(SoundSummaryManager):
    def __init__(self, summary_dir: str | None, global_step: Any = None) -> None:
        super().__init__(summary_dir, global_step)
        self.log = Path(summary_dir) / "log"  # type: ignore[arg-type]


MUTANTS = (
    SCALAR_MANAGER.replace(factory=_NoneAsText, name="a directory called None"),
    SCALAR_MANAGER.replace(factory=_WorkingDirectory, name="the working directory instead"),
    SCALAR_MANAGER.replace(factory=_WriterAnyway, name="a writer all the same"),
    SCALAR_MANAGER.replace(factory=_JoinsNone, name="joins None to a path"),
)
TWIN = SCALAR_MANAGER
