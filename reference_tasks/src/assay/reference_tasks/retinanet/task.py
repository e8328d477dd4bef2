"""The detection task: images in, boxes with classes and scores out; focal and Huber losses, average precision."""

from collections.abc import Mapping, Sequence
from typing import Any

import tensorflow as tf
from assay.core import Task, apply_scaled_gradients, cast_outputs_to_float32, register_task_cls, scale_loss
from assay.losses import RetinaNetLoss
from assay.python_metrics import COCOEvaluator
from assay.reference_tasks.retinanet import evaluation
from assay.reference_tasks.retinanet.anchors import AnchorGenerator
from assay.reference_tasks.retinanet.config import DetectionDataConfig, RetinaNetConfig
from assay.reference_tasks.retinanet.detections import DetectionGenerator
from assay.reference_tasks.retinanet.evaluation import Evaluation
from assay.reference_tasks.retinanet.inputs import GROUNDTRUTHS, IMAGE_INFO, Parser
from assay.reference_tasks.retinanet.labeler import AnchorLabeler
from assay.reference_tasks.retinanet.matcher import Matcher
from assay.reference_tasks.retinanet.metrics import LossPerPositive
from assay.reference_tasks.retinanet.model import AttributeHead, RetinaNet, build_retinanet
from assay.reference_tasks.vision.backbones import build_resnet
from assay.reference_tasks.vision.boxes import BoxCoder
from assay.reference_tasks.vision.images.normalization import displayed
from assay.reference_tasks.vision.inputs import Reader, make_dataset, make_detection_reader, make_sources

METRICS = ("total_loss", "cls_loss", "box_loss", "model_loss")
SHOWN = "image/detections"
GREY_OR_COLOUR = (1, 3)


