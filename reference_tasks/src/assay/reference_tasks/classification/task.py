"""The classification task: images in, logits out, cross-entropy, accuracy."""

from collections.abc import Sequence
from typing import Any

import tensorflow as tf
from assay.core import Task, register_task_cls
from assay.keras_metrics import Accuracy, TopKAccuracy
from assay.losses import CrossEntropyLoss, SigmoidCrossEntropyLoss
from assay.reference_tasks.classification.config import ClassificationConfig, ImageDataConfig
from assay.reference_tasks.classification.inputs import make_dataset
from assay.reference_tasks.classification.model import Classifier, build_classifier
from assay.reference_tasks.classification.most_wrong import most_wrong_of
from assay.reference_tasks.vision.backbones import build_resnet
from assay.reference_tasks.vision.images.most_wrong import MostWrong, extended
from assay.reference_tasks.vision.images.normalization import displayed

LOGITS = "logits"
PROBABILITIES = "probs"
MOST_WRONG = "image/most_wrong"
# What a validation step returns besides the loss.
LIKELIHOODS, IMAGES = "most_wrong_likelihoods", "most_wrong_images"
GREY_OR_COLOUR = (1, 3)


@register_task_cls(ClassificationConfig)
class ClassificationTask(Task):
    """Image classification with one label for each image.

    The model maps images `[batch, height, width, channels]`, normalised as `build_inputs` does, to logits
    `[batch, num_classes]`. The training step is that of `Task`. The validation step also picks out the images that the
    model is most wrong about, which the summaries of an evaluation show as `image/most_wrong`.
    """

    @property
    def needs_step_logs(self) -> bool:  # type: ignore[override]
        """Whether images are to be shown, and can be: they are grey or coloured, and normalised in a known way."""
        config = self.task_config
        shown = config.evaluation.most_wrong_images > 0 and config.validation_data is not None
        return shown and config.model.input_size[-1] in GREY_OR_COLOUR

    def build_model(self) -> Classifier:
        """Build the backbone and head that the configuration describes; its variables are new."""
        model, losses = self.task_config.model, self.task_config.losses
        options = model.norm_activation.layer_options(l2_weight_decay=losses.l2_weight_decay)
        resnet = model.backbone.get()
        backbone = build_resnet(
            resnet.model_id, model.input_size, filters=resnet.filters, stem=resnet.stem, options=options
        )
        return build_classifier(
            backbone, model.num_classes, dropout_rate=model.dropout_rate, kernel_regularizer=options.regularizer()
        )

    def build_inputs(
        self, params: ImageDataConfig, input_context: tf.distribute.InputContext | None = None
    ) -> tf.data.Dataset:
        """Make the dataset of one input pipeline; see `make_dataset`.

        Returns:
            A dataset of images `[batch, height, width, channels]` of `params.dtype`, and int32 labels `[batch]`.
        """
        model = self.task_config.model
        return make_dataset(
            params, input_size=model.input_size, num_classes=model.num_classes, input_context=input_context
        )

    def build_losses(self, labels: Any, model_outputs: Any, aux_losses: Sequence[tf.Tensor] | None = None) -> tf.Tensor:
        """Compute the mean cross-entropy over the batch, plus the sum of `aux_losses`, times `losses.loss_weight`.

        Args:
            labels: Integers `[batch]`.
            model_outputs: Logits `[batch, num_classes]`, or what `inference_step` returns.
            aux_losses: Scalars, the weight decay.

        Returns:
            A float32 scalar. The cross-entropy of an empty batch is 0.
        """
        losses = self.task_config.losses
        logits = _logits(model_outputs)
        if losses.one_hot:
            labels = tf.one_hot(labels, self.task_config.model.num_classes, dtype=logits.dtype)
        loss_class = SigmoidCrossEntropyLoss if losses.use_binary_cross_entropy else CrossEntropyLoss
        loss = loss_class(label_smoothing=losses.label_smoothing)(labels, logits)
        if aux_losses:
            loss += tf.add_n([tf.cast(aux_loss, loss.dtype) for aux_loss in aux_losses])
        return loss * losses.loss_weight

    def build_metrics(self, training: bool = True) -> list[Any]:
        """Make `accuracy` and `top_<k>_accuracy`, for training and for validation alike."""
        del training
        return [Accuracy(name="accuracy"), TopKAccuracy(k=self.task_config.evaluation.top_k)]

    def process_metrics(self, metrics: Sequence[Any], labels: Any, model_outputs: Any, **kwargs: Any) -> None:
        """Update the metrics; arguments as for `build_losses`."""
        del kwargs
        logits = _logits(model_outputs)
        for metric in metrics:
            metric.update_state(labels, logits)

    def validation_step(self, inputs: Any, model: Any, metrics: Sequence[Any] | None = None) -> dict[str, tf.Tensor]:
        """Evaluate one replica's batch with `training=False`.

        Args:
            inputs: Images `[batch, height, width, channels]` and integer labels `[batch]`.
            model: What `build_model` returned.
            metrics: What `build_metrics` returned, or None to update none.

        Returns:
            `loss`. With `evaluation.most_wrong_images` also `most_wrong_likelihoods` `[n]` and `most_wrong_images`
            `[n, height, width, channels]` uint8, of at most that many images of the batch.
        """
        images, labels = inputs
        outputs = self.inference_step(images, model)
        loss = self.build_losses(labels, outputs, aux_losses=list(model.losses))
        if metrics:
            self.process_metrics(metrics, labels, outputs)
        logs = {self.loss: loss}
        if self.needs_step_logs:
            count, data = self.task_config.evaluation.most_wrong_images, self.task_config.validation_data
            worst = most_wrong_of(images, labels, outputs[PROBABILITIES], count=count)
            logs[LIKELIHOODS] = worst.scores
            logs[IMAGES] = displayed(worst.images, mean=data.image_mean, std=data.image_std)
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
        return extended(state, step_logs.get(LIKELIHOODS, ()), step_logs.get(IMAGES, ()), count=count)

    def reduce_aggregated_logs(self, aggregated_logs: MostWrong, global_step: Any = None) -> dict[str, Any]:
        """Return `image/most_wrong`, uint8 `[n, height, width, channels]`, the worst first; {} when none is wanted."""
        del global_step
        return {MOST_WRONG: aggregated_logs.images} if self.needs_step_logs else {}

    def inference_step(self, inputs: Any, model: Any) -> dict[str, tf.Tensor]:
        """Classify images, with `training=False`.

        Args:
            inputs: Images `[batch, height, width, channels]`, normalised as `build_inputs` does.
            model: What `build_model` returned.

        Returns:
            `logits` and `probs`, float32 `[batch, num_classes]`. Probabilities are those of the loss: of a softmax
            over the classes, or of one sigmoid for each.
        """
        logits = tf.cast(model(inputs, training=False), tf.float32)
        sigmoid = self.task_config.losses.use_binary_cross_entropy
        return {LOGITS: logits, PROBABILITIES: tf.sigmoid(logits) if sigmoid else tf.nn.softmax(logits)}


def _logits(model_outputs: Any) -> tf.Tensor:
    """Return the logits: the train step has them as such, validation has what `inference_step` returns."""
    return model_outputs[LOGITS] if isinstance(model_outputs, dict) else model_outputs
