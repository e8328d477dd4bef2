"""The task against NumPy in double precision, on one replica and on two."""

import numpy as np
import pytest
import tensorflow as tf
from assay.core import ConfigError, get_task
from assay.reference_tasks.segmentation import SegmentationConfig, SegmentationTask
from assay.reference_tasks.segmentation.testing import scenes_subject

pytestmark = pytest.mark.flavour

CLASSES = 11


def logits_of(labels, seed=0):
    shape = [*labels["masks"].shape[:3], CLASSES]
    return np.random.default_rng(seed).normal(size=shape) * 3


def loss_oracle(logits, masks, *, weights=None, smoothing=0.0):
    log_p = logits - np.log(np.exp(logits).sum(-1, keepdims=True))
    valid = masks != 255
    ids = np.where(valid, masks, 0)
    target = np.eye(CLASSES)[ids] * (1 - smoothing) + smoothing / CLASSES
    pixels = -(target * log_p).sum(-1) * (1.0 if weights is None else np.asarray(weights)[ids])
    return pixels[valid].sum() / valid.sum()


def iou_oracle(logits, masks):
    predicted, valid = logits.argmax(-1), masks != 255
    both = [(valid & (masks == c) & (predicted == c)).sum() for c in range(CLASSES)]
    either = [(valid & ((masks == c) | (predicted == c))).sum() for c in range(CLASSES)]
    return np.array(both) / np.maximum(either, 1), np.array(either) > 0


class TestLoss:
    @pytest.mark.parametrize(
        ("losses", "oracle"),
        [
            ({}, {}),
            ({"label_smoothing": 0.1}, {"smoothing": 0.1}),
            ({"class_weights": [0.5] + [2.0] * 10}, {"weights": [0.5] + [2.0] * 10}),
        ],
    )
    def test_is_the_mean_over_pixels_that_count(self, make_task, make_batch, losses, oracle):
        _, labels = make_batch()
        logits = logits_of(labels)
        loss = make_task(losses=losses).build_losses(labels, {"logits": tf.constant(logits, tf.float32)})

        assert loss.dtype == tf.float32
        np.testing.assert_allclose(loss, loss_oracle(logits, labels["masks"].numpy()[..., 0], **oracle), rtol=1e-5)

    def test_adds_auxiliary_losses_and_mask_scores_and_takes_all_times_its_weight(self, make_task, make_batch):
        _, labels = make_batch()
        logits, masks = logits_of(labels), labels["masks"].numpy()[..., 0]
        scores = np.random.default_rng(1).random([4, CLASSES])
        truth, occurs = zip(*(iou_oracle(logits[i], masks[i]) for i in range(4)), strict=True)
        errors = [((scores[i] - truth[i]) ** 2)[occurs[i]].mean() for i in range(4)]
        outputs = {"logits": tf.constant(logits, tf.float32), "mask_scores": tf.constant(scores, tf.float32)}
        task = make_task(losses={"loss_weight": 2.0, "mask_scoring_weight": 3.0})
        loss = task.build_losses(labels, outputs, [tf.constant(0.5), tf.constant(0.25)])

        np.testing.assert_allclose(loss, 2 * (loss_oracle(logits, masks) + 3 * np.mean(errors) + 0.75), rtol=1e-5)

    @pytest.mark.parametrize("top_k", [1.0, 0.25])
    def test_of_nothing_that_counts_is_zero(self, make_task, make_batch, top_k):
        task = make_task(losses={"top_k_percent_pixels": top_k})
        _, labels = make_batch(2)
        logits = tf.constant(logits_of(labels), tf.float32)
        ignored = {**labels, "masks": tf.fill(labels["masks"].shape, 255)}
        empty = {name: value[:0] for name, value in labels.items()}

        assert float(task.build_losses(ignored, {"logits": logits})) == 0.0
        assert float(task.build_losses(empty, {"logits": logits[:0]})) == 0.0


