"""The base of metrics of label maps: arrays, or Model Garden's dict of masks, valid masks and image info."""

from collections.abc import Mapping, Sequence
from typing import Any

import tensorflow as tf
from assay.keras_metrics._class_count_metric import ClassCountMetric
from assay.keras_metrics._rescale import resize, to_original

MASKS, VALID_MASKS, IMAGE_INFO = "masks", "valid_masks", "image_info"


class SegmentationMetric(ClassCountMetric):
    """Counts label maps; what follows from the counts is in the subclasses.

    Args:
        num_classes: Number of classes, at least 2.
        name: Name of the metric; None means the default one of the class.
        ignore_label: Class id of pixels to leave out, for example 255.
        rescale_predictions: Whether predictions are brought back to the original image by `y_true["image_info"]`, the
            labels being those of the original image, at the top left of `masks`. False: predictions of another size
            than the masks of a dict are resized to them.
        input_size: `(height, width)` of the model's input with its padding, used by `rescale_predictions`. None: it is
            row 1 of `image_info`, as Model Garden's `resize_and_crop_image` writes it. Its
            `resize_and_crop_image_v2` writes the size of the scaled image without padding there: pass the padded size.
        dtype: Dtype of the result; None means float32.
    """

    def __init__(
        self,
        num_classes: int,
        name: str | None = None,
        *,
        ignore_label: int | None = None,
        rescale_predictions: bool = False,
        input_size: Sequence[int] | None = None,
        dtype: Any = None,
    ) -> None:
        super().__init__(num_classes, name, ignore_label=ignore_label, dtype=dtype)
        if input_size is not None and (len(input_size) != 2 or min(input_size) < 1):
            raise ValueError(f"`input_size` must be (height, width), both positive. Received: {input_size!r}.")
        self.rescale_predictions = bool(rescale_predictions)
        self.input_size = None if input_size is None else (int(input_size[0]), int(input_size[1]))

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        """Count a batch.

        Args:
            y_true: Class ids `[batch, ...]` (or `[batch, ..., 1]`); or a dict of `masks`, class ids
                `[batch, height, width]` (or `[..., 1]`), and optionally `valid_masks`, of that shape, whose false (or
                zero) pixels are left out (with more than one layer at the end: where all are false), and `image_info`,
                `[batch, 4, 2]`, which only `rescale_predictions` looks at.
            y_pred: Float scores `[batch, ..., num_classes]`, logits or probabilities; or integer class ids
                `[batch, ...]` (or `[batch, ..., 1]`).
            sample_weight: None, a scalar, or weights of the shape of the labels or a leading part of it, such as a
                weight per image. What has weight 0 is not looked at.

        Raises:
            ValueError: If the shapes do not fit, a key is missing, or class ids come in a dtype that cannot hold them.
        """
        predictions = self._read_predictions(y_pred)
        if not isinstance(y_true, Mapping):
            if self.rescale_predictions:
                raise ValueError(
                    f"{self.name!r} with `rescale_predictions` needs `y_true` as a dict of masks and image_info. "
                    f"Received: {type(y_true).__name__}."
                )
            self._count(y_true, predictions, sample_weight)
            return
        masks = self._read_masks(y_true)
        if not predictions.dtype.is_floating and predictions.shape.rank == 4:
            predictions = tf.squeeze(predictions, axis=-1)
        if predictions.shape.rank != (4 if predictions.dtype.is_floating else 3):
            raise ValueError(
                f"With a dict, `y_pred` of {self.name!r} must be scores [batch, height, width, {self.num_classes}] or "
                f"integer class ids [batch, height, width]. Received shape {predictions.shape}."
            )
        counted = self._valid(y_true, masks)
        predictions, inside = self._at_masks(predictions, y_true, masks)
        if inside is not None:
            counted = inside if counted is None else tf.logical_and(counted, inside)
        self._count(masks, predictions, sample_weight, counted=counted)

    def get_config(self) -> dict[str, Any]:
        """Every constructor argument, as JSON values."""
        return {
            **super().get_config(),
            "rescale_predictions": self.rescale_predictions,
            "input_size": None if self.input_size is None else [*self.input_size],
        }

    def _read_masks(self, y_true: Mapping[str, Any]) -> Any:
        needed = [MASKS, IMAGE_INFO] if self.rescale_predictions else [MASKS]
        for key in needed:
            if key not in y_true:
                raise ValueError(f"`y_true` of {self.name!r} lacks {key!r}. Received: {sorted(y_true)}.")
        masks = tf.convert_to_tensor(y_true[MASKS])
        if masks.shape.rank == 4 and masks.shape[-1] == 1:
            masks = tf.squeeze(masks, axis=-1)
        if masks.shape.rank != 3:
            raise ValueError(
                f"`masks` must have shape [batch, height, width] or [batch, height, width, 1]. Received: {masks.shape}."
            )
        return masks

    def _valid(self, y_true: Mapping[str, Any], masks: Any) -> Any:
        if VALID_MASKS not in y_true:
            return None
        valid = tf.cast(tf.convert_to_tensor(y_true[VALID_MASKS]), tf.bool)
        if valid.shape.rank == 4:
            valid = tf.reduce_any(valid, axis=-1)
        if valid.shape.rank != 3 or not valid.shape.is_compatible_with(masks.shape):
            raise ValueError(f"`valid_masks` of shape {valid.shape} does not fit `masks` of shape {masks.shape}.")
        return valid

    def _at_masks(self, predictions: Any, y_true: Mapping[str, Any], masks: Any) -> tuple[Any, Any]:
        """Predictions of the size of the masks, and which pixels have one (None: all)."""
        size = masks.shape[1:3] if masks.shape[1:3].is_fully_defined() else tf.shape(masks)[1:3]
        if self.rescale_predictions:
            return to_original(predictions, y_true[IMAGE_INFO], size, input_size=self.input_size)
        if masks.shape[1:3].is_fully_defined() and predictions.shape[1:3] == masks.shape[1:3]:
            return predictions, None
        return resize(predictions, size), None
