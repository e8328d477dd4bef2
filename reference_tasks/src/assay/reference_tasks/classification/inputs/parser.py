"""Turns a decoded record into what the model takes: an image of fixed size, and a class id."""

from collections.abc import Sequence

import tensorflow as tf
from assay.reference_tasks.classification.config import ImageDataConfig
from assay.reference_tasks.classification.inputs import augmentation
from assay.reference_tasks.classification.inputs.record import LABEL, LABEL_KEY
from assay.reference_tasks.vision.images.affine import moved, random_affine
from assay.reference_tasks.vision.images.normalization import normalize
from assay.reference_tasks.vision.inputs.messages import require, sentence
from assay.reference_tasks.vision.inputs.reader import IMAGE, SOURCE, Record


class Parser:
    """Crops, augments and normalises images, and checks labels.

    Args:
        params: What to do.
        input_size: Height, width and channels of the result.
        num_classes: Labels must be below it.
    """

    def __init__(self, params: ImageDataConfig, *, input_size: Sequence[int], num_classes: int) -> None:
        self._params = params
        self._size = list(input_size[:2])
        self._num_classes = num_classes

    def parse_train(self, record: Record, seed: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Return an augmented image and its label.

        Args:
            record: `source`, `image`, `label`.
            seed: int64 `[2]`; all that is random follows from it.

        Returns:
            `params.dtype` `[height, width, channels]` and int32 scalar.
        """
        params = self._params
        seeds = tf.random.experimental.stateless_split(seed, 3)
        if params.aug_crop:
            image = augmentation.random_resized_crop(
                record[IMAGE], self._size, seed=seeds[0], area_range=params.crop_area_range
            )
        else:
            image = augmentation.center_crop(record[IMAGE], self._size, fraction=params.center_crop_fraction)
        if params.aug_rand_hflip:
            image = augmentation.random_flip(image, seed=seeds[1])
        if params.aug_affine is not None:
            image = moved(image, random_affine(self._size, params.aug_affine, seed=seeds[2]))
        return self._normalized(image), self._checked_label(record)

    def parse_eval(self, record: Record) -> tuple[tf.Tensor, tf.Tensor]:
        """Return the middle of an image and its label; shapes and dtypes as `parse_train`."""
        image = augmentation.center_crop(record[IMAGE], self._size, fraction=self._params.center_crop_fraction)
        return self._normalized(image), self._checked_label(record)

    def _normalized(self, image: tf.Tensor) -> tf.Tensor:
        params = self._params
        return tf.cast(normalize(image, mean=params.image_mean, std=params.image_std), params.dtype)

    def _checked_label(self, record: Record) -> tf.Tensor:
        label = record[LABEL]
        check = require(
            tf.logical_and(label >= 0, label < self._num_classes),
            sentence(
                *(record[SOURCE], f": {LABEL_KEY} must be from 0 to {self._num_classes - 1}, as `model.num_classes` "),
                *(f"is {self._num_classes}; received ", label),
                ". -1 stands for a record without a label; labels that begin at 1 need one class more.",
            ),
        )
        with tf.control_dependencies([check]):
            return tf.cast(label, tf.int32)
