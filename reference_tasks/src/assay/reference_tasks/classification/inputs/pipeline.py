"""Assembles a reader and a parser into the dataset of one input pipeline."""

import logging
from collections.abc import Sequence

import numpy as np
import tensorflow as tf
from assay.core import ConfigError
from assay.reference_tasks.classification.config import ImageDataConfig
from assay.reference_tasks.classification.inputs.arrays import ArraysReader
from assay.reference_tasks.classification.inputs.image_folder import ImageFolderReader
from assay.reference_tasks.classification.inputs.parser import Parser
from assay.reference_tasks.classification.inputs.paths import split_path
from assay.reference_tasks.classification.inputs.reader import Reader, Record, Shard
from assay.reference_tasks.classification.inputs.tfrecords import TFRecordReader

logger = logging.getLogger(__name__)

# What is drawn from `seed`, each with numbers of its own.
_UNIT_ORDER, _RECORD_ORDER, _CHOICE_OF_SOURCE, _AUGMENTATION = range(4)


def make_reader(params: ImageDataConfig, input_path: str | Sequence[str], *, channels: int) -> Reader:
    """Make the reader that a configuration names.

    Args:
        params: Says which, and how to read.
        input_path: What to read; see `ImageDataConfig.reader`.
        channels: Channels of the images.

    Raises:
        InputFilesError: There is nothing to read.
    """
    if params.reader == "image_folder":
        return ImageFolderReader(input_path, channels=channels)
    if params.reader == "arrays":
        path = input_path if isinstance(input_path, str) else ",".join(input_path)
        return ArraysReader.load(path, channels=channels)
    return TFRecordReader(
        input_path,
        channels=channels,
        compressed=params.file_type == "tfrecord_compressed",
        cycle_length=params.cycle_length,
        block_length=params.block_length,
    )


def make_dataset(
    params: ImageDataConfig,
    *,
    input_size: Sequence[int],
    num_classes: int,
    input_context: tf.distribute.InputContext | None = None,
    reader: Reader | None = None,
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
        params: What to read and how.
        input_size: Height, width and channels of the images.
        num_classes: Number of classes; a label beyond it is an error.
        input_context: Which of how many pipelines this is, and the number of replicas that share the global batch.
        reader: What to read instead of `params.input_path`, for example an `ArraysReader`.

    Returns:
        A dataset of `(images, labels)`: `params.dtype` `[batch, height, width, channels]` and int32 `[batch]`, where
        `batch` is `global_batch_size / num_replicas_in_sync` and static when the remainder is dropped.

    Raises:
        ConfigError: The batch does not divide among the replicas.
        InputFilesError: There is nothing to read.
    """
    context = input_context or tf.distribute.InputContext()
    batch_size = per_replica_batch_size(params, context)
    sources = _sources(params, channels=input_size[2]) if reader is None else {"": reader}
    parser = Parser(params, input_size=input_size, num_classes=num_classes)
    options = tf.data.Options()
    if params.is_training:
        dataset = _training_examples(params, sources, parser, context)
        options.deterministic = params.deterministic is not False
    else:
        dataset = _validation_examples(params, sources, parser, context)
        options.deterministic = True
    dataset = dataset.batch(batch_size, drop_remainder=params.drops_remainder)
    return dataset.prefetch(params.prefetch_buffer_size or tf.data.AUTOTUNE).with_options(options)


def per_replica_batch_size(params: ImageDataConfig, context: tf.distribute.InputContext) -> int:
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


def _sources(params: ImageDataConfig, *, channels: int) -> dict[str, Reader]:
    """Return what is drawn from: one reader of everything, or with weights one for each."""
    paths = params.input_path
    if not isinstance(paths, dict):
        return {"": make_reader(params, paths, channels=channels)}
    if params.weights is None:
        everything = [path for source in paths.values() for path in split_path(source)]
        return {"": make_reader(params, everything, channels=channels)}
    return {name: make_reader(params, path, channels=channels) for name, path in paths.items()}


def _training_examples(
    params: ImageDataConfig, sources: dict[str, Reader], parser: Parser, context: tf.distribute.InputContext
) -> tf.data.Dataset:
    seed = _seed(params)
    parts = [_endless_records(params, reader, context, seed, name) for name, reader in sources.items()]
    if len(parts) == 1:
        dataset = parts[0]
    else:
        weights = [(params.weights or {})[name] for name in sources]
        dataset = tf.data.Dataset.sample_from_datasets(parts, weights, seed=_derived(seed, _CHOICE_OF_SOURCE))
    augmentation_seed = tf.constant(_derived(seed, _AUGMENTATION), tf.int64)

    def parse(position: tf.Tensor, record: Record) -> tuple[tf.Tensor, tf.Tensor]:
        # Unique over all pipelines, so that no two examples are augmented alike.
        position = position * context.num_input_pipelines + context.input_pipeline_id
        return parser.parse_train(record, tf.stack([augmentation_seed, position]))

    return dataset.enumerate().map(parse, num_parallel_calls=tf.data.AUTOTUNE)


def _endless_records(
    params: ImageDataConfig, reader: Reader, context: tf.distribute.InputContext, seed: int, name: str
) -> tf.data.Dataset:
    """Return decoded records, shuffled and repeated. The buffer holds encoded ones, a tenth of the size, if it can."""
    dataset = _shard_of(reader, params, context, seed=_derived(seed, _UNIT_ORDER, *name.encode()))
    if params.cache:
        dataset = reader.decode(dataset).cache()
    record_seed = _derived(seed, _RECORD_ORDER, *name.encode())
    dataset = dataset.shuffle(params.shuffle_buffer_size, seed=record_seed, reshuffle_each_iteration=True).repeat()
    return dataset if params.cache else reader.decode(dataset)


def _validation_examples(
    params: ImageDataConfig, sources: dict[str, Reader], parser: Parser, context: tf.distribute.InputContext
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
    return dataset.map(parser.parse_eval, num_parallel_calls=tf.data.AUTOTUNE)


def _shard_of(
    reader: Reader, params: ImageDataConfig, context: tf.distribute.InputContext, *, seed: int | None = None
) -> tf.data.Dataset:
    """Return the records of this pipeline: of its own units where there are enough, else every n-th of all records."""
    count, index = context.num_input_pipelines, context.input_pipeline_id
    if not params.sharding or count == 1:
        return reader.records(seed=seed)
    if reader.num_units >= count:
        return reader.records(Shard(index, count), seed=seed)
    # In the same order in all pipelines, whatever their seeds, or their parts would not be disjoint.
    return reader.records().shard(count, index)


def _seed(params: ImageDataConfig) -> int:
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
