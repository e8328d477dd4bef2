"""Iterators are saved at positions and restored into a new dataset."""

import itertools

import numpy as np
import pytest
import tensorflow as tf
from assay.conformance.harness.pipelines.restoring import CannotBeSaved, restore_at


def numbers(seed=1):
    return tf.data.Dataset.range(10).shuffle(10, seed=seed).repeat().batch(4)


def test_restored_iterator_gives_the_rest():
    found = list(restore_at(numbers, [0, 2, 3], more=3))

    assert [one.position for one in found] == [0, 2, 3]
    assert all(one.expected == one.received for one in found)
    assert len({tuple(map(tuple, one.expected)) for one in found}) == 3


def test_dataset_that_is_built_otherwise_is_seen():
    seeds = itertools.count()

    def make():
        return tf.data.Dataset.from_tensor_slices(np.arange(20) + next(seeds)).batch(2)

    (found,) = restore_at(make, [1], more=2)

    assert found.expected != found.received


def test_positions_behind_the_end_are_left_out():
    found = list(restore_at(lambda: tf.data.Dataset.range(5).batch(2), [1, 2, 7], more=9))

    assert [(one.position, len(one.expected)) for one in found] == [(1, 2), (2, 1)]
    assert all(one.expected == one.received for one in found)


def test_operation_that_is_in_the_way_is_named():
    with pytest.raises(CannotBeSaved) as caught:
        list(restore_at(lambda: tf.data.Dataset.range(5).map(lambda x: tf.random.uniform([])), [0], more=1))

    assert caught.value.kind == "RandomUniform"
    assert caught.value.message == "RandomUniform is stateful."
