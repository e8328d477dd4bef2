"""The configuration of the segmentation task."""

import dataclasses
from collections.abc import Iterable

from assay.core import Config, Problem, TaskConfig
from assay.reference_tasks.segmentation.model.config import SegmentationModelConfig
from assay.reference_tasks.vision.images.affine import AffineConfig
from assay.reference_tasks.vision.images.photometric import PhotometricConfig
from assay.reference_tasks.vision.inputs.config import SegmentationInputConfig

MODULES = ("all", "backbone", "decoder", "head", "mask_scoring_head")
COLOUR_CHANNELS = 3


@dataclasses.dataclass
class SegmentationDataConfig(SegmentationInputConfig):
    """Images with label maps. What `aug_` begins happens in training only, and depends on `seed` and position alone.

    Attributes:
        output_size: Height and width that images are fitted into.
        crop_size: In training, height and width of the part that is seen, cut out after scaling; empty for
            `output_size`.
        preserve_aspect_ratio: Whether an image is scaled alike in both directions, and padded.
        resize_eval_groundtruth: Whether an evaluation counts pixels of the model's input. False: those of the original
            image, to which predictions are brought back.
        groundtruth_padded_size: Of an evaluation at the original size, height and width that all label maps are padded
            to, those of the largest image.
        aug_scale_min: Smallest factor of `output_size`.
        aug_scale_max: Largest factor.
        aug_rand_hflip: Whether to mirror half of the images, left to right.
        aug_affine: Random shift, size, turn and shape of an image before it is fitted; what comes in from outside is
            padding. None for none.
        aug_photometric: Random brightness, contrast, saturation and hue; None for none.
    """

    output_size: list[int] = dataclasses.field(default_factory=list)
    crop_size: list[int] = dataclasses.field(default_factory=list)
    preserve_aspect_ratio: bool = True
    resize_eval_groundtruth: bool = True
    groundtruth_padded_size: list[int] = dataclasses.field(default_factory=list)
    aug_scale_min: float = 1.0
    aug_scale_max: float = 1.0
    aug_rand_hflip: bool = True
    aug_affine: AffineConfig | None = None
    aug_photometric: PhotometricConfig | None = None

    @property
    def window(self) -> list[int]:
        """Height and width of the images given to the model."""
        return self.crop_size if self.is_training and self.crop_size else self.output_size

    def problems(self) -> Iterable[Problem | str]:
        """Yield a problem for each size or number out of range, and for options that contradict one another."""
        yield from super().problems()
        if self.input_path and not self.output_size:
            yield Problem("output_size", "must be set: [height, width].")
        for name in ("output_size", "crop_size", "groundtruth_padded_size"):
            size = getattr(self, name)
            if size and (len(size) != 2 or min(size) < 1):
                yield Problem(name, f"must be [height, width]; received {size}.")
        if self.crop_size and not self.is_training:
            yield Problem("crop_size", "has no effect in validation, which sees whole images; remove it.")
        if not 0 < self.aug_scale_min <= self.aug_scale_max:
            yield f"must have 0 < aug_scale_min <= aug_scale_max; received {self.aug_scale_min}, {self.aug_scale_max}."
        if self.groundtruth_padded_size and self.resize_eval_groundtruth:
            yield Problem("groundtruth_padded_size", "has no effect, because `resize_eval_groundtruth` is true.")
        if not self.groundtruth_padded_size and not self.resize_eval_groundtruth:
            yield Problem("groundtruth_padded_size", "must be set, because `resize_eval_groundtruth` is false.")


@dataclasses.dataclass
class LossesConfig(Config):
    """The loss: cross-entropy, a mean over all pixels that are not ignored, plus weight decay.

    Attributes:
        loss_weight: Factor of the whole loss.
        ignore_label: Label of pixels that count nowhere.
        class_weights: One factor for each class; empty for none.
        label_smoothing: Share of the target spread evenly over all classes.
        use_binary_cross_entropy: One sigmoid for each class, a mean over them, instead of one softmax.
        top_k_percent_pixels: Share of the pixels of an image, those with the largest loss, that count; 1 for all.
        l2_weight_decay: The loss contains `l2_weight_decay / 2 * sum(kernel ** 2)` over all kernels; 0 for none.
        mask_scoring_weight: Factor of the loss of mask scores, if the model has them.
    """

    loss_weight: float = 1.0
    ignore_label: int = 255
    class_weights: list[float] = dataclasses.field(default_factory=list)
    label_smoothing: float = 0.0
    use_binary_cross_entropy: bool = False
    top_k_percent_pixels: float = 1.0
    l2_weight_decay: float = 0.0
    mask_scoring_weight: float = 1.0

    def problems(self) -> Iterable[Problem | str]:
        """Yield a problem for each number out of range."""
        if not 0 <= self.label_smoothing <= 1:
            yield Problem("label_smoothing", f"must be a share from 0 to 1; received {self.label_smoothing}.")
        if not 0 < self.top_k_percent_pixels <= 1:
            yield Problem(
                "top_k_percent_pixels", f"must be a share above 0, at most 1; received {self.top_k_percent_pixels}."
            )
        if any(weight < 0 for weight in self.class_weights):
            yield Problem("class_weights", f"must not be negative; received {self.class_weights}.")
        for name in ("l2_weight_decay", "mask_scoring_weight"):
            if getattr(self, name) < 0:
                yield Problem(name, f"must not be negative; received {getattr(self, name)}.")


