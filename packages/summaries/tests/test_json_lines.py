"""JSON lines: what is in the file, and that it is whole whatever happens to the writer."""

import json
import math
import os
import signal
import stat
import subprocess
import sys
import threading
import types
import warnings

import numpy as np
import pytest
import tensorflow as tf
from assay.summaries import DroppedSummaryWarning, JSONLinesSummaryManager, UnwritableSummaryError, read_json_lines
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st


def lines(directory):
    """What json makes of every line, strictly: no NaN, no line that is not an object."""

    def refuse(name):
        raise ValueError(name)

    text = (directory / "summaries.jsonl").read_text()
    assert text.endswith("\n") or not text
    return [json.loads(line, parse_constant=refuse) for line in text.splitlines()]


def test_line_holds_step_time_and_the_dict_as_it_was_given(tmp_path):
    with JSONLinesSummaryManager(tmp_path, global_step=tf.Variable(7)) as manager:
        manager.write_summaries({"loss": tf.constant(0.5), "a/b": {"c": 1}, "a": types.MappingProxyType({"b": 0.1})})

    [line] = lines(tmp_path)
    assert line.pop("wall_time") > 1e9
    assert line == {"step": 7, "summaries": {"loss": 0.5, "a/b": {"c": 1.0}, "a": {"b": 0.1}}}


def test_numbers_that_json_lacks_are_named_and_read_back(tmp_path):
    values = {"nan": math.nan, "up": math.inf, "down": np.float32(-math.inf), "zero": False}
    with JSONLinesSummaryManager(tmp_path, global_step=1) as manager:
        manager.write_summaries(values)

    assert lines(tmp_path)[0]["summaries"] == {"nan": "NaN", "up": "Infinity", "down": "-Infinity", "zero": 0.0}
    assert [str(value) for _, _, _, value in read_json_lines(tmp_path)] == ["nan", "inf", "-inf", "0.0"]


def test_texts_are_kept_and_pictures_left_to_event_files(tmp_path):
    with JSONLinesSummaryManager(tmp_path, global_step=1) as manager:
        manager.write_summaries({"image/a": np.zeros([1, 2, 2, 3]), "histogram/b": [1.0]})
        manager.write_summaries({"text/note": "NaN", "figure/c": object(), "loss": 1.0})

    assert [line["summaries"] for line in lines(tmp_path)] == [{"text/note": "NaN", "loss": 1.0}]
    assert list(read_json_lines(tmp_path)) == [("", "text/note", 1, "NaN"), ("", "loss", 1, 1.0)]


@pytest.mark.parametrize("bad", [None, [1.0, 2.0], "text", object()])
def test_bad_leaf_is_refused_by_its_path_before_anything_is_written(tmp_path, bad):
    with (
        JSONLinesSummaryManager(tmp_path, global_step=1) as manager,
        pytest.raises(UnwritableSummaryError, match="'group/bad'"),
    ):
        manager.write_summaries({"loss": 1.0, "group": {"bad": bad}})

    assert list(tmp_path.iterdir()) == []