@register_task_cls(RetinaNetConfig)
class RetinaNetTask(Task):
    """Object detection with RetinaNet.

    The model maps images `[batch, height, width, channels]`, normalised as `build_inputs` does, to the outputs of its
    heads; `inference_step` adds the detections. An evaluation computes COCO's metrics on the host, and shows a few
    images as `image/detections`, with their objects on the left and what was detected on the right.
    """

    def __init__(self, params: RetinaNetConfig, *, logging_dir: str | None = None, name: str | None = None) -> None:
        super().__init__(params, logging_dir=logging_dir, name=name)
        model = params.model
        self._anchors = AnchorGenerator(
            model.min_level, model.max_level, image_size=tuple(model.input_size[:2]), **model.anchor.as_dict()
        )
        self._coder = BoxCoder(tuple(params.targets.box_coder_weights))

    def build_model(self) -> RetinaNet:
        """Build the backbone, pyramid and heads that the configuration describes; its variables are new."""
        config, model = self.task_config, self.task_config.model
        options = model.norm_activation.layer_options(l2_weight_decay=config.losses.l2_weight_decay)
        resnet = model.backbone.get()
        backbone = build_resnet(
            resnet.model_id,
            model.input_size,
            filters=resnet.filters,
            stem=resnet.stem,
            # What does not learn does not decay.
            options=model.norm_activation.layer_options() if config.freeze_backbone else options,
        )
        return build_retinanet(
            backbone,
            min_level=model.min_level,
            max_level=model.max_level,
            num_classes=model.num_classes,
            anchors_per_location=self._anchors.anchors_per_location,
            decoder_filters=model.decoder.num_filters,
            head_convs=model.head.num_convs,
            head_filters=model.head.num_filters,
            options=options,
            attributes=[AttributeHead(**head.as_dict()) for head in model.head.attribute_heads],
            freeze_backbone=config.freeze_backbone,
        )

    def build_inputs(
        self, params: DetectionDataConfig, input_context: tf.distribute.InputContext | None = None
    ) -> tf.data.Dataset:
        """Make the dataset of one input pipeline; see `make_dataset`.

        Returns:
            A dataset of images `[batch, height, width, channels]` of `params.dtype`, and labels as `Parser` makes them,
            with `groundtruths` when validating.
        """
        model = self.task_config.model

        def make_reader(path: str | Sequence[str]) -> Reader:
            sizes = {head.name: head.size for head in model.head.attribute_heads}
            return make_detection_reader(params, path, num_classes=model.num_classes, attributes=sizes)

        parser = Parser(
            params,
            input_size=model.input_size,
            labeler=self._labeler(),
            attributes=[head.name for head in model.head.attribute_heads],
        )
        return make_dataset(
            params,
            make_sources(params, make_reader),
            parse_train=parser.parse_train,
            parse_eval=parser.parse_eval,
            input_context=input_context,
        )

    def build_losses(
        self,
        labels: Mapping[str, Any],
        model_outputs: Mapping[str, Any],
        aux_losses: Sequence[tf.Tensor] | None = None,
    ) -> tf.Tensor:
        """Compute the loss of all anchors over the positive ones, plus the sum of `aux_losses`, times `loss_weight`.

        Args:
            labels: What `build_inputs` gives.
            model_outputs: What the model returns, or what `inference_step` returns.
            aux_losses: Scalars, the weight decay.

        Returns:
            A float32 scalar. Under a `tf.distribute` strategy, positive anchors are counted over all replicas.
        """
        loss = self._loss()(labels, model_outputs)
        return (loss + _sum(aux_losses)) * self.task_config.losses.loss_weight

    def build_metrics(self, training: bool = True) -> list[Any]:
        """Make `total_loss`, `cls_loss`, `box_loss` and `model_loss`, for training and for validation alike.

        They are sums over positive anchors, `model_loss` without and `total_loss` with the weight decay.
        """
        del training
        return [LossPerPositive(name) for name in METRICS]

    def process_metrics(
        self, metrics: Sequence[Any], labels: Mapping[str, Any], model_outputs: Mapping[str, Any], **kwargs: Any
    ) -> None:
        """Update the metrics; arguments as for `build_losses`, `aux_losses` among them by its name."""
        positives = tf.reduce_sum(labels["box_weights"])
        sums = self._loss(reduction="sum").components(labels, model_outputs)
        sums["model_loss"] = sums["total_loss"]
        total = sums["model_loss"] + _sum(kwargs.get("aux_losses")) * positives
        sums["total_loss"] = total * self.task_config.losses.loss_weight
        for metric in metrics:
            metric.update_state(sums[metric.name], positives)

    def train_step(
        self, inputs: Any, model: Any, optimizer: Any, metrics: Sequence[Any] | None = None
    ) -> dict[str, tf.Tensor]:
        """Take one optimizer step on one replica's batch, as `Task.train_step`, with the weight decay in a metric."""
        images, labels = inputs
        with tf.GradientTape() as tape:
            outputs = cast_outputs_to_float32(model(images, training=True))
            aux_losses = list(model.losses)
            loss = self.build_losses(labels, outputs, aux_losses=aux_losses)
            share = loss / tf.cast(tf.distribute.get_strategy().num_replicas_in_sync, loss.dtype)
            scaled_loss = scale_loss(optimizer, share)
        variables = model.trainable_variables
        apply_scaled_gradients(optimizer, tape.gradient(scaled_loss, variables), variables)
        if metrics:
            self.process_metrics(metrics, labels, outputs, aux_losses=aux_losses)
        return {self.loss: loss}

    def validation_step(self, inputs: Any, model: Any, metrics: Sequence[Any] | None = None) -> dict[str, tf.Tensor]:
        """Evaluate one replica's batch with `training=False`.

        Args:
            inputs: Images `[batch, height, width, channels]`, and labels with `groundtruths`.
            model: What `build_model` returned.
            metrics: What `build_metrics` returned, or None to update none.

        Returns:
            `loss`, groundtruth and detections for `aggregate_logs`, and of at most `summary_images` images the pixels.
        """
        images, labels = inputs
        outputs = cast_outputs_to_float32(model(images, training=False))
        aux_losses = list(model.losses)
        loss = self.build_losses(labels, outputs, aux_losses=aux_losses)
        if metrics:
            self.process_metrics(metrics, labels, outputs, aux_losses=aux_losses)
        image_info, groundtruths = labels[IMAGE_INFO], labels[GROUNDTRUTHS]
        windows = tf.minimum(image_info[:, 0] * image_info[:, 2], image_info[:, 1])
        predictions = self._generator().detect(outputs, windows=windows) | {
            "source_id": groundtruths["source_id"],
            IMAGE_INFO: image_info,
        }
        predictions.pop("detection_attributes", None)
        return {
            self.loss: loss,
            **evaluation.with_prefix(evaluation.GROUNDTRUTH, groundtruths),
            **evaluation.with_prefix(evaluation.PREDICTION, predictions),
            **self._images_to_show(images, groundtruths["source_id"]),
        }

    def aggregate_logs(self, state: Evaluation | None, step_logs: dict[str, Any]) -> Evaluation:
        """Add the detections of one step to the metric, and keep a few images.

        Args:
            state: What the last call returned; None at the first step of an evaluation.
            step_logs: What `validation_step` returned, each value a tuple over the replicas.

        Returns:
            The new state.
        """
        config = self.task_config
        if state is None:
            metric = COCOEvaluator(
                config.annotation_file or None,
                per_category_metrics=config.per_category_metrics,
                max_num_eval_detections=config.max_num_eval_detections,
            )
            state = Evaluation(metric, config.summary_images)
        state.add(step_logs)
        return state

    def reduce_aggregated_logs(self, aggregated_logs: Evaluation, global_step: Any = None) -> dict[str, Any]:
        """Return COCO's metrics (`AP`, `AP50`, ...; -1 where undefined), and `image/detections` if any is shown."""
        del global_step
        images = aggregated_logs.images()
        return aggregated_logs.numbers() | ({} if images is None else {SHOWN: images})

    def inference_step(self, inputs: Any, model: Any) -> dict[str, Any]:
        """Detect objects, with `training=False`.

        Args:
            inputs: Images `[batch, height, width, channels]`, normalised as `build_inputs` does.
            model: What `build_model` returned.

        Returns:
            What the model returns, as float32, and what `DetectionGenerator.detect` returns.
        """
        outputs = cast_outputs_to_float32(model(inputs, training=False))
        return {**outputs, **self._generator().detect(outputs)}

    def _loss(self, **options: Any) -> RetinaNetLoss:
        losses, model = self.task_config.losses, self.task_config.model
        return RetinaNetLoss(
            num_classes=model.num_classes,
            focal_loss_alpha=losses.focal_loss_alpha,
            focal_loss_gamma=losses.focal_loss_gamma,
            huber_loss_delta=losses.huber_loss_delta,
            box_loss_weight=losses.box_loss_weight,
            attributes={head.name: head.type for head in model.head.attribute_heads},
            attribute_loss_weight=losses.attribute_loss_weight,
            **options,
        )

    def _generator(self) -> DetectionGenerator:
        model = self.task_config.model
        return DetectionGenerator(self._anchors, self._coder, model.num_classes, **model.detection_generator.as_dict())

    def _labeler(self) -> AnchorLabeler:
        targets = self.task_config.targets
        matcher = Matcher(targets.match_threshold, targets.unmatched_threshold)
        return AnchorLabeler(self._anchors, matcher, self._coder, crowd_coverage=targets.crowd_coverage)

    def _images_to_show(self, images: tf.Tensor, source_ids: tf.Tensor) -> dict[str, tf.Tensor]:
        count, data = self.task_config.summary_images, self.task_config.validation_data
        if not count or data is None or images.shape[-1] not in GREY_OR_COLOUR:
            return {}
        pixels = displayed(images, mean=data.image_mean, std=data.image_std)
        return evaluation.picked(source_ids, pixels, count=count)


def _sum(aux_losses: Sequence[tf.Tensor] | None) -> tf.Tensor:
    return tf.add_n([tf.cast(loss, tf.float32) for loss in aux_losses]) if aux_losses else tf.constant(0.0)
