"""The one place that knows `assay.summaries`: everywhere else a summary manager is anything with its methods."""

import contextlib
from collections.abc import Iterator
from typing import Any

import tensorflow as tf


class SummariesMissingError(ImportError):
    """Summaries are wanted, but the package that writes them is not installed.

    Install it (`pip install "assay-core[summaries]"`), pass a summary manager of your own, or turn summaries off
    (`run_experiment(..., save_summary=False)`).
    """


def make_summary_manager(directory: str, global_step: Any) -> Any:
    """Make a manager that writes for TensorBoard: scalars, and images, figures, texts and histograms by their key.

    Args:
        directory: Where the event files go.
        global_step: The variable that gives the step of each value.

    Returns:
        An object with `write_summaries(dict)`, `flush()` and `close()`.

    Raises:
        SummariesMissingError: `assay.summaries` is not installed.
    """
    try:
        from assay.summaries import ImageScalarSummaryManager
    except ImportError as error:
        raise SummariesMissingError(
            f"Summaries for {directory} need the package assay-summaries, which cannot be imported ({error}). Install "
            'it (pip install "assay-core[summaries]"), pass a summary manager, or turn summaries off.'
        ) from error
    return ImageScalarSummaryManager(directory, global_step=global_step)


@contextlib.contextmanager
def recording(manager: Any, global_step: tf.Variable, every: int | None = None) -> Iterator[None]:
    """Let `tf.summary` operations inside a step write to `manager`, as far as it can give a writer.

    Args:
        manager: A summary manager with `summary_writer()`; one without, or None, changes nothing.
        global_step: The step of what is recorded.
        every: Record at the multiples of this number of steps only; None for each step.
    """
    if manager is None or not hasattr(manager, "summary_writer"):
        yield
        return
    previous = tf.summary.experimental.get_step()
    tf.summary.experimental.set_step(global_step)
    due = (lambda: tf.equal(global_step % every, 0)) if every else True
    try:
        with manager.summary_writer().as_default(), tf.summary.record_if(due):
            yield
    finally:
        tf.summary.experimental.set_step(previous)
