"""The task against NumPy in double precision, on one replica and on two."""

import numpy as np
import pytest
import tensorflow as tf
from assay.core import CheckpointMismatchError, ConfigError, get_task
from assay.reference_tasks.retinanet import RetinaNetConfig, RetinaNetTask
from assay.reference_tasks.retinanet.testing import scenes_subject

pytestmark = pytest.mark.flavour

CLASSES = 11
COCO = {"AP", "AP50", "AP75", "APs", "APm", "APl", "ARmax1", "ARmax10", "ARmax100", "ARs", "ARm", "ARl"}


def flat(by_level, depth=None):
    batch = next(iter(by_level.values())).shape[0]
    tail = [] if depth is None else [depth]
    return np.concatenate([np.asarray(x, np.float64).reshape(batch, -1, *tail) for x in by_level.values()], axis=1)


def loss_oracle(labels, outputs):
    """Sums over all anchors of focal and Huber loss, and the number of positive anchors."""
    logits, targets = flat(outputs["cls_outputs"], CLASSES), flat(labels["cls_targets"]).astype(int)
    one_hot = (targets[..., None] == np.arange(CLASSES)).astype(float)
    p = 1 / (1 + np.exp(-logits))
    p_t, alpha_t = np.where(one_hot, p, 1 - p), np.where(one_hot, 0.25, 0.75)
    focal = (alpha_t * (1 - p_t) ** 1.5 * -np.log(p_t)).sum(-1)
    errors = np.abs(flat(outputs["box_outputs"], 4) - flat(labels["box_targets"], 4))
    huber = np.where(errors < 0.1, errors**2 / 2, 0.1 * (errors - 0.05)).mean(-1)
    positives = labels["box_weights"].numpy()
    return (focal * labels["cls_weights"].numpy()).sum(), (huber * positives).sum(), positives.sum()


def without_prefix(logs):
    return {key: (value,) for key, value in logs.items()}


class TestLoss:
    @pytest.mark.parametrize("aux_losses", [None, [], [1.5, 0.25]])
    def test_is_focal_plus_huber_over_the_positive_anchors(self, make_task, trained, batches, aux_losses):
        images, labels = batches[0]
        outputs = trained[1](images, training=False)
        tensors = None if aux_losses is None else [tf.constant(value) for value in aux_losses]
        loss = make_task(losses={"loss_weight": 2.0}).build_losses(labels, outputs, tensors)

        focal, huber, positives = loss_oracle(labels, outputs)
        assert loss.dtype == tf.float32
        np.testing.assert_allclose(loss, 2 * ((focal + 50 * huber) / positives + sum(aux_losses or [])), rtol=1e-4)

    def test_of_an_empty_batch_is_zero(self, trained, batches):
        images, labels = batches[0]
        labels, outputs = tf.nest.map_structure(lambda x: x[:0], (labels, trained[1](images, training=False)))

        assert float(trained[0].build_losses(labels, outputs)) == 0.0

    def test_training_learns_the_batch(self, trained):
        assert trained[2][-1] < 0.5 * trained[2][0]


@pytest.fixture(scope="module")
def step(trained):
    """Return a validation step, traced, and the metrics that it counts in."""
    task, model, _ = trained
    metrics = task.build_metrics(training=False)
    return tf.function(lambda batch: task.validation_step(batch, model, metrics), reduce_retracing=True), metrics


@pytest.fixture(scope="module")
def checkpoint(trained, tmp_path_factory):
    """Return the path of a checkpoint of the trained model."""
    model = trained[1]
    path = str(tmp_path_factory.mktemp("checkpoint") / "ckpt")
    return tf.train.Checkpoint(model=model, **model.checkpoint_items).save(path)


