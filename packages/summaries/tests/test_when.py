"""At which step a summary is written, whether it is recorded, and from which thread and graph."""

import threading

import pytest
import tensorflow as tf
from assay.summaries import SummaryManager, UnwritableSummaryError


def steps_of_every_kind():
    variable = tf.Variable(0, dtype=tf.int64)

    def from_variable(step):
        variable.assign(step)
        return variable

    with tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"]).scope():
        mirrored = tf.Variable(0, dtype=tf.int64, aggregation=tf.VariableAggregation.ONLY_FIRST_REPLICA)

    def from_mirrored(step):
        mirrored.assign(step)
        return mirrored

    return from_variable, from_mirrored


@pytest.mark.parametrize("kind", [0, 1])
def test_step_is_read_at_each_write(tmp_path, read_events, kind):
    move_to = steps_of_every_kind()[kind]
    with SummaryManager(tmp_path, global_step=move_to(0)) as manager:
        for step in (0, 5, 6):
            move_to(step)
            manager.write_summaries({"loss": float(step)})

    assert read_events(tmp_path) == [("loss", 0, 0.0), ("loss", 5, 5.0), ("loss", 6, 6.0)]


def test_step_may_be_that_of_tf_summary(tmp_path, read_events):
    with SummaryManager(tmp_path) as manager:
        tf.summary.experimental.set_step(12)
        manager.write_summaries({"loss": 1.0})
        tf.summary.experimental.set_step(None)

    assert read_events(tmp_path) == [("loss", 12, 1.0)]


def test_no_step_is_an_error(tmp_path, event_files):
    with SummaryManager(tmp_path) as manager, pytest.raises(ValueError, match="There is no step"):
        manager.write_summaries({"loss": 1.0})

    assert event_files(tmp_path) == []


@pytest.mark.parametrize("step", [1.5, [1, 2], "3"])
def test_step_that_is_no_integer_is_an_error(tmp_path, step):
    with SummaryManager(tmp_path, global_step=step) as manager, pytest.raises(ValueError, match="must be one integer"):
        manager.write_summaries({"loss": 1.0})


def test_record_if_decides_and_skipped_steps_can_still_be_written(tmp_path, read_events):
    step = tf.Variable(0, dtype=tf.int64)
    with SummaryManager(tmp_path, global_step=step) as manager, tf.summary.record_if(lambda: step % 3 == 0):
        for _ in range(10):
            step.assign_add(1)
            manager.write_summaries({"loss": 1.0})
        with tf.summary.record_if(True):
            manager.write_summaries({"loss": 2.0})

    assert [(step, value) for _, step, value in read_events(tmp_path)] == [(3, 1.0), (6, 1.0), (9, 1.0), (10, 2.0)]


def test_record_if_decides_under_another_default_graph_too(tmp_path, read_events):
    step = [0]
    with (
        SummaryManager(tmp_path, global_step=lambda: step[0]) as manager,
        tf.summary.record_if(lambda: step[0] % 3 == 0),
        tf.Graph().as_default(),
    ):
        for step[0] in range(1, 8):
            manager.write_summaries({"loss": 1.0})

    assert [written for _, written, _ in read_events(tmp_path)] == [3, 6]


def test_other_default_graph_does_not_matter(tmp_path, read_events):
    step = tf.Variable(4, dtype=tf.int64)
    manager = SummaryManager(tmp_path, global_step=step)
    with tf.Graph().as_default():
        manager.write_summaries({"loss": 1.0})
        with pytest.raises(UnwritableSummaryError, match="'bad'"):
            manager.write_summaries({"bad": None})
        manager.flush()
        manager.close()

    assert read_events(tmp_path) == [("loss", 4, 1.0)]


def test_use_while_a_function_is_traced_is_refused(manager):
    @tf.function
    def step(value):
        manager.write_summaries({"loss": value})
        return value

    with pytest.raises(RuntimeError, match=r"while a tf\.function was traced"):
        step(tf.constant(1.0))


def test_threads_share_a_manager(tmp_path, read_events):
    with SummaryManager(tmp_path, global_step=1) as manager:
        threads = [
            threading.Thread(target=manager.write_summaries, args=({f"tag_{index}": float(index)},))
            for index in range(20)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    assert sorted(read_events(tmp_path)) == sorted((f"tag_{index}", 1, float(index)) for index in range(20))
