"""Data for the pipelines: small files of every sort, written once a process into a temporary folder."""

import atexit
import functools
import shutil
import tempfile
from pathlib import Path

import numpy as np
import tensorflow as tf

CLASSES = ("cats", "dogs", "owls")
WORDS = ["the", "a", "cat", "dog", "owl", "sees", "hears", "two", "three", "old", "young"]


@functools.cache
def folder():
    path = Path(tempfile.mkdtemp(prefix="pipelines-"))
    atexit.register(shutil.rmtree, path, ignore_errors=True)
    return path


def picture(number, side=8):
    return np.random.default_rng(number).integers(0, 256, size=(side, side, 3)).astype(np.uint8)


@functools.cache
def classification_records(split, files, count):
    """Write Model Garden's classification records; return their glob."""
    for index in range(files):
        name = f"{split}{count}-{index:05d}-of-{files:05d}.tfrecord"
        with tf.io.TFRecordWriter(str(folder() / name)) as writer:
            for number in range(index, count, files):
                example = tf.train.Example()
                feature = example.features.feature
                feature["image/encoded"].bytes_list.value.append(tf.io.encode_png(picture(number)).numpy())
                feature["image/class/label"].int64_list.value.append(number % len(CLASSES))
                writer.write(example.SerializeToString())
    return str(folder() / f"{split}{count}-*-of-{files:05d}.tfrecord")


@functools.cache
def image_folder(split, count):
    """Write a folder for each class, with PNG files; return the folder above them."""
    root = folder() / f"images-{split}"
    for number in range(count):
        place = root / CLASSES[number % len(CLASSES)]
        place.mkdir(parents=True, exist_ok=True)
        (place / f"{number:03d}.png").write_bytes(tf.io.encode_png(picture(number)).numpy())
    return str(root)


@functools.cache
def sentences(split, count):
    """Write a text file of `label<TAB>sentence`, of different lengths; return its path."""
    random = np.random.default_rng(7)
    path = folder() / f"{split}.tsv"
    rows = [f"{random.integers(2)}\t{' '.join(random.choice(WORDS, random.integers(2, 9)))}" for _ in range(count)]
    path.write_text("\n".join(rows) + "\n")
    return str(path)
