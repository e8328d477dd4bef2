"""S112 one-writer-a-path: each directory gets one event file for the life of the manager."""

from __future__ import annotations

import collections
import posixpath
from typing import Any

from assay.conformance.context import Context
from assay.conformance.harness import summaries
from assay.conformance.harness.calls import calling
from assay.conformance.lazy import tf
from assay.conformance.model import Level, Mode, Rule, Violation
from assay.conformance.specimens import SCALAR_MANAGER, SoundSummaryManager

RULE = Rule(
    id="S112",
    slug="one-writer-a-path",
    level=Level.MUST,
    requirement="A manager keeps one event file for each directory, however often it writes and flushes.",
    checks=(
        "Writes the sample ten times with flushes in between, asks for the writer of a directory again and again, and "
        "counts the files of each directory. With the trait `reader`, the number of files must not grow after the "
        "first write."
    ),
    why=(
        "TensorBoard reads the newest event file of a directory and, by default, does not come back to older ones. A "
        "manager that opens a writer for each write leaves thousands of small files, of which the viewer shows the "
        "last; on object storage each is a request, and open writers hold file handles and threads."
    ),
    bad="""
def write_summaries(self, summary_dict):
    with tf.summary.create_file_writer(self.summary_dir).as_default():  # a new file each time
        ...
""",
    good="""
def writer(self, path):
    if path not in self.writers:
        self.writers[path] = tf.summary.create_file_writer(path)
    return self.writers[path]
""",
    modes=(Mode.EAGER,),
    traits=("reader",),
    references=("tensorflow/tensorboard#1867",),
)

WRITES = 10


def check(ctx: Context) -> None:
    """Write often, and count files."""
    values = summaries.sample_values(ctx)
    with summaries.sandbox() as root:
        directory = root / "run"
        with summaries.managed(ctx, directory) as one:
            one.write(values, step=1)
            one.flush()
            first = _counts(summaries.files_in(directory))
            for step in range(2, WRITES + 1):
                one.write(summaries.scaled(values, float(step)), step=step)
                _use_writer(one, step)
                if step % 3 == 0:
                    one.flush()
            one.flush()
            last = _counts(summaries.files_in(directory))
    at_most = first if ctx.trait("reader") is not None else dict.fromkeys(last, 1)
    grown = [where for where, count in last.items() if count > at_most.get(where, 1)]
    if grown:
        shown = ", ".join(f"{last[where]} files in {where or 'the summary directory'}" for where in grown[:3])
        raise Violation(
            f"after {WRITES} writes there are {shown}",
            cause="a writer is made for each write, for each flush, or for each call of summary_writer",
            fix="Keep the writers in a dict by path, and make one when its path is not there yet.",
        )


def _use_writer(one: summaries.Managed, step: int) -> None:
    """Ask for the writer of the top directory, which must be the one that is there."""
    writer_of = getattr(one.manager, "summary_writer", None)
    if callable(writer_of):
        with calling("summary_writer() and a write with it"), writer_of().as_default():
            tf.summary.scalar("assay_direct", float(step), step=step)


def _counts(files: list[str]) -> dict[str, int]:
    return dict(collections.Counter(posixpath.dirname(name) for name in files))


class _WriterEachTime(SoundSummaryManager):
    def write_summaries(self, summary_dict: Any) -> None:
        super().write_summaries(summary_dict)
        self.close()


class _WriterEachFlush(SoundSummaryManager):
    def flush(self) -> None:
        self.close()


class _WriterEachRequest(SoundSummaryManager):
    def summary_writer(self, relative_path: str = "") -> Any:
        group = tuple(relative_path.split("/")) if relative_path else ()
        return tf.summary.create_file_writer(str(self.directory(group)))


MUTANTS = (
    SCALAR_MANAGER.replace(factory=_WriterEachTime, name="a writer for each write"),
    SCALAR_MANAGER.replace(factory=_WriterEachFlush, name="a writer for each flush"),
    SCALAR_MANAGER.replace(factory=_WriterEachRequest, name="a writer for each request"),
)
TWIN = SCALAR_MANAGER
