"""The configuration of the detection task."""

import dataclasses
import math
from collections.abc import Iterable
from typing import Literal

from assay.core import Config, Problem, TaskConfig
from assay.reference_tasks.retinanet.model.retinanet import PARTS
from assay.reference_tasks.vision.config import BackboneConfig, NormActivationConfig
from assay.reference_tasks.vision.images.photometric import PhotometricConfig
from assay.reference_tasks.vision.inputs import DetectionInputConfig

ALL = "all"


@dataclasses.dataclass
class DetectionDataConfig(DetectionInputConfig):
    """Images with boxes. What `aug_` begins happens in training only, and depends on `seed` and position alone.

    Attributes:
        aug_rand_hflip: Whether to mirror half of the images, left to right.
        aug_scale_min: Smallest factor of size; smaller images leave the rest of the input grey.
        aug_scale_max: Largest factor of size; of larger images a random part is seen.
        aug_photometric: Random light and colour; None for none.
        keep_aspect_ratio: Whether both sides are scaled alike, or each to fill the input.
        max_num_instances: Objects of an image that an evaluation counts at most; groundtruth is padded to it.
    """

    aug_rand_hflip: bool = False
    aug_scale_min: float = 1.0
    aug_scale_max: float = 1.0
    aug_photometric: PhotometricConfig | None = None
    keep_aspect_ratio: bool = True
    max_num_instances: int = 100

    def problems(self) -> Iterable[Problem | str]:
        """Yield a problem for each number out of range."""
        yield from super().problems()
        if not 0 < self.aug_scale_min <= self.aug_scale_max:
            yield (
                f"must have 0 < aug_scale_min <= aug_scale_max; received {self.aug_scale_min} and {self.aug_scale_max}."
            )
        if self.max_num_instances < 1:
            yield Problem("max_num_instances", f"must be above 0; received {self.max_num_instances}.")


@dataclasses.dataclass
class AnchorConfig(Config):
    """The anchors of each place; see `AnchorGenerator`.

    Attributes:
        num_scales: Sizes at each level.
        aspect_ratios: Widths by heights.
        anchor_size: Side of the smallest square anchor of a level, in strides.
    """

    num_scales: int = 3
    aspect_ratios: tuple[float, ...] = (0.5, 1.0, 2.0)
    anchor_size: float = 4.0

    def problems(self) -> Iterable[Problem | str]:
        """Yield a problem for each number out of range."""
        if self.num_scales < 1:
            yield Problem("num_scales", f"must be above 0; received {self.num_scales}.")
        if not self.aspect_ratios or not all(ratio > 0 for ratio in self.aspect_ratios):
            yield Problem("aspect_ratios", f"must be numbers above 0; received {self.aspect_ratios}.")
        if not self.anchor_size > 0:
            yield Problem("anchor_size", f"must be above 0; received {self.anchor_size}.")


@dataclasses.dataclass
class TargetsConfig(Config):
    """Which object an anchor stands for; see `Matcher` and `AnchorLabeler`.

    Attributes:
        match_threshold: Least intersection over union with its object of an anchor that stands for one.
        unmatched_threshold: Intersection over union below which an anchor is background.
        box_coder_weights: Factors of the regression targets ty, tx, th, tw.
        crowd_coverage: Share of an anchor in the region of a crowd from which on it is ignored; None: it is background.
    """

    match_threshold: float = 0.5
    unmatched_threshold: float = 0.5
    box_coder_weights: tuple[float, ...] = (1.0, 1.0, 1.0, 1.0)
    crowd_coverage: float | None = 0.5

    def problems(self) -> Iterable[Problem | str]:
        """Yield a problem for each number out of range."""
        if not 0 <= self.unmatched_threshold <= self.match_threshold <= 1:
            yield (
                "must have 0 <= unmatched_threshold <= match_threshold <= 1; received "
                f"{self.unmatched_threshold} and {self.match_threshold}."
            )
        if len(self.box_coder_weights) != 4 or not all(weight > 0 for weight in self.box_coder_weights):
            yield Problem("box_coder_weights", f"must be four numbers above 0; received {self.box_coder_weights}.")
        if self.crowd_coverage is not None and not 0 < self.crowd_coverage <= 1:
            yield Problem("crowd_coverage", f"must be a share above 0, or null; received {self.crowd_coverage}.")


@dataclasses.dataclass
class FPNConfig(Config):
    """The feature pyramid.

    Attributes:
        num_filters: Channels of every level.
    """

    num_filters: int = 256

    def problems(self) -> Iterable[Problem | str]:
        """Yield a problem when there is no channel."""
        if self.num_filters < 1:
            yield Problem("num_filters", f"must be above 0; received {self.num_filters}.")


