"""Pictures of an evaluation: an image, its label map and the predicted one, side by side."""

from collections.abc import Sequence

import numpy as np
import tensorflow as tf
from assay.losses import mask_scores
from assay.reference_tasks.vision.images.most_wrong import MostWrong, lowest
from assay.reference_tasks.vision.images.normalization import displayed

LONGEST_SIDE = 512
"""Pictures of larger images show every second, third, ... pixel, so that few bytes leave the device."""


def palette() -> np.ndarray:
    """Return the colours of Pascal VOC: uint8 `[256, 3]`, black for class 0, cream for the ignored 255.

    References:
        Everingham et al., "The Pascal Visual Object Classes Challenge: A Retrospective", 2015 (development kit).
    """
    ids = np.arange(256)
    colours = np.zeros([256, 3], np.uint8)
    for bit in range(8):
        for channel in range(3):
            colours[:, channel] |= (((ids >> (3 * bit + channel)) & 1) << (7 - bit)).astype(np.uint8)
    return colours


def most_wrong_of(
    images: tf.Tensor,
    masks: tf.Tensor,
    logits: tf.Tensor,
    *,
    count: int,
    ignore_label: int,
    mean: Sequence[float],
    std: Sequence[float],
) -> MostWrong:
    """Draw the images of a batch that the model is most wrong about; runs inside the validation step.

    The score of an image is the mean intersection over union of the classes that occur in it.

    Args:
        images: `[batch, height, width, 3]`, normalised.
        masks: Integers `[batch, height, width, 1]`.
        logits: float32 `[batch, height, width, num_classes]`.
        count: The most images to draw; a smaller batch gives all of its own.
        ignore_label: Label of pixels that count nowhere; in the predicted map, too, they have its colour.
        mean: Mean that the images were normalised with.
        std: Standard deviation likewise.

    Returns:
        Scores `[n]` float32 and pictures `[n, height, 3 * width, 3]` uint8, smaller by a whole factor where a side is
        longer than `LONGEST_SIDE`.
    """
    overlaps, occurs = mask_scores(masks, logits, ignore_label=ignore_label)
    scores = tf.math.divide_no_nan(
        tf.reduce_sum(overlaps, axis=-1), tf.reduce_sum(tf.cast(occurs, tf.float32), axis=-1)
    )
    # An image of which every pixel is ignored has nothing wrong.
    scores, indices = lowest(tf.where(tf.reduce_any(occurs, axis=-1), scores, 1.0), count=count)

    step = -(-max(images.shape[1:3]) // LONGEST_SIDE)
    images, masks, logits = (tf.gather(each, indices)[:, ::step, ::step] for each in (images, masks, logits))
    truth = tf.cast(masks[..., 0], tf.int32)
    predicted = tf.where(tf.equal(truth, ignore_label), truth, tf.argmax(logits, axis=-1, output_type=tf.int32))
    colours = palette()
    panels = [displayed(images, mean=mean, std=std)]
    panels += [tf.gather(colours, ids % len(colours)) for ids in (truth, predicted)]
    return MostWrong(scores, tf.concat(panels, axis=2))
