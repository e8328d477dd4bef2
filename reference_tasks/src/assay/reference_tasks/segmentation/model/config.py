"""The configuration of the model: an encoder, a decoder, a head and, if wanted, a head for mask scores."""

import dataclasses
from collections.abc import Iterable
from typing import Literal

from assay.core import Config, OneOfConfig, Problem
from assay.reference_tasks.vision.config import BackboneConfig, NormActivationConfig


@dataclasses.dataclass
class ASPPConfig(Config):
    """Atrous spatial pyramid pooling, the decoder of DeepLabV3 and V3+.

    Attributes:
        level: The level of the backbone that it is put on: 4 at an output stride of 16.
        dilation_rates: Dilations of the 3x3 convolutions.
        num_filters: Channels of each branch and of the result.
        dropout_rate: Share of the result dropped in training.
        pool_kernel_size: Height and width, in pixels of the image, of the parts that have a mean of their own; empty
            for one mean of the whole image.
    """

    level: int = 4
    dilation_rates: list[int] = dataclasses.field(default_factory=lambda: [6, 12, 18])
    num_filters: int = 256
    dropout_rate: float = 0.0
    pool_kernel_size: list[int] = dataclasses.field(default_factory=list)

    def problems(self) -> Iterable[Problem | str]:
        """Yield a problem for each number out of range."""
        if self.num_filters < 1:
            yield Problem("num_filters", f"must be above 0; received {self.num_filters}.")
        if any(rate < 1 for rate in self.dilation_rates):
            yield Problem("dilation_rates", f"must be above 0; received {self.dilation_rates}.")
        if not 0 <= self.dropout_rate < 1:
            yield Problem("dropout_rate", f"must be at least 0 and below 1; received {self.dropout_rate}.")
        if self.pool_kernel_size and (len(self.pool_kernel_size) != 2 or min(self.pool_kernel_size) < 2**self.level):
            yield Problem(
                "pool_kernel_size",
                f"must be [height, width], each at least {2**self.level} pixels, a position of level {self.level}; "
                f"received {self.pool_kernel_size}.",
            )


@dataclasses.dataclass
class FPNConfig(Config):
    """A feature pyramid.

    Attributes:
        min_level: The finest level.
        max_level: The coarsest.
        num_filters: Channels of every level.
    """

    min_level: int = 2
    max_level: int = 5
    num_filters: int = 256

    def problems(self) -> Iterable[Problem | str]:
        """Yield a problem for each number out of range."""
        if self.num_filters < 1:
            yield Problem("num_filters", f"must be above 0; received {self.num_filters}.")
        if not 0 <= self.min_level <= self.max_level:
            yield f"must have 0 <= min_level <= max_level; received {self.min_level} and {self.max_level}."


@dataclasses.dataclass
class DecoderConfig(OneOfConfig):
    """The choice of a decoder; a `type` of None puts the head on the backbone."""

    type: str | None = "aspp"
    aspp: ASPPConfig = dataclasses.field(default_factory=ASPPConfig)
    fpn: FPNConfig = dataclasses.field(default_factory=FPNConfig)


@dataclasses.dataclass
class SegmentationHeadConfig(Config):
    """What makes logits of the decoder's maps.

    Attributes:
        level: The level of the decoder (of the finest level, with `panoptic_fpn_fusion`) that logits are made of.
        num_convs: Number of 3x3 convolutions before the logits.
        num_filters: Their channels, and those of the fusion of a pyramid.
        feature_fusion: `deeplabv3plus` joins the decoder's map with a finer one of the backbone,
            `panoptic_fpn_fusion` adds up all levels of a pyramid, None takes the decoder's map alone.
        low_level: The level of the backbone that `deeplabv3plus` joins.
        low_level_num_filters: Channels that it is reduced to.
        subpixel_factor: Each position of the maps gives logits of its own for so many by so many parts of it, made by
            as many times the channels, which costs less than finer maps; 1 for one part, the whole.
        dropout_rate: Share of the maps dropped in training, before the logits.
        skip_levels: Levels of the backbone that add scores of their own to the logits, one 1x1 convolution away from
            what they are to learn. Where a class shows only in the whole of an object, coarse levels learn it much
            sooner so than through the decoder. Empty for none.
    """

    level: int = 4
    num_convs: int = 2
    num_filters: int = 256
    feature_fusion: Literal["deeplabv3plus", "panoptic_fpn_fusion"] | None = "deeplabv3plus"
    low_level: int = 2
    low_level_num_filters: int = 48
    subpixel_factor: int = 1
    dropout_rate: float = 0.0
    skip_levels: list[int] = dataclasses.field(default_factory=list)

    @property
    def adds_up_pyramid(self) -> bool:
        """Whether all levels of a pyramid are added up."""
        return self.feature_fusion == "panoptic_fpn_fusion"

    @property
    def joins_low_level(self) -> bool:
        """Whether a map of the backbone is joined."""
        return self.feature_fusion == "deeplabv3plus"

    def problems(self) -> Iterable[Problem | str]:
        """Yield a problem for each number out of range."""
        leasts = {"num_convs": 0, "num_filters": 1, "low_level_num_filters": 1, "subpixel_factor": 1}
        for name, least in leasts.items():
            if getattr(self, name) < least:
                yield Problem(name, f"must be at least {least}; received {getattr(self, name)}.")
        if not 0 <= self.dropout_rate < 1:
            yield Problem("dropout_rate", f"must be at least 0 and below 1; received {self.dropout_rate}.")
        if len(set(self.skip_levels)) < len(self.skip_levels):
            yield Problem("skip_levels", f"must name a level once; received {self.skip_levels}.")


