"""Shapes that values decide are told from those that are known, or are unknown for another reason."""

import pytest
import tensorflow as tf
from assay.conformance.harness.tasks import value_shaped

FLAGGED = {
    "where": lambda x: tf.where(x > 0.0),
    "boolean_mask": lambda x: tf.boolean_mask(x, x > 0.0),
    "unique": lambda x: tf.unique(x)[0],
    "slice": lambda x: x[: tf.cast(tf.reduce_sum(x), tf.int32)],
    "range": lambda x: tf.range(tf.cast(tf.reduce_sum(x), tf.int32)),
    "reshape": lambda x: tf.reshape(x, [tf.cast(x[0], tf.int32), -1]),
    "bincount": lambda x: tf.math.bincount(tf.cast(x, tf.int32)),
    "in a branch": lambda x: tf.cond(
        x[0] > 0.0, lambda: tf.reduce_sum(tf.where(x > 0.0)), lambda: tf.constant(0, tf.int64)
    ),
}
UNFLAGGED = {
    "three arguments": lambda x: tf.where(x > 0.0, x, 0.0),
    "of constants": lambda x: x[0] + tf.cast(tf.where(tf.constant([True, False])), tf.float32),
    "of shapes": lambda x: tf.reshape(x, [tf.shape(x)[0] // 2, -1]),
    "a loop": lambda x: tf.while_loop(
        lambda y: tf.reduce_sum(y) < 9.0,
        lambda y: [tf.concat([y, y], 0)],
        [x],
        shape_invariants=[tf.TensorShape([None])],
    ),
    "map_fn": lambda x: tf.map_fn(tf.square, x),
    "python": lambda x: tf.numpy_function(lambda one: one, [x], tf.float32),
    "fused batch normalisation": lambda x: (
        tf.raw_ops.FusedBatchNormV3(
            x=tf.reshape(x, [1, 2, 2, 1]), scale=[1.0], offset=[0.0], mean=[], variance=[], is_training=True
        ).y
    ),
    "top_k": lambda x: tf.math.top_k(x, 2)[0],
}


def kinds(function):
    graph = tf.function(function).get_concrete_function(tf.TensorSpec([4])).graph
    return [one.kind for one in value_shaped(graph)]


@pytest.mark.parametrize("name", FLAGGED)
def test_shape_that_values_decide_is_found(name):
    assert len(kinds(FLAGGED[name])) == 1  # the first of the chain


@pytest.mark.parametrize("name", UNFLAGGED)
def test_shape_that_values_do_not_decide_is_left_alone(name):
    assert kinds(UNFLAGGED[name]) == []


def test_what_optimizers_do_to_sparse_gradients_is_left_alone():
    table = tf.Variable(tf.ones((4, 2)))
    optimizer = tf.keras.optimizers.Adam()
    optimizer.build([table])

    def step(x):
        with tf.GradientTape() as tape:
            loss = tf.reduce_sum(tf.gather(table, tf.cast(x, tf.int32)))
        optimizer.apply_gradients([(tape.gradient(loss, table), table)])

    assert kinds(step) == []


def test_what_is_passed_to_a_function_a_branch_or_a_loop_stays_a_constant_there():
    def suppress(boxes, scores):
        return tf.image.non_max_suppression_padded(boxes, scores, 2, pad_to_max_output_size=True)

    graph = tf.function(suppress).get_concrete_function(tf.TensorSpec([1, 8, 4]), tf.TensorSpec([1, 8])).graph

    assert list(value_shaped(graph)) == []


def test_padding_by_a_value_is_found_inside_a_function():
    @tf.function
    def inner(x, size):
        return tf.pad(x, [[0, size]])

    def outer(x):
        return inner(x, tf.cast(x[0], tf.int32))

    graph = tf.function(outer).get_concrete_function(tf.TensorSpec([3])).graph

    assert [one.kind for one in value_shaped(graph)] == ["Pad"]
