"""Scalars read back from event files."""

import pytest
import tensorflow as tf
from assay.reference_tasks.run_page import read_curves


def write(folder, values, *, tag="accuracy"):
    writer = tf.summary.create_file_writer(str(folder))
    with writer.as_default():
        for step, value in values:
            tf.summary.scalar(tag, value, step=step)
            tf.summary.image("picture", tf.zeros([1, 2, 2, 1]), step=step)
    writer.close()


def test_scalars_are_read_by_rising_step_and_images_are_not(tmp_path):
    write(tmp_path, [(3, 0.5), (7, 0.75), (5, 0.25)])
    (curve,) = read_curves(tmp_path).values()

    assert curve.steps == (3, 5, 7)
    assert curve.values == (0.5, 0.25, 0.75)
    assert curve.last == 0.75


def test_what_was_written_last_of_a_step_counts(tmp_path):
    write(tmp_path, [(1, 0.5), (2, 0.25), (2, 0.75)])

    assert read_curves(tmp_path)["accuracy"].values == (0.5, 0.75)


def test_file_that_is_cut_off_is_read_up_to_there(tmp_path):
    write(tmp_path, [(1, 0.5), (2, 0.75)])
    (path,) = tmp_path.iterdir()
    path.write_bytes(path.read_bytes()[:-7])

    assert read_curves(tmp_path)["accuracy"].values[0] == 0.5


@pytest.mark.parametrize("folder", [".", "missing"])
def test_folder_without_events_has_no_curves(tmp_path, folder):
    assert read_curves(tmp_path / folder) == {}
