"""Small data whose examples can be told apart: example i is an image of constant value i, labelled i modulo 10."""

from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from assay.reference_tasks.classification.config import ImageDataConfig

SIDE = 4


def _example(number, **changes):
    image = np.full([SIDE, SIDE, 1], number, np.uint8)
    values = {"image/encoded": tf.io.encode_png(image).numpy(), "image/class/label": number % 10} | changes
    example = tf.train.Example()
    for key, value in values.items():
        if value is not None:
            feature = example.features.feature[key]
            (feature.bytes_list if isinstance(value, bytes) else feature.int64_list).value.append(value)
    return example.SerializeToString(deterministic=True)


@pytest.fixture(scope="session")
def make_example():
    """Return a function from a number, and changed features by key (None removes one), to a serialized example."""
    return lambda number, changes=None: _example(number, **(changes or {}))


@pytest.fixture
def write_records(tmp_path, make_example):
    """Return a function that writes lists of records (numbers become examples) to files, and returns their glob."""

    def write(*files, compression=""):
        for index, records in enumerate(files):
            path = tmp_path / f"data-{index:05d}-of-{len(files):05d}.tfrecord"
            with tf.io.TFRecordWriter(str(path), compression) as writer:
                for record in records:
                    writer.write(record if isinstance(record, bytes) else make_example(record))
        return str(tmp_path / "data-*")

    return write


@pytest.fixture
def data_config():
    """Return a function that makes a configuration of such data, without augmentation, and pixels as they are."""

    def make(input_path, *, is_training=False, **changes):
        return ImageDataConfig(
            **{
                "input_path": str(input_path),
                "is_training": is_training,
                "global_batch_size": 4,
                "image_mean": (0.0,),
                "image_std": (1 / 255,),
                "center_crop_fraction": 1.0,
                "aug_crop": False,
                "aug_rand_hflip": False,
            }
            | changes
        )

    return make


@pytest.fixture(scope="session")
def numbers_of():
    """Return a function from `(images, labels)` batches to the numbers of their examples."""

    def numbers(batches):
        return [round(float(value)) for images, _ in batches for value in images[:, 0, 0, 0].numpy()]

    return numbers


@pytest.fixture(scope="session")
def repository():
    """The root of the repository."""
    return Path(__file__).resolve().parents[3]
