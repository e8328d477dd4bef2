"""A head that tells, from logits, how good the mask of each class is."""

from typing import Any

import tensorflow as tf
from assay.reference_tasks.segmentation.model.config import MaskScoringHeadConfig
from assay.reference_tasks.vision.layers import LayerOptions, convolution

SCORE_STDDEV = 0.01


@tf.keras.utils.register_keras_serializable(package="assay")
class StopGradient(tf.keras.layers.Layer):
    """Passes its input on, and no gradient back."""

    def call(self, inputs: Any) -> Any:
        """Return the input."""
        return tf.stop_gradient(inputs)


def build_mask_scoring_head(
    logits_shape: Any, config: MaskScoringHeadConfig, *, num_classes: int, options: LayerOptions
) -> Any:
    """Build the head. The logits learn nothing from it.

    Args:
        logits_shape: Shape of the logits without the batch: height, width, classes.
        config: What to build.
        num_classes: Number of scores.
        options: What all layers share.

    Returns:
        A Keras model from logits `[batch, h, w, num_classes]` to the predicted intersection over union of the mask of
        each class, float32 `[batch, num_classes]`, not clipped to [0, 1].

    References:
        Huang et al., "Mask Scoring R-CNN", 2019.
    """
    inputs = tf.keras.Input(tuple(logits_shape), name="logits")
    x = StopGradient(name="stop_gradient")(inputs)
    for number in range(config.num_convs):
        x = convolution(x, config.num_filters, 3, 1, options, f"conv{number}")
    x = tf.keras.layers.Resizing(*config.fc_input_size, interpolation="bilinear", name="resize")(x)
    x = tf.keras.layers.Flatten(name="flatten")(x)
    for number in range(config.num_fcs):
        x = tf.keras.layers.Dense(
            config.fc_dims, kernel_initializer="he_normal", kernel_regularizer=options.regularizer(), name=f"fc{number}"
        )(x)
        x = tf.keras.layers.Activation(options.activation, name=f"fc{number}_activation")(x)
    scores = tf.keras.layers.Dense(
        num_classes,
        kernel_initializer=tf.keras.initializers.RandomNormal(stddev=SCORE_STDDEV),
        kernel_regularizer=options.regularizer(),
        dtype="float32",
        name="scores",
    )(x)
    return tf.keras.Model(inputs, scores, name="mask_scoring_head")
