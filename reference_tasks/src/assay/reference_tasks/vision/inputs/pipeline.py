"""Assembles readers and a parser into the dataset of one input pipeline."""

import logging
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import tensorflow as tf
from assay.core import ConfigError
from assay.reference_tasks.vision.inputs.config import VisionDataConfig
from assay.reference_tasks.vision.inputs.paths import split_path
from assay.reference_tasks.vision.inputs.reader import Reader, Record, Shard

logger = logging.getLogger(__name__)

# What is drawn from `seed`, each with numbers of its own.
_UNIT_ORDER, _RECORD_ORDER, _CHOICE_OF_SOURCE, _AUGMENTATION = range(4)


def make_dataset(
    params: VisionDataConfig,
    sources: Mapping[str, Reader] | Reader,
    *,
    parse_train: Callable[[Record, tf.Tensor], Any],
    parse_eval: Callable[[Record], Any],
    input_context: tf.distribute.InputContext | None = None,
) -> tf.data.Dataset:
    """Make the dataset of one input pipeline.

    Training: shuffled, augmented, repeated without end. With a `seed`, the batch at a position follows from the seed
    and the position alone (and from `tf.random.set_seed`, which tf.data mixes into every shuffle), and an iterator
    restored from a checkpoint goes on with exactly the batches that were left. Validation: every example once, in the
    same order each time; the last batch is smaller where the examples do not divide, and kept unless
    `params.drop_remainder` is true.

    Pipelines read disjoint parts of the data, which together are all of it: whole files (or image files, or rows)
    where there are enough, else every n-th record.

    Args:
        params: How to read.
        sources: What to read: a reader, or for training several by the names in `params.weights`.
        parse_train: Makes a training example, `(features, labels)`, of a decoded record and a seed, int64 `[2]`, from
            which all that is random in it must follow. All examples must have the same shapes.
        parse_eval: Makes a validation example of a decoded record.
        input_context: Which of how many pipelines this is, and the number of replicas that share the global batch.

    Returns:
        A dataset of batches of what the parser returns. A batch has `global_batch_size / num_replicas_in_sync`
        examples; this is static when the remainder is dropped.

    Raises:
        ConfigError: The batch does not divide among the replicas, or several sources are given for validation.
    """
    context = input_context or tf.distribute.InputContext()
    batch_size = per_replica_batch_size(params, context)
    readers = sources if isinstance(sources, Mapping) else {"": sources}
    options = tf.data.Options()
    if params.is_training:
        dataset = _training_examples(params, readers, parse_train, context)
        options.deterministic = params.deterministic is not False
    else:
        dataset = _validation_examples(params, readers, parse_eval, context)
        options.deterministic = True
    dataset = dataset.batch(batch_size, drop_remainder=params.drops_remainder)
    return dataset.prefetch(params.prefetch_buffer_size or tf.data.AUTOTUNE).with_options(options)


def make_sources(
    params: VisionDataConfig, make_reader: Callable[[str | Sequence[str]], Reader]
) -> Mapping[str, Reader]:
    """Make the readers of `params.input_path`: one of everything, or with weights one for each named source.

    Args:
        params: Names the sources.
        make_reader: Makes the reader of a path, or of a list of paths.
    """
    paths = params.input_path
    if not isinstance(paths, dict):
        return {"": make_reader(paths)}
    if params.weights is None:
        return {"": make_reader([path for source in paths.values() for path in split_path(source)])}
    return {name: make_reader(path) for name, path in paths.items()}


def per_replica_batch_size(params: VisionDataConfig, context: tf.distribute.InputContext) -> int:
    """Return the share of one replica in the global batch.

    Raises:
        ConfigError: There is no batch size, or it does not divide.
    """
    size, replicas = params.global_batch_size, context.num_replicas_in_sync
    if size < 1 or size % replicas:
        raise ConfigError(
            f"`global_batch_size` must be a positive multiple of the number of replicas, {replicas}; received {size}. "
            "It is the batch over all replicas, and each takes an equal share."
        )
    return size // replicas