WRITER = """
import os, signal, sys
from assay.summaries import JSONLinesSummaryManager

step = 0
manager = JSONLinesSummaryManager(sys.argv[1], global_step=lambda: step)
for step in range(1, 101):
    manager.write_summaries({"loss": float(step), "group": {"value": -float(step)}})
manager.flush()
assert "tensorflow" not in sys.modules
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_nothing_is_lost_when_the_writer_is_killed_and_tensorflow_is_not_needed(tmp_path):
    killed = subprocess.run([sys.executable, "-c", WRITER, str(tmp_path)], capture_output=True, check=False)

    assert killed.returncode == -signal.SIGKILL, killed.stderr
    expected = [({"loss": float(step), "group": {"value": -float(step)}}, step) for step in range(1, 101)]
    assert [(line["summaries"], line["step"]) for line in lines(tmp_path)] == expected


@pytest.mark.parametrize("kept", range(0, 75, 5))
def test_half_a_line_of_a_killed_writer_is_removed_and_its_step_written_again(tmp_path, kept):
    with JSONLinesSummaryManager(tmp_path, global_step=iter((1, 2)).__next__) as manager:
        manager.write_summaries({"loss": 1.0})
        manager.write_summaries({"loss": 2.0})
    path = tmp_path / "summaries.jsonl"
    first, second, _ = path.read_bytes().split(b"\n")
    path.write_bytes(first + b"\n" + second[:kept])

    assert [step for _, _, step, _ in read_json_lines(tmp_path)] == [1]
    with JSONLinesSummaryManager(tmp_path, global_step=2) as manager:
        manager.write_summaries({"loss": 3.0})

    assert [line["summaries"]["loss"] for line in lines(tmp_path)] == [1.0, 3.0]


def test_file_of_half_a_line_only_is_begun_anew(tmp_path):
    (tmp_path / "summaries.jsonl").write_bytes(b"{" * 200_000)

    with JSONLinesSummaryManager(tmp_path, global_step=1) as manager:
        manager.write_summaries({"loss": 1.0})

    assert [line["step"] for line in lines(tmp_path)] == [1]


def test_line_that_the_disk_takes_in_part_leaves_nothing(tmp_path, monkeypatch):
    write = os.write
    with JSONLinesSummaryManager(tmp_path, global_step=iter((1, 2, 3)).__next__) as manager:
        manager.write_summaries({"loss": 1.0})
        room = [10, 0]

        def full(descriptor, data):
            if not room[0]:
                raise OSError("disk full")
            taken, room[0] = room[0], 0
            return write(descriptor, data[:taken])

        monkeypatch.setattr(os, "write", full)
        with pytest.raises(OSError, match="disk full"):
            manager.write_summaries({"loss": 2.0})
        monkeypatch.undo()
        manager.write_summaries({"loss": 3.0})

    assert [line["step"] for line in lines(tmp_path)] == [1, 3]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=40, derandomize=True)
@given(runs=st.lists(st.lists(st.integers(0, 6), max_size=6), max_size=4))
@pytest.mark.filterwarnings("ignore::assay.summaries.DroppedSummaryWarning")
def test_any_sequence_of_runs_keeps_steps_rising_and_unique(tmp_path_factory, runs):
    directory = tmp_path_factory.mktemp("runs")

    for steps in runs:
        moving = iter(steps)
        with JSONLinesSummaryManager(directory, global_step=moving.__next__) as manager:
            for _ in steps:
                manager.write_summaries({"group": {"loss": 1.0}})

    rising = []
    for step in (step for steps in runs for step in steps):
        rising += [step] if not rising or step > rising[-1] else []
    assert [line["step"] for line in (lines(directory) if rising else [])] == rising


def test_dropping_warns_once_at_the_caller_and_keeps_new_tags(tmp_path):
    step = tf.Variable(3)
    with JSONLinesSummaryManager(tmp_path, global_step=step) as manager:
        manager.write_summaries({"loss": 1.0})
    manager = JSONLinesSummaryManager(tmp_path, global_step=step)
    with pytest.warns(DroppedSummaryWarning, match="Summaries of step 3 were dropped: .*'loss'") as warned:
        manager.write_summaries({"loss": 2.0, "group": {"loss": 0.5}})
    step.assign(2)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        manager.write_summaries({"loss": 2.0})
    manager.close()

    assert [warning.filename for warning in warned] == [__file__]
    assert list(read_json_lines(tmp_path)) == [("", "loss", 3, 1.0), ("group", "loss", 3, 0.5)]


def test_threads_and_graphs_share_a_manager(tmp_path):
    counter = iter(range(1, 1000))
    with JSONLinesSummaryManager(tmp_path, global_step=lambda: next(counter)) as manager:
        threads = [
            threading.Thread(target=lambda: [manager.write_summaries({"loss": 1.0}) for _ in range(50)])
            for _ in range(4)
        ]
        for thread in threads:
            thread.start()
        with tf.Graph().as_default():
            manager.write_summaries({"loss": 1.0})
        for thread in threads:
            thread.join()

    assert [line["step"] for line in lines(tmp_path)] == list(range(1, 202))


def test_use_while_a_function_is_traced_is_refused(tmp_path):
    manager = JSONLinesSummaryManager(tmp_path, global_step=1)

    @tf.function
    def step():
        manager.write_summaries({"loss": 1.0})

    with pytest.raises(RuntimeError, match=r"while a tf\.function was traced"):
        step()


def test_no_directory_closed_and_empty(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with JSONLinesSummaryManager(None) as disabled:
        disabled.write_summaries({"loss": object()})
        assert disabled.path is None
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(ValueError, match="`summary_dir` is empty"):
        JSONLinesSummaryManager("")

    manager = JSONLinesSummaryManager(tmp_path, global_step=1)
    manager.write_summaries({"group": {}})
    manager.close()
    manager.close()

    with pytest.raises(RuntimeError, match="is closed"):
        manager.write_summaries({"loss": 1.0})
    assert list(tmp_path.iterdir()) == []


def test_no_step_is_an_error(tmp_path):
    with (
        JSONLinesSummaryManager(tmp_path) as manager,
        pytest.raises(ValueError, match="There is no step to write summaries at"),
    ):
        manager.write_summaries({"loss": 1.0})


@pytest.fixture
def synced(monkeypatch):
    """What is waited for: files and directories by the size that they have then."""
    calls, fsync = [], os.fsync

    def noted(descriptor):
        state = os.fstat(descriptor)
        calls.append("directory" if stat.S_ISDIR(state.st_mode) else state.st_size)
        return fsync(descriptor)

    monkeypatch.setattr(os, "fsync", noted)
    return calls


def test_flush_waits_for_the_disk_once_for_all_that_was_written(tmp_path, synced):
    with JSONLinesSummaryManager(tmp_path, global_step=iter(range(9)).__next__) as manager:
        manager.flush()
        assert synced == []
        manager.write_summaries({"loss": 1.0})
        manager.write_summaries({"loss": 2.0})
        manager.flush()
        manager.flush()
        first = (tmp_path / "summaries.jsonl").stat().st_size
        assert synced == [first, "directory"]
        manager.write_summaries({"loss": 3.0})

    assert synced == [first, "directory", (tmp_path / "summaries.jsonl").stat().st_size]


def test_directory_that_cannot_be_waited_for_is_no_error_but_a_file_is(tmp_path, monkeypatch):
    refused = [stat.S_ISDIR]

    def refuse(descriptor):
        if any(kind(os.fstat(descriptor).st_mode) for kind in refused):
            raise OSError("not here")

    monkeypatch.setattr(os, "fsync", refuse)
    manager = JSONLinesSummaryManager(tmp_path, global_step=iter((1, 2)).__next__)
    manager.write_summaries({"loss": 1.0})
    manager.flush()
    manager.write_summaries({"loss": 2.0})
    refused.append(stat.S_ISREG)
    with pytest.raises(OSError, match="not here"):
        manager.flush()

    assert [line["step"] for line in lines(tmp_path)] == [1, 2]


def test_nothing_is_waited_for_without_fsync(tmp_path, synced):
    with JSONLinesSummaryManager(tmp_path, global_step=1, fsync=False) as manager:
        manager.write_summaries({"loss": 1.0})
        manager.flush()

    assert synced == []
    assert len(lines(tmp_path)) == 1


def test_record_if_decides_and_skipped_steps_can_still_be_written(tmp_path):
    step = tf.Variable(0, dtype=tf.int64)
    with JSONLinesSummaryManager(tmp_path, global_step=step) as manager, tf.summary.record_if(lambda: step % 3 == 0):
        for _ in range(10):
            step.assign_add(1)
            manager.write_summaries({"loss": 1.0})
        with tf.summary.record_if(True):
            manager.write_summaries({"loss": 2.0})

    assert [line["step"] for line in lines(tmp_path)] == [3, 6, 9, 10]


def test_nothing_is_made_where_nothing_is_recorded(tmp_path):
    with JSONLinesSummaryManager(tmp_path / "lines", global_step=1) as manager, tf.summary.record_if(False):
        manager.write_summaries({"loss": 1.0})
        with tf.Graph().as_default():
            manager.write_summaries({"loss": 1.0})

    assert not (tmp_path / "lines").exists()
