"""A segmenter: a backbone, a decoder, a head that makes logits, and a head that scores the masks."""

from collections.abc import Mapping
from typing import Any

import tensorflow as tf
from assay.core import ConfigError, Problem
from assay.reference_tasks.segmentation.model.config import (
    ASPPConfig,
    DecoderConfig,
    FPNConfig,
    SegmentationHeadConfig,
    SegmentationModelConfig,
)
from assay.reference_tasks.segmentation.model.fusion import (
    add_up_pyramid,
    add_up_scores,
    join_low_level,
    scoring_convolution,
)
from assay.reference_tasks.segmentation.model.mask_scoring import build_mask_scoring_head
from assay.reference_tasks.vision.backbones import build_resnet
from assay.reference_tasks.vision.decoders import build_aspp, build_fpn
from assay.reference_tasks.vision.layers import LayerOptions, convolution
from assay.reference_tasks.vision.resizing import DepthToSpace, ResizeLike

LOGITS, MASK_SCORES = "logits", "mask_scores"
PARTS = ("backbone", "decoder", "head", "mask_scoring_head")

Maps = Mapping[str, Any]


class Segmenter(tf.keras.Model):
    """A functional model from images to a dict of `logits`, and `mask_scores` if wanted.

    Made by `build_segmenter`. Its parts are Keras models, named for checkpoints.
    """

    @property
    def checkpoint_items(self) -> dict[str, Any]:
        """The parts that a checkpoint holds under names of their own, and that can be loaded alone."""
        return {layer.name: layer for layer in self.layers if layer.name in PARTS}

    @property
    def backbone(self) -> Any:
        """The encoder."""
        return self.get_layer("backbone")


def build_segmenter(config: SegmentationModelConfig, options: LayerOptions) -> Segmenter:
    """Build the parts that a configuration describes; all variables are new.

    Args:
        config: What to build.
        options: What all layers share.

    Returns:
        A Keras model from images `[batch, height, width, channels]` to a dict of `logits`, float32
        `[batch, height, width, num_classes]` (the head's logits, interpolated to the size of the images), and, with a
        mask scoring head, `mask_scores`, float32 `[batch, num_classes]`.

    Raises:
        ConfigError: A part needs a level that the one below does not have.
    """
    resnet = config.backbone.get()
    images = tf.keras.Input(tuple(config.input_size), name="images")
    backbone = build_resnet(
        resnet.model_id,
        config.input_size,
        filters=resnet.filters,
        stem=resnet.stem,
        output_stride=resnet.output_stride,
        multigrid=resnet.multigrid,
        options=options,
    )
    features = backbone(images)
    decoded = _decoded(features, config.decoder, options)
    small_logits = _with_head(features, decoded, config.head, config.num_classes, options)
    # Resized here, once, for the loss, the metrics and whoever is served.
    outputs = {LOGITS: ResizeLike(dtype="float32", name=LOGITS)([small_logits, images])}
    if config.mask_scoring_head is not None:
        scoring_head = build_mask_scoring_head(
            small_logits.shape[1:], config.mask_scoring_head, num_classes=config.num_classes, options=options
        )
        outputs[MASK_SCORES] = scoring_head(small_logits)
    return Segmenter(images, outputs, name="segmenter")


def _decoded(features: Maps, config: DecoderConfig, options: LayerOptions) -> Maps:
    """Put the decoder, a model of its own, on the backbone's maps; returns its maps by level."""
    chosen = config.get()
    if chosen is None:
        return features
    if isinstance(chosen, ASPPConfig):
        level = str(chosen.level)
        inputs = {level: _input(features, level, "decoder.aspp.level", level)}
        outputs = {level: _aspp(inputs[level], chosen, options)}
    else:
        assert isinstance(chosen, FPNConfig)
        first, last = (str(level) for level in (chosen.min_level, chosen.max_level))
        levels = [level for level in features if chosen.min_level <= int(level) <= chosen.max_level]
        inputs = {level: _input(features, level, "decoder.fpn", level) for level in [first, *levels]}
        outputs = build_fpn(
            inputs, min_level=int(first), max_level=int(last), filters=chosen.num_filters, options=options
        )
    return tf.keras.Model(inputs, outputs, name="decoder")({level: features[level] for level in inputs})


def _aspp(x: Any, config: ASPPConfig, options: LayerOptions) -> Any:
    pool = [side // 2**config.level for side in config.pool_kernel_size]
    return build_aspp(
        x,
        filters=config.num_filters,
        dilation_rates=config.dilation_rates,
        pool_size=pool or None,
        dropout_rate=config.dropout_rate,
        options=options,
    )


def _with_head(
    features: Maps, decoded: Maps, config: SegmentationHeadConfig, num_classes: int, options: LayerOptions
) -> Any:
    """Put the head, a model of its own, on the maps; returns its logits, at their own size."""
    level, low_level = str(config.level), str(config.low_level)
    if config.adds_up_pyramid:
        taken = {key: decoded[key] for key in decoded if int(key) >= config.level}
        inputs = {key: _input(decoded, key, "head.level", key) for key in {level: None, **taken}}
        x = add_up_pyramid(inputs, filters=config.num_filters, options=options)
    else:
        taken = {"high": decoded.get(level)}
        inputs = {"high": _input(decoded, level, "head.level", "high")}
        x = inputs["high"]
    if config.joins_low_level:
        taken["low"] = features.get(low_level)
        inputs["low"] = _input(features, low_level, "head.low_level", "low")
        x = join_low_level(x, inputs["low"], low_filters=config.low_level_num_filters, options=options)
    for number in range(config.num_convs):
        x = convolution(x, config.num_filters, 3, 1, options, f"conv{number}")
    if config.dropout_rate:
        x = tf.keras.layers.Dropout(config.dropout_rate, name="dropout")(x)
    factor = config.subpixel_factor
    logits = scoring_convolution(x, num_classes * factor**2, options, "logits")
    if config.skip_levels:
        skips = {str(skip): f"skip{skip}" for skip in config.skip_levels}
        taken |= {name: features.get(skip) for skip, name in skips.items()}
        inputs |= {name: _input(features, skip, "head.skip_levels", name) for skip, name in skips.items()}
        scores = add_up_scores(
            {skip: inputs[name] for skip, name in skips.items()}, num_classes=num_classes, options=options
        )
        scores = ResizeLike(dtype="float32", name="scores_resize")([scores, logits])
        if factor > 1:  # the parts of a position share them
            scores = tf.keras.layers.Concatenate(dtype="float32", name="scores_of_parts")([scores] * factor**2)
        logits = tf.keras.layers.Add(dtype="float32", name="logits_and_scores")([logits, scores])
    if factor > 1:
        logits = DepthToSpace(factor, dtype="float32", name="logits_of_parts")(logits)
    return tf.keras.Model(inputs, logits, name="head")(taken)


def _input(maps: Maps, level: str, option: str, name: str) -> Any:
    """Return an input of the shape of a level's map."""
    if level not in maps:
        raise ConfigError(
            Problem(f"task.model.{option}", f"there is no level {level} to put it on, but {', '.join(maps)}.")
        )
    return tf.keras.Input(tuple(maps[level].shape[1:]), name=name)