class TestEvaluation:
    def test_metrics_are_sums_over_positive_anchors_of_all_batches(self, trained, batches, step):
        run, metrics = step
        for metric in metrics:
            metric.reset_state()
        for batch in batches:
            run(batch)

        sums = np.sum([loss_oracle(labels, trained[1](images, training=False)) for images, labels in batches], axis=0)
        focal, huber = sums[0] / sums[2], sums[1] / sums[2]
        decay = sum(float(loss) for loss in trained[1].losses)
        expected = {"cls_loss": focal, "box_loss": huber, "model_loss": focal + 50 * huber}
        expected["total_loss"] = expected["model_loss"] + decay
        assert {metric.name: float(metric.result()) for metric in metrics} == pytest.approx(expected, rel=1e-4)

    def test_logs_are_flat_and_give_average_precision_and_images(self, trained, batches, step):
        task, state = trained[0], None
        for batch in batches:
            logs = step[0](batch)
            assert all(isinstance(value, tf.Tensor) for value in logs.values())
            state = task.aggregate_logs(state, without_prefix(logs))
        logs = task.reduce_aggregated_logs(state)

        assert set(logs) == COCO | {"image/detections"}
        assert 0 <= logs["AP"] <= 1
        assert logs["image/detections"].shape == (2, 256, 514, 3)
        assert logs["image/detections"].dtype == np.uint8

    def test_perfect_detections_have_an_average_precision_of_one(self, trained, batches, step):
        task, logs = trained[0], dict(step[0](batches[0]))
        truth = {key.removeprefix("groundtruth/"): value for key, value in logs.items() if key.startswith("ground")}
        scale = tf.tile(truth["image_info"][:, tf.newaxis, 2], [1, 1, 2])
        kept = tf.cast(truth["is_crowds"] == 0, tf.float32)
        logs["prediction/detection_boxes"] = truth["boxes"] * scale
        logs["prediction/detection_classes"] = truth["classes"]
        logs["prediction/detection_scores"] = kept
        logs["prediction/num_detections"] = truth["num_detections"]

        assert task.reduce_aggregated_logs(task.aggregate_logs(None, without_prefix(logs)))["AP"] > 0.999

    def test_images_shown_do_not_depend_on_the_batches(self, trained, batches, step):
        task, seen = trained[0], []
        for order in (batches, batches[::-1]):
            state = None
            for batch in order:
                state = task.aggregate_logs(state, without_prefix(step[0](batch)))
            seen.append(task.reduce_aggregated_logs(state)["image/detections"])

        np.testing.assert_array_equal(*seen)

    def test_without_images_nothing_but_numbers_is_kept(self, make_task, trained, batches):
        task = make_task(summary_images=0)
        logs = task.validation_step(batches[0], trained[1])

        assert not [key for key in logs if key.startswith("shown/")]
        assert set(task.reduce_aggregated_logs(task.aggregate_logs(None, without_prefix(logs)))) == COCO


class TestInference:
    def test_gives_outputs_and_detections(self, trained, batches):
        task, model, _ = trained
        outputs = task.inference_step(batches[0][0], model)

        assert set(outputs) == {
            "cls_outputs", "box_outputs", "detection_boxes", "detection_scores", "detection_classes", "num_detections"
        }  # fmt: skip
        assert outputs["detection_boxes"].shape == [8, 10, 4]


class TestFreezing:
    def test_a_frozen_backbone_changes_in_nothing(self, make_task, batches):
        task = make_task(freeze_backbone=True)
        model = task.build_model()
        before = [variable.numpy() for variable in model.backbone.variables]
        head = [variable.numpy() for variable in model.get_layer("head").trainable_variables]
        task.train_step(batches[0], model, tf.keras.optimizers.SGD(0.1))

        assert not model.backbone.trainable_variables
        for old, variable in zip(before, model.backbone.variables, strict=True):
            np.testing.assert_array_equal(variable.numpy(), old)
        assert any(
            not np.array_equal(old, variable.numpy())
            for old, variable in zip(head, model.get_layer("head").trainable_variables, strict=True)
        )
        # Its normalisations use their moving statistics, also where the rest trains; and it has no weight decay.
        features = [model.backbone(batches[0][0], training=training)["2"] for training in (True, False)]
        np.testing.assert_array_equal(*features)
        assert len(model.losses) == sum(len(v.shape) == 4 for v in model.trainable_variables)