def _training_examples(
    params: VisionDataConfig,
    sources: Mapping[str, Reader],
    parse_train: Callable[[Record, tf.Tensor], Any],
    context: tf.distribute.InputContext,
) -> tf.data.Dataset:
    seed = _seed(params)
    parts = [_endless_records(params, reader, context, seed, name) for name, reader in sources.items()]
    if len(parts) == 1:
        dataset = parts[0]
    else:
        weights = [(params.weights or {})[name] for name in sources]
        dataset = tf.data.Dataset.sample_from_datasets(parts, weights, seed=_derived(seed, _CHOICE_OF_SOURCE))
    augmentation_seed = tf.constant(_derived(seed, _AUGMENTATION), tf.int64)

    def parse(position: tf.Tensor, record: Record) -> Any:
        # Unique over all pipelines, so that no two examples are augmented alike.
        position = position * context.num_input_pipelines + context.input_pipeline_id
        return parse_train(record, tf.stack([augmentation_seed, position]))

    return dataset.enumerate().map(parse, num_parallel_calls=tf.data.AUTOTUNE)


def _endless_records(
    params: VisionDataConfig, reader: Reader, context: tf.distribute.InputContext, seed: int, name: str
) -> tf.data.Dataset:
    """Return decoded records, shuffled and repeated. The buffer holds encoded ones, a tenth of the size, if it can."""
    dataset = _shard_of(reader, params, context, seed=_derived(seed, _UNIT_ORDER, *name.encode()))
    if params.cache:
        dataset = reader.decode(dataset).cache()
    record_seed = _derived(seed, _RECORD_ORDER, *name.encode())
    dataset = dataset.shuffle(params.shuffle_buffer_size, seed=record_seed, reshuffle_each_iteration=True).repeat()
    return dataset if params.cache else reader.decode(dataset)


def _validation_examples(
    params: VisionDataConfig,
    sources: Mapping[str, Reader],
    parse_eval: Callable[[Record], Any],
    context: tf.distribute.InputContext,
) -> tf.data.Dataset:
    if params.drops_remainder:
        logger.warning(
            "validation drops its last batch where that is not full (`drop_remainder` is true): up to %d examples of "
            "each input pipeline are not counted.",
            params.global_batch_size // context.num_replicas_in_sync - 1,
        )
    if len(sources) > 1:
        raise ConfigError("`weights` has no effect in validation, which shows every example once; remove it.")
    (reader,) = sources.values()
    dataset = reader.decode(_shard_of(reader, params, context))
    if params.cache:
        dataset = dataset.cache()
    return dataset.map(parse_eval, num_parallel_calls=tf.data.AUTOTUNE)


def _shard_of(
    reader: Reader, params: VisionDataConfig, context: tf.distribute.InputContext, *, seed: int | None = None
) -> tf.data.Dataset:
    """Return the records of this pipeline: of its own units where there are enough, else every n-th of all records."""
    count, index = context.num_input_pipelines, context.input_pipeline_id
    if not params.sharding or count == 1:
        return reader.records(seed=seed)
    if reader.num_units >= count:
        return reader.records(Shard(index, count), seed=seed)
    # In the same order in all pipelines, whatever their seeds, or their parts would not be disjoint.
    return reader.records().shard(count, index)


def _seed(params: VisionDataConfig) -> int:
    """Return the seed of the data: the configured one, else one of TensorFlow's global seed, else a new one."""
    if params.seed is not None:
        return params.seed
    global_seed, op_seed = tf.compat.v1.get_seed(None)
    if global_seed is not None:
        return (global_seed << 32) + op_seed
    return int(np.random.SeedSequence().generate_state(1, np.uint64)[0])


def _derived(seed: int, *path: int) -> int:
    """Return a seed for one use, independent of those for other uses, from 0 to 2**63 - 1."""
    sequence = np.random.SeedSequence(entropy=seed % 2**64, spawn_key=path)
    return int(sequence.generate_state(1, np.uint64)[0] >> np.uint64(1))