@dataclasses.dataclass
class MaskScoringHeadConfig(Config):
    """What tells, from the logits, how good the mask of each class is.

    Attributes:
        num_convs: Number of 3x3 convolutions.
        num_filters: Their channels.
        fc_input_size: Height and width that the maps are resized to before the dense layers.
        num_fcs: Number of dense layers before the scores.
        fc_dims: Their units.
    """

    num_convs: int = 4
    num_filters: int = 128
    fc_input_size: list[int] = dataclasses.field(default_factory=lambda: [8, 8])
    num_fcs: int = 2
    fc_dims: int = 1024

    def problems(self) -> Iterable[Problem | str]:
        """Yield a problem for each number out of range."""
        for name, least in (("num_convs", 0), ("num_filters", 1), ("num_fcs", 0), ("fc_dims", 1)):
            if getattr(self, name) < least:
                yield Problem(name, f"must be at least {least}; received {getattr(self, name)}.")
        if len(self.fc_input_size) != 2 or min(self.fc_input_size) < 1:
            yield Problem("fc_input_size", f"must be [height, width]; received {self.fc_input_size}.")


@dataclasses.dataclass
class SegmentationModelConfig(Config):
    """An encoder, a decoder, a head and, if wanted, a head for mask scores.

    Attributes:
        num_classes: Number of classes, the background included.
        input_size: Height, width and channels of the images given to the model; None for a height or width that varies
            (training crops and whole images in evaluation, say).
        backbone: The encoder.
        decoder: The decoder.
        head: The head.
        mask_scoring_head: The head for mask scores; None for none.
        norm_activation: Normalisation and activation of all parts.
    """

    num_classes: int = 0
    input_size: list[int | None] = dataclasses.field(default_factory=lambda: [None, None, 3])
    backbone: BackboneConfig = dataclasses.field(default_factory=BackboneConfig)
    decoder: DecoderConfig = dataclasses.field(default_factory=DecoderConfig)
    head: SegmentationHeadConfig = dataclasses.field(default_factory=SegmentationHeadConfig)
    mask_scoring_head: MaskScoringHeadConfig | None = None
    norm_activation: NormActivationConfig = dataclasses.field(default_factory=NormActivationConfig)

    def problems(self) -> Iterable[Problem | str]:
        """Yield a problem for each number out of range, and for parts that do not fit each other."""
        if self.num_classes < 2:
            yield Problem("num_classes", f"must be at least 2; received {self.num_classes}.")
        size = self.input_size
        if len(size) != 3 or size[2] is None or any(side is not None and side < 1 for side in size):
            yield Problem("input_size", f"must be [height, width, channels]; received {size}.")
        elif None in size and getattr(self.backbone.get(), "stem", "") == "auto":
            yield Problem(
                "backbone.resnet.stem",
                "must be chosen where `input_size` leaves the height or the width open: 'auto' goes by them.",
            )
        fuses_pyramid = self.head.adds_up_pyramid
        if fuses_pyramid and self.decoder.type != "fpn":
            yield Problem(
                "head.feature_fusion", f"adds up a pyramid, but `decoder.type` is {self.decoder.type!r}, not 'fpn'."
            )
