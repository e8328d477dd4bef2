"""Scalar leaves: which there are, and that TensorBoard reads them as it does those of `tf.summary.scalar`."""

import fractions

import numpy as np
import pytest
import tensorflow as tf
from assay.summaries import SummaryManager
from assay.summaries._scalars import write_scalars
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (0, 0.0),
        (0.0, 0.0),
        (False, 0.0),
        (True, 1.0),
        (-3, -3.0),
        (2**70, 2.0**70),
        (1e300, np.inf),
        (float("inf"), np.inf),
        (fractions.Fraction(1, 4), 0.25),
        (np.float16(0.5), 0.5),
        (np.float64(0.1), np.float32(0.1)),
        (np.int64(-5), -5.0),
        (np.uint8(255), 255.0),
        (np.bool_(True), 1.0),
        (np.array(2.5), 2.5),
        (lambda: tf.constant(1.5), 1.5),
        (lambda: tf.constant(1.5, tf.bfloat16), 1.5),
        (lambda: tf.constant(3, tf.int64), 3.0),
        (lambda: tf.constant(True), 1.0),
        (lambda: tf.Variable(0.75), 0.75),
        (lambda: tf.keras.Variable(0.75) if hasattr(tf.keras, "Variable") else 0.75, 0.75),
    ],
)
def test_every_scalar_is_written_with_its_value(tmp_path, manager, read_events, value, expected):
    manager.write_summaries({"value": value() if callable(value) else value})
    manager.flush()

    assert read_events(tmp_path / "train") == [("value", 7, expected)]


def test_nan_is_written(tmp_path, manager, read_events):
    manager.write_summaries({"loss": float("nan")})
    manager.flush()

    [(_, _, value)] = read_events(tmp_path / "train")
    assert np.isnan(value)


def test_scalars_are_what_tf_summary_scalar_writes(tmp_path, manager):
    writer = tf.summary.create_file_writer(str(tmp_path / "reference"))
    with writer.as_default():
        tf.summary.scalar("loss", 0.1, step=7)
    writer.close()
    manager.write_summaries({"loss": 0.1})
    manager.flush()

    def value(directory):
        [path] = (tmp_path / directory).glob("*tfevents*")
        [event] = [event for event in tf.compat.v1.train.summary_iterator(str(path)) if event.summary.value]
        return event.step, event.summary

    assert value("train") == value("reference")


def test_writer_without_a_known_resource_writes_the_same(tmp_path, read_events):
    class OtherWriter:
        def __init__(self):
            self._writer = tf.summary.create_file_writer(str(tmp_path))
            self.as_default, self.close = self._writer.as_default, self._writer.close

    writer = OtherWriter()
    write_scalars(writer, {"loss": 0.5, "accuracy": 0.25}, tf.constant(3, tf.int64))
    writer.close()

    assert read_events(tmp_path) == [("loss", 3, 0.5), ("accuracy", 3, 0.25)]


def test_tensorboard_reads_every_scalar(tmp_path):
    with SummaryManager(tmp_path, global_step=iter(range(100)).__next__) as manager:
        for step in range(100):
            manager.write_summaries({f"metric_{index}": step + index for index in range(50)})

    accumulator = EventAccumulator(str(tmp_path), size_guidance={"tensors": 0})
    accumulator.Reload()

    assert len(accumulator.Tags()["tensors"]) == 50
    for index in (0, 49):
        tensors = accumulator.Tensors(f"metric_{index}")
        assert [event.step for event in tensors] == list(range(100))
        assert [tf.make_ndarray(event.tensor_proto).item() for event in tensors] == [
            step + index for step in range(100)
        ]
        assert accumulator.SummaryMetadata(f"metric_{index}").plugin_data.plugin_name == "scalars"
