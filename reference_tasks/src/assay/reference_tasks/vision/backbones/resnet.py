"""Residual networks, version 1.5, for images from 8x8 pixels.

build_resnet(18, (32, 32, 3))  # a tf.keras.Model: images -> {"0": ..., "1": ..., "2": ..., "3": ...}
"""

from collections.abc import Sequence
from typing import Any

import tensorflow as tf
from assay.reference_tasks.vision.layers import LayerOptions, convolution

BLOCKS_OF_MODELS = {
    10: (1, 1, 1, 1),
    18: (2, 2, 2, 2),
    34: (3, 4, 6, 3),
    50: (3, 4, 6, 3),
    101: (3, 4, 23, 3),
    152: (3, 8, 36, 3),
}
"""Blocks of each of the four stages, by number of layers; He et al. 2016, table 1, and 10 in the same manner."""

MODELS = tuple(BLOCKS_OF_MODELS)
"""The networks there are, by number of layers."""

FIRST_BOTTLENECK_MODEL = 50
BOTTLENECK_EXPANSION = 4

STEMS_THAT_POOL = ("imagenet", "deep")

LARGEST_SMALL_SIDE = 64
"""With `stem="auto"`, images whose shorter side is larger get the stem of ImageNet, which divides the sides by 4."""


def build_resnet(
    model_id: int,
    input_size: Sequence[int | None],
    *,
    filters: int = 64,
    stem: str = "auto",
    output_stride: int | None = None,
    multigrid: Sequence[int] = (),
    options: LayerOptions | None = None,
    name: str = "backbone",
) -> Any:
    """Build a residual network without its head.

    Bottlenecks have their stride in the 3x3 convolution (version 1.5). The last normalisation of a block starts with
    a scale of 0, so that each block begins as the identity.

    Args:
        model_id: Number of layers, one of `MODELS`.
        input_size: Height, width and channels; None for a height or width that varies, which `stem="auto"` cannot have.
        filters: Channels of the first stage; each later one has twice as many, bottlenecks four times that at the end.
        stem: `imagenet` (7x7 convolution of stride 2, then 3x3 pooling of stride 2), `deep` (three 3x3 convolutions in
            place of the large one, the first of stride 2, the last with twice as many channels), `strided` (3x3
            convolution of stride 2), `small` (3x3 convolution of stride 1), or `auto` to choose between `imagenet` and
            `small` by the shorter side.
        output_stride: A power of 2. Stages that would make the sides more than so many times smaller keep them, and
            are dilated by 2, 4, ... instead, so that they see as much. None dilates nothing.
        multigrid: Factors of the dilation of the blocks of the last stage, one for each; empty for 1.
        options: What all layers share.
        name: Name of the model.

    Returns:
        A Keras model from images `[batch, height, width, channels]` to a dict of the four stages' outputs, each
        `[batch, height / 2**level, width / 2**level, channels of the stage]` (sides rounded up), keyed by level as a
        string: `"2"` to `"5"` with the stem of ImageNet, `"0"` to `"3"` with the small one. Of several stages of one
        level, which dilation makes, the last one is there. With a stem that pools, `"1"` is what it pools.

    Raises:
        ValueError: There is no such network or stem, the multigrid does not fit the last stage, or the stem is `auto`
            and a side of the images is open.

    References:
        He, Zhang, Ren, Sun, "Deep Residual Learning for Image Recognition", 2016.
        Goyal et al., "Accurate, Large Minibatch SGD: Training ImageNet in 1 Hour", 2017 (stride, zero scale).
        Chen, Papandreou, Schroff, Adam, "Rethinking Atrous Convolution for Semantic Image Segmentation", 2017
        (dilation, multigrid).
        He et al., "Bag of Tricks for Image Classification with Convolutional Neural Networks", 2019 (deep stem).
    """
    if model_id not in BLOCKS_OF_MODELS:
        raise ValueError(f"`model_id` must be one of {', '.join(map(str, MODELS))}. Received: {model_id!r}.")
    blocks_of_stages = BLOCKS_OF_MODELS[model_id]
    if multigrid and len(multigrid) != blocks_of_stages[-1]:
        raise ValueError(
            f"`multigrid` must have a factor for each of the {blocks_of_stages[-1]} blocks of the last stage. "
            f"Received: {tuple(multigrid)}."
        )
    options = options or LayerOptions()
    inputs = tf.keras.Input(tuple(input_size), name="images")
    stem = _chosen_stem(stem, input_size)
    x, level = _stem(inputs, stem, filters, options)
    outputs = {}
    if stem in STEMS_THAT_POOL:
        outputs[str(level)], x, level = x, _pooled(x), level + 1
    add_block = _bottleneck_block if model_id >= FIRST_BOTTLENECK_MODEL else _basic_block
    dilation = 1
    for stage, blocks in enumerate(blocks_of_stages):
        stride = 1 if stage == 0 else 2
        if stride == 2 and output_stride is not None and 2 ** (level + 1) > output_stride:
            stride, dilation = 1, 2 * dilation
        level += stride - 1
        factors = multigrid if multigrid and stage == len(blocks_of_stages) - 1 else [1] * blocks
        for block, factor in enumerate(factors):
            x = add_block(
                x, filters * 2**stage, stride if block == 0 else 1, options, f"stage{stage}_block{block}",
                dilation=dilation * factor,
            )  # fmt: skip
        outputs[str(level)] = x
    return tf.keras.Model(inputs, outputs, name=name)