@dataclasses.dataclass
class AttributeHeadConfig(Config):
    """A head for something that objects have besides class and box.

    Attributes:
        name: Name of the attribute, as in the data.
        type: `regression`, or `classification` (a sigmoid for each number).
        size: How many numbers it has for each object.
    """

    name: str = ""
    type: Literal["regression", "classification"] = "regression"
    size: int = 1

    def problems(self) -> Iterable[Problem | str]:
        """Yield a problem when there is no name or no number."""
        if not self.name:
            yield Problem("name", "must not be empty.")
        if self.size < 1:
            yield Problem("size", f"must be above 0; received {self.size}.")


@dataclasses.dataclass
class RetinaNetHeadConfig(Config):
    """The heads.

    Attributes:
        num_convs: Convolutions of each head before the one that predicts.
        num_filters: Their channels.
        attribute_heads: Heads besides those for classes and boxes.
    """

    num_convs: int = 4
    num_filters: int = 256
    attribute_heads: list[AttributeHeadConfig] = dataclasses.field(default_factory=list)

    def problems(self) -> Iterable[Problem | str]:
        """Yield a problem for each number out of range, and for two attributes of one name."""
        if self.num_convs < 0:
            yield Problem("num_convs", f"must not be negative; received {self.num_convs}.")
        if self.num_filters < 1:
            yield Problem("num_filters", f"must be above 0; received {self.num_filters}.")
        names = [head.name for head in self.attribute_heads]
        if len(set(names)) < len(names):
            yield Problem("attribute_heads", f"must have names of their own; received {names}.")


@dataclasses.dataclass
class DetectionGeneratorConfig(Config):
    """How outputs become detections; see `DetectionGenerator`.

    Attributes:
        pre_nms_top_k: Candidates of an image: the pairs of anchor and class with the highest scores.
        pre_nms_score_threshold: Candidates must have a score above it.
        nms_iou_threshold: Of two detections that overlap more than this, the better one is kept.
        max_num_detections: Detections of an image at most; outputs are padded to it.
        use_class_agnostic_nms: Whether detections of different classes rule one another out; each anchor then has the
            one class that is most likely.
    """

    pre_nms_top_k: int = 5000
    pre_nms_score_threshold: float = 0.05
    nms_iou_threshold: float = 0.5
    max_num_detections: int = 100
    use_class_agnostic_nms: bool = False

    def problems(self) -> Iterable[Problem | str]:
        """Yield a problem for each number out of range."""
        for name in ("pre_nms_top_k", "max_num_detections"):
            if getattr(self, name) < 1:
                yield Problem(name, f"must be above 0; received {getattr(self, name)}.")
        for name in ("pre_nms_score_threshold", "nms_iou_threshold"):
            if not 0 <= getattr(self, name) <= 1:
                yield Problem(name, f"must be from 0 to 1; received {getattr(self, name)}.")


@dataclasses.dataclass
class RetinaNetModelConfig(Config):
    """A backbone, a feature pyramid, heads and what turns their outputs into detections.

    Attributes:
        num_classes: Number of classes, with the background, which is 0.
        input_size: Height, width and channels of the images given to the model.
        min_level: The finest level of the pyramid, of stride `2**min_level`.
        max_level: The coarsest.
        anchor: The anchors.
        backbone: The backbone.
        decoder: The feature pyramid.
        head: The heads.
        detection_generator: How outputs become detections.
        norm_activation: Normalisation and activation of all parts.
    """

    num_classes: int = 0
    input_size: list[int] = dataclasses.field(default_factory=lambda: [640, 640, 3])
    min_level: int = 3
    max_level: int = 7
    anchor: AnchorConfig = dataclasses.field(default_factory=AnchorConfig)
    backbone: BackboneConfig = dataclasses.field(default_factory=BackboneConfig)
    decoder: FPNConfig = dataclasses.field(default_factory=FPNConfig)
    head: RetinaNetHeadConfig = dataclasses.field(default_factory=RetinaNetHeadConfig)
    detection_generator: DetectionGeneratorConfig = dataclasses.field(default_factory=DetectionGeneratorConfig)
    norm_activation: NormActivationConfig = dataclasses.field(default_factory=NormActivationConfig)

    def problems(self) -> Iterable[Problem | str]:
        """Yield a problem for each number out of range."""
        if self.num_classes < 2:
            yield Problem("num_classes", f"must be at least 2, as 0 is the background; received {self.num_classes}.")
        if len(self.input_size) != 3 or min(self.input_size) < 1:
            yield Problem("input_size", f"must be [height, width, channels]; received {self.input_size}.")
        if not 0 <= self.min_level <= self.max_level:
            yield f"must have 0 <= min_level <= max_level; received {self.min_level} and {self.max_level}."


