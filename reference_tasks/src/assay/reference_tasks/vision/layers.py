"""What all layers of a network share, and the convolution that they are made of."""

import dataclasses
from typing import Any

import tensorflow as tf


@dataclasses.dataclass(frozen=True)
class LayerOptions:
    """What all layers of a network share.

    Attributes:
        activation: Name of a Keras activation.
        norm_momentum: Share of the old moving statistics in the new ones, each step.
        norm_epsilon: Added to the variance.
        use_sync_bn: Whether batch statistics are taken over all replicas.
        l2_weight_decay: The loss contains `l2_weight_decay / 2 * sum(kernel ** 2)` for each kernel.
    """

    activation: str = "relu"
    norm_momentum: float = 0.99
    norm_epsilon: float = 0.001
    use_sync_bn: bool = False
    l2_weight_decay: float = 0.0

    def regularizer(self) -> Any:
        """Return a new kernel regulariser, None without weight decay."""
        # The half makes the gradient `l2_weight_decay * kernel`, as papers state it.
        return tf.keras.regularizers.L2(self.l2_weight_decay / 2) if self.l2_weight_decay else None


def convolution(
    x: Any,
    filters: int,
    kernel: int,
    stride: int,
    options: LayerOptions,
    name: str,
    *,
    dilation: int = 1,
    activate: bool = True,
    ends_block: bool = False,
) -> Any:
    """Add a convolution without bias and its normalisation, then the activation unless it comes after the sum.

    Args:
        x: Feature maps, a Keras tensor `[batch, height, width, channels]`.
        filters: Channels of the result.
        kernel: Side of the kernel.
        stride: Stride in both directions.
        options: What all layers share.
        name: Begins the names of the layers, which end in `_conv`, `_norm` and `_activation`.
        dilation: Distance of the positions that a kernel larger than 1 looks at; only with a stride of 1.
        activate: Whether the activation follows.
        ends_block: Whether this ends a residual block: its scale starts at 0, and the activation comes after the sum.

    Returns:
        Feature maps `[batch, height / stride, width / stride, filters]` (sides rounded up).
    """
    x = tf.keras.layers.Conv2D(
        filters,
        kernel,
        strides=stride,
        dilation_rate=dilation if kernel > 1 else 1,
        padding="same",
        use_bias=False,
        kernel_initializer="he_normal",
        kernel_regularizer=options.regularizer(),
        name=f"{name}_conv",
    )(x)
    x = tf.keras.layers.BatchNormalization(
        momentum=options.norm_momentum,
        epsilon=options.norm_epsilon,
        gamma_initializer="zeros" if ends_block else "ones",
        synchronized=options.use_sync_bn,
        name=f"{name}_norm",
    )(x)
    if activate and not ends_block:
        x = tf.keras.layers.Activation(options.activation, name=f"{name}_activation")(x)
    return x
