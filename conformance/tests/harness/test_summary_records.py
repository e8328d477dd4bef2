import time

import numpy as np
import pytest
import tensorflow as tf
from assay.conformance.harness import summaries


def write(directory, *events):
    """Write one event file by TensorFlow's own writer of records, with a header as TensorBoard expects it."""
    directory.mkdir(parents=True, exist_ok=True)
    path = directory / f"events.out.tfevents.{time.time_ns()}.host"
    with tf.io.TFRecordWriter(str(path)) as writer:
        writer.write(tf.compat.v1.Event(wall_time=time.time(), file_version="brain.Event:2").SerializeToString())
        for event in events:
            writer.write(event.SerializeToString())
    return path


def scalar(step, value, tag="loss"):
    summary = tf.compat.v1.Summary(value=[tf.compat.v1.Summary.Value(tag=tag, simple_value=value)])
    return tf.compat.v1.Event(wall_time=time.time(), step=step, summary=summary)


def start(step):
    log = tf.compat.v1.SessionLog(status=tf.compat.v1.SessionLog.START)
    return tf.compat.v1.Event(wall_time=time.time(), step=step, session_log=log)


def found(directory):
    return [(record.path, record.step, float(record.value)) for record in summaries.read_records(directory)]


def test_values_of_both_formats_are_read_with_directory_tag_and_step(tmp_path):
    write(tmp_path / "train", scalar(3, 0.5))
    with tf.summary.create_file_writer(str(tmp_path / "train" / "iou")).as_default():
        tf.summary.scalar("road", 0.25, step=4)

    assert found(tmp_path) == [("train/loss", 3, 0.5), ("train/iou/road", 4, 0.25)]


def test_files_are_read_oldest_first(tmp_path):
    write(tmp_path, scalar(1, 1.0))
    write(tmp_path, scalar(2, 2.0))

    assert [step for _, step, _ in found(tmp_path)] == [1, 2]


def test_files_of_one_second_are_in_the_order_of_their_values(tmp_path):
    for step in range(12):
        with tf.summary.create_file_writer(str(tmp_path)).as_default():
            tf.summary.scalar("loss", 0.0, step=step)

    assert [step for _, step, _ in found(tmp_path)] == list(range(12))


def test_a_restart_takes_later_steps_of_its_directory_back(tmp_path):
    write(tmp_path / "a", scalar(1, 1.0), scalar(2, 2.0), scalar(3, 3.0))
    write(tmp_path / "b", scalar(3, 4.0))
    write(tmp_path / "a", start(2), scalar(2, 5.0))

    assert found(tmp_path) == [("a/loss", 1, 1.0), ("b/loss", 3, 4.0), ("a/loss", 2, 5.0)]


def test_what_a_killed_writer_left_unfinished_is_left_out(tmp_path):
    path = write(tmp_path, scalar(1, 1.0), scalar(2, 2.0))
    data = path.read_bytes()

    for cut in (1, 5, 20):
        path.write_bytes(data[:-cut])
        assert [step for _, step, _ in found(tmp_path)] == [1]


def test_another_process_reads_the_same(tmp_path):
    write(tmp_path / "deep" / "er", scalar(1, 1.5), scalar(2, 2.5))

    records = summaries.read_in_another_process(tmp_path)

    assert [(record.path, record.step, float(record.value)) for record in records] == found(tmp_path)


def test_a_directory_that_is_not_there_is_empty(tmp_path):
    assert summaries.read_records(tmp_path / "none") == []
    assert summaries.read_in_another_process(tmp_path / "none") == []


def test_images_come_back_as_they_were(tmp_path):
    images = np.random.default_rng(0).integers(0, 256, size=(2, 4, 5, 3)).astype(np.uint8)
    with tf.summary.create_file_writer(str(tmp_path)).as_default():
        tf.summary.image("picture", images, step=0)

    (record,) = summaries.read_records(tmp_path)

    assert record.plugin == summaries.IMAGES
    np.testing.assert_array_equal([tf.io.decode_png(image) for image in record.value], images)


def test_a_ledger_compares_values_as_float32():
    expected = summaries.ledger_of({"loss": 0.1, "iou": {"road": 0.2}}, 3)

    assert expected == {("", "loss", 3): pytest.approx(0.1), ("iou", "road", 3): pytest.approx(0.2)}
    assert summaries.missing({("", "loss", 3): float(np.float32(0.1))}, expected) == [
        "iou/road at step 3 (0.2) is absent"
    ]
