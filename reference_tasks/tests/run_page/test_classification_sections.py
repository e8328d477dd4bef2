"""What is shown of a classifier's predictions."""

import types

import numpy as np
import pytest
import tensorflow as tf
from assay.reference_tasks.classification.testing import digits_subject
from assay.reference_tasks.run_page.classification import sections
from assay.reference_tasks.run_page.elements import markup

LABELS = [0, 1, 2, 1]
PROBABILITIES = [[0.7, 0.2, 0.1], [0.6, 0.3, 0.1], [0.2, 0.0, 0.8], [0.05, 0.9, 0.05]]


@pytest.fixture
def predicting():
    """A task whose four images, in batches of 3 and 1, get these probabilities."""

    class Predicting:
        task_config = types.SimpleNamespace(
            validation_data=types.SimpleNamespace(image_mean=(0.0,), image_std=(1 / 255,))
        )

        def build_inputs(self, params):
            assert params is self.task_config.validation_data
            numbers = tf.range(4.0)[:, tf.newaxis, tf.newaxis, tf.newaxis]
            return tf.data.Dataset.from_tensor_slices((numbers, tf.constant(LABELS, tf.int32))).batch(3)

        def inference_step(self, inputs, model):
            assert model == "the model"
            return {"probs": tf.gather(tf.constant(PROBABILITIES), tf.cast(inputs[:, 0, 0, 0], tf.int32))}

    return Predicting()


def test_images_whose_label_is_least_likely_come_first(predicting):
    _, worst, _ = sections(predicting, "the model", class_names=["ant", "bee", "cat"])
    captions = ["".join(caption.itertext()) for part in worst.parts for caption in part.iter("figcaption")]

    assert captions == ["✗ ant (60%) is bee (30%)", "✓ ant (70%)", "✓ cat (80%)", "✓ bee (90%)"]


def test_first_images_are_in_the_order_of_the_data(predicting):
    _, _, first = sections(predicting, "the model")
    captions = ["".join(caption.itertext()) for part in first.parts for caption in part.iter("figcaption")]

    assert captions == ["✓ 0 (70%)", "✗ 0 (60%) is 1 (30%)", "✓ 2 (80%)", "✓ 1 (90%)"]


def test_confusion_matrix_counts_labels_by_rows(predicting):
    matrix, *_ = sections(predicting, "the model")
    (table,) = matrix.parts[0].iter("tbody")
    counts = [[int(cell.text) for cell in row.iter("td")] for row in table.iter("tr")]

    assert counts == [[1, 0, 0], [1, 1, 0], [0, 0, 1]]


def test_every_validation_digit_of_the_reference_task_is_counted():
    task = digits_subject()
    matrix, worst, first = sections(task, task.build_model())
    counts = [int(cell.text) for part in matrix.parts for cell in part.iter("td")]

    assert np.sum(counts) == 359
    assert "359 validation images" in worst.about
    assert markup(first.parts[0]).count("<img") == 24
