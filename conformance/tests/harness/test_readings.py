"""Readings know examples by their content, find epochs in a stream, and tell padding and augmentation from data."""

import itertools

import numpy as np
import pytest
import tensorflow as tf
from assay.conformance.harness import Reading, common_columns, epoch_length, read_examples
from hypothesis import given
from hypothesis import strategies as st


def stream(epochs):
    return [(str(value),) for value in itertools.chain.from_iterable(epochs)]


@given(st.integers(1, 40), st.integers(2, 5), st.integers(0, 10), st.randoms(use_true_random=False))
def test_epoch_of_reshuffled_examples_is_found(length, epochs, more, random):
    values = list(range(length))
    shuffled = [random.sample(values, length) for _ in range(epochs)]
    rest = random.sample(values, min(more, length))

    assert epoch_length(stream([*shuffled, rest])) == length


def test_epoch_may_hold_copies():
    random = np.random.default_rng(0)
    values = [1, 1, 2, 3, 3, 3, 4, 5]

    assert epoch_length(stream([random.permutation(values) for _ in range(4)])) == len(values)


@pytest.mark.parametrize(
    "epochs",
    [
        [[1, 2, 3, 4, 5]],  # one epoch says nothing about the next
        [[1, 2, 3], [1, 2, 4], [1, 2, 3], [1, 2, 5]],  # an example is lost in some epochs
        [np.random.default_rng(0).integers(0, 2, 40)],  # labels alone identify nothing
    ],
)
def test_no_epoch_is_invented(epochs):
    assert epoch_length(stream(epochs)) is None


def test_rows_have_a_digest_for_each_tensor_and_stop_with_the_data():
    dataset = tf.data.Dataset.from_tensor_slices((np.arange(5, dtype=np.float32), np.zeros(5, np.int32))).batch(2)

    reading = read_examples(dataset)

    assert (len(reading.rows), reading.width, reading.batches, reading.ended) == (5, 2, 3, True)
    assert len(set(reading.column(0))) == 5
    assert len(set(reading.column(1))) == 1


def test_reading_stops_at_the_limit():
    reading = read_examples(tf.data.Dataset.range(10).repeat().batch(4), at_most=10)

    assert (len(reading.rows), reading.ended) == (12, False)


def test_the_type_and_the_shape_of_an_example_belong_to_its_content():
    zeros = [np.zeros(4, np.float32), np.zeros(4, np.int32), np.zeros((2, 2), np.float32)]

    digests = {read_examples([value[None]]).rows[0] for value in zeros}

    assert len(digests) == 3


def test_ragged_sparse_and_string_tensors_are_read_and_others_left_out():
    batch = {
        "ragged": tf.ragged.constant([[1, 2], [3]]),
        "sparse": tf.sparse.from_dense([[0, 1], [2, 0]]),
        "text": tf.constant(["a", "b"]),
        "scalar": tf.constant(3.0),
        "table": tf.zeros([7, 2]),
    }

    reading = read_examples([batch])

    assert (len(reading.rows), reading.width) == (2, 3)
    assert len(set(reading.rows)) == 2


def test_columns_that_change_between_readings_are_not_common():
    first = Reading((("a", "0"), ("b", "1")), True, 1)
    second = Reading((("x", "1"), ("y", "0")), True, 1)

    assert common_columns(first, [second]) == [1]


def test_rows_of_padding_do_not_hide_a_common_column():
    first = Reading((("a",), ("b",), ("c",)), True, 1)
    padded = Reading((("a",), ("b",), ("c",), ("pad",)), True, 1)

    assert common_columns(first, [padded]) == [0]
