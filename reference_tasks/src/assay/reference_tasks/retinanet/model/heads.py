"""The heads of RetinaNet: what each level of the pyramid says about classes, boxes and attributes of its anchors."""

import dataclasses
import math
from collections.abc import Mapping, Sequence
from typing import Any

import tensorflow as tf
from assay.reference_tasks.vision.layers import LayerOptions

CLASSES, BOXES, ATTRIBUTES = "cls_outputs", "box_outputs", "attribute_outputs"
"""Keys of the outputs."""

PRIOR_PROBABILITY = 0.01
"""Of every class at every anchor before training, so that the many background anchors do not dominate at first."""
_STDDEV = 0.01  # of the initial kernels of the last layers; Lin et al., "Focal Loss", section 4.1


@dataclasses.dataclass(frozen=True)
class AttributeHead:
    """A head for something that objects have besides class and box.

    Attributes:
        name: Name of the attribute.
        type: `regression`, or `classification` (a sigmoid for each number).
        size: How many numbers it has for each object.
    """

    name: str
    type: str
    size: int


def build_heads(
    pyramid: Mapping[str, Any],
    *,
    num_classes: int,
    anchors_per_location: int,
    num_convs: int,
    filters: int,
    options: LayerOptions,
    attributes: Sequence[AttributeHead] = (),
    name: str = "head",
) -> Any:
    """Build the heads for feature maps of one depth.

    Each head is a tower of 3x3 convolutions and one more that predicts. All levels share the kernels; each has
    normalisations of its own, since the statistics of the levels differ.

    Args:
        pyramid: Maps by level, Keras tensors `[batch, height, width, channels]`, all with the same channels.
        num_classes: Classes, background included.
        anchors_per_location: Anchors at each place.
        num_convs: Convolutions of a tower, 0 or more.
        filters: Their channels.
        options: What all layers share.
        attributes: Heads besides those for classes and boxes.
        name: Name of the model.

    Returns:
        A Keras model from the maps to a dict of `cls_outputs` (logits), `box_outputs` and, when there are attributes,
        `attribute_outputs` by name; each by level `[batch, height, width, anchors_per_location * depth]`.

    References:
        Lin, Goyal, Girshick, He, Dollar, "Focal Loss for Dense Object Detection", 2017, section 4.
    """
    inputs = {level: tf.keras.Input(tuple(x.shape[1:]), name=level) for level, x in pyramid.items()}

    def head(prefix: str, depth: int, bias: float = 0.0) -> dict[str, Any]:
        tower = _Tower(prefix, num_convs, filters, options)
        predict = _predictor(prefix, anchors_per_location * depth, bias, options)
        return {level: predict(tower(x, level)) for level, x in inputs.items()}

    prior = math.log(PRIOR_PROBABILITY / (1 - PRIOR_PROBABILITY))
    outputs: dict[str, Any] = {CLASSES: head("class", num_classes, prior), BOXES: head("box", 4)}
    if attributes:
        outputs[ATTRIBUTES] = {
            one.name: head(f"attribute_{one.name}", one.size, prior if one.type == "classification" else 0.0)
            for one in attributes
        }
    return tf.keras.Model(inputs, outputs, name=name)


class _Tower:
    """Convolutions that all levels share, with a normalisation and an activation after each."""

    def __init__(self, prefix: str, num_convs: int, filters: int, options: LayerOptions) -> None:
        self._prefix = prefix
        self._options = options
        self._convs = [
            tf.keras.layers.Conv2D(
                filters,
                3,
                padding="same",
                use_bias=False,
                kernel_initializer="he_normal",
                kernel_regularizer=options.regularizer(),
                name=f"{prefix}_conv_{number}",
            )
            for number in range(num_convs)
        ]

    def __call__(self, x: Any, level: str) -> Any:
        options = self._options
        for number, conv in enumerate(self._convs):
            name = f"{self._prefix}_{level}_{number}"
            x = tf.keras.layers.BatchNormalization(
                momentum=options.norm_momentum,
                epsilon=options.norm_epsilon,
                synchronized=options.use_sync_bn,
                name=f"{name}_norm",
            )(conv(x))
            x = tf.keras.layers.Activation(options.activation, name=f"{name}_activation")(x)
        return x


def _predictor(prefix: str, filters: int, bias: float, options: LayerOptions) -> Any:
    return tf.keras.layers.Conv2D(
        filters,
        3,
        padding="same",
        kernel_initializer=tf.keras.initializers.RandomNormal(stddev=_STDDEV),
        bias_initializer=tf.keras.initializers.Constant(bias),
        kernel_regularizer=options.regularizer(),
        name=f"{prefix}_predict",
    )