@dataclasses.dataclass
class LossesConfig(Config):
    """The loss: focal and Huber losses, divided by the positive anchors of all replicas, plus weight decay.

    Attributes:
        loss_weight: Factor of the whole loss.
        focal_loss_alpha: Weight of positive anchors, `1 - alpha` being that of negative ones.
        focal_loss_gamma: How much well-classified anchors lose weight.
        huber_loss_delta: Error of a box target from which on its loss is linear.
        box_loss_weight: Factor of the boxes' loss.
        attribute_loss_weight: Factor of the attributes' losses.
        l2_weight_decay: The loss contains `l2_weight_decay / 2 * sum(kernel ** 2)` over all kernels; 0 for none.
    """

    loss_weight: float = 1.0
    focal_loss_alpha: float = 0.25
    focal_loss_gamma: float = 1.5
    huber_loss_delta: float = 0.1
    box_loss_weight: float = 50.0
    attribute_loss_weight: float = 1.0
    l2_weight_decay: float = 0.0

    def problems(self) -> Iterable[Problem | str]:
        """Yield a problem for each number out of range."""
        if not 0 <= self.focal_loss_alpha <= 1:
            yield Problem("focal_loss_alpha", f"must be from 0 to 1; received {self.focal_loss_alpha}.")
        if not self.huber_loss_delta > 0:
            yield Problem("huber_loss_delta", f"must be above 0; received {self.huber_loss_delta}.")
        for name in ("focal_loss_gamma", "box_loss_weight", "attribute_loss_weight", "l2_weight_decay"):
            value = getattr(self, name)
            if value < 0 or not math.isfinite(value):
                yield Problem(name, f"must not be negative; received {value}.")


def _training_data() -> DetectionDataConfig:
    return DetectionDataConfig(is_training=True)


def _validation_data() -> DetectionDataConfig:
    return DetectionDataConfig(is_training=False)


@dataclasses.dataclass
class RetinaNetConfig(TaskConfig):
    """Object detection with RetinaNet.

    Attributes:
        model: The model.
        train_data: The images to train on.
        validation_data: The images to evaluate on.
        targets: Which object an anchor stands for.
        losses: The loss.
        freeze_backbone: Whether the backbone stays as it is, its normalisations included.
        init_checkpoint_modules: What is loaded from `init_checkpoint`: `all`, or names out of `backbone`, `decoder`,
            `head`.
        annotation_file: Groundtruth in COCO's JSON format; empty: that of the validation data.
        per_category_metrics: Whether the evaluation has the numbers of each category.
        max_num_eval_detections: How many detections of an image and category count, the ones with the highest scores.
        summary_images: The summaries of an evaluation show so many images with their objects and detections.
    """

    model: RetinaNetModelConfig = dataclasses.field(default_factory=RetinaNetModelConfig)
    train_data: DetectionDataConfig | None = dataclasses.field(default_factory=_training_data)
    validation_data: DetectionDataConfig | None = dataclasses.field(default_factory=_validation_data)
    targets: TargetsConfig = dataclasses.field(default_factory=TargetsConfig)
    losses: LossesConfig = dataclasses.field(default_factory=LossesConfig)
    freeze_backbone: bool = False
    init_checkpoint_modules: str | list[str] = ALL
    annotation_file: str = ""
    per_category_metrics: bool = False
    max_num_eval_detections: int = 100
    summary_images: int = 8

    def problems(self) -> Iterable[Problem | str]:
        """Yield a problem for each number out of range, and when the parts do not fit each other."""
        yield from super().problems()
        wanted = self.init_checkpoint_modules
        for name in [wanted] if isinstance(wanted, str) else wanted:
            if name not in PARTS and wanted not in (ALL, [ALL]):
                yield Problem(
                    "init_checkpoint_modules",
                    f"must be 'all' or names out of {', '.join(PARTS)}; received {name!r}.",
                )
        if self.max_num_eval_detections < 1:
            yield Problem("max_num_eval_detections", f"must be above 0; received {self.max_num_eval_detections}.")
        if self.summary_images < 0:
            yield Problem("summary_images", f"must not be negative; received {self.summary_images}.")
        for name in ("train_data", "validation_data"):
            data, size = getattr(self, name), self.model.input_size
            if data is not None and len(size) == 3 and len(data.image_mean) != size[2]:
                yield Problem(
                    f"{name}.image_mean",
                    f"must have one number for each of the {size[2]} channels of `model.input_size`; received "
                    f"{data.image_mean}.",
                )
