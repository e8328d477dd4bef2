"""A feature pyramid: maps of equal depth at every level, each with the meaning of the coarse ones.

```python
backbone = build_resnet(18, (128, 128, 3))
pyramid = build_fpn(backbone.output, min_level=3, max_level=7, filters=256, options=LayerOptions())
```
"""

from collections.abc import Mapping
from typing import Any

import tensorflow as tf
from assay.reference_tasks.vision.layers import LayerOptions, convolution
from assay.reference_tasks.vision.resizing import TwiceAsLarge


def build_fpn(
    features: Mapping[str, Any], *, min_level: int, max_level: int, filters: int, options: LayerOptions
) -> dict[str, Any]:
    """Add a feature pyramid to the feature maps of a backbone.

    From the coarsest level of the backbone down, a level is the sum of a 1x1 convolution of the backbone's map and of
    the next coarser level, made twice as large by repetition; a 3x3 convolution and a normalisation follow. Levels
    beyond those of the backbone are 3x3 convolutions of stride 2 of the level before, from the second one on of its
    activation. There is no activation at the end: a level may be negative.

    Args:
        features: Maps by level as a string, Keras tensors `[batch, height, width, channels]`, each level half the size
            of the one before (rounded up).
        min_level: The finest level of the pyramid.
        max_level: The coarsest.
        filters: Channels of every level.
        options: What all layers share.

    Returns:
        Maps by level, from `str(min_level)` to `str(max_level)`, Keras tensors `[batch, height, width, filters]`.

    Raises:
        ValueError: The backbone lacks a level that is needed, or the levels are in the wrong order.

    References:
        Lin et al., "Feature Pyramid Networks for Object Detection", 2017.
        Lin, Goyal, Girshick, He, Dollar, "Focal Loss for Dense Object Detection", 2017, section 4 (coarser levels).
    """
    if min_level > max_level:
        raise ValueError(f"`min_level` must be at most `max_level`. Received: {min_level} and {max_level}.")
    top = min(max(int(level) for level in features), max_level)
    missing = [level for level in range(min_level, top + 1) if str(level) not in features]
    if missing or top < min_level:
        raise ValueError(
            f"The pyramid needs the levels {min_level} to {top} of the backbone; it has {list(features)}. A backbone "
            "for larger images, or another `min_level`, may have them."
        )
    merged = {top: _lateral(features[str(top)], top, filters, options)}
    for level in range(top - 1, min_level - 1, -1):
        lateral = _lateral(features[str(level)], level, filters, options)
        coarser = _enlarged(merged[level + 1], lateral.shape[1:3], level)
        merged[level] = tf.keras.layers.Add(name=f"fpn_{level}_add")([lateral, coarser])
    pyramid = {
        str(level): convolution(merged[level], filters, 3, 1, options, f"fpn_{level}", activate=False)
        for level in range(min_level, top + 1)
    }
    for level in range(top + 1, max_level + 1):
        x = pyramid[str(level - 1)]
        if level > top + 1:
            x = tf.keras.layers.Activation(options.activation, name=f"fpn_{level}_activation")(x)
        pyramid[str(level)] = convolution(x, filters, 3, 2, options, f"fpn_{level}", activate=False)
    return pyramid


def _lateral(x: Any, level: int, filters: int, options: LayerOptions) -> Any:
    """Return a backbone's map with the depth of the pyramid."""
    return tf.keras.layers.Conv2D(
        filters, 1, kernel_regularizer=options.regularizer(), name=f"fpn_{level}_lateral_conv"
    )(x)


def _enlarged(x: Any, sides: tuple[int | None, int | None], level: int) -> Any:
    """Repeat each position twice in both directions; where the finer level has odd sides, the last row is cut off."""
    x = TwiceAsLarge(name=f"fpn_{level}_enlarge")(x)
    excess = [have - want if have and want else 0 for have, want in zip(x.shape[1:3], sides, strict=True)]
    if any(excess):
        x = tf.keras.layers.Cropping2D([(0, excess[0]), (0, excess[1])], name=f"fpn_{level}_crop")(x)
    return x
