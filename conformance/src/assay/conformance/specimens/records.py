"""TFRecord files for specimens: small images with boxes, written once a process into a temporary folder."""

from __future__ import annotations

import atexit
import functools
import shutil
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from assay.conformance.lazy import tf

DETECTION_SIDE = 16
MOST_OBJECTS = 4
SIZES = ((12, 16), (20, 10), (16, 16), (8, 14))
FILES = {"train-00000-of-00002": 5, "train-00001-of-00002": 6, "validation-00000-of-00001": 7}
"""How many records each file has."""


@functools.cache
def detection_files() -> str:
    """Return the folder with `train-*.tfrecord` and `validation-*.tfrecord`, with the feature keys of Model Garden."""
    folder = tempfile.mkdtemp(prefix="detection-specimen-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    number = 0
    for name, count in FILES.items():
        with tf.io.TFRecordWriter(str(Path(folder) / f"{name}.tfrecord")) as writer:
            for _ in range(count):
                writer.write(detection_record(number).SerializeToString())
                number += 1
    return folder


def detection_record(number: int) -> Any:
    """Return a `tf.train.Example`: an image of one of four sizes with one to three boxes."""
    random = np.random.default_rng(number)
    height, width = SIZES[number % len(SIZES)]
    count = 1 + number % (MOST_OBJECTS - 1)
    starts, lengths = random.uniform(0.0, 0.5, size=(count, 2)), random.uniform(0.2, 0.45, size=(count, 2))
    boxes = np.concatenate([starts, starts + lengths], axis=-1)
    image = random.integers(0, 256, size=(height, width, 3)).astype(np.uint8)
    example = tf.train.Example()
    feature = example.features.feature
    feature["image/encoded"].bytes_list.value.append(tf.io.encode_png(image).numpy())
    feature["image/source_id"].bytes_list.value.append(str(100 + number).encode())
    feature["image/height"].int64_list.value.append(height)
    feature["image/width"].int64_list.value.append(width)
    for column, edge in enumerate(("ymin", "xmin", "ymax", "xmax")):
        feature[f"image/object/bbox/{edge}"].float_list.value.extend(boxes[:, column])
    feature["image/object/class/label"].int64_list.value.extend(random.integers(1, 4, size=count).tolist())
    return example
