"""RetinaNet: a backbone, a feature pyramid, and heads."""

from collections.abc import Sequence
from typing import Any

import tensorflow as tf
from assay.reference_tasks.retinanet.model.heads import AttributeHead, build_heads
from assay.reference_tasks.vision.decoders import build_fpn
from assay.reference_tasks.vision.layers import LayerOptions

PARTS = ("backbone", "decoder", "head")
"""Names of the model's parts, which are models too; in checkpoints they are the same."""


class RetinaNet(tf.keras.Model):
    """A functional model from images to the outputs of the heads that names its parts for checkpoints.

    Made by `build_retinanet`.
    """

    @property
    def backbone(self) -> Any:
        """The model from images to feature maps."""
        return self.get_layer("backbone")

    @property
    def checkpoint_items(self) -> dict[str, Any]:
        """The parts that a checkpoint holds under names of their own, and that can be loaded alone."""
        return {name: self.get_layer(name) for name in PARTS}


def build_retinanet(
    backbone: Any,
    *,
    min_level: int,
    max_level: int,
    num_classes: int,
    anchors_per_location: int,
    decoder_filters: int,
    head_convs: int,
    head_filters: int,
    options: LayerOptions,
    attributes: Sequence[AttributeHead] = (),
    freeze_backbone: bool = False,
) -> RetinaNet:
    """Put a feature pyramid and heads on a backbone.

    Args:
        backbone: A Keras model named `backbone`, from images to a dict of feature maps by level.
        min_level: The finest level of the pyramid.
        max_level: The coarsest.
        num_classes: Classes, background included.
        anchors_per_location: Anchors at each place of each level.
        decoder_filters: Channels of the pyramid.
        head_convs: Convolutions of each head's tower.
        head_filters: Their channels.
        options: What the layers of pyramid and heads share.
        attributes: Heads besides those for classes and boxes.
        freeze_backbone: Whether the backbone stays as it is in training: its weights, and its normalisations, which
            then use their moving statistics.

    Returns:
        A Keras model from images `[batch, height, width, channels]` to what `build_heads` says.
    """
    # What comes after the coarsest level would never be trained.
    levels = {level: x for level, x in backbone.output.items() if int(level) <= max_level}
    backbone = tf.keras.Model(backbone.input, levels, name=backbone.name)
    features = {
        level: tf.keras.Input(tuple(x.shape[1:]), name=level) for level, x in levels.items() if int(level) >= min_level
    }
    pyramid = build_fpn(features, min_level=min_level, max_level=max_level, filters=decoder_filters, options=options)
    decoder = tf.keras.Model(features, pyramid, name="decoder")
    head = build_heads(
        pyramid,
        num_classes=num_classes,
        anchors_per_location=anchors_per_location,
        num_convs=head_convs,
        filters=head_filters,
        options=options,
        attributes=attributes,
    )
    images = tf.keras.Input(backbone.input_shape[1:], name="images")
    maps = backbone(images, training=False) if freeze_backbone else backbone(images)
    model = RetinaNet(images, head(decoder({level: maps[level] for level in features})), name="retinanet")
    backbone.trainable = not freeze_backbone
    return model
