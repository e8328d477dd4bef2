"""The task against NumPy in double precision, on one replica and on two."""

import numpy as np
import pytest
import tensorflow as tf
from assay.core import CheckpointMismatchError, ConfigError, get_task
from assay.reference_tasks.classification import ClassificationConfig, ClassificationTask
from assay.reference_tasks.classification.testing import digits_subject

pytestmark = pytest.mark.flavour

CLASSES = 10


def make_task(**changes):
    return ClassificationTask(digits_subject().task_config.replace(**changes))


def make_task_with_losses(**losses):
    return make_task(losses={"label_smoothing": 0.0, "l2_weight_decay": 0.0} | losses)


def scores(batch=6, seed=0):
    random = np.random.default_rng(seed)
    return random.normal(size=[batch, CLASSES]) * 3, random.integers(0, CLASSES, [batch])


def softmax_oracle(logits, labels, smoothing=0.0):
    log_p = logits - np.log(np.exp(logits).sum(-1, keepdims=True))
    target = np.eye(CLASSES)[labels] * (1 - smoothing) + smoothing / CLASSES
    return -(target * log_p).sum(-1).mean()


def sigmoid_oracle(logits, labels, smoothing=0.0):
    p = 1 / (1 + np.exp(-logits))
    target = np.eye(CLASSES)[labels] * (1 - smoothing) + smoothing / 2
    return -(target * np.log(p) + (1 - target) * np.log1p(-p)).mean()


class TestLoss:
    @pytest.mark.parametrize("one_hot", [True, False])
    @pytest.mark.parametrize("smoothing", [0.0, 0.1])
    @pytest.mark.parametrize("sigmoid", [False, True])
    def test_is_the_mean_cross_entropy(self, one_hot, smoothing, sigmoid):
        logits, labels = scores()
        task = make_task_with_losses(one_hot=one_hot, label_smoothing=smoothing, use_binary_cross_entropy=sigmoid)
        loss = task.build_losses(tf.constant(labels, tf.int32), tf.constant(logits, tf.float32))

        assert loss.dtype == tf.float32
        expected = (sigmoid_oracle if sigmoid else softmax_oracle)(logits, labels, smoothing)
        np.testing.assert_allclose(loss, expected, rtol=1e-5)

    @pytest.mark.parametrize("aux_losses", [None, [], [1.5], [1.5, 0.25]])
    def test_adds_auxiliary_losses_and_takes_all_times_its_weight(self, aux_losses):
        logits, labels = scores()
        tensors = None if aux_losses is None else [tf.constant(value) for value in aux_losses]
        loss = make_task_with_losses(loss_weight=2.0).build_losses(
            tf.constant(labels), tf.constant(logits, tf.float32), tensors
        )

        np.testing.assert_allclose(loss, 2 * (softmax_oracle(logits, labels) + sum(aux_losses or [])), rtol=1e-5)

    @pytest.mark.parametrize("one_hot", [True, False])
    @pytest.mark.parametrize("sigmoid", [False, True])
    def test_of_an_empty_batch_is_zero(self, one_hot, sigmoid):
        task = make_task_with_losses(one_hot=one_hot, use_binary_cross_entropy=sigmoid)

        assert float(task.build_losses(tf.zeros([0], tf.int32), tf.zeros([0, CLASSES]))) == 0.0


class TestMetrics:
    @pytest.mark.parametrize("training", [True, False])
    def test_names(self, training):
        task = make_task(evaluation={"top_k": 3})

        assert [metric.name for metric in task.build_metrics(training)] == ["accuracy", "top_3_accuracy"]

    def test_count_right_classes(self):
        logits, labels = scores(50)
        task = digits_subject()
        metrics = task.build_metrics()
        task.process_metrics(metrics, tf.constant(labels), tf.constant(logits, tf.float32))
        rank = (logits > logits[np.arange(50), labels][:, None]).sum(-1)

        assert [float(metric.result()) for metric in metrics] == pytest.approx([(rank < 1).mean(), (rank < 5).mean()])


