"""Images with boxes that an annotation file lists: the list, and the reader of it."""

import dataclasses
from collections.abc import Mapping

import numpy as np
import tensorflow as tf
from assay.python_metrics.coco import Runs
from assay.reference_tasks.vision.inputs.decoding import decode_records
from assay.reference_tasks.vision.inputs.detection import (
    AREA,
    BOXES,
    CLASSES,
    HEIGHT,
    IS_CROWD,
    MASKS_PNG,
    WIDTH,
)
from assay.reference_tasks.vision.inputs.paths import InputFilesError
from assay.reference_tasks.vision.inputs.pixel_codecs import ImageCodec, file_part
from assay.reference_tasks.vision.inputs.reader import IMAGE, SOURCE, WHOLE, Record, Shard
from assay.reference_tasks.vision.inputs.sizes import check_size
from assay.reference_tasks.vision.inputs.source_ids import SOURCE_ID

ROW = "row"


@dataclasses.dataclass(frozen=True, eq=False)
class AnnotatedImages:
    """Images and the objects in them, those of one image after those of the one before.

    Attributes:
        name: What lists them, for errors.
        paths: `[images]` image files.
        source_ids: `[images]` ids.
        sizes: `[images, 2]` int64, height and width.
        counts: `[images]` int64, the number of objects of each.
        boxes: `[objects, 4]` float64, ymin, xmin, ymax, xmax, in pixels.
        classes: `[objects]` int64, from 1.
        is_crowd: `[objects]` bool.
        areas: `[objects]` float64, square pixels.
        class_names: Name of each class.
        masks: `[objects]` masks, if they were asked for.
        left_out: Number of objects left out, by the reason.
    """

    name: str
    paths: list[str]
    source_ids: list[str]
    sizes: np.ndarray
    counts: np.ndarray
    boxes: np.ndarray
    classes: np.ndarray
    is_crowd: np.ndarray
    areas: np.ndarray
    class_names: Mapping[int, str]
    masks: Runs | None = None
    left_out: Mapping[str, int] = dataclasses.field(default_factory=dict)

    @property
    def first(self) -> np.ndarray:
        """`[images + 1]` int64, the number of the first object of each image, and of all objects."""
        return np.concatenate([[0], np.cumsum(self.counts)])

    def check_classes(self, num_classes: int | None) -> None:
        """Refuse class ids beyond a number of classes.

        Raises:
            InputFilesError: Naming the file, the image and the class.
        """
        if num_classes is None:
            return
        bad = np.flatnonzero(self.classes >= num_classes)
        if len(bad):
            image = int(np.searchsorted(self.first, bad[0], side="right")) - 1
            label = int(self.classes[bad[0]])
            raise InputFilesError(
                f"{self.name}: image {self.paths[image]!r} has an object of class {label} "
                f"({self.class_names.get(label, 'without a name')!r}), but ids must be below the number of classes, "
                f"{num_classes}, which counts the background, 0."
            )


class AnnotatedImageReader:
    """Reads the images of a list, with their objects: the record of `DetectionDecoder`.

    Args:
        images: The list.
        num_classes: Class ids must be below it; None lets all pass.

    Raises:
        InputFilesError: There is no image, or a class is beyond `num_classes`.
    """

    def __init__(self, images: AnnotatedImages, *, num_classes: int | None = None) -> None:
        if not images.paths:
            raise InputFilesError(f"{images.name}: lists no image.")
        images.check_classes(num_classes)
        self.images = images
        self._first = tf.constant(images.first, tf.int64)
        self._per_image = {
            SOURCE: tf.constant(images.paths),
            SOURCE_ID: tf.constant(images.source_ids),
            HEIGHT: tf.constant(images.sizes[:, 0], tf.int64),
            WIDTH: tf.constant(images.sizes[:, 1], tf.int64),
        }
        sides = np.tile(images.sizes.repeat(images.counts, axis=0), 2).reshape([-1, 4])
        self._per_object = {
            BOXES: tf.constant(images.boxes / sides, tf.float32),
            CLASSES: tf.constant(images.classes, tf.int64),
            IS_CROWD: tf.constant(images.is_crowd, tf.bool),
            AREA: tf.constant(images.areas, tf.float32),
        }
        self._masks = None if images.masks is None else _Masks(images.masks)

    @property
    def num_units(self) -> int:
        """The number of images."""
        return len(self.images.paths)

    def records(self, shard: Shard = WHOLE, *, seed: int | None = None) -> tf.data.Dataset:
        """Return the row numbers of a shard's images; see `Reader.records`."""
        rows = tf.data.Dataset.range(shard.index, self.num_units, shard.count)
        if seed is not None:
            rows = rows.shuffle(self.num_units, seed=seed, reshuffle_each_iteration=True)
        return rows.map(lambda row: {ROW: row, SOURCE: tf.gather(self._per_image[SOURCE], row)})

    def decode(self, records: tf.data.Dataset) -> tf.data.Dataset:
        """Read and decode the image files, and take their objects out of the list; see `Reader.decode`."""
        keep = {SOURCE: "", ROW: tf.constant(0, tf.int64)}
        images = decode_records(records, file_part(IMAGE, SOURCE, ImageCodec(3), keep=keep))
        return images.map(self._with_objects, num_parallel_calls=tf.data.AUTOTUNE)

    def _with_objects(self, record: Record) -> Record:
        row = record[ROW]
        first, end = self._first[row], self._first[row + 1]
        image = {key: tf.gather(values, row) for key, values in self._per_image.items()}
        objects = {key: values[first:end] for key, values in self._per_object.items()}
        if self._masks is not None:
            objects[MASKS_PNG] = self._masks.encode(first, end, height=image[HEIGHT], width=image[WIDTH])
        check = check_size(
            image[SOURCE], record[IMAGE], height=image[HEIGHT], width=image[WIDTH], keys=("height", "width")
        )
        with tf.control_dependencies([check]):
            return {**image, IMAGE: tf.identity(record[IMAGE]), **objects}


class _Masks:
    """Masks as runs of pixels, drawn in a graph when they are needed."""

    def __init__(self, masks: Runs) -> None:
        self._first = tf.constant(np.concatenate([[0], np.cumsum(masks.counts)]), tf.int64)
        self._start = tf.constant(masks.start, tf.int64)
        self._length = tf.constant(masks.length, tf.int64)

    def encode(self, first: tf.Tensor, end: tf.Tensor, *, height: tf.Tensor, width: tf.Tensor) -> tf.Tensor:
        """Return PNG files, `[end - first]`, of masks of one image, 1 for the object."""

        def encode_one(number: tf.Tensor) -> tf.Tensor:
            runs = slice(self._first[number], self._first[number + 1])
            start, length = self._start[runs], self._length[runs]
            places = tf.concat([start, start + length], 0)[:, tf.newaxis]
            steps = tf.concat([tf.ones_like(start), -tf.ones_like(start)], 0)
            pixels = tf.cumsum(tf.scatter_nd(places, steps, [height * width + 1]))[:-1]
            columns = tf.reshape(tf.cast(pixels, tf.uint8), tf.stack([width, height]))
            return tf.io.encode_png(tf.transpose(columns)[..., tf.newaxis])

        return tf.map_fn(encode_one, tf.range(first, end), fn_output_signature=tf.string)
