"""The images that the model is most wrong about, against NumPy, and in the summaries of an experiment."""

import numpy as np
import pytest
import tensorflow as tf
from assay.core import ConfigError, get_distribution_strategy, get_task, run_experiment
from assay.core.config import parse_configuration
from assay.reference_tasks.classification import ClassificationTask
from assay.reference_tasks.classification.most_wrong import most_wrong_of
from assay.reference_tasks.classification.testing import digits_subject
from assay.reference_tasks.vision.images.most_wrong import join
from assay.reference_tasks.vision.images.normalization import displayed
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator


def batch(size, seed=0, classes=10):
    random = np.random.default_rng(seed)
    probabilities = random.dirichlet(np.ones(classes), size).astype(np.float32)
    return random.normal(size=[size, 2, 3, 1]).astype(np.float32), random.integers(0, classes, size), probabilities


def oracle(images, labels, probabilities, count):
    likelihoods = np.array([row[label] for row, label in zip(probabilities, labels, strict=True)])
    order = sorted(range(len(labels)), key=lambda index: likelihoods[index])[:count]
    return likelihoods[order], images[order]


@pytest.mark.parametrize("size", [0, 1, 3, 7])
@pytest.mark.parametrize("count", [1, 3, 8])
@pytest.mark.parametrize("compiled", [False, True])
def test_images_with_the_least_likely_labels_are_picked(size, count, compiled):
    images, labels, probabilities = batch(size)

    @tf.function(jit_compile=compiled)
    def pick(*tensors):
        worst = most_wrong_of(*tensors, count=count)
        return worst.scores, worst.images

    picked = pick(tf.constant(images), tf.constant(labels, tf.int32), tf.constant(probabilities))

    for actual, expected in zip(picked, oracle(images, labels, probabilities, count), strict=True):
        np.testing.assert_array_equal(actual, expected)


def test_what_is_no_number_is_most_wrong():
    images, labels, probabilities = batch(4)
    probabilities[2] = np.nan

    worst = most_wrong_of(tf.constant(images), tf.constant(labels), tf.constant(probabilities), count=1)

    np.testing.assert_array_equal(worst.images, images[2:3])


@pytest.mark.parametrize("cuts", [[], [1], [2, 2, 5], [0, 7]])
def test_joining_parts_gives_what_one_batch_does(cuts):
    images, labels, probabilities = batch(7)
    parts = []
    for indices in np.split(np.arange(7), cuts):
        worst = most_wrong_of(*(tf.constant(part[indices]) for part in (images, labels, probabilities)), count=3)
        parts.append(worst)
        parts = [join(parts, count=3)]

    expected = oracle(images, labels, probabilities, 3)

    np.testing.assert_array_equal(parts[0].scores, expected[0])
    np.testing.assert_array_equal(parts[0].images, expected[1])


def test_images_are_shown_as_they_were_before_normalisation():
    pixels = np.random.default_rng(0).integers(0, 256, [2, 4, 4, 3]).astype(np.uint8)
    mean, std = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
    normalised = tf.constant((pixels / 255 - mean) / std, tf.float32)

    shown = displayed(normalised, mean=mean, std=std)

    assert np.abs(shown.numpy().astype(int) - pixels).max() <= 1


def make_task(**changes):
    return ClassificationTask(digits_subject().task_config.replace(**changes))


@pytest.mark.flavour
@pytest.mark.parametrize(
    ("changes", "shown"),
    [
        ({}, True),
        ({"evaluation": {"most_wrong_images": 0}}, False),
        ({"validation_data": None}, False),
        ({"model": {"input_size": [8, 8, 2]}}, False),
    ],
)
def test_step_logs_reach_the_host_only_where_images_are_shown(changes, shown):
    task = make_task(**changes)

    assert task.needs_step_logs is shown
    assert set(task.reduce_aggregated_logs(task.aggregate_logs(None, {}))) == ({"image/most_wrong"} if shown else set())


@pytest.mark.flavour
def test_validation_step_returns_the_loss_of_the_base_class_and_its_worst_images():
    task = make_task()
    model = task.build_model()
    inputs = next(iter(task.build_inputs(task.task_config.validation_data)))

    logs = task.validation_step(inputs, model)

    np.testing.assert_allclose(logs["loss"], super(ClassificationTask, task).validation_step(inputs, model)["loss"])
    assert logs["most_wrong_images"].dtype == tf.uint8
    assert logs["most_wrong_images"].shape == [8, 8, 8, 1]
    assert set(make_task(evaluation={"most_wrong_images": 0}).validation_step(inputs, model)) == {"loss"}


def test_number_of_images_must_not_be_negative():
    with pytest.raises(ConfigError, match=r"evaluation\.most_wrong_images: must not be negative"):
        digits_subject().task_config.replace(evaluation={"most_wrong_images": -1}).validate()


def evaluated(tmp_path, *overrides):
    params = parse_configuration("digits_classification", mode="eval", params_override=list(overrides))
    task = get_task(params.task, logging_dir=str(tmp_path))
    tf.keras.utils.set_random_seed(3)
    return run_experiment(get_distribution_strategy("off"), task, "eval", params, str(tmp_path))[1]


@pytest.mark.flavour
def test_evaluation_in_one_loop_on_the_device_is_for_those_who_want_no_images(tmp_path):
    without = "task.evaluation.most_wrong_images=0"

    in_one_loop = evaluated(tmp_path / "loop", without, "trainer.eval_tf_while_loop=true")

    assert {"validation_loss", "accuracy"} <= set(in_one_loop)
    assert "image/most_wrong" not in in_one_loop
    with pytest.raises(ConfigError, match=r"trainer\.eval_tf_while_loop.*aggregates them on the host"):
        evaluated(tmp_path / "images", "trainer.eval_tf_while_loop=true")


@pytest.mark.flavour
def test_evaluation_of_an_experiment_shows_the_digits_that_it_got_most_wrong(tmp_path):
    params = parse_configuration("digits_classification", mode="eval")
    task = get_task(params.task, logging_dir=str(tmp_path))
    strategy = get_distribution_strategy("off")

    model, logs = run_experiment(strategy, task, "eval", params, str(tmp_path))

    images, labels, probabilities = [], [], []
    for inputs, truth in task.build_inputs(params.task.validation_data):
        images.append(inputs.numpy())
        labels.append(truth.numpy())
        probabilities.append(task.inference_step(inputs, model)["probs"].numpy())
    _, expected = oracle(*map(np.concatenate, (images, labels, probabilities)), 8)
    data = params.task.validation_data
    expected = np.clip(expected * data.image_std + data.image_mean, 0, 1) * 255
    assert np.abs(logs["image/most_wrong"] - expected).max() <= 1
    accumulator = EventAccumulator(str(tmp_path / "validation"), size_guidance={"tensors": 0}).Reload()
    [event] = accumulator.Tensors("image/most_wrong")
    written = [tf.io.decode_png(image).numpy() for image in event.tensor_proto.string_val[2:]]
    np.testing.assert_array_equal(written, logs["image/most_wrong"])
