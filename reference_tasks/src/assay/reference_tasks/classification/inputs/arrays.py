"""Reads labelled images from arrays in memory."""

import importlib
import io
from collections.abc import Callable
from typing import Any

import numpy as np
import tensorflow as tf
from assay.reference_tasks.classification.inputs.record import LABEL
from assay.reference_tasks.vision.inputs.messages import sentence
from assay.reference_tasks.vision.inputs.paths import InputFilesError, split_path
from assay.reference_tasks.vision.inputs.reader import IMAGE, SOURCE, WHOLE, Record, Shard

NPZ_KEYS = ("images", "labels")
_NPZ = ".npz"


class ArraysReader:
    """Images and labels of two arrays.

    Args:
        images: uint8 `[examples, height, width, channels]`, or `[examples, height, width]` for one channel.
        labels: Integers `[examples]`.
        channels: Channels that the images must have; None takes them as they are.
        name: What to call the arrays in errors.

    Raises:
        ValueError: The arrays do not have these shapes and dtypes, or hold no example.
    """

    def __init__(
        self, images: np.ndarray, labels: np.ndarray, *, channels: int | None = None, name: str = "arrays"
    ) -> None:
        images, labels = np.asarray(images), np.asarray(labels)
        if images.ndim == 3:
            images = images[..., np.newaxis]
        _check(images, labels, channels, name)
        self._images = tf.constant(images)
        self._labels = tf.constant(labels.astype(np.int64))
        self._name = name

    @classmethod
    def load(cls, input_path: str, *, channels: int | None = None) -> "ArraysReader":
        """Make a reader of what `input_path` names.

        Args:
            input_path: The path of a `.npz` file with the arrays `images` and `labels`, or `package.module:function`,
                a function without arguments that returns the two.
            channels: Channels that the images must have.

        Raises:
            InputFilesError: There is no such file or function, or the file lacks an array.
            ValueError: As the constructor.
        """
        paths = split_path(input_path)
        if len(paths) != 1:
            raise InputFilesError(f"`input_path`: arrays are read from one source; received {paths}.")
        path = paths[0]
        images, labels = _load_npz(path) if path.endswith(_NPZ) else _import_function(path)()
        return cls(images, labels, channels=channels, name=path)

    @property
    def num_units(self) -> int:
        """The number of examples."""
        return int(self._labels.shape[0])

    def records(self, shard: Shard = WHOLE, *, seed: int | None = None) -> tf.data.Dataset:
        """Return the row numbers of a shard; see `Reader.records`."""
        rows = tf.data.Dataset.range(shard.index, self.num_units, shard.count)
        if seed is not None:
            rows = rows.shuffle(self.num_units, seed=seed, reshuffle_each_iteration=True)
        return rows.map(lambda row: {"row": row})

    def decode(self, records: tf.data.Dataset) -> tf.data.Dataset:
        """Take rows out of the arrays; see `Reader.decode`."""

        def decode(record: Record) -> Record:
            row = record["row"]
            source = sentence(self._name, ", row ", row)
            return {SOURCE: source, IMAGE: tf.gather(self._images, row), LABEL: tf.gather(self._labels, row)}

        return records.map(decode, num_parallel_calls=tf.data.AUTOTUNE)


def _check(images: np.ndarray, labels: np.ndarray, channels: int | None, name: str) -> None:
    if images.ndim != 4 or images.dtype != np.uint8:
        raise ValueError(
            f"{name}: `images` must be uint8 [examples, height, width, channels]; received {images.dtype} "
            f"{list(images.shape)}. Values in [0, 1] become uint8 by np.rint(images * 255).astype(np.uint8)."
        )
    if labels.shape != images.shape[:1] or not np.issubdtype(labels.dtype, np.integer):
        raise ValueError(
            f"{name}: `labels` must hold one integer for each of the {len(images)} images; received {labels.dtype} "
            f"{list(labels.shape)}. One-hot labels become integers by labels.argmax(axis=-1)."
        )
    if not len(images):
        raise ValueError(f"{name}: there is no example in the arrays.")
    if channels is not None and images.shape[-1] != channels:
        raise ValueError(f"{name}: expected images with {channels} channels; received {images.shape[-1]}.")


def _load_npz(path: str) -> tuple[np.ndarray, np.ndarray]:
    if not tf.io.gfile.exists(path):
        raise InputFilesError(f"`input_path`: there is no file {path!r}.")
    with tf.io.gfile.GFile(path, "rb") as file, np.load(io.BytesIO(file.read())) as arrays:
        missing = [key for key in NPZ_KEYS if key not in arrays]
        if missing:
            raise InputFilesError(f"{path}: has no array {missing[0]!r}; it has {sorted(arrays)}.")
        return arrays["images"], arrays["labels"]


def _import_function(path: str) -> Callable[[], Any]:
    module, colon, name = path.partition(":")
    if not colon:
        raise InputFilesError(
            f"`input_path`: expected a .npz file or package.module:function for arrays; received {path!r}."
        )
    try:
        function = getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError) as error:
        raise InputFilesError(f"`input_path`: {path!r} cannot be imported: {error}.") from error
    return function
