"""Turns a decoded record into what the model takes and the targets of its losses."""

from collections.abc import Sequence
from typing import Any

import tensorflow as tf
from assay.reference_tasks.retinanet.config import DetectionDataConfig
from assay.reference_tasks.retinanet.labeler import AnchorLabeler
from assay.reference_tasks.vision import boxes as box_ops
from assay.reference_tasks.vision.images.geometry import mirrored, place_image, placement, random_flip
from assay.reference_tasks.vision.images.normalization import FULL_RANGE, normalize
from assay.reference_tasks.vision.images.photometric import distort_light
from assay.reference_tasks.vision.inputs import Record
from assay.reference_tasks.vision.inputs.detection import AREA, BOXES, CLASSES, HEIGHT, IS_CROWD, WIDTH
from assay.reference_tasks.vision.inputs.reader import IMAGE
from assay.reference_tasks.vision.inputs.source_ids import SOURCE_ID, numeric_source_id

IMAGE_INFO = "image_info"
GROUNDTRUTHS = "groundtruths"
PADDING = -1
"""What groundtruth boxes, classes and areas hold behind the last object."""


class Parser:
    """Places and augments images and their boxes, and assigns objects to anchors.

    Args:
        params: What to do.
        input_size: Height, width and channels of the model's input.
        labeler: Makes the targets.
        attributes: Names of the attributes that objects have.
    """

    def __init__(
        self,
        params: DetectionDataConfig,
        *,
        input_size: Sequence[int],
        labeler: AnchorLabeler,
        attributes: Sequence[str] = (),
    ) -> None:
        self._params = params
        self._size = list(input_size[:2])
        self._labeler = labeler
        self._attributes = tuple(attributes)

    def parse_train(self, record: Record, seed: tf.Tensor) -> tuple[tf.Tensor, dict[str, Any]]:
        """Return an augmented image and its targets.

        Args:
            record: What the decoder returns: `image` uint8 `[height, width, channels]`, and of each object
                `groundtruth_boxes` (yxyx, normalised), `groundtruth_classes`, `groundtruth_is_crowd` and, when there
                are attributes, `groundtruth_attributes` by name.
            seed: int64 `[2]`; all that is random follows from it.

        Returns:
            The image, `params.dtype` `[height, width, channels]`, and a dict of what `AnchorLabeler.label` returns and
            `image_info` (see `vision.images.geometry`).
        """
        params = self._params
        seeds = tf.random.experimental.stateless_split(seed, 3)
        image, boxes = record[IMAGE], record[BOXES]
        if params.aug_photometric is not None:
            image = distort_light(image, params.aug_photometric, seed=seeds[2])
        if params.aug_rand_hflip:
            flip = random_flip(seeds[0])
            image, boxes = mirrored(image, flip), box_ops.mirrored(boxes, flip)
        image_info = placement(
            tf.shape(image)[:2],
            self._size,
            scale_range=(params.aug_scale_min, params.aug_scale_max),
            seed=seeds[1],
            keep_aspect_ratio=params.keep_aspect_ratio,
        )
        return self._image(image, image_info), self._labels(record, boxes, image_info)

    def parse_eval(self, record: Record) -> tuple[tf.Tensor, dict[str, Any]]:
        """Return an image and its targets, with what an evaluation compares detections to.

        Args:
            record: As in `parse_train`, with `source_id`, `height`, `width` and `groundtruth_area` (pixels squared).

        Returns:
            As `parse_train`, and in the labels `groundtruths`: `source_id` int64, `height`, `width`, `num_detections`
            int32, `image_info`, and padded to `max_num_instances` `boxes` (float32, yxyx pixels of the original image),
            `classes`, `is_crowds` (int32) and `areas` (float32). An id that is no number is hashed to one.
        """
        image, boxes = record[IMAGE], record[BOXES]
        image_info = placement(tf.shape(image)[:2], self._size, keep_aspect_ratio=self._params.keep_aspect_ratio)
        labels = self._labels(record, boxes, image_info)
        labels[GROUNDTRUTHS] = self._groundtruths(record, image_info)
        return self._image(image, image_info), labels

    def _image(self, image: tf.Tensor, image_info: tf.Tensor) -> tf.Tensor:
        """Place and normalise an image; what it does not fill has the mean colour, 0."""
        mean, std = self._params.image_mean, self._params.image_std
        placed = place_image(image, image_info, self._size, fill=[FULL_RANGE * value for value in mean])
        return tf.cast(normalize(placed, mean=mean, std=std), self._params.dtype)

    def _labels(self, record: Record, boxes: tf.Tensor, image_info: tf.Tensor) -> dict[str, Any]:
        boxes, is_crowd = box_ops.placed(boxes, image_info), record[IS_CROWD]
        visible = box_ops.is_not_empty(boxes)
        objects = tf.logical_and(visible, tf.logical_not(is_crowd))
        attributes = {
            name: tf.boolean_mask(record["groundtruth_attributes"][name], objects) for name in self._attributes
        }
        labels = self._labeler.label(
            tf.boolean_mask(boxes, objects),
            tf.boolean_mask(record[CLASSES], objects),
            crowds=tf.boolean_mask(boxes, tf.logical_and(visible, is_crowd)),
            attributes=attributes,
        )
        return labels | {IMAGE_INFO: image_info}

    def _groundtruths(self, record: Record, image_info: tf.Tensor) -> dict[str, tf.Tensor]:
        limit = self._params.max_num_instances
        height, width = (tf.cast(record[side], tf.float32) for side in (HEIGHT, WIDTH))

        def padded(values: tf.Tensor, dtype: tf.DType, fill: int = PADDING) -> tf.Tensor:
            values = tf.cast(values[:limit], dtype)
            amounts = [[0, limit - tf.shape(values)[0]]] + [[0, 0]] * (values.shape.rank - 1)
            return tf.ensure_shape(
                tf.pad(values, amounts, constant_values=tf.cast(fill, dtype)), [limit, *values.shape[1:]]
            )

        return {
            "source_id": numeric_source_id(record[SOURCE_ID]),
            "height": tf.cast(record[HEIGHT], tf.int32),
            "width": tf.cast(record[WIDTH], tf.int32),
            "num_detections": tf.minimum(tf.shape(record[CLASSES])[0], limit),
            "image_info": image_info,
            "boxes": padded(record[BOXES] * tf.stack([height, width, height, width]), tf.float32),
            "classes": padded(record[CLASSES], tf.int32),
            "areas": padded(record[AREA], tf.float32),
            "is_crowds": padded(record[IS_CROWD], tf.int32, fill=0),
        }
