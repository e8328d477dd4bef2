"""Several managers behind one."""

import contextlib

import pytest
import tensorflow as tf
from assay.summaries import (
    ImageScalarSummaryManager,
    JSONLinesSummaryManager,
    NullSummaryManager,
    SummaryManager,
    TeeSummaryManager,
    UnwritableSummaryError,
    read_json_lines,
)


class Foreign:
    """A manager of another make, with the least methods; it may refuse."""

    def __init__(self, error=None):
        self.error = error
        self.calls = []

    def write_summaries(self, summary_dict):
        if self.error is not None:
            raise self.error
        self.calls.append(summary_dict)

    def flush(self):
        self.calls.append("flush")


def test_every_manager_writes(tmp_path, read_events):
    foreign = Foreign()
    managers = [SummaryManager(tmp_path, global_step=2), JSONLinesSummaryManager(tmp_path, global_step=2), foreign]

    with TeeSummaryManager(managers) as tee:
        tee.write_summaries({"loss": 0.5, "group": {"value": 0.25}})
        tee.flush()

        assert read_events(tmp_path) == [("loss", 2, 0.5)]
        assert list(read_json_lines(tmp_path)) == [("", "loss", 2, 0.5), ("group", "value", 2, 0.25)]
        assert foreign.calls == [{"loss": 0.5, "group": {"value": 0.25}}, "flush"]
    assert tee.managers == tuple(managers)


@pytest.mark.parametrize("order", [1, -1])
def test_what_one_refuses_none_writes(tmp_path, order):
    managers = [SummaryManager(tmp_path / "scalars", global_step=1), JSONLinesSummaryManager(tmp_path, global_step=1)]

    with TeeSummaryManager(managers[::order]) as tee, pytest.raises(UnwritableSummaryError, match="'image/first'"):
        tee.write_summaries({"loss": 1.0, "image/first": tf.zeros([1, 2, 2, 3])})  # JSON lines leave it out

    assert list(tmp_path.iterdir()) == []


def test_what_another_make_refuses_ours_do_not_write(tmp_path):
    managers = [SummaryManager(tmp_path, global_step=1), Foreign(ValueError("not this"))]

    with TeeSummaryManager(managers) as tee, pytest.raises(ValueError, match="not this"):
        tee.write_summaries({"loss": 1.0})

    assert list(tmp_path.iterdir()) == []


def test_tees_nest(tmp_path):
    foreign = Foreign()
    inner = TeeSummaryManager([SummaryManager(tmp_path, global_step=1), foreign])

    with TeeSummaryManager([NullSummaryManager(), inner]) as tee, pytest.raises(UnwritableSummaryError):
        tee.write_summaries({"loss": None})
    assert foreign.calls == []


def test_writer_is_that_of_the_first_manager_that_has_one(tmp_path):
    events = ImageScalarSummaryManager(tmp_path, global_step=1)
    with TeeSummaryManager([JSONLinesSummaryManager(tmp_path, global_step=1), events]) as tee:
        assert tee.summary_writer("group") is events.summary_writer("group")
    with TeeSummaryManager([Foreign()]) as tee, tee.summary_writer().as_default():
        tf.summary.scalar("loss", 1.0, step=1)


def test_all_are_closed_when_one_fails(tmp_path):
    class Failing(Foreign):
        def close(self):
            raise OSError("disk gone")

    events = SummaryManager(tmp_path, global_step=1)
    tee = TeeSummaryManager([Failing(), events])

    with pytest.raises(OSError, match="disk gone"):
        tee.close()
    with pytest.raises(RuntimeError, match="closed"):
        events.write_summaries({"loss": 1.0})


def test_two_writers_of_one_directory_are_refused(tmp_path):
    pair = [SummaryManager(tmp_path), ImageScalarSummaryManager(tmp_path / "." / "")]
    with pytest.raises(ValueError, match=r"Two of `managers` write to"):
        TeeSummaryManager(pair)

    TeeSummaryManager([SummaryManager(None), SummaryManager(None)])


def test_managers_are_checked():
    with pytest.raises(ValueError, match="`managers` is empty"):
        TeeSummaryManager([])
    with pytest.raises(TypeError, match="Received a str without one"):
        TeeSummaryManager(["runs"])


def test_record_if_decides_for_all_managers_also_under_another_default_graph(tmp_path, read_events):
    step = tf.Variable(0, dtype=tf.int64)
    managers = [SummaryManager(tmp_path, global_step=step), JSONLinesSummaryManager(tmp_path / "lines", step)]
    with TeeSummaryManager(managers) as manager, tf.summary.record_if(lambda: step % 2 == 0):
        for number in range(1, 7):
            step.assign(number)
            with tf.Graph().as_default() if number > 3 else contextlib.nullcontext():
                manager.write_summaries({"loss": 1.0})

    assert [written for _, written, _ in read_events(tmp_path)] == [2, 4, 6]
    assert [written for _, _, written, _ in read_json_lines(tmp_path / "lines")] == [2, 4, 6]
