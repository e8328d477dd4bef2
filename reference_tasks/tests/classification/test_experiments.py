"""The registered experiments: what they hold, and that they run."""

import numpy as np
import pytest
import tensorflow as tf
from assay.core import (
    get_distribution_strategy,
    get_exp_config,
    get_task,
    parse_configuration,
    registered_experiments,
    run_experiment,
)
from assay.reference_tasks.classification.experiments import (
    DIGITS_MEAN,
    DIGITS_STD,
    DIGITS_TRAIN_EXAMPLES,
    digits_data,
)
from assay.reference_tasks.classification.inputs import make_reader

NAMES = ("digits_classification", "digit_crops_classification", "resnet_imagenet")


def test_experiments_are_registered():
    assert set(NAMES) <= set(registered_experiments())


@pytest.mark.parametrize("name", NAMES)
def test_experiments_are_valid(name):
    get_exp_config(name).validate("train_and_eval")


def test_options_can_be_overridden():
    params = parse_configuration(
        "digits_classification",
        params_override="task.model.backbone.resnet.model_id=18,task.train_data.aug_affine.max_shift=0.2,"
        "task.losses.use_binary_cross_entropy=true",
        mode="train",
    )

    assert params.task.model.backbone.get().model_id == 18
    assert params.task.train_data.aug_affine.max_shift == 0.2
    assert params.task.train_data.aug_affine.max_rotation == 12.0


def test_digits_are_normalised_with_their_own_statistics():
    reader = make_reader(digits_data(is_training=True), digits_data(is_training=True).input_path, channels=1)
    images = np.stack([record["image"] for record in reader.decode(reader.records())]) / 255

    assert len(images) == DIGITS_TRAIN_EXAMPLES
    assert (images.mean(), images.std()) == pytest.approx((DIGITS_MEAN, DIGITS_STD), abs=5e-4)


def test_imagenet_has_the_published_schedule():
    params = get_exp_config("resnet_imagenet")
    steps = 1_281_167 // 4096
    optimization = params.trainer.optimizer_config
    schedule, warmup = optimization.learning_rate.get(), optimization.warmup.get()

    assert params.trainer.train_steps == 90 * steps
    assert schedule.boundaries == [30 * steps, 60 * steps, 80 * steps]
    assert schedule.values == pytest.approx([1.6, 0.16, 0.016, 0.0016])
    assert (warmup.warmup_steps, warmup.warmup_learning_rate) == (5 * steps, 0.1)
    assert optimization.optimizer.get().momentum == 0.9
    assert params.task.losses.l2_weight_decay == 1e-4
    assert params.task.model.norm_activation.norm_momentum == 0.9
    assert params.task.train_data.global_batch_size == params.task.validation_data.global_batch_size == 4096


@pytest.mark.flavour
@pytest.mark.slow
def test_imagenet_takes_a_step_on_records_of_its_shape(write_records, make_example):
    random = np.random.default_rng(0)

    def photo(label, height, width):
        pixels = random.integers(0, 256, [height, width, 3], np.uint8)
        return make_example(0, {"image/encoded": tf.io.encode_jpeg(pixels).numpy(), "image/class/label": label})

    path = write_records([photo(1000, 300, 250), photo(1, 180, 320), photo(7, 224, 224)])
    params = get_exp_config("resnet_imagenet")
    data = {"input_path": path, "global_batch_size": 2}
    params.override({"task": {"train_data": data, "validation_data": data}})
    task = get_task(params.task)
    model = task.build_model()
    optimizer = task.create_optimizer(params.trainer.optimizer_config)
    metrics = task.build_metrics(training=True)
    before = [variable.numpy() for variable in model.trainable_variables]
    batch = next(iter(task.build_inputs(params.task.train_data)))
    logs = tf.function(lambda: task.train_step(batch, model, optimizer, metrics))()
    changed = [not np.array_equal(a, b.numpy()) for a, b in zip(before, model.trainable_variables, strict=True)]

    assert batch[0].shape == [2, 224, 224, 3]
    assert float(logs["loss"]) == pytest.approx(np.log(1001), rel=0.5)
    assert np.mean(changed) > 0.3  # scales of 0 hold back the rest of each block in the first step
    assert changed[-1]


@pytest.mark.flavour
@pytest.mark.slow
def test_digits_experiment_runs_and_learns(tmp_path):
    params = parse_configuration(
        "digits_classification",
        params_override="trainer.train_steps=60,trainer.steps_per_loop=20,trainer.summary_interval=20,"
        "trainer.validation_interval=60,trainer.optimizer_config.learning_rate.cosine.decay_steps=60,"
        "trainer.optimizer_config.warmup.linear.warmup_steps=10",
        mode="train_and_eval",
    )
    task = get_task(params.task, logging_dir=str(tmp_path))
    _, logs = run_experiment(get_distribution_strategy("off"), task, "train_and_eval", params, str(tmp_path))

    assert logs["accuracy"] > 0.8
    assert logs["top_5_accuracy"] > 0.95
    assert (tmp_path / "ckpt-60.index").exists()
