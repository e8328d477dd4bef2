"""Elements are kept by name, from the beginning and, in evaluation, to the end."""

import collections

import numpy as np
import pytest
import tensorflow as tf
from assay.conformance.harness.pipelines.elements import keep_elements, matches_name, named_leaves, rows_of

Pair = collections.namedtuple("Pair", "left right")


@pytest.mark.parametrize(
    ("element", "names"),
    [
        ((1, 2), ["features", "labels"]),
        (({"b": 1, "a": {"c": 2}}, 3, 4), ["features/a/c", "features/b", "labels", "weights"]),
        ({"image": 1, "label": 2}, ["image", "label"]),
        (5, ["element"]),
        (Pair(1, [2, 3]), ["left", "right/0", "right/1"]),
    ],
)
def test_leaves_are_named_in_the_order_of_nest(element, names):
    leaves = named_leaves(element)

    assert [name for name, _ in leaves] == names
    assert [leaf for _, leaf in leaves] == tf.nest.flatten(element)


@pytest.mark.parametrize(
    ("pattern", "matches"),
    [("labels/boxes", True), ("boxes", True), ("labels/*", True), ("box*", True), ("labels", False), ("box", False)],
)
def test_patterns_speak_of_whole_names_and_of_their_ends(pattern, matches):
    assert matches_name(pattern, "labels/boxes") is matches


def test_last_partial_batch_is_kept_behind_many():
    elements = keep_elements(tf.data.Dataset.range(101).batch(2), to_the_end=True, at_most=10)

    assert len(elements.batches) == 5
    assert elements.last["element"].numpy().tolist() == [100]
    assert elements.count == 51
    assert elements.spec["element"] == tf.TensorSpec([None], tf.int64)


def test_endless_data_is_left_in_time():
    elements = keep_elements(tf.data.Dataset.range(3).repeat().batch(2), at_most=4)

    assert (len(elements.batches), elements.last) == (2, None)


def test_elements_without_a_batch_dimension_are_left_in_time():
    elements = keep_elements(tf.data.Dataset.range(3).repeat(), at_most=4)

    assert [rows_of(leaves) for leaves in elements.batches] == [0] * 4


def test_rows_are_those_that_most_tensors_share():
    leaves = {"a": tf.zeros([3, 2]), "b": tf.zeros([3]), "table": tf.zeros([7]), "scalar": tf.constant(1)}

    assert rows_of(leaves) == 3
    assert rows_of({"r": tf.ragged.constant([[1], [2, 3]])}) == 2
    assert rows_of({"s": tf.sparse.from_dense(np.eye(4))}) == 4