class TestInitialCheckpoint:
    def test_parts_are_loaded_into_a_model_with_other_classes(self, make_task, trained, checkpoint):
        task = make_task(
            init_checkpoint=checkpoint, init_checkpoint_modules=["backbone", "decoder"], model={"num_classes": 5}
        )
        model = task.build_model()
        task.initialize(model)

        for name in ("backbone", "decoder"):
            sources = trained[1].checkpoint_items[name].variables
            for loaded, original in zip(model.checkpoint_items[name].variables, sources, strict=True):
                np.testing.assert_array_equal(loaded.numpy(), original.numpy())

    def test_head_that_does_not_fit_is_an_error(self, make_task, checkpoint):
        task = make_task(init_checkpoint=checkpoint, model={"num_classes": 5})

        with pytest.raises(CheckpointMismatchError):
            task.initialize(task.build_model())


class TestConfig:
    def test_task_is_found_by_its_config(self):
        assert isinstance(get_task(scenes_subject().task_config), RetinaNetTask)

    @pytest.mark.parametrize(
        ("changes", "message"),
        [
            ({"model": {"num_classes": 1}}, r"model\.num_classes: must be at least 2"),
            ({"model": {"input_size": [8, 8]}}, r"model\.input_size: must be \[height, width, channels\]"),
            ({"model": {"input_size": [8, 8, 1]}}, r"train_data\.image_mean: .* each of the 1 channels"),
            ({"model": {"min_level": 4}}, r"min_level <= max_level"),
            ({"model": {"anchor": {"num_scales": 0}}}, r"anchor\.num_scales"),
            ({"model": {"anchor": {"aspect_ratios": []}}}, r"anchor\.aspect_ratios"),
            ({"model": {"decoder": {"num_filters": 0}}}, r"decoder\.num_filters"),
            ({"model": {"head": {"num_convs": -1}}}, r"head\.num_convs"),
            ({"model": {"head": {"attribute_heads": [{"name": ""}]}}}, r"attribute_heads.*name: must not be empty"),
            ({"model": {"detection_generator": {"pre_nms_top_k": 0}}}, r"detection_generator\.pre_nms_top_k"),
            ({"model": {"detection_generator": {"nms_iou_threshold": 2.0}}}, r"nms_iou_threshold: must be from 0 to 1"),
            ({"targets": {"unmatched_threshold": 0.7}}, r"unmatched_threshold <= match_threshold"),
            ({"targets": {"box_coder_weights": [1.0]}}, r"targets\.box_coder_weights"),
            ({"targets": {"crowd_coverage": 0.0}}, r"targets\.crowd_coverage"),
            ({"losses": {"focal_loss_alpha": 1.5}}, r"losses\.focal_loss_alpha"),
            ({"losses": {"huber_loss_delta": 0.0}}, r"losses\.huber_loss_delta"),
            ({"losses": {"box_loss_weight": -1.0}}, r"losses\.box_loss_weight"),
            ({"train_data": {"aug_scale_min": 2.0}}, r"aug_scale_min <= aug_scale_max"),
            ({"train_data": {"max_num_instances": 0}}, r"train_data\.max_num_instances"),
            ({"init_checkpoint_modules": ["neck"]}, r"init_checkpoint_modules: .* received 'neck'"),
            ({"summary_images": -1}, r"summary_images"),
            ({"max_num_eval_detections": 0}, r"max_num_eval_detections"),
        ],
    )
    def test_values_out_of_range_are_refused_by_name(self, changes, message):
        config = scenes_subject().task_config.replace(**changes)

        with pytest.raises(ConfigError, match=message):
            config.validate()

    def test_defaults_are_the_published_ones(self):
        config = RetinaNetConfig()

        assert (config.model.min_level, config.model.max_level, config.model.anchor.num_scales) == (3, 7, 3)
        assert (config.losses.focal_loss_alpha, config.losses.focal_loss_gamma) == (0.25, 1.5)
        assert (config.losses.huber_loss_delta, config.losses.box_loss_weight) == (0.1, 50.0)
        assert config.model.detection_generator.max_num_detections == 100
