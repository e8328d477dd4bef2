"""Maps of several levels made one: low-level features joined, a pyramid added up, the scores of levels added up."""

from collections.abc import Mapping
from typing import Any

import tensorflow as tf
from assay.reference_tasks.vision.layers import LayerOptions, convolution
from assay.reference_tasks.vision.resizing import ResizeLike

SCORES_STDDEV = 0.01


def join_low_level(high: Any, low: Any, *, low_filters: int, options: LayerOptions) -> Any:
    """Bring a coarse map to the size of a fine one and join the two, the fine one with few channels.

    Args:
        high: The decoder's map, a Keras tensor `[batch, h, w, channels]`.
        low: The backbone's map, a Keras tensor `[batch, height, width, low_channels]`.
        low_filters: Channels that `low` is reduced to, so that it does not outweigh the other.
        options: What all layers share.

    Returns:
        Keras tensor `[batch, height, width, channels + low_filters]`.

    References:
        Chen et al., "Encoder-Decoder with Atrous Separable Convolution for Semantic Image Segmentation", 2018.
    """
    low = convolution(low, low_filters, 1, 1, options, "low_level")
    return tf.keras.layers.Concatenate(name="joined")([ResizeLike(name="high_level_resize")([high, low]), low])


def add_up_pyramid(pyramid: Mapping[str, Any], *, filters: int, options: LayerOptions) -> Any:
    """Bring all levels of a pyramid to the finest one, and add them up.

    A level passes through a 3x3 convolution for each step between it and the finest level (one for the finest level
    itself), and is made twice as large after each.

    Args:
        pyramid: Maps by level, Keras tensors `[batch, height, width, channels]`.
        filters: Channels of the convolutions.
        options: What all layers share.

    Returns:
        Keras tensor `[batch, height of the finest level, width, filters]`.

    References:
        Kirillov, Girshick, He, Dollar, "Panoptic Feature Pyramid Networks", 2019, section 3.
    """
    levels = sorted(pyramid, key=int)
    finest = pyramid[levels[0]]
    coarser = []
    for index, level in enumerate(levels[1:], start=1):
        x = pyramid[level]
        for finer in reversed(levels[1:index]):
            x = convolution(x, filters, 3, 1, options, f"level{level}_to{finer}")
            x = ResizeLike(name=f"level{level}_to{finer}_resize")([x, pyramid[finer]])
        coarser.append(convolution(x, filters, 3, 1, options, f"level{level}_to{levels[0]}"))
    total = convolution(finest, filters, 3, 1, options, f"level{levels[0]}")
    if not coarser:
        return total
    # Interpolation is linear: the last step, to the largest maps, is taken once, by the sum.
    x = tf.keras.layers.Add(name="coarser_added_up")(coarser) if len(coarser) > 1 else coarser[0]
    enlarged = ResizeLike(name=f"to{levels[0]}_resize")([x, finest])
    return tf.keras.layers.Add(name="added_up")([total, enlarged])


def add_up_scores(maps: Mapping[str, Any], *, num_classes: int, options: LayerOptions) -> Any:
    """Let each level score the classes by itself, and add the scores up, from the coarsest level to the finest.

    Args:
        maps: Maps by level, Keras tensors `[batch, height, width, channels]`.
        num_classes: Number of classes.
        options: What all layers share.

    Returns:
        Keras tensor of float32 `[batch, height of the finest level, width, num_classes]`.

    References:
        Long, Shelhamer, Darrell, "Fully Convolutional Networks for Semantic Segmentation", 2015, section 4.2.
    """
    total = None
    for level in sorted(maps, key=int, reverse=True):
        scores = scoring_convolution(maps[level], num_classes, options, f"scores{level}")
        if total is not None:
            enlarged = ResizeLike(dtype="float32", name=f"scores{level}_resize")([total, scores])
            scores = tf.keras.layers.Add(dtype="float32", name=f"scores{level}_added_up")([scores, enlarged])
        total = scores
    return total


def scoring_convolution(x: Any, filters: int, options: LayerOptions, name: str) -> Any:
    """Add a 1x1 convolution that makes scores of maps, in float32 and near 0 to begin with."""
    return tf.keras.layers.Conv2D(
        filters,
        1,
        kernel_initializer=tf.keras.initializers.RandomNormal(stddev=SCORES_STDDEV),
        kernel_regularizer=options.regularizer(),
        dtype="float32",
        name=name,
    )(x)
