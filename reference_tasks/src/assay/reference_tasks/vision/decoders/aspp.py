"""Atrous spatial pyramid pooling: what is seen at several distances, side by side.

```python
backbone = build_resnet(50, (513, 513, 3), output_stride=16)
x = build_aspp(backbone.output["4"], filters=256, dilation_rates=(6, 12, 18), options=LayerOptions())
```
"""

from collections.abc import Sequence
from typing import Any

import tensorflow as tf
from assay.reference_tasks.vision.layers import LayerOptions, convolution
from assay.reference_tasks.vision.resizing import ResizeLike


def build_aspp(
    features: Any,
    *,
    filters: int,
    dilation_rates: Sequence[int],
    pool_size: Sequence[int] | None = None,
    dropout_rate: float = 0.0,
    options: LayerOptions,
) -> Any:
    """Add atrous spatial pyramid pooling to a feature map.

    Side by side: a 1x1 convolution, a 3x3 convolution for each dilation rate, and the mean of the map behind a 1x1
    convolution, brought back to the size of the map. A 1x1 convolution joins them.

    Args:
        features: Keras tensor `[batch, height, width, channels]`.
        filters: Channels of each branch, and of the result.
        dilation_rates: Dilations of the 3x3 convolutions, in positions of the map: 6, 12, 18 at an output stride of
            16, twice that at 8.
        pool_size: Height and width, in positions of the map, of the parts that each have a mean of their own, so that
            a map larger than in training has means of as much as in training. None: one mean of the whole map.
        dropout_rate: Share of the result dropped in training.
        options: What all layers share.

    Returns:
        Keras tensor `[batch, height, width, filters]`.

    References:
        Chen, Papandreou, Schroff, Adam, "Rethinking Atrous Convolution for Semantic Image Segmentation", 2017.
    """
    branches = [convolution(features, filters, 1, 1, options, "aspp_1x1")]
    branches += [
        convolution(features, filters, 3, 1, options, f"aspp_rate{rate}", dilation=rate) for rate in dilation_rates
    ]
    if pool_size is None:
        mean = tf.keras.layers.GlobalAveragePooling2D(keepdims=True, name="aspp_pool")(features)
    else:
        mean = tf.keras.layers.AveragePooling2D(tuple(pool_size), name="aspp_pool")(features)
    mean = convolution(mean, filters, 1, 1, options, "aspp_pool")
    branches.append(ResizeLike(name="aspp_pool_resize")([mean, features]))
    x = tf.keras.layers.Concatenate(name="aspp_concatenate")(branches)
    x = convolution(x, filters, 1, 1, options, "aspp_project")
    return tf.keras.layers.Dropout(dropout_rate, name="aspp_dropout")(x) if dropout_rate else x
