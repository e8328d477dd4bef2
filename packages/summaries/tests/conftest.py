"""Readers of event files that are not our own: TensorFlow's record iterator and TensorBoard's accumulator."""

from pathlib import Path

import pytest
import tensorflow as tf
from assay.summaries import SummaryManager


def _events(directory):
    """Every (tag, step, value) of a directory, in the order in which it was written."""
    for path in sorted(Path(directory).glob("*tfevents*")):
        for event in tf.compat.v1.train.summary_iterator(str(path)):
            for value in event.summary.value:
                yield value.tag, event.step, tf.make_ndarray(value.tensor).item()


@pytest.fixture
def read_events():
    """A function from a directory to its list of (tag, step, value)."""
    return lambda directory: list(_events(directory))


@pytest.fixture
def event_files():
    """A function from a directory to the event files below it, as relative paths."""
    return lambda directory: sorted(str(path.relative_to(directory)) for path in Path(directory).rglob("*tfevents*"))


@pytest.fixture
def manager(tmp_path):
    """A manager of the directory `train`, at step 7."""
    with SummaryManager(tmp_path / "train", global_step=7) as manager:
        yield manager
