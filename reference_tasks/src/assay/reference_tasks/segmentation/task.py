"""The segmentation task: images in, logits for each pixel out, cross-entropy, intersection over union."""

from collections.abc import Sequence
from typing import Any

import tensorflow as tf
from assay.core import Task, register_task_cls
from assay.keras_metrics import MeanIoU
from assay.losses import MaskScoringLoss, SegmentationLoss, mask_scores
from assay.reference_tasks.segmentation.config import SegmentationConfig, SegmentationDataConfig
from assay.reference_tasks.segmentation.inputs import make_dataset
from assay.reference_tasks.segmentation.inputs.parser import IMAGE_INFO, MASKS
from assay.reference_tasks.segmentation.model import Segmenter, build_segmenter
from assay.reference_tasks.segmentation.model.segmenter import LOGITS, MASK_SCORES
from assay.reference_tasks.segmentation.pictures import most_wrong_of
from assay.reference_tasks.vision.images.geometry import place_masks
from assay.reference_tasks.vision.images.most_wrong import MostWrong, extended

MASK_SCORES_MSE = "mask_scores_mse"
MOST_WRONG = "image/most_wrong"
# What a validation step returns besides the loss.
SCORES, PICTURES = "most_wrong_scores", "most_wrong_images"


@register_task_cls(SegmentationConfig)
class SegmentationTask(Task):
    """Semantic segmentation.

    The model maps images `[batch, height, width, 3]`, normalised as `build_inputs` does, to a dict of `logits`
    `[batch, height, width, num_classes]` and, with a mask scoring head, `mask_scores` `[batch, num_classes]`. Labels
    are a dict of `masks`, `valid_masks` and `image_info`; see `inputs.Parser`. The training step is that of `Task`.

    An evaluation counts pixels of the model's input or, with `validation_data.resize_eval_groundtruth` false, of the
    original images; its loss is always that of the model's input, as in training. It shows the images that the model
    is most wrong about as `image/most_wrong`: image, label map and prediction side by side.
    """

    @property
    def needs_step_logs(self) -> bool:  # type: ignore[override]
        """Whether images are to be shown."""
        return self.task_config.evaluation.most_wrong_images > 0 and self.task_config.validation_data is not None

    def build_model(self) -> Segmenter:
        """Build the parts that the configuration describes; its variables are new."""
        model, losses = self.task_config.model, self.task_config.losses
        return build_segmenter(model, model.norm_activation.layer_options(l2_weight_decay=losses.l2_weight_decay))

    def build_inputs(
        self, params: SegmentationDataConfig, input_context: tf.distribute.InputContext | None = None
    ) -> tf.data.Dataset:
        """Make the dataset of one input pipeline; see `make_dataset`.

        Returns:
            A dataset of images `[batch, height, width, 3]` of `params.dtype`, and labels with the same first axis.
        """
        return make_dataset(params, num_classes=self.task_config.model.num_classes, input_context=input_context)

    def build_losses(self, labels: Any, model_outputs: Any, aux_losses: Sequence[tf.Tensor] | None = None) -> tf.Tensor:
        """Compute the mean cross-entropy of the pixels, plus the sum of `aux_losses`, times `losses.loss_weight`.

        The mean is over the pixels of all replicas that are not ignored.

        Args:
            labels: A dict with `masks`, integers `[batch, height, width, 1]` at the size of the model's input.
            model_outputs: A dict with `logits` and, if the model scores masks, `mask_scores`, whose squared error is
                added with the factor `losses.mask_scoring_weight`.
            aux_losses: Scalars, the weight decay.

        Returns:
            A float32 scalar. Of an empty batch, and where every pixel is ignored, the cross-entropy is 0.
        """
        losses, masks = self.task_config.losses, labels[MASKS]
        cross_entropy = SegmentationLoss(
            ignore_label=losses.ignore_label,
            class_weights=losses.class_weights or None,
            label_smoothing=losses.label_smoothing,
            use_binary_cross_entropy=losses.use_binary_cross_entropy,
            top_k_percent_pixels=losses.top_k_percent_pixels,
        )
        loss = cross_entropy(masks, model_outputs[LOGITS])
        if MASK_SCORES in model_outputs:
            truth = {"labels": masks, "logits": model_outputs[LOGITS]}
            scoring = MaskScoringLoss(ignore_label=losses.ignore_label)(truth, model_outputs[MASK_SCORES])
            loss += losses.mask_scoring_weight * scoring
        if aux_losses:
            loss += tf.add_n([tf.cast(aux_loss, loss.dtype) for aux_loss in aux_losses])
        return loss * losses.loss_weight

    def build_metrics(self, training: bool = True) -> list[Any]:
        """Make `mean_iou`, `iou/<class>` in validation, and `mask_scores_mse` if the model scores masks.

        A class that is neither labelled nor predicted counts nowhere in `mean_iou`; its `iou/<class>` is 0. Scores of
        masks are compared at the size of the model's input only, so an evaluation at the original size has none.
        """
        evaluation, model = self.task_config.evaluation, self.task_config.model
        at_original_size = not training and not self._validates_at_input_size
        options = {
            "num_classes": model.num_classes,
            "ignore_label": self.task_config.losses.ignore_label,
            "rescale_predictions": at_original_size,
        }
        metrics = []
        if not training or evaluation.report_train_mean_iou:
            metrics.append(MeanIoU(name="mean_iou", **options))
        if not training and evaluation.report_per_class_iou:
            # Counted once in a graph: TensorFlow and XLA compute what these have in common only once.
            metrics += [
                MeanIoU(name=f"iou/{each}", target_class_ids=[each], absent_class="zero", **options)
                for each in range(model.num_classes)
            ]
        if model.mask_scoring_head is not None and not at_original_size:
            metrics.append(tf.keras.metrics.Mean(name=MASK_SCORES_MSE))
        return metrics

    def process_metrics(self, metrics: Sequence[Any], labels: Any, model_outputs: Any, **kwargs: Any) -> None:
        """Update the metrics.

        Args:
            metrics: What `build_metrics` returned.
            labels: As `build_inputs` gives them, of training or of validation like the metrics.
            model_outputs: As for `build_losses`.
            **kwargs: Ignored.
        """
        del kwargs
        for metric in metrics:
            if metric.name == MASK_SCORES_MSE:
                truth, occurs = mask_scores(
                    labels[MASKS], model_outputs[LOGITS], ignore_label=self.task_config.losses.ignore_label
                )
                metric.update_state(tf.square(truth - model_outputs[MASK_SCORES]), sample_weight=occurs)
            else:
                metric.update_state(labels, model_outputs[LOGITS])

    def validation_step(self, inputs: Any, model: Any, metrics: Sequence[Any] | None = None) -> dict[str, tf.Tensor]:
        """Evaluate one replica's batch with `training=False`.

        Args:
            inputs: Images `[batch, height, width, 3]` and labels, as `build_inputs` gives them for validation.
            model: What `build_model` returned.
            metrics: What `build_metrics` returned, or None to update none.

        Returns:
            `loss`. With `evaluation.most_wrong_images` also `most_wrong_scores` `[n]` and `most_wrong_images`
            `[n, height, 3 * width, 3]` uint8, of at most that many images of the batch.
        """
        images, labels = inputs
        outputs = self.inference_step(images, model)
        masks = self._masks_of_input(images, labels)
        loss = self.build_losses({**labels, MASKS: masks}, outputs, aux_losses=list(model.losses))
        if metrics:
            self.process_metrics(metrics, labels, outputs)
        logs = {self.loss: loss}
        if self.needs_step_logs:
            config = self.task_config
            worst = most_wrong_of(
                images,
                masks,
                outputs[LOGITS],
                count=config.evaluation.most_wrong_images,
                ignore_label=config.losses.ignore_label,
                mean=config.validation_data.image_mean,
                std=config.validation_data.image_std,
            )
            logs[SCORES], logs[PICTURES] = worst.scores, worst.images
        return logs

    def aggregate_logs(self, state: MostWrong | None, step_logs: dict[str, Any]) -> MostWrong:
        """Keep the images that the model is most wrong about, of those so far and those of one step.

        Args:
            state: What the last call returned; None at the first step of an evaluation.
            step_logs: What `validation_step` returned, each value a tuple over the replicas.

        Returns:
            The new state.
        """
        count = self.task_config.evaluation.most_wrong_images
        return extended(state, step_logs.get(SCORES, ()), step_logs.get(PICTURES, ()), count=count)

    def reduce_aggregated_logs(self, aggregated_logs: MostWrong, global_step: Any = None) -> dict[str, Any]:
        """Return `image/most_wrong`, uint8 `[n, height, 3 * width, 3]`, the worst first; {} when none is wanted."""
        del global_step
        return {MOST_WRONG: aggregated_logs.images} if self.needs_step_logs else {}

    def inference_step(self, inputs: Any, model: Any) -> dict[str, tf.Tensor]:
        """Segment images, with `training=False`.

        Args:
            inputs: Images `[batch, height, width, 3]`, normalised as `build_inputs` does.
            model: What `build_model` returned.

        Returns:
            `logits`, float32 `[batch, height, width, num_classes]`, and, if the model scores masks, `mask_scores`,
            float32 `[batch, num_classes]`.
        """
        return {name: tf.cast(output, tf.float32) for name, output in model(inputs, training=False).items()}

    @property
    def _validates_at_input_size(self) -> bool:
        data = self.task_config.validation_data
        return data is None or data.resize_eval_groundtruth

    def _masks_of_input(self, images: tf.Tensor, labels: dict[str, tf.Tensor]) -> tf.Tensor:
        """Return the label maps at the size of the model's input, where they are of the original size."""
        if self._validates_at_input_size:
            return labels[MASKS]
        fill = self.task_config.losses.ignore_label
        return place_masks(labels[MASKS], labels[IMAGE_INFO], images.shape[1:3], fill=fill)