def _chosen_stem(stem: str, input_size: Sequence[int | None]) -> str:
    if stem != "auto":
        return stem
    sides = [side for side in input_size[:2] if side is not None]
    if len(sides) < len(input_size[:2]):
        raise ValueError(
            f"`stem` must be chosen where a side of `input_size` is open: 'auto' goes by them. Received: {input_size}."
        )
    return "small" if min(sides) <= LARGEST_SMALL_SIDE else "imagenet"


def _stem(images: Any, stem: str, filters: int, options: LayerOptions) -> tuple[Any, int]:
    """Add the convolutions before the stages; returns their output and its level, the logarithm of its stride."""
    if stem == "small":
        return convolution(images, filters, 3, 1, options, "stem"), 0
    if stem == "strided":
        return convolution(images, filters, 3, 2, options, "stem"), 1
    if stem == "imagenet":
        return convolution(images, filters, 7, 2, options, "stem"), 1
    if stem == "deep":
        x = convolution(images, filters, 3, 2, options, "stem_a")
        x = convolution(x, filters, 3, 1, options, "stem_b")
        return convolution(x, 2 * filters, 3, 1, options, "stem_c"), 1
    raise ValueError(f"`stem` must be 'auto', 'imagenet', 'deep', 'strided' or 'small'. Received: {stem!r}.")


def _pooled(x: Any) -> Any:
    return tf.keras.layers.MaxPooling2D(3, strides=2, padding="same", name="stem_pool")(x)


def _basic_block(x: Any, filters: int, stride: int, options: LayerOptions, name: str, *, dilation: int) -> Any:
    shortcut = _shortcut(x, filters, stride, options, name)
    x = convolution(x, filters, 3, stride, options, f"{name}_a", dilation=dilation)
    x = convolution(x, filters, 3, 1, options, f"{name}_b", dilation=dilation, ends_block=True)
    return _joined(x, shortcut, options, name)


def _bottleneck_block(x: Any, filters: int, stride: int, options: LayerOptions, name: str, *, dilation: int) -> Any:
    expanded = filters * BOTTLENECK_EXPANSION
    shortcut = _shortcut(x, expanded, stride, options, name)
    x = convolution(x, filters, 1, 1, options, f"{name}_a")
    x = convolution(x, filters, 3, stride, options, f"{name}_b", dilation=dilation)
    x = convolution(x, expanded, 1, 1, options, f"{name}_c", ends_block=True)
    return _joined(x, shortcut, options, name)


def _shortcut(x: Any, filters: int, stride: int, options: LayerOptions, name: str) -> Any:
    """Return the input of a block, projected where its output has another shape."""
    if stride == 1 and x.shape[-1] == filters:
        return x
    if stride > 1:
        # What a 1x1 convolution of this stride would read. That convolution's gradient corrupts the heap in TensorFlow
        # 2.21 with oneDNN when there are few channels; see docs/findings.md.
        x = tf.keras.layers.MaxPooling2D(1, strides=stride, padding="same", name=f"{name}_shortcut_subsample")(x)
    return convolution(x, filters, 1, 1, options, f"{name}_shortcut", activate=False)


def _joined(x: Any, shortcut: Any, options: LayerOptions, name: str) -> Any:
    total = tf.keras.layers.Add(name=f"{name}_add")([x, shortcut])
    return tf.keras.layers.Activation(options.activation, name=f"{name}_out")(total)