class TestMetrics:
    def test_names(self, make_task):
        per_class = [f"iou/{number}" for number in range(CLASSES)]
        scoring = {"num_convs": 0, "num_fcs": 0, "fc_input_size": [2, 2]}

        def names(training, **changes):
            return [metric.name for metric in make_task(**changes).build_metrics(training)]

        assert names(True) == ["mean_iou"]
        assert names(False) == ["mean_iou", *per_class]
        assert names(True, evaluation={"report_train_mean_iou": False}) == []
        assert names(False, evaluation={"report_per_class_iou": False}) == ["mean_iou"]
        assert names(True, model={"mask_scoring_head": scoring}) == ["mean_iou", "mask_scores_mse"]

    def test_count_the_pixels_of_all_batches(self, make_task, make_batch):
        task = make_task()
        metrics = task.build_metrics(training=False)
        batches = [make_batch(3, seed=number)[1] for number in range(2)]
        all_logits = [logits_of(labels, seed=number) for number, labels in enumerate(batches)]
        for labels, logits in zip(batches, all_logits, strict=True):
            task.process_metrics(metrics, labels, {"logits": tf.constant(logits, tf.float32)})
        masks = np.concatenate([labels["masks"].numpy()[..., 0] for labels in batches])
        iou, occurs = iou_oracle(np.concatenate(all_logits), masks)

        np.testing.assert_allclose([metric.result() for metric in metrics], [iou[occurs].mean(), *iou], rtol=1e-5)

    def test_mask_scores_are_held_against_the_truth(self, make_task, make_batch):
        task = make_task(model={"mask_scoring_head": {"num_convs": 0, "num_fcs": 0, "fc_input_size": [2, 2]}})
        *_, metric = task.build_metrics(training=True)
        _, labels = make_batch()
        logits, masks = logits_of(labels), labels["masks"].numpy()[..., 0]
        truth, occurs = zip(*(iou_oracle(logits[i], masks[i]) for i in range(4)), strict=True)
        outputs = {"logits": tf.constant(logits, tf.float32), "mask_scores": tf.fill([4, CLASSES], 0.25)}
        task.process_metrics([metric], labels, outputs)

        np.testing.assert_allclose(metric.result(), ((0.25 - np.array(truth)) ** 2)[np.array(occurs)].mean(), rtol=1e-5)


class TestSteps:
    def test_training_learns_the_batch(self, make_task):
        tf.keras.utils.set_random_seed(0)
        task = make_task()
        model = task.build_model()
        optimizer = tf.keras.optimizers.SGD(0.1, momentum=0.9)
        batch = next(iter(task.build_inputs(task.task_config.train_data)))
        step = tf.function(lambda: task.train_step(batch, model, optimizer))
        losses = [float(step()["loss"]) for _ in range(30)]

        assert losses[-1] < 0.5 * losses[0]

    def test_evaluation_at_the_original_size_counts_its_pixels_and_keeps_the_loss_of_the_input(self, make_task):
        options = {"resize_eval_groundtruth": False, "groundtruth_padded_size": [130, 140]}
        task = make_task(validation_data={**options, "global_batch_size": 4})
        model = task.build_model()
        images, labels = next(iter(task.build_inputs(task.task_config.validation_data)))
        resized = make_task(validation_data={"global_batch_size": 4})
        _, small = next(iter(resized.build_inputs(resized.task_config.validation_data)))
        metrics = task.build_metrics(training=False)
        logs = task.validation_step((images, labels), model, metrics)
        logits = model(images, training=False)["logits"]
        at_original = tf.image.resize(logits, [128, 128]).numpy().astype(np.float64)
        iou, occurs = iou_oracle(at_original, labels["masks"].numpy()[:, :128, :128, 0])

        assert labels["masks"].shape == [4, 130, 140, 1]
        np.testing.assert_allclose(metrics[0].result(), iou[occurs].mean(), rtol=1e-4)
        decay = sum(float(loss) for loss in model.losses)
        expected = loss_oracle(logits.numpy().astype(np.float64), small["masks"].numpy()[..., 0]) + decay
        np.testing.assert_allclose(logs["loss"], expected, rtol=1e-5)

    def test_uneven_last_batch_on_two_replicas_counts_every_pixel_once(self, make_task, make_batch):
        strategy = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"], tf.distribute.ReductionToOneDevice())
        task = make_task()
        with strategy.scope():
            tf.keras.utils.set_random_seed(0)
            model = task.build_model()
            metrics = task.build_metrics(training=False)
        parts = [make_batch(size, seed=size) for size in (3, 1)]

        @tf.function
        def evaluate(values):
            return strategy.run(lambda inputs: task.validation_step(inputs, model, metrics), args=(values,))

        values = strategy.experimental_distribute_values_from_function(
            lambda context: parts[context.replica_id_in_sync_group]
        )
        logs = evaluate(values)
        masks = np.concatenate([labels["masks"].numpy()[..., 0] for _, labels in parts])
        logits = np.concatenate([model(images, training=False)["logits"].numpy() for images, _ in parts])
        iou, occurs = iou_oracle(logits, masks)
        decay = sum(float(loss) for loss in model.losses)

        np.testing.assert_allclose([metric.result() for metric in metrics], [iou[occurs].mean(), *iou], rtol=1e-5)
        shares = [float(loss) - decay for loss in strategy.experimental_local_results(logs["loss"])]
        # The loss is normalised by the pixels that count on both replicas.
        np.testing.assert_allclose(np.mean(shares), loss_oracle(logits.astype(np.float64), masks), rtol=1e-4)


