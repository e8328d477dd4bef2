"""The configuration that the tasks on images share."""

import dataclasses
from collections.abc import Iterable
from typing import Literal

from assay.core import Config, OneOfConfig, Problem
from assay.reference_tasks.vision.backbones.resnet import BLOCKS_OF_MODELS, MODELS
from assay.reference_tasks.vision.layers import LayerOptions

IMAGENET_MEAN = (0.485, 0.456, 0.406)
"""Mean of the ImageNet training images, red, green, blue, as shares of the full range."""
IMAGENET_STD = (0.229, 0.224, 0.225)
"""Standard deviation likewise."""


@dataclasses.dataclass
class ResNetConfig(Config):
    """A residual network.

    Attributes:
        model_id: Number of layers: 10, 18, 34 (basic blocks), 50, 101 or 152 (bottlenecks).
        filters: Channels of the first stage; each later one has twice as many.
        stem: What comes before the stages. `imagenet`: a 7x7 convolution of stride 2 and 3x3 pooling of stride 2.
            `deep`: the same with three 3x3 convolutions for the large one. `strided`: a 3x3 convolution of stride 2.
            `small`: one of stride 1, for images up to about 64x64. `auto`: `imagenet` or `small`, by the image's size.
        output_stride: How many times smaller than the image the last feature map is at most: beyond it, stages are
            dilated instead. None: as small as it gets.
        multigrid: Factors of the dilation, one for each block of the last stage; none for 1.
    """

    model_id: int = 50
    filters: int = 64
    stem: Literal["auto", "imagenet", "deep", "strided", "small"] = "auto"
    output_stride: int | None = None
    multigrid: list[int] = dataclasses.field(default_factory=list)

    def problems(self) -> Iterable[Problem | str]:
        """Yield a problem when there is no such network."""
        if self.model_id not in MODELS:
            yield Problem("model_id", f"must be one of {', '.join(map(str, MODELS))}; received {self.model_id}.")
        if self.filters < 1:
            yield Problem("filters", f"must be above 0; received {self.filters}.")
        stride = self.output_stride
        if stride is not None and (stride < 1 or stride & (stride - 1)):
            yield Problem("output_stride", f"must be a power of 2; received {stride}.")
        blocks = BLOCKS_OF_MODELS.get(self.model_id, (0,))[-1]
        if self.multigrid and (len(self.multigrid) != blocks or min(self.multigrid) < 1):
            yield Problem(
                "multigrid",
                f"must have a positive factor for each of the {blocks} blocks of the last stage of ResNet-"
                f"{self.model_id}; received {self.multigrid}.",
            )


@dataclasses.dataclass
class BackboneConfig(OneOfConfig):
    """The choice of a backbone."""

    type: str | None = "resnet"
    resnet: ResNetConfig = dataclasses.field(default_factory=ResNetConfig)


@dataclasses.dataclass
class NormActivationConfig(Config):
    """Normalisation and activation.

    Attributes:
        activation: Name of a Keras activation.
        use_sync_bn: Whether batch statistics are taken over all replicas rather than over each one's own batch.
        norm_momentum: Share of the old moving statistics in the new ones, each step.
        norm_epsilon: Added to the variance.
    """

    activation: str = "relu"
    use_sync_bn: bool = False
    norm_momentum: float = 0.99
    norm_epsilon: float = 0.001

    def layer_options(self, *, l2_weight_decay: float = 0.0) -> LayerOptions:
        """Return these choices, with weight decay, as what the layers are built with."""
        return LayerOptions(**self.as_dict(), l2_weight_decay=l2_weight_decay)
