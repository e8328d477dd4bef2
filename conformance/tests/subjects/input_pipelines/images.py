"""Pipelines of images, as people write them: TFRecords, folders, arrays with augmentation."""

import dataclasses

import numpy as np
import tensorflow as tf

from conformance.tests.subjects.input_pipelines import files

TRAIN, VALIDATION = 37, 21


@dataclasses.dataclass
class ReaderConfig:
    """In the manner of larger libraries."""

    input_path: str = ""
    is_training: bool = True
    global_batch_size: int = 8
    drop_remainder: bool = True
    shuffle_buffer_size: int = 64
    seed: int | None = 3


def reader_configs(train_files=4):
    return {
        "training": ReaderConfig(files.classification_records("train", train_files, TRAIN)),
        "validation": ReaderConfig(
            files.classification_records("validation", 4, VALIDATION), is_training=False, drop_remainder=False
        ),
    }


def two_files():
    return reader_configs(train_files=2)


def decode(text):
    features = tf.io.parse_single_example(
        text,
        {
            "image/encoded": tf.io.FixedLenFeature([], tf.string),
            "image/class/label": tf.io.FixedLenFeature([], tf.int64),
        },
    )
    image = tf.ensure_shape(tf.io.decode_png(features["image/encoded"], channels=3), [8, 8, 3])
    return image, tf.cast(features["image/class/label"], tf.int32)


def scale(image, label):
    return tf.cast(image, tf.float32) / 127.5 - 1.0, label


def share_of(params, context):
    return context.get_per_replica_batch_size(params.global_batch_size) if context else params.global_batch_size


def sharded_records(params, input_context=None):
    """Shards records where there are too few files, interleaves, shuffles encoded records, augments by position."""
    paths = tf.data.Dataset.list_files(params.input_path, shuffle=False)
    texts = paths.interleave(tf.data.TFRecordDataset, cycle_length=4, num_parallel_calls=tf.data.AUTOTUNE)
    if input_context:
        texts = texts.shard(input_context.num_input_pipelines, input_context.input_pipeline_id)
    if params.is_training:
        texts = texts.shuffle(params.shuffle_buffer_size, seed=params.seed).repeat()

    def augmented(index, text):
        image, label = decode(text)
        seed = tf.stack([tf.constant(params.seed or 0, tf.int64), index])
        image = tf.image.stateless_random_flip_left_right(image, seed)
        return scale(tf.image.stateless_random_crop(tf.pad(image, [[1, 1], [1, 1], [0, 0]]), [8, 8, 3], seed), label)

    if params.is_training:
        dataset = texts.enumerate().map(augmented, num_parallel_calls=tf.data.AUTOTUNE)
    else:
        dataset = texts.map(lambda text: scale(*decode(text)), num_parallel_calls=tf.data.AUTOTUNE)
    return dataset.batch(share_of(params, input_context), drop_remainder=params.drop_remainder).prefetch(2)


def sharded_files(params, input_context=None):
    """Shards whole files, of which there may be fewer than pipelines: then some pipelines read nothing."""
    paths = tf.data.Dataset.list_files(params.input_path, shuffle=False)
    if input_context:
        paths = paths.shard(input_context.num_input_pipelines, input_context.input_pipeline_id)
    dataset = paths.interleave(tf.data.TFRecordDataset, cycle_length=2).map(decode).map(scale)
    if params.is_training:
        dataset = dataset.shuffle(params.shuffle_buffer_size, seed=params.seed).repeat()
    return dataset.batch(share_of(params, input_context), drop_remainder=params.drop_remainder)


def shuffled_files(params, input_context=None):
    """The classic: `list_files` shuffles by default, so that each host shards another order."""
    paths = tf.data.Dataset.list_files(params.input_path)
    if input_context:
        paths = paths.shard(input_context.num_input_pipelines, input_context.input_pipeline_id)
    dataset = paths.interleave(tf.data.TFRecordDataset, cycle_length=2).map(decode).map(scale)
    if params.is_training:
        dataset = dataset.shuffle(params.shuffle_buffer_size, seed=params.seed).repeat()
    return dataset.batch(share_of(params, input_context), drop_remainder=params.drop_remainder)