class TestSteps:
    def test_inference_gives_logits_and_the_probabilities_of_the_loss(self):
        images = tf.random.stateless_normal([3, 8, 8, 1], [1, 2])
        for sigmoid in (False, True):
            task = make_task_with_losses(use_binary_cross_entropy=sigmoid)
            model = task.build_model()
            outputs = task.inference_step(images, model)
            logits = model(images, training=False).numpy().astype(np.float64)
            exponentials = np.exp(logits)
            softmax = exponentials / exponentials.sum(-1, keepdims=True)

            np.testing.assert_allclose(outputs["logits"], logits, rtol=1e-6)
            np.testing.assert_allclose(outputs["probs"], 1 / (1 + np.exp(-logits)) if sigmoid else softmax, rtol=1e-5)

    def test_validation_loss_includes_weight_decay_as_training_does(self):
        task = digits_subject()
        model = task.build_model()
        images, labels = next(iter(task.build_inputs(task.task_config.validation_data)))
        logits = model(images, training=False).numpy().astype(np.float64)
        decay = sum(float(loss) for loss in model.losses)
        metrics = task.build_metrics(training=False)
        logs = task.validation_step((images, labels), model, metrics)

        np.testing.assert_allclose(logs["loss"], softmax_oracle(logits, labels.numpy(), 0.1) + decay, rtol=1e-5)
        assert float(metrics[0].result()) == pytest.approx((logits.argmax(-1) == labels.numpy()).mean())

    def test_training_learns_the_batch(self):
        tf.keras.utils.set_random_seed(0)
        task = digits_subject()
        model = task.build_model()
        optimizer = tf.keras.optimizers.SGD(0.1, momentum=0.9)
        batch = next(iter(task.build_inputs(task.task_config.train_data)))
        step = tf.function(lambda: task.train_step(batch, model, optimizer))
        losses = [float(step()["loss"]) for _ in range(40)]

        assert losses[-1] < 0.5 * losses[0]

    def test_uneven_last_batch_on_two_replicas_counts_every_example_once(self):
        strategy = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"], tf.distribute.ReductionToOneDevice())
        task = digits_subject()
        params = task.task_config.validation_data.replace(global_batch_size=64)  # 359 examples: 5 x 64, 32 + 7
        with strategy.scope():
            tf.keras.utils.set_random_seed(0)
            model = task.build_model()
            metrics = task.build_metrics(training=False)
        dataset = strategy.distribute_datasets_from_function(
            lambda context: task.build_inputs(params, context).map(
                lambda images, labels: (tf.ensure_shape(images, [None, 8, 8, 1]), labels)
            )
        )

        @tf.function
        def evaluate(batch):
            strategy.run(lambda inputs: task.validation_step(inputs, model, metrics), args=(batch,))

        for batch in dataset:
            evaluate(batch)
        batches = list(task.build_inputs(params))
        logits = np.concatenate([model(images, training=False) for images, _ in batches])
        labels = np.concatenate([labels for _, labels in batches])
        rank = (logits > logits[np.arange(359), labels][:, None]).sum(-1)
        assert len(labels) == 359
        assert [float(metric.result()) for metric in metrics] == pytest.approx(
            [(rank < 1).mean(), (rank < 5).mean()], abs=1e-6
        )


class TestInitialCheckpoint:
    @pytest.fixture
    def trained(self, tmp_path):
        tf.keras.utils.set_random_seed(1)
        model = digits_subject().build_model()
        path = tf.train.Checkpoint(model=model, **model.checkpoint_items).save(str(tmp_path / "ckpt"))
        return model, path

    def test_backbone_is_loaded_into_a_model_with_other_classes(self, trained):
        source, path = trained
        task = make_task(
            init_checkpoint=path, init_checkpoint_modules="backbone", model={"num_classes": 7}, evaluation={"top_k": 3}
        )
        model = task.build_model()
        task.initialize(model)

        for loaded, original in zip(model.backbone.variables, source.backbone.variables, strict=True):
            np.testing.assert_array_equal(loaded.numpy(), original.numpy())

    def test_all_is_loaded_by_default(self, trained):
        source, path = trained
        task = make_task(init_checkpoint=path)
        model = task.build_model()
        task.initialize(model)
        images = tf.random.stateless_normal([3, 8, 8, 1], [1, 2])

        np.testing.assert_array_equal(model(images, training=False), source(images, training=False))

    def test_head_that_does_not_fit_is_an_error(self, trained):
        task = make_task(init_checkpoint=trained[1], model={"num_classes": 7}, evaluation={"top_k": 3})

        with pytest.raises(CheckpointMismatchError):
            task.initialize(task.build_model())


class TestConfig:
    def test_task_is_found_by_its_config(self):
        assert isinstance(get_task(digits_subject().task_config), ClassificationTask)

    @pytest.mark.parametrize(
        ("changes", "message"),
        [
            ({"model": {"num_classes": 1}}, r"model\.num_classes: must be at least 2"),
            ({"model": {"input_size": [8, 8]}}, r"model\.input_size: must be \[height, width, channels\]"),
            ({"model": {"input_size": [8, 8, 3]}}, r"train_data\.image_mean: .* each of the 3 channels"),
            ({"model": {"dropout_rate": 1.0}}, r"model\.dropout_rate"),
            ({"model": {"backbone": {"resnet": {"model_id": 11}}}}, r"resnet\.model_id: must be one of 10, 18, 34, 50"),
            ({"evaluation": {"top_k": 10}}, r"evaluation\.top_k: must be below `model.num_classes`"),
            ({"losses": {"label_smoothing": 1.5}}, r"losses\.label_smoothing"),
            ({"losses": {"l2_weight_decay": -1.0}}, r"losses\.l2_weight_decay"),
            ({"train_data": {"crop_area_range": [0.5, 0.1]}}, r"train_data\.crop_area_range"),
            ({"train_data": {"image_std": [0.0]}}, r"train_data\.image_std: must be above 0"),
            ({"train_data": {"center_crop_fraction": 0.0}}, r"train_data\.center_crop_fraction"),
            ({"train_data": {"aug_affine": {"max_shift": 2.0}}}, r"aug_affine\.max_shift"),
            ({"train_data": {"aug_affine": {"min_scale": 2.0}}}, r"min_scale <= max_scale"),
            ({"train_data": {"reader": "arrays", "file_type": "tfrecord_compressed"}}, r"train_data\.file_type"),
        ],
    )
    def test_values_out_of_range_are_refused_by_name(self, changes, message):
        config = digits_subject().task_config.replace(**changes)

        with pytest.raises(ConfigError, match=message):
            config.validate()

    def test_defaults_are_those_of_imagenet(self):
        config = ClassificationConfig()

        assert config.model.input_size == [224, 224, 3]
        assert config.train_data.crop_area_range == (0.08, 1.0)
        assert config.train_data.center_crop_fraction == 0.875
        assert (config.losses.one_hot, config.evaluation.top_k) == (True, 5)


def test_subject_is_new_each_time():
    one, other = digits_subject(), digits_subject()
    one.task_config.train_data.global_batch_size = 4

    assert other.task_config.train_data.global_batch_size == 16
    assert one.build_model() is not other.build_model()
