"""Turns a decoded record into what the model takes: an image and a label map of fixed size, and how they came about."""

from typing import Any

import tensorflow as tf
from assay.reference_tasks.segmentation.config import SegmentationDataConfig
from assay.reference_tasks.vision.images.affine import moved, moved_mask, random_affine
from assay.reference_tasks.vision.images.geometry import mirrored, place_image, place_mask, placement, random_flip
from assay.reference_tasks.vision.images.normalization import FULL_RANGE, normalize
from assay.reference_tasks.vision.images.photometric import distort_light
from assay.reference_tasks.vision.inputs.messages import require, sentence
from assay.reference_tasks.vision.inputs.reader import IMAGE, SOURCE, Record
from assay.reference_tasks.vision.inputs.segmentation import MASK

MASKS, VALID_MASKS, IMAGE_INFO = "masks", "valid_masks", "image_info"

Labels = dict[str, Any]


class Parser:
    """Scales, crops, pads, augments and normalises images, and does the same with their label maps.

    Labels are a dict of `masks` (int32 `[height, width, 1]`, class ids; padding has `params.ignore_label`),
    `valid_masks` (bool, the same shape: whether a pixel counts) and `image_info` (float32 `[4, 2]`, see
    `vision.images.geometry`). Padding of an image is 0 after normalisation.

    Args:
        params: What to do.
    """

    def __init__(self, params: SegmentationDataConfig) -> None:
        self._params = params
        self._padding = [mean * FULL_RANGE for mean in params.image_mean]

    def parse_train(self, record: Record, seed: tf.Tensor) -> tuple[tf.Tensor, Labels]:
        """Return an augmented image and its labels.

        Args:
            record: `source`, `image` and `mask`.
            seed: int64 `[2]`; all that is random follows from it.

        Returns:
            `params.dtype` `[height, width, 3]` of the size of `params.window`, and labels of that size.
        """
        params = self._params
        seeds = tf.random.experimental.stateless_split(seed, 4)
        image, mask = record[IMAGE], record[MASK]
        if params.aug_rand_hflip:
            flip = random_flip(seeds[0])
            image, mask = mirrored(image, flip), mirrored(mask, flip)
        if params.aug_photometric is not None:
            image = distort_light(image, params.aug_photometric, seed=seeds[1])
        if params.aug_affine is not None:
            transform = random_affine(tf.shape(image)[:2], params.aug_affine, seed=seeds[3])
            image = moved(image, transform, fill=self._padding)
            mask = moved_mask(mask, transform, fill=params.ignore_label)
        image_info = placement(
            tf.shape(image)[:2],
            params.output_size,
            window=params.window,
            scale_range=(params.aug_scale_min, params.aug_scale_max),
            seed=seeds[2],
            keep_aspect_ratio=params.preserve_aspect_ratio,
        )
        mask = place_mask(mask, image_info, params.window, fill=params.ignore_label)
        return self._placed(image, image_info), self._labels(mask, image_info)

    def parse_eval(self, record: Record) -> tuple[tf.Tensor, Labels]:
        """Return a whole image and its labels, without anything random.

        Returns:
            As `parse_train`; with `resize_eval_groundtruth` false, `masks` and `valid_masks` are of the size
            `groundtruth_padded_size`, with the original label map at the top left.
        """
        params = self._params
        image, mask = record[IMAGE], record[MASK]
        image_info = placement(tf.shape(image)[:2], params.output_size, keep_aspect_ratio=params.preserve_aspect_ratio)
        if params.resize_eval_groundtruth:
            mask = place_mask(mask, image_info, params.window, fill=params.ignore_label)
        else:
            mask = self._padded(mask, record[SOURCE])
        return self._placed(image, image_info), self._labels(mask, image_info)

    def _placed(self, image: tf.Tensor, image_info: tf.Tensor) -> tf.Tensor:
        params = self._params
        placed = place_image(image, image_info, params.window, fill=self._padding)
        return tf.cast(normalize(placed, mean=params.image_mean, std=params.image_std), params.dtype)

    def _padded(self, mask: tf.Tensor, source: tf.Tensor) -> tf.Tensor:
        size, room = tf.shape(mask)[:2], self._params.groundtruth_padded_size
        check = require(
            tf.reduce_all(size <= room),
            sentence(
                *(source, ": the label map is of ", size[0], " by ", size[1], " pixels, more than "),
                f"`groundtruth_padded_size`, {room[0]} by {room[1]}. It must be as large as the largest image.",
            ),
        )
        with tf.control_dependencies([check]):
            after = room - size
        padded = tf.pad(mask, [[0, after[0]], [0, after[1]], [0, 0]], constant_values=self._params.ignore_label)
        return tf.ensure_shape(padded, [*room, 1])

    def _labels(self, mask: tf.Tensor, image_info: tf.Tensor) -> Labels:
        return {
            MASKS: mask,
            VALID_MASKS: tf.not_equal(mask, self._params.ignore_label),
            IMAGE_INFO: image_info,
        }
