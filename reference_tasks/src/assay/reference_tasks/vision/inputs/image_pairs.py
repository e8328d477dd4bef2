"""Images and label maps in files of their own: the pairs, the reader of them, and folders of them."""

import dataclasses
from collections.abc import Mapping, Sequence

import tensorflow as tf
from assay.reference_tasks.vision.inputs.decoding import decode_records
from assay.reference_tasks.vision.inputs.label_files import load_class_names
from assay.reference_tasks.vision.inputs.messages import require, sentence
from assay.reference_tasks.vision.inputs.paths import InputFilesError, one_path
from assay.reference_tasks.vision.inputs.pixel_codecs import ImageCodec, LabelMapCodec, file_part
from assay.reference_tasks.vision.inputs.reader import IMAGE, SOURCE, WHOLE, Record, Shard
from assay.reference_tasks.vision.inputs.segmentation import IGNORE_LABEL, MASK, checked_segmentation
from assay.reference_tasks.vision.inputs.source_ids import SOURCE_ID

IMAGE_EXTENSIONS = (".jpg", ".jpeg", ".png", ".bmp")
LABEL_MAP_EXTENSION = ".png"

_MASK_PATH = "mask_path"


@dataclasses.dataclass(frozen=True)
class ImagePair:
    """An image and its label map.

    Attributes:
        source_id: The id of the image: its path in its folder, without what is common to all.
        image: Path of the image.
        label_map: Path of the label map.
    """

    source_id: str
    image: str
    label_map: str


def find_pairs(
    image_folder: str, label_map_folder: str, *, image_suffix: str = "", label_map_suffix: str = ""
) -> list[ImagePair]:
    """Find the images of a folder, and those in it, with their label maps: PNG files of the same names.

    Args:
        image_folder: The folder of the images, JPEG, PNG or BMP files; `package://` is resolved.
        label_map_folder: The folder of the label maps.
        image_suffix: What names of images end with before their extension; files with other names are left out.
        label_map_suffix: What names of label maps end with likewise.

    Returns:
        The pairs in the order of their ids.

    Raises:
        InputFilesError: There is no such folder, no image in it, or one has no label map, or a label map no image.
    """
    image_folder = one_path(image_folder, "`input_path`")
    label_map_folder = one_path(label_map_folder, "`label_map_folder`")
    images = _files(image_folder, "`input_path`", image_suffix, IMAGE_EXTENSIONS)
    label_maps = _files(label_map_folder, "`label_map_folder`", label_map_suffix, (LABEL_MAP_EXTENSION,))
    if not images:
        raise InputFilesError(
            f"`input_path`: no image in {image_folder!r} ends with {image_suffix}{{{','.join(IMAGE_EXTENSIONS)}}}."
        )
    for there, missing, what, where in (
        (images, label_maps, "label map", label_map_folder),
        (label_maps, images, "image", image_folder),
    ):
        alone = sorted(set(there) - set(missing))
        if alone:
            raise InputFilesError(
                f"{there[alone[0]]}: has no {what} of that name in {where!r}; so have {len(alone)} of {len(there)}. "
                "Names must be equal but for suffixes and extensions."
            )
    return [ImagePair(name, images[name], label_maps[name]) for name in sorted(images)]