def stateful_augmentation(params, input_context=None):
    """From many tutorials: `tf.image.random_*` in a parallel map."""
    texts = tf.data.Dataset.list_files(params.input_path, shuffle=False).interleave(tf.data.TFRecordDataset)
    if input_context:
        texts = texts.shard(input_context.num_input_pipelines, input_context.input_pipeline_id)

    def augmented(image, label):
        return tf.image.random_brightness(tf.image.random_flip_left_right(image), 0.1), label

    dataset = texts.map(decode).map(scale)
    if params.is_training:
        dataset = dataset.shuffle(params.shuffle_buffer_size, seed=params.seed).repeat()
        dataset = dataset.map(augmented, num_parallel_calls=tf.data.AUTOTUNE)
    return dataset.batch(share_of(params, input_context), drop_remainder=params.drop_remainder)


def directory(is_training, batch_size, seed=None):
    """`image_dataset_from_directory`, one host only; scales in both roles."""
    split, count = ("train", 26) if is_training else ("validation", 11)
    dataset = tf.keras.utils.image_dataset_from_directory(
        files.image_folder(split, count), image_size=(8, 8), batch_size=None, shuffle=False, verbose=False
    )
    if is_training:
        dataset = dataset.shuffle(count, seed=seed).repeat()
    return dataset.batch(batch_size, drop_remainder=is_training).map(lambda image, label: (image / 255.0, label))


def directory_as_it_comes(is_training, batch_size, seed=None):
    """Left to `image_dataset_from_directory`: shuffles in evaluation, ends in training, scales in training only."""
    split, count = ("train", 26) if is_training else ("validation", 11)
    dataset = tf.keras.utils.image_dataset_from_directory(
        files.image_folder(split, count), image_size=(8, 8), batch_size=batch_size, seed=seed or 1, verbose=False
    )
    return dataset.map(lambda image, label: (image / 255.0, label)) if is_training else dataset


ARRAYS = np.stack([files.picture(number) for number in range(TRAIN + VALIDATION)])
CLASSES = np.arange(TRAIN + VALIDATION) % 5


def cached_then_shuffled(params, input_context=None):
    """In the manner of TensorFlow Datasets: dicts with an id, cached before the shuffle."""
    rows = slice(0, TRAIN) if params.is_training else slice(TRAIN, None)
    data = {"image": ARRAYS[rows], "label": CLASSES[rows], "tfds_id": np.arange(TRAIN + VALIDATION)[rows]}
    dataset = tf.data.Dataset.from_tensor_slices(data)
    if input_context:
        dataset = dataset.shard(input_context.num_input_pipelines, input_context.input_pipeline_id)
    dataset = dataset.map(lambda row: {**row, "image": tf.cast(row["image"], tf.float32) / 255.0}).cache()
    if params.is_training:
        dataset = dataset.shuffle(TRAIN, seed=params.seed).repeat()
    return dataset.batch(share_of(params, input_context), drop_remainder=params.drop_remainder)


def shuffled_then_cached(params, input_context=None):
    """The cache keeps the order of the first epoch for ever."""
    rows = slice(0, TRAIN) if params.is_training else slice(TRAIN, None)
    dataset = tf.data.Dataset.from_tensor_slices((ARRAYS[rows], CLASSES[rows]))
    if input_context:
        dataset = dataset.shard(input_context.num_input_pipelines, input_context.input_pipeline_id)
    if params.is_training:
        dataset = dataset.shuffle(TRAIN, seed=params.seed)
    dataset = dataset.map(scale).cache()
    dataset = dataset.repeat() if params.is_training else dataset
    return dataset.batch(share_of(params, input_context), drop_remainder=params.drop_remainder)


def batched_then_repeated(params, input_context=None):
    """Keeps the partial batch of each epoch although full batches are declared, and drops it in evaluation."""
    rows = slice(0, TRAIN) if params.is_training else slice(TRAIN, None)
    dataset = tf.data.Dataset.from_tensor_slices((ARRAYS[rows], CLASSES[rows]))
    if input_context:
        dataset = dataset.shard(input_context.num_input_pipelines, input_context.input_pipeline_id)
    if params.is_training:
        dataset = dataset.shuffle(TRAIN, seed=params.seed)
    dataset = dataset.map(scale).batch(share_of(params, input_context), drop_remainder=not params.is_training)
    return dataset.repeat() if params.is_training else dataset
