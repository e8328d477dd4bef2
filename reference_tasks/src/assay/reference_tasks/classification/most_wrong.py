"""The images of a batch that the model is most wrong about: those whose label is least likely."""

import tensorflow as tf
from assay.reference_tasks.vision.images.most_wrong import MostWrong, lowest


def most_wrong_of(images: tf.Tensor, labels: tf.Tensor, probabilities: tf.Tensor, *, count: int) -> MostWrong:
    """Pick the images of a batch whose label is least likely; runs inside the validation step.

    Args:
        images: `[batch, height, width, channels]`.
        labels: Integers `[batch]`.
        probabilities: `[batch, num_classes]`.
        count: The most images to pick; a smaller batch gives all of its own.

    Returns:
        The images, as they are; their scores are the probabilities of their labels.
    """
    one_hot = tf.one_hot(labels, tf.shape(probabilities)[-1], dtype=probabilities.dtype)
    likelihoods, indices = lowest(tf.reduce_sum(one_hot * probabilities, axis=-1), count=count)
    return MostWrong(likelihoods, tf.gather(images, indices))