@dataclasses.dataclass
class EvaluationConfig(Config):
    """The metrics, and the images that are shown.

    Attributes:
        report_per_class_iou: Whether an evaluation has `iou/<class>` for each class beside `mean_iou`.
        report_train_mean_iou: Whether training has `mean_iou` too.
        most_wrong_images: The summaries of an evaluation show this many images, those on whose classes the model is
            worst, each beside its label map and the predicted one; 0 shows none, and nothing but the metrics leaves
            the device, as `trainer.eval_tf_while_loop` asks for.
    """

    report_per_class_iou: bool = True
    report_train_mean_iou: bool = True
    most_wrong_images: int = 8

    def problems(self) -> Iterable[Problem | str]:
        """Yield a problem for each number out of range."""
        if self.most_wrong_images < 0:
            yield Problem("most_wrong_images", f"must not be negative; received {self.most_wrong_images}.")


def _training_data() -> SegmentationDataConfig:
    return SegmentationDataConfig(is_training=True)


def _validation_data() -> SegmentationDataConfig:
    return SegmentationDataConfig(is_training=False)


@dataclasses.dataclass
class SegmentationConfig(TaskConfig):
    """Semantic segmentation: a class for each pixel.

    Attributes:
        model: The model.
        train_data: The images to train on.
        validation_data: The images to evaluate on.
        losses: The loss.
        evaluation: The metrics.
        init_checkpoint_modules: What is loaded from `init_checkpoint`: `all`, or names of parts (`backbone`,
            `decoder`, `head`, `mask_scoring_head`).
    """

    model: SegmentationModelConfig = dataclasses.field(default_factory=SegmentationModelConfig)
    train_data: SegmentationDataConfig | None = dataclasses.field(default_factory=_training_data)
    validation_data: SegmentationDataConfig | None = dataclasses.field(default_factory=_validation_data)
    losses: LossesConfig = dataclasses.field(default_factory=LossesConfig)
    evaluation: EvaluationConfig = dataclasses.field(default_factory=EvaluationConfig)
    init_checkpoint_modules: str | list[str] = "all"

    def problems(self) -> Iterable[Problem | str]:
        """Yield a problem when the parts do not fit each other."""
        yield from super().problems()
        names = self.init_checkpoint_modules
        unknown = [name for name in ([names] if isinstance(names, str) else names) if name not in MODULES]
        if unknown:
            yield Problem("init_checkpoint_modules", f"must be of {', '.join(MODULES)}; received {unknown[0]!r}.")
        weights, classes = self.losses.class_weights, self.model.num_classes
        if weights and len(weights) != classes:
            yield Problem(
                "losses.class_weights",
                f"must have one for each of the {classes} classes of `model.num_classes`; received {len(weights)}.",
            )
        if self.losses.ignore_label < classes:
            yield Problem(
                "losses.ignore_label",
                f"must not be one of the {classes} classes of `model.num_classes`; received "
                f"{self.losses.ignore_label}.",
            )
        for name in ("train_data", "validation_data"):
            data = getattr(self, name)
            if data is not None:
                yield from self._data_problems(name, data)

    def _data_problems(self, name: str, data: SegmentationDataConfig) -> Iterable[Problem]:
        size = self.model.input_size
        if data.ignore_label != self.losses.ignore_label:
            yield Problem(
                f"{name}.ignore_label",
                f"must be that of `losses.ignore_label` ({self.losses.ignore_label}); received {data.ignore_label}.",
            )
        if len(data.image_mean) != COLOUR_CHANNELS or size[2:] != [COLOUR_CHANNELS]:
            yield Problem(
                f"{name}.image_mean",
                "must have 3 numbers, and the last of `model.input_size` must be 3: images are read as red, green and "
                f"blue; received {data.image_mean} and {size}.",
            )
        open_or_equal = [side in (None, own) for side, own in zip(size, data.window, strict=False)]
        if data.window and not all(open_or_equal):
            yield Problem(
                f"{name}.{'crop_size' if data.is_training and data.crop_size else 'output_size'}",
                f"must be the height and width of `model.input_size`, {size[:2]}, or these must be null; received "
                f"{data.window}.",
            )
