"""Readings know examples by their content, find epochs in a stream, and tell padding and augmentation from data."""

import itertools

import numpy as np
import pytest
import tensorflow as tf
from assay.conformance.harness.pipelines import Reading, common_columns, epoch_length, read_examples
from assay.conformance.harness.pipelines.epochs import epoch_in
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


def test_epoch_is_found_behind_an_augmentation_with_two_outcomes():
    random = np.random.default_rng(0)
    order = [number for _ in range(8) for number in random.permutation(12)]
    flips = random.integers(0, 2, size=len(order))
    rows = tuple((str(2 * number + flip), str(number)) for number, flip in zip(order, flips, strict=True))

    assert epoch_in(Reading(rows, False, 1)) == ([1], 12)


def test_labels_alone_show_no_epoch():
    labels = tuple((str(value),) for value in np.random.default_rng(1).integers(0, 5, size=200))

    assert epoch_in(Reading(labels, False, 1)) == ([0], None)


def test_names_sizes_and_ids_of_a_reading():
    dataset = tf.data.Dataset.from_tensor_slices(({"x": np.zeros((5, 2)), "id": np.arange(5)}, np.eye(5))).batch(2)

    reading = read_examples(dataset)

    assert reading.names == ("features/id", "features/x", "labels")
    assert reading.exact == (True, False, False)
    assert reading.sizes == (2, 2, 1)


def test_reading_of_single_numbers_ends():
    assert read_examples(tf.data.Dataset.range(3).repeat(), at_most=10).rows == ()


def test_padding_is_no_part_of_the_content():
    longer = {
        "ids": tf.constant([[1, 2, 0, 0], [3, 0, 0, 0]]),
        "boxes": tf.constant([[[1.0], [-1.0]], [[-1.0], [2.0]]]),
    }
    shorter = {"ids": tf.constant([[1, 2], [3, 0]]), "boxes": tf.constant([[[1.0], [-1.0]], [[-1.0], [2.0]]])}
    texts = read_examples([tf.constant([["a", ""], ["b", "c"]])]), read_examples([tf.constant([["a"], ["b"]])])

    assert read_examples([longer]).rows == read_examples([shorter]).rows
    assert texts[0].rows[0] == texts[1].rows[0]
    assert texts[0].rows[1] != texts[1].rows[1]
