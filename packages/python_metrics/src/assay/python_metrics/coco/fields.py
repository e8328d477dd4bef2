"""Reads the fields of a batch: checks all of them, and takes the rows that count out of their padding."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from assay.python_metrics.coco.masks import MaskFormat, to_runs
from assay.python_metrics.coco.runs import Runs

SOURCE_ID = "source_id"
HEIGHT, WIDTH = "height", "width"
COUNT = "num_detections"
BOXES, CLASSES, AREAS, CROWDS = "boxes", "classes", "areas", "is_crowds"
FOUND_BOXES, FOUND_CLASSES, SCORES = "detection_boxes", "detection_classes", "detection_scores"
IMAGE_INFO = "image_info"
MASKS, FOUND_MASKS, OUTER_BOXES = "masks", "detection_masks", "detection_outer_boxes"
KEYPOINTS, FOUND_KEYPOINTS = "keypoints", "detection_keypoints"
ABSENT, NOT_EXHAUSTIVE = "neg_category_ids", "not_exhaustive_category_ids"

LARGEST_COORDINATE = 1e100  # pixels: areas, and sums of them, stay finite
LARGEST_WHOLE = 2**63 - 1025  # the largest float64 that int64 can hold

Fields = Mapping[str, np.ndarray]
ImageId = int | str
Columns = dict[str, np.ndarray]


@dataclass(frozen=True)
class Batch:
    """What a batch adds to the state; `row` of objects and detections is the index of their image in the batch.

    Attributes:
        ids: The ids of the images.
        sizes: `[batch, 2]` height and width of the images in pixels, int64; 0 where nothing depends on them.
        objects: Columns of the groundtruth objects: row, category, box (x, y, width, height), area, crowd; with
            keypoints points (x, y) and labelled. None when the groundtruth is in a file.
        detections: Columns of the detections: row, category, box, score; with keypoints points.
        object_masks: Masks of the objects; none of them when masks are not compared.
        found_masks: Masks of the detections, likewise.
        judged: Columns row, category and exhaustive: of which categories it is known that an image has none
            (exhaustive), or more than its objects. None when all categories are annotated in all images.
    """

    ids: list[ImageId]
    sizes: np.ndarray
    objects: Columns | None
    detections: Columns
    object_masks: Runs
    found_masks: Runs
    judged: Columns | None = None


class Side:
    """The fields of one side of a batch, and which of their slots are in use.

    Args:
        name: "groundtruths" or "predictions", for messages.
        fields: The fields, padded arrays `[batch, slots, ...]`; `num_detections` says how many slots are in use.
        slots: The field that says how many slots there are.

    Raises:
        ValueError: If the ids or counts cannot be used.
    """

    def __init__(self, name: str, fields: Fields, *, slots: str) -> None:
        self.name = name
        self.fields = fields
        self.ids = image_ids(fields[SOURCE_ID], f"{SOURCE_ID!r} of the {name}")
        shape = fields[slots].shape
        if len(shape) < 2 or shape[0] != len(self.ids):
            raise self.error(slots, f"shape [batch, slots, ...] with a batch of {len(self.ids)}", shape)
        self.slots = shape[1]
        counts = self.numbers(COUNT)
        if (counts < 0).any() or (name == "predictions" and (counts > self.slots).any()):
            raise self.error(COUNT, f"counts in [0, {self.slots}] (the slots of {slots!r})", counts.tolist())
        # An input pipeline that cuts objects down to its slots may count them before it does.
        self.counts = np.minimum(counts, self.slots)
        self.used = np.arange(self.slots) < self.counts[:, None]
        self.rows = np.repeat(np.arange(len(self.ids)), self.counts)

    def error(self, name: str, expected: str, received: object) -> ValueError:
        """Say what is wrong with a field."""
        return ValueError(f"The field {name!r} of the {self.name} needs {expected}. Received: {received}.")

    def numbers(self, name: str) -> np.ndarray:
        """A field with a whole number for each image, `[batch]` int64; `[batch, 1]` is taken too."""
        array = self.fields[name]
        if array.size != len(self.ids) or array.ndim not in (1, 2):
            raise self.error(name, f"shape [{len(self.ids)}], a number for each {SOURCE_ID!r}", array.shape)
        return self._whole(name, array.ravel())

    def values(self, name: str, *shape: int) -> np.ndarray:
        """The used slots of a field of real numbers, `[n, *shape]` float64, all finite."""
        values = self._slots(name, shape).astype(np.float64)
        if not np.isfinite(values).all():
            broken = self.rows[~np.isfinite(values.reshape(len(values), -1)).all(axis=1)]
            raise self.error(name, "finite numbers", f"NaN or infinity in image {self.ids[broken[0]]!r}")
        return values

    def classes(self, name: str) -> np.ndarray:
        """The used slots of a field of class ids, `[n]` int64."""
        return self._whole(name, self._slots(name, ()))

    def listed(self, name: str) -> tuple[np.ndarray, np.ndarray]:
        """The entries of a field `[batch, n]` of ids, padded with negative numbers.

        Returns:
            The row and the id of each entry, `[entries]` int64 both.
        """
        array = self.fields[name]
        if array.ndim != 2 or len(array) != len(self.ids):
            raise self.error(name, f"shape [{len(self.ids)}, n], padded with -1", list(array.shape))
        ids = self._whole(name, array) if array.size else array.astype(np.int64)
        rows, slots = np.nonzero(ids >= 0)
        return rows, ids[rows, slots]

    def flags(self, name: str) -> np.ndarray:
        """The used slots of a field of flags, `[n]` bool."""
        return self._whole(name, self._slots(name, ())).astype(bool)

    def boxes(self, name: str, scale: np.ndarray | None = None) -> np.ndarray:
        """The used slots of a field of boxes `ymin, xmin, ymax, xmax`, as `x, y, width, height`, `[n, 4]` float64.

        Args:
            name: Name of the field.
            scale: `[batch, 2]`: what the coordinates (y, x) of each image are divided by.
        """
        boxes = self.values(name, 4)
        if scale is not None:
            boxes /= np.tile(scale, 2)[self.rows]
        top, left, bottom, right = boxes.T
        made = np.stack([left, top, right - left, bottom - top], axis=1)
        if (np.abs(made) > LARGEST_COORDINATE).any():
            broken = self.rows[(np.abs(made) > LARGEST_COORDINATE).any(axis=1)]
            raise self.error(
                name, f"coordinates within {LARGEST_COORDINATE:g} pixels", f"more in image {self.ids[broken[0]]!r}"
            )
        return made

    def points(
        self, name: str, count: int, scale: np.ndarray | None = None, *, complete: bool = False
    ) -> tuple[np.ndarray, np.ndarray]:
        """The used slots of a field of keypoints `y, x`, and which of them there are.

        Args:
            name: Name of the field.
            count: How many keypoints each has.
            scale: `[batch, 2]`: what the coordinates (y, x) of each image are divided by.
            complete: Whether all must be finite.

        Returns:
            The points `x, y`, `[n, count, 2]` float64, zeros where there is none, and `[n, count]` bool. A point that
            is NaN, or at the origin, is none.
        """
        points = self.values(name, count, 2) if complete else self._slots(name, (count, 2)).astype(np.float64)
        there = np.isfinite(points).all(axis=2) & (points != 0).any(axis=2)
        points = np.where(there[..., None], points, 0.0)
        if scale is not None:
            points /= scale[self.rows][:, None]
        return points[..., ::-1], there

    def masks(self, name: str, sizes: np.ndarray, boxes: np.ndarray | None, mask_format: MaskFormat) -> Runs:
        """The used slots of a field of masks.

        Args:
            name: Name of the field.
            sizes: `[batch, 2]` height and width of the images.
            boxes: `[n, 4]` boxes of the used slots, when masks may be for their boxes.
            mask_format: What arrays are.
        """
        array = self.fields[name]
        if array.shape[:2] != self.used.shape:
            raise self.error(name, f"shape [{self.used.shape[0]}, {self.slots}, ...]", list(array.shape))
        try:
            return to_runs(array[self.used], sizes[self.rows], boxes, mask_format)
        except ValueError as error:
            raise ValueError(f"The field {name!r} of the {self.name} cannot be used: {error}") from error

    def sizes(self) -> np.ndarray:
        """Height and width of the images, `[batch, 2]` int64."""
        sizes = np.stack([self.numbers(HEIGHT), self.numbers(WIDTH)], axis=1)
        if (sizes < 1).any():
            raise self.error(HEIGHT, "positive sizes, as does 'width'", sizes.tolist())
        return sizes

    def scale(self) -> np.ndarray:
        """The scale (y, x) from the original image to the model's input, row 2 of `image_info`, `[batch, 2]`."""
        info = self.fields[IMAGE_INFO]
        if info.shape != (len(self.ids), 4, 2):
            raise self.error(IMAGE_INFO, f"shape [{len(self.ids)}, 4, 2]", info.shape)
        scale = info[:, 2].astype(np.float64)
        if not (np.isfinite(scale) & (scale > 0)).all():
            raise self.error(IMAGE_INFO, "positive scales in row 2", scale.tolist())
        return scale

    def _slots(self, name: str, shape: tuple[int, ...]) -> np.ndarray:
        array = self.fields[name]
        expected = (len(self.ids), self.slots, *shape)
        if array.size == 0 and self.used.size == 0:
            array = array.reshape(expected)
        if array.shape != expected:
            raise self.error(name, f"shape {list(expected)}", list(array.shape))
        if array.dtype.kind not in "biuf" and array.dtype.name != "bfloat16":
            raise self.error(name, "numbers", array.dtype)
        return array[self.used]

    def _whole(self, name: str, values: np.ndarray) -> np.ndarray:
        whole = values.dtype.kind in "biuf" and not (
            (values.dtype.kind == "f" and not (np.floor(values) == values).all())
            or (values.dtype.kind in "fu" and values.size and not np.abs(values).max() <= LARGEST_WHOLE)
        )
        if not whole:
            raise self.error(name, "whole numbers of 64 bits", f"{values.dtype}: {values.ravel()[:5].tolist()}")
        return values.astype(np.int64)


