"""The graph of a dataset tells which operations keep state, in which function, and what to use instead."""

import numpy as np
import pytest
import tensorflow as tf
from assay.conformance.harness.pipelines.dataset_graphs import (
    changes_examples_at_random,
    find_operation,
    operations_with_state,
    texts_of,
    unordered_transformations,
)


def numbers():
    return tf.data.Dataset.range(6)


def brighten(number):
    return tf.cast(number, tf.float32) + tf.random.uniform([])


def brighten_some(number):
    return tf.cond(number > 2, lambda: brighten(number), lambda: 0.0)


def checked(number):
    with tf.control_dependencies([tf.debugging.assert_positive(number + 1)]):
        return tf.identity(number)


def in_python(number):
    return tf.numpy_function(lambda x: x + 1, [number], tf.int64)


def from_a_generator():
    generator = tf.random.Generator.from_seed(1)
    return numbers().map(lambda x: generator.uniform([]))


def from_python():
    return tf.data.Dataset.from_generator(lambda: iter([1, 2]), output_signature=tf.TensorSpec([], tf.int64))


@pytest.mark.parametrize(
    ("make", "described", "remedy"),
    [
        (lambda: numbers().map(brighten), "RandomUniform in the function 'brighten' of Dataset.map", "stateless"),
        (
            lambda: numbers().map(brighten_some),
            "RandomUniform in the function 'brighten_some' of Dataset.map",
            "stateless",
        ),
        (
            lambda: numbers().interleave(lambda x: tf.data.Dataset.from_tensors(brighten(x))),
            "RandomUniform in a lambda of Dataset.interleave",
            "stateless",
        ),
        (
            lambda: numbers().map(in_python),
            "PyFunc in the function 'in_python' of Dataset.map",
            "TensorFlow operations",
        ),
        (from_a_generator, "RngReadAndSkip in a lambda of Dataset.map", "tf.random.Gen"),
        (from_python, "PyFunc in Dataset.from_generator", "from_tensor_slices"),
    ],
)
def test_operation_with_state_is_named_with_its_function(make, described, remedy):
    dataset = make()
    (operation,) = operations_with_state(dataset.batch(2))

    assert str(operation) == described
    assert str(find_operation(dataset, operation.kind)) == described
    assert remedy in operation.remedy


@pytest.mark.parametrize(
    "make",
    [
        lambda: numbers().shuffle(3).repeat(),
        lambda: numbers().enumerate().map(lambda i, x: tf.random.stateless_uniform([], tf.stack([i, x]))),
        lambda: tf.data.Dataset.sample_from_datasets([numbers(), numbers()], [0.5, 0.5], seed=1),
        lambda: numbers().map(checked),
    ],
)
def test_what_can_be_saved_is_not_named(make):
    assert operations_with_state(make()) == []


def test_augmented_examples_are_known_by_their_operations():
    assert changes_examples_at_random(
        numbers().enumerate().map(lambda i, x: tf.random.stateless_uniform([], tf.stack([i, x])))
    )
    assert changes_examples_at_random(numbers().map(brighten))
    assert not changes_examples_at_random(numbers().shuffle(3, seed=1).repeat().batch(2))


def test_transformations_in_any_order_are_named():
    parallel = numbers().map(lambda x: x + 1, num_parallel_calls=2, deterministic=False)
    options = tf.data.Options()
    options.deterministic = False

    assert unordered_transformations(parallel.batch(2)) == ["Dataset.map (deterministic=False)"]
    assert unordered_transformations(numbers().with_options(options)) == [
        "the whole dataset, by its options (deterministic=False)"
    ]
    assert unordered_transformations(numbers().map(lambda x: x, num_parallel_calls=2)) == []


def test_texts_of_a_dataset_are_found():
    files = tf.data.Dataset.from_tensor_slices(["a/b.tfrecord", "c/d.tfrecord"]).shuffle(2)

    assert {"a/b.tfrecord", "c/d.tfrecord"} <= set(texts_of(files.interleave(tf.data.TFRecordDataset)))


def test_nothing_is_said_of_what_is_no_dataset():
    assert operations_with_state([np.zeros(2)]) == []
    assert unordered_transformations([np.zeros(2)]) == []
