"""Pipelines of texts and other lists: vocabularies, ragged batches, padding, Python generators."""

import types

import numpy as np
import tensorflow as tf

from conformance.tests.subjects.input_pipelines import files

TRAIN, VALIDATION = 29, 13


def text_params():
    def params(split, count, training):
        return types.SimpleNamespace(
            path=files.sentences(split, count), is_training=training, batch_size=4, drop_remainder=training, seed=11
        )

    return params("train", TRAIN, True), params("validation", VALIDATION, False)


def lines(params, input_context):
    dataset = tf.data.TextLineDataset(params.path)
    if input_context:
        dataset = dataset.shard(input_context.num_input_pipelines, input_context.input_pipeline_id)
    if params.is_training:
        dataset = dataset.shuffle(64, seed=params.seed).repeat()
    ids = tf.range(1, len(files.WORDS) + 1, dtype=tf.int64)
    table = tf.lookup.StaticHashTable(tf.lookup.KeyValueTensorInitializer(files.WORDS, ids), 0)

    def lookup(line):
        parts = tf.strings.split(line, "\t")
        return table.lookup(tf.strings.split(parts[1])), tf.strings.to_number(parts[0], tf.int32)

    return dataset.map(lookup)


def share_of(params, context):
    return context.get_per_replica_batch_size(params.batch_size) if context else params.batch_size


def padded_texts(params, input_context=None):
    """Token ids, padded to the longest of the batch."""
    return lines(params, input_context).padded_batch(
        share_of(params, input_context), padded_shapes=([None], []), drop_remainder=params.drop_remainder
    )


def ragged_texts(params, input_context=None):
    """Token ids as ragged batches."""
    return lines(params, input_context).ragged_batch(
        share_of(params, input_context), drop_remainder=params.drop_remainder
    )


def wrong_length(params, input_context=None):
    """Says that all texts have eight tokens, and batches them without padding."""

    def state(tokens, label):
        tokens = tf.numpy_function(lambda ids: ids, [tokens], tf.int64)
        tokens.set_shape([8])
        return tokens, label

    return (
        lines(params, input_context)
        .map(state)
        .batch(share_of(params, input_context), drop_remainder=params.drop_remainder)
    )


class GeneratorPipeline:
    """Reads through a Python generator, shuffled with NumPy when the data is built."""

    def __call__(self, params, input_context=None):
        count = TRAIN if params.is_training else VALIDATION
        order = np.arange(count)
        if params.is_training:
            np.random.default_rng().shuffle(order)
        if input_context:
            order = order[input_context.input_pipeline_id :: input_context.num_input_pipelines]

        def examples():
            while True:
                for index in order:
                    yield np.full([3], index, np.float32), index % 4
                if not params.is_training:
                    return

        spec = (tf.TensorSpec([3], tf.float32), tf.TensorSpec([], tf.int64))
        size = params.global_batch_size
        size = input_context.get_per_replica_batch_size(size) if input_context else size
        return tf.data.Dataset.from_generator(examples, output_signature=spec).batch(
            size, drop_remainder=params.drop_remainder
        )


def weighted_sources(params, input_context=None):
    """Draws from two sources by weight in training, on purpose."""
    size = params.global_batch_size
    size = input_context.get_per_replica_batch_size(size) if input_context else size

    def source(start, count):
        dataset = tf.data.Dataset.range(start, start + count)
        if input_context:
            dataset = dataset.shard(input_context.num_input_pipelines, input_context.input_pipeline_id)
        return dataset

    if params.is_training:
        parts = [
            source(0, 12).shuffle(12, seed=params.seed).repeat(),
            source(12, 20).shuffle(20, seed=params.seed).repeat(),
        ]
        dataset = tf.data.Dataset.sample_from_datasets(parts, [0.7, 0.3], seed=params.seed)
    else:
        dataset = source(100, 19)
    dataset = dataset.map(lambda number: (tf.one_hot(number, 120), number % 5))
    return dataset.batch(size, drop_remainder=params.drop_remainder)