class ImagePairReader:
    """Reads pairs of images and label maps: the record of `SegmentationDecoder`.

    Args:
        pairs: What to read.
        num_classes: Ids in label maps must be below it, but for `ignore_label`; None checks nothing.
        ignore_label: Label of pixels to ignore.
        class_names: The classes there are; another id in a label map is an error. None for any.

    Raises:
        InputFilesError: There is no pair, or there are more classes than `num_classes`.
    """

    def __init__(
        self,
        pairs: Sequence[ImagePair],
        *,
        num_classes: int | None = None,
        ignore_label: int = IGNORE_LABEL,
        class_names: Mapping[int, str] | None = None,
    ) -> None:
        if not pairs:
            raise InputFilesError("`input_path`: there is no image.")
        if class_names is not None and num_classes is not None and max(class_names) >= num_classes:
            raise InputFilesError(
                f"`label_file`: class {max(class_names)} ({class_names[max(class_names)]!r}) is beyond the number of "
                f"classes, {num_classes}."
            )
        self.pairs = list(pairs)
        self._num_classes = num_classes
        self._ignore_label = ignore_label
        self._allowed = None if class_names is None else sorted({*class_names, ignore_label})

    @property
    def num_units(self) -> int:
        """The number of images."""
        return len(self.pairs)

    def records(self, shard: Shard = WHOLE, *, seed: int | None = None) -> tf.data.Dataset:
        """Return the paths and ids of a shard, in order; with a seed in random order."""
        mine = self.pairs[shard.index :: shard.count]
        files = tf.data.Dataset.from_tensor_slices(
            {
                SOURCE: [pair.image for pair in mine],
                SOURCE_ID: [pair.source_id for pair in mine],
                _MASK_PATH: [pair.label_map for pair in mine],
            }
        )
        return files if seed is None else files.shuffle(len(mine), seed=seed, reshuffle_each_iteration=True)

    def decode(self, records: tf.data.Dataset) -> tf.data.Dataset:
        """Read and decode both files; see `Reader.decode`."""
        keep = {SOURCE: "", SOURCE_ID: "", _MASK_PATH: ""}
        images = file_part(IMAGE, SOURCE, ImageCodec(3), keep=keep)
        label_maps = file_part(MASK, _MASK_PATH, LabelMapCodec(), keep={})
        return decode_records(records, images, label_maps).map(self._checked, num_parallel_calls=tf.data.AUTOTUNE)

    def _checked(self, record: Record) -> Record:
        label_map = record.pop(_MASK_PATH)
        # An error is about the label map, so it is that file that is named.
        checked = checked_segmentation(
            {**record, SOURCE: label_map},
            key="the label map",
            num_classes=self._num_classes,
            ignore_label=self._ignore_label,
        )
        with tf.control_dependencies(self._check_names(label_map, record[MASK])):
            return {**checked, SOURCE: tf.identity(record[SOURCE])}

    def _check_names(self, label_map: tf.Tensor, mask: tf.Tensor) -> list[tf.Operation]:
        if self._allowed is None:
            return []
        ids = tf.unique(tf.reshape(mask, [-1])).y
        unknown = tf.boolean_mask(ids, tf.reduce_all(tf.not_equal(ids[:, tf.newaxis], self._allowed), axis=1))
        message = sentence(label_map, ": the class id ", tf.concat([unknown, [0]], 0)[0], " is not in the label file.")
        return [require(tf.equal(tf.size(unknown), 0), message)]


def load_image_folder(
    image_folder: str,
    label_map_folder: str,
    *,
    label_file: str = "",
    image_suffix: str = "",
    label_map_suffix: str = "",
    num_classes: int | None = None,
    ignore_label: int = IGNORE_LABEL,
) -> ImagePairReader:
    """Make a reader of a folder of images and one of label maps.

    Args:
        image_folder: See `find_pairs`.
        label_map_folder: Likewise.
        label_file: Names the classes, from 0 on; see `load_class_names`. Empty takes ids as they come.
        image_suffix: See `find_pairs`.
        label_map_suffix: Likewise.
        num_classes: See `ImagePairReader`.
        ignore_label: Likewise.

    Raises:
        InputFilesError: As `find_pairs`, `load_class_names` and `ImagePairReader`.
    """
    pairs = find_pairs(image_folder, label_map_folder, image_suffix=image_suffix, label_map_suffix=label_map_suffix)
    names = load_class_names(label_file) if label_file else None
    return ImagePairReader(pairs, num_classes=num_classes, ignore_label=ignore_label, class_names=names)


def _files(folder: str, option: str, suffix: str, extensions: Sequence[str]) -> dict[str, str]:
    """Return the paths of a folder's files, by what of their path in it is not suffix and extension."""
    if not tf.io.gfile.isdir(folder):
        raise InputFilesError(f"{option}: {folder!r} is no folder.")
    root = folder.rstrip("/") + "/"
    found: dict[str, str] = {}
    for where, _, files in tf.io.gfile.walk(folder):
        for file in files:
            stem, dot, extension = file.rpartition(".")
            if file.startswith(".") or (dot + extension).lower() not in extensions or not stem.endswith(suffix):
                continue
            path = tf.io.gfile.join(where, file)
            name = path.removeprefix(root)[: -len(suffix + dot + extension)]
            if name in found:
                raise InputFilesError(f"{option}: {found[name]} and {path} have the same name.")
            found[name] = path
    return found
