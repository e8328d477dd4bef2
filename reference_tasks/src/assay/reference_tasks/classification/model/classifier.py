"""A classifier: a backbone, global average pooling, dropout, and one dense layer."""

from typing import Any

import tensorflow as tf

HEAD_STDDEV = 0.01
"""Of the dense layer's initial kernel; Goyal et al. 2017, section 5.1."""


class Classifier(tf.keras.Model):
    """A functional model from images to logits that names its parts for checkpoints.

    Made by `build_classifier`.
    """

    @property
    def backbone(self) -> Any:
        """The model below the head."""
        return self.get_layer("backbone")

    @property
    def checkpoint_items(self) -> dict[str, Any]:
        """The parts that a checkpoint holds under names of their own, and that can be loaded alone."""
        return {"backbone": self.backbone}


def build_classifier(
    backbone: Any, num_classes: int, *, dropout_rate: float = 0.0, kernel_regularizer: Any = None
) -> Classifier:
    """Put a head on a backbone.

    Args:
        backbone: A Keras model named `backbone`, from images to a dict of feature maps whose last one is used.
        num_classes: Number of logits.
        dropout_rate: Share of the pooled features dropped in training.
        kernel_regularizer: Regulariser of the dense layer's kernel.

    Returns:
        A Keras model from images `[batch, height, width, channels]` to logits `[batch, num_classes]`, float32 under
        any mixed precision.
    """
    inputs = tf.keras.Input(backbone.input_shape[1:], name="images")
    features = list(backbone(inputs).values())[-1]
    x = tf.keras.layers.GlobalAveragePooling2D(name="pool")(features)
    if dropout_rate:
        x = tf.keras.layers.Dropout(dropout_rate, name="dropout")(x)
    logits = tf.keras.layers.Dense(
        num_classes,
        kernel_initializer=tf.keras.initializers.RandomNormal(stddev=HEAD_STDDEV),
        kernel_regularizer=kernel_regularizer,
        dtype="float32",
        name="logits",
    )(x)
    return Classifier(inputs, logits, name="classifier")
