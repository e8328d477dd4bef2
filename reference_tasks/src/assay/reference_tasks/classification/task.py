"""The classification task: images in, logits out, cross-entropy, accuracy."""

from collections.abc import Sequence
from typing import Any

import tensorflow as tf
from assay.core import Task, register_task_cls
from assay.keras_metrics import Accuracy, TopKAccuracy
from assay.losses import CrossEntropyLoss, SigmoidCrossEntropyLoss
from assay.reference_tasks.classification.config import ClassificationConfig, ImageDataConfig
from assay.reference_tasks.classification.inputs import make_dataset
from assay.reference_tasks.classification.model import Classifier, build_classifier, build_resnet
from assay.reference_tasks.classification.model.resnet import LayerOptions

LOGITS = "logits"
PROBABILITIES = "probs"


@register_task_cls(ClassificationConfig)
class ClassificationTask(Task):
    """Image classification with one label for each image.

    The model maps images `[batch, height, width, channels]`, normalised as `build_inputs` does, to logits
    `[batch, num_classes]`. The steps are those of `Task`.
    """

    def build_model(self) -> Classifier:
        """Build the backbone and head that the configuration describes; its variables are new."""
        model, losses = self.task_config.model, self.task_config.losses
        options = LayerOptions(
            activation=model.norm_activation.activation,
            norm_momentum=model.norm_activation.norm_momentum,
            norm_epsilon=model.norm_activation.norm_epsilon,
            use_sync_bn=model.norm_activation.use_sync_bn,
            l2_weight_decay=losses.l2_weight_decay,
        )
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
