"""The configuration of the classification task."""

import dataclasses
from collections.abc import Iterable
from typing import Literal

from assay.core import Config, Problem, TaskConfig
from assay.reference_tasks.vision.config import BackboneConfig, NormActivationConfig
from assay.reference_tasks.vision.images.affine import AffineConfig
from assay.reference_tasks.vision.inputs.config import VisionDataConfig


@dataclasses.dataclass
class ImageDataConfig(VisionDataConfig):
    """Labelled images. What `aug_` begins happens in training only, and depends on `seed` and position alone.

    Attributes:
        reader: `tfrecord` (`input_path`: files), `image_folder` (a folder with one folder for each class) or `arrays`
            (a `.npz` file with `images` and `labels`, or `package.module:function` that returns the two).
        center_crop_fraction: Share of the sides that is kept, in the middle, where no random crop is taken.
        aug_crop: Whether to train on random crops.
        crop_area_range: Smallest and largest share of the area in a random crop.
        aug_rand_hflip: Whether to mirror half of the images, left to right.
        aug_affine: Random shift, size, turn and shape, for images too small to crop; what comes in from outside is
            black. None for none.
    """

    reader: Literal["tfrecord", "image_folder", "arrays"] = "tfrecord"
    center_crop_fraction: float = 0.875
    aug_crop: bool = True
    crop_area_range: tuple[float, float] = (0.08, 1.0)
    aug_rand_hflip: bool = True
    aug_affine: AffineConfig | None = None

    def problems(self) -> Iterable[Problem | str]:
        """Yield a problem for each number out of range, and for options that contradict one another."""
        yield from super().problems()
        if not 0 < self.center_crop_fraction <= 1:
            yield Problem("center_crop_fraction", f"must be above 0, at most 1; received {self.center_crop_fraction}.")
        smallest, largest = self.crop_area_range
        if not 0 < smallest <= largest <= 1:
            yield Problem("crop_area_range", f"must be two rising shares above 0; received {self.crop_area_range}.")


@dataclasses.dataclass
class ClassificationModelConfig(Config):
    """A backbone, global average pooling, dropout and one dense layer.

    Attributes:
        num_classes: Number of classes.
        input_size: Height, width and channels of the images given to the model.
        backbone: The backbone.
        dropout_rate: Share of the pooled features dropped in training.
        norm_activation: Normalisation and activation of the backbone.
    """

    num_classes: int = 0
    input_size: list[int] = dataclasses.field(default_factory=lambda: [224, 224, 3])
    backbone: BackboneConfig = dataclasses.field(default_factory=BackboneConfig)
    dropout_rate: float = 0.0
    norm_activation: NormActivationConfig = dataclasses.field(default_factory=NormActivationConfig)

    def problems(self) -> Iterable[Problem | str]:
        """Yield a problem for each number out of range."""
        if self.num_classes < 2:
            yield Problem("num_classes", f"must be at least 2; received {self.num_classes}.")
        if len(self.input_size) != 3 or min(self.input_size) < 1:
            yield Problem("input_size", f"must be [height, width, channels]; received {self.input_size}.")
        if not 0 <= self.dropout_rate < 1:
            yield Problem("dropout_rate", f"must be at least 0 and below 1; received {self.dropout_rate}.")


@dataclasses.dataclass
class LossesConfig(Config):
    """The loss: cross-entropy, a mean over the batch, plus weight decay.

    Attributes:
        loss_weight: Factor of the whole loss.
        one_hot: Whether labels become one-hot before the loss; else they stay class ids. The value is the same.
        label_smoothing: Share of the target spread evenly over all classes.
        use_binary_cross_entropy: One sigmoid for each class, a mean over them, instead of one softmax.
        l2_weight_decay: The loss contains `l2_weight_decay / 2 * sum(kernel ** 2)` over all kernels; 0 for none.
    """

    loss_weight: float = 1.0
    one_hot: bool = True
    label_smoothing: float = 0.0
    use_binary_cross_entropy: bool = False
    l2_weight_decay: float = 0.0

    def problems(self) -> Iterable[Problem | str]:
        """Yield a problem for each number out of range."""
        if not 0 <= self.label_smoothing <= 1:
            yield Problem("label_smoothing", f"must be a share from 0 to 1; received {self.label_smoothing}.")
        if self.l2_weight_decay < 0:
            yield Problem("l2_weight_decay", f"must not be negative; received {self.l2_weight_decay}.")


@dataclasses.dataclass
class EvaluationConfig(Config):
    """The metrics besides `accuracy`, and the images that are shown.

    Attributes:
        top_k: The metric `top_<k>_accuracy` counts an example as right when its class is among the k best.
        most_wrong_images: The summaries of an evaluation show this many images, those whose label the model found
            least likely; 0 shows none, and nothing but the metrics leaves the device. That is what
            `trainer.eval_tf_while_loop` asks for, which is refused otherwise: images of each step are joined on the
            host, because what a metric keeps on the device must be a sum over replicas, and its result a number.
    """

    top_k: int = 5
    most_wrong_images: int = 8

    def problems(self) -> Iterable[Problem | str]:
        """Yield a problem for each number out of range."""
        if self.most_wrong_images < 0:
            yield Problem("most_wrong_images", f"must not be negative; received {self.most_wrong_images}.")
        if self.top_k < 1:
            yield Problem("top_k", f"must be above 0; received {self.top_k}.")


def _training_data() -> ImageDataConfig:
    return ImageDataConfig(is_training=True)


def _validation_data() -> ImageDataConfig:
    return ImageDataConfig(is_training=False)


@dataclasses.dataclass
class ClassificationConfig(TaskConfig):
    """Image classification with one label for each image.

    Attributes:
        model: The model.
        train_data: The images to train on.
        validation_data: The images to evaluate on.
        losses: The loss.
        evaluation: The metrics.
        init_checkpoint_modules: What is loaded from `init_checkpoint`: `all`, or `backbone`.
    """

    model: ClassificationModelConfig = dataclasses.field(default_factory=ClassificationModelConfig)
    train_data: ImageDataConfig | None = dataclasses.field(default_factory=_training_data)
    validation_data: ImageDataConfig | None = dataclasses.field(default_factory=_validation_data)
    losses: LossesConfig = dataclasses.field(default_factory=LossesConfig)
    evaluation: EvaluationConfig = dataclasses.field(default_factory=EvaluationConfig)
    init_checkpoint_modules: Literal["all", "backbone"] = "all"

    def problems(self) -> Iterable[Problem | str]:
        """Yield a problem when the parts do not fit each other."""
        yield from super().problems()
        if self.evaluation.top_k >= self.model.num_classes > 1:
            yield Problem(
                "evaluation.top_k",
                f"must be below `model.num_classes` ({self.model.num_classes}), else every prediction is right; "
                f"received {self.evaluation.top_k}.",
            )
        for name in ("train_data", "validation_data"):
            data = getattr(self, name)
            if (
                data is not None
                and len(self.model.input_size) == 3
                and len(data.image_mean) != self.model.input_size[2]
            ):
                yield Problem(
                    f"{name}.image_mean",
                    f"must have one number for each of the {self.model.input_size[2]} channels of `model.input_size`; "
                    f"received {data.image_mean}.",
                )
