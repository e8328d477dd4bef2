"""The mean over examples, and how many examples a batch has."""

import numpy as np
import pytest
import tensorflow as tf
from assay.core.example_mean import ExampleMean, examples_in


def test_batches_count_with_their_size():
    mean = ExampleMean("loss")

    mean.update(tf.constant(1.0), tf.constant(4.0))
    mean.update(tf.constant(4.0), tf.constant(2.0))

    assert float(mean.result()) == 2.0


def test_empty_batch_counts_nothing_even_if_its_loss_is_nan():
    mean = ExampleMean("loss")

    mean.update(tf.constant(3.0), tf.constant(4.0))
    mean.update(tf.constant(np.nan), tf.constant(0.0))

    assert float(mean.result()) == 3.0


def test_nan_of_a_batch_with_examples_shows():
    mean = ExampleMean("loss")

    mean.update(tf.constant(np.nan), tf.constant(1.0))

    assert np.isnan(float(mean.result()))


def test_without_examples_there_is_no_mean():
    mean = ExampleMean("loss")
    mean.update(tf.constant(3.0), tf.constant(4.0))

    mean.reset()

    assert mean.result() is None


@pytest.mark.parametrize(
    ("make_batch", "expected"),
    [
        (lambda: tf.zeros([5, 2]), 5),
        (lambda: {"id": tf.constant(3), "image": tf.zeros([4, 2])}, 4),
        (lambda: (tf.ragged.constant([[1], [2, 3], []]), tf.zeros([3])), 3),
        (lambda: tf.sparse.from_dense(tf.eye(6)), 6),
        (lambda: np.zeros([7, 1]), 7),
        (lambda: tf.zeros([0, 3]), 0),
        (lambda: tf.constant(2.0), 1),
    ],
    ids=["tensor", "scalar first", "ragged", "sparse", "numpy", "empty", "scalar"],
)
def test_examples_of_a_batch(make_batch, expected):
    assert float(examples_in(make_batch())) == expected


def test_examples_of_a_batch_of_unknown_size():
    count = tf.function(
        examples_in,
        input_signature=[
            tf.TensorSpec(None),
        ],
    )

    assert float(count(tf.zeros([3, 2]))) == 3
    assert float(count(tf.zeros([8]))) == 8