def image_ids(array: np.ndarray, what: str) -> list[ImageId]:
    """Read image ids: integers or text, `[batch]` or `[batch, 1]`.

    Raises:
        ValueError: If they are neither.
    """
    if array.ndim == 0 or array.size != array.shape[0]:
        raise ValueError(f"The field {what} needs shape [batch]. Received: {list(array.shape)}.")
    return [image_id(value, what) for value in array.ravel().tolist()]


def image_id(value: object, what: str) -> ImageId:
    """One image id as an int or a str; text may come as bytes."""
    if isinstance(value, bytes):
        return value.decode("utf-8", "surrogateescape")
    if isinstance(value, str) or (isinstance(value, int) and not isinstance(value, bool)):
        return value
    raise ValueError(f"The field {what} needs whole numbers or text. Received: {value!r}.")


def rows_by_id(wanted: Sequence[ImageId], received: Sequence[ImageId]) -> np.ndarray:
    """Which row of the groundtruths each row of the predictions belongs to, `[batch]`.

    Raises:
        ValueError: If the two sides are not about the same images.
    """
    if list(wanted) == list(received):
        return np.arange(len(wanted))
    row_of = {identity: row for row, identity in reversed(list(enumerate(wanted)))}
    if len(wanted) != len(received) or set(wanted) != set(received):
        raise ValueError(
            f"Groundtruths and predictions of a batch must have the same {SOURCE_ID!r}. Received: {list(wanted)} and "
            f"{list(received)}."
        )
    return np.array([row_of[identity] for identity in received])