class TestInitialCheckpoint:
    def test_backbone_and_decoder_are_loaded_into_a_model_with_other_classes(self, make_task, tmp_path):
        tf.keras.utils.set_random_seed(1)
        source = scenes_subject().build_model()
        path = tf.train.Checkpoint(model=source, **source.checkpoint_items).save(str(tmp_path / "ckpt"))
        task = make_task(
            init_checkpoint=path, init_checkpoint_modules=["backbone", "decoder"], model={"num_classes": 12}
        )
        model = task.build_model()
        task.initialize(model)

        assert set(model.checkpoint_items) == {"backbone", "decoder", "head"}
        for part in ("backbone", "decoder"):
            mine, theirs = (each.checkpoint_items[part].variables for each in (model, source))
            for loaded, original in zip(mine, theirs, strict=True):
                np.testing.assert_array_equal(loaded.numpy(), original.numpy())


class TestConfig:
    def test_task_is_found_by_its_config(self):
        assert isinstance(get_task(scenes_subject().task_config), SegmentationTask)

    @pytest.mark.parametrize(
        ("changes", "message"),
        [
            ({"model": {"num_classes": 1}}, r"model\.num_classes: must be at least 2"),
            ({"model": {"input_size": [32, 32]}}, r"model\.input_size: must be \[height, width, channels\]"),
            ({"model": {"input_size": [64, 32, 3]}}, r"train_data\.output_size: must be the height and width"),
            ({"model": {"input_size": [32, 32, 1]}}, r"train_data\.image_mean: must have 3 numbers"),
            (
                {"model": {"head": {"feature_fusion": "panoptic_fpn_fusion"}}},
                r"head\.feature_fusion: adds up a pyramid",
            ),
            ({"model": {"decoder": {"aspp": {"dilation_rates": [0]}}}}, r"decoder\.aspp\.dilation_rates"),
            ({"losses": {"class_weights": [1.0]}}, r"losses\.class_weights: must have one for each of the 11 classes"),
            ({"losses": {"ignore_label": 3}}, r"losses\.ignore_label: must not be one of the 11 classes"),
            ({"losses": {"top_k_percent_pixels": 0.0}}, r"losses\.top_k_percent_pixels"),
            ({"train_data": {"ignore_label": 254}}, r"train_data\.ignore_label: must be that of `losses.ignore_label`"),
            ({"train_data": {"aug_scale_min": 3.0}}, r"train_data: must have 0 < aug_scale_min <= aug_scale_max"),
            ({"train_data": {"output_size": [32]}}, r"train_data\.output_size: must be \[height, width\]"),
            ({"validation_data": {"crop_size": [32, 32]}}, r"validation_data\.crop_size: has no effect"),
            ({"validation_data": {"resize_eval_groundtruth": False}}, r"groundtruth_padded_size: must be set"),
            ({"init_checkpoint_modules": ["neck"]}, r"init_checkpoint_modules: must be of all, backbone"),
            ({"evaluation": {"most_wrong_images": -1}}, r"evaluation\.most_wrong_images"),
        ],
    )
    def test_values_out_of_range_are_refused_by_name(self, changes, message):
        with pytest.raises(ConfigError, match=message):
            scenes_subject().task_config.replace(**changes).validate()

    def test_level_that_does_not_exist_is_named(self, make_task):
        with pytest.raises(ConfigError, match=r"task\.model\.head\.low_level: there is no level 0 .* but 1, 2"):
            make_task(model={"head": {"low_level": 0}}).build_model()

    def test_open_sizes_need_a_stem(self):
        with pytest.raises(ConfigError, match=r"model\.backbone\.resnet\.stem: must be chosen"):
            SegmentationConfig().replace(model={"num_classes": 3}).validate()
