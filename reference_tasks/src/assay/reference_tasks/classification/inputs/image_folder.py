"""Reads labelled images from a folder that has one folder for each class."""

from collections.abc import Sequence

import tensorflow as tf
from assay.reference_tasks.classification.inputs.record import LABEL
from assay.reference_tasks.vision.inputs.decoding import decode_records
from assay.reference_tasks.vision.inputs.paths import InputFilesError, split_path
from assay.reference_tasks.vision.inputs.pixel_codecs import ImageCodec, file_part
from assay.reference_tasks.vision.inputs.reader import IMAGE, SOURCE, WHOLE, Shard

EXTENSIONS = (".jpg", ".jpeg", ".png", ".gif", ".bmp")


class ImageFolderReader:
    """Images of `root/<class>/<image>`, for example `photos/cat/1.jpg`; the class ids are those of the sorted names.

    Folders inside a class folder are searched too. Files with other extensions than `EXTENSIONS`, and files and
    folders whose names begin with a dot, are left out.

    Args:
        input_path: The root, or several (a list, or separated by commas) that have the same class folders.
        channels: Channels of the decoded images.

    Raises:
        InputFilesError: There is no such folder, it has no class folder, or the roots have different ones.

    Attributes:
        class_names: The names of the class folders, by class id.
    """

    def __init__(self, input_path: str | Sequence[str], *, channels: int = 3) -> None:
        self._channels = channels
        self._paths: list[str] = []
        self._labels: list[int] = []
        self.class_names: list[str] = []
        for root in split_path(input_path):
            names = _class_folders(root)
            if self.class_names and names != self.class_names:
                raise InputFilesError(
                    f"`input_path`: the class folders of {root!r} ({names}) are not those of the folder before it "
                    f"({self.class_names}); their ids would not mean the same."
                )
            self.class_names = names
            for label, name in enumerate(names):
                images = _images_in(tf.io.gfile.join(root, name))
                self._paths.extend(images)
                self._labels.extend([label] * len(images))
        if not self._paths:
            raise InputFilesError(f"`input_path`: no image ({', '.join(EXTENSIONS)}) in the folders of {input_path!r}.")

    @property
    def num_units(self) -> int:
        """The number of images."""
        return len(self._paths)

    def records(self, shard: Shard = WHOLE, *, seed: int | None = None) -> tf.data.Dataset:
        """Return the paths and labels of a shard, class by class; with a seed in random order."""
        paths, labels = self._paths[shard.index :: shard.count], self._labels[shard.index :: shard.count]
        images = tf.data.Dataset.from_tensor_slices({SOURCE: paths, LABEL: tf.constant(labels, tf.int64)})
        return images if seed is None else images.shuffle(len(paths), seed=seed, reshuffle_each_iteration=True)

    def decode(self, records: tf.data.Dataset) -> tf.data.Dataset:
        """Read and decode files; see `Reader.decode`."""
        keep = {SOURCE: "", LABEL: tf.constant(0, tf.int64)}
        return decode_records(records, file_part(IMAGE, SOURCE, ImageCodec(self._channels), keep=keep))


def _class_folders(root: str) -> list[str]:
    if not tf.io.gfile.isdir(root):
        raise InputFilesError(
            f"`input_path`: {root!r} is no folder. An image folder has one folder for each class, with images in it."
        )
    entries = (entry.rstrip("/") for entry in tf.io.gfile.listdir(root))
    names = sorted(
        entry for entry in entries if not entry.startswith(".") and tf.io.gfile.isdir(tf.io.gfile.join(root, entry))
    )
    if not names:
        raise InputFilesError(
            f"`input_path`: {root!r} has no folder in it. An image folder has one folder for each class."
        )
    return names


def _images_in(folder: str) -> list[str]:
    return sorted(
        tf.io.gfile.join(where, file)
        for where, _, files in tf.io.gfile.walk(folder)
        for file in files
        if file.lower().endswith(EXTENSIONS) and not file.startswith(".")
    )
