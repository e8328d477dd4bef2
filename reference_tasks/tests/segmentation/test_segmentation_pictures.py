"""Pictures of an evaluation, against NumPy, and in the summaries of an experiment."""

import numpy as np
import pytest
import tensorflow as tf
from assay.core import get_distribution_strategy, run_experiment
from assay.core.config import ExperimentConfig, RuntimeConfig, TrainerConfig
from assay.reference_tasks.segmentation.pictures import LONGEST_SIDE, most_wrong_of, palette
from assay.reference_tasks.segmentation.testing import scenes_subject

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
CLASSES = 4


def drawn(images, masks, logits, count=8, **changes):
    options = {"ignore_label": 255, "mean": MEAN, "std": STD} | changes
    tensors = (tf.constant(images, tf.float32), tf.constant(masks, tf.int32), tf.constant(logits, tf.float32))
    worst = most_wrong_of(*tensors, count=count, **options)
    return worst.scores.numpy(), worst.images.numpy()


def batch(size=5, height=6, width=8):
    random = np.random.default_rng(0)
    pixels = random.integers(0, 256, [size, height, width, 3])
    masks = random.integers(0, CLASSES, [size, height, width, 1])
    masks[random.random(masks.shape) < 0.2] = 255
    return pixels, masks, random.normal(size=[size, height, width, CLASSES])


def test_palette_is_that_of_pascal_voc():
    colours = palette()

    assert [tuple(colours[number]) for number in (0, 1, 2, 15, 20, 255)] == [
        (0, 0, 0), (128, 0, 0), (0, 128, 0), (192, 128, 128), (0, 64, 128), (224, 224, 192),
    ]  # fmt: skip
    assert len(np.unique(colours, axis=0)) == 256


def test_image_truth_and_prediction_lie_side_by_side_the_worst_first():
    pixels, masks, logits = batch()
    scores, pictures = drawn((pixels / 255 - MEAN) / STD, masks, logits, count=3)
    predicted, expected = logits.argmax(-1), []
    for truth, found in zip(masks[..., 0], predicted, strict=True):
        valid = truth != 255
        pairs = [(truth == number, found == number) for number in range(CLASSES)]
        overlaps = [(a & b & valid).sum() / ((a | b) & valid).sum() for a, b in pairs if ((a | b) & valid).any()]
        expected.append(np.mean(overlaps))
    order = np.argsort(expected)[:3]

    np.testing.assert_allclose(scores, np.array(expected)[order], rtol=1e-5)
    for picture, index in zip(pictures, order, strict=True):
        truth = masks[index, ..., 0]
        assert np.abs(picture[:, :8].astype(int) - pixels[index]).max() <= 1
        np.testing.assert_array_equal(picture[:, 8:16], palette()[truth])
        np.testing.assert_array_equal(picture[:, 16:], palette()[np.where(truth == 255, 255, predicted[index])])


def test_image_without_a_pixel_that_counts_is_not_wrong():
    pixels, masks, logits = batch(2)
    masks[0] = 255
    scores, _ = drawn(pixels, masks, logits, count=1)

    assert scores[0] < 1


@pytest.mark.parametrize("size", [0, 1, 3])
def test_small_batches_give_all_of_their_images(size):
    pixels, masks, logits = batch()
    scores, pictures = drawn(pixels[:size], masks[:size], logits[:size], count=3)

    assert scores.shape == (size,)
    assert (pictures.shape, pictures.dtype) == ((size, 6, 24, 3), np.uint8)


def test_large_images_are_shown_small():
    side = 2 * LONGEST_SIDE + 2
    _, pictures = drawn(np.zeros([1, 6, side, 3]), np.zeros([1, 6, side, 1]), np.zeros([1, 6, side, CLASSES]))

    assert pictures.shape == (1, 2, 3 * (side // 3), 3)


@pytest.mark.flavour
def test_step_logs_reach_the_host_only_where_images_are_shown(make_task):
    shown, hidden = make_task(), make_task(evaluation={"most_wrong_images": 0})

    assert (shown.needs_step_logs, hidden.needs_step_logs) == (True, False)
    assert make_task(validation_data=None).needs_step_logs is False
    assert hidden.reduce_aggregated_logs(hidden.aggregate_logs(None, {})) == {}


@pytest.mark.flavour
def test_evaluation_logs_every_class_and_shows_the_images_on_which_the_model_is_worst(tmp_path):
    config = scenes_subject().task_config.replace(evaluation={"most_wrong_images": 3})
    params = ExperimentConfig(
        task=config,
        trainer=TrainerConfig(validation_steps=2, train_steps=1),
        runtime=RuntimeConfig(distribution_strategy="off", seed=0),
    )
    task = type(scenes_subject())(config, logging_dir=str(tmp_path))
    _, logs = run_experiment(get_distribution_strategy("off"), task, "eval", params, str(tmp_path))

    of_classes = [logs[f"iou/{number}"] for number in range(11)]
    assert {"validation_loss", "mean_iou"} <= set(logs)
    assert min(of_classes) <= logs["mean_iou"] <= max(of_classes)
    assert logs["image/most_wrong"].shape == (3, 32, 96, 3)
