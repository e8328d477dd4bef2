"""Evaluation spread over processes: each counts a part, and sends its metric back to be merged."""

import concurrent.futures
import functools
import itertools
import multiprocessing
import pickle

import numpy as np
import pytest
from assay.python_metrics import (
    COCOEvaluator,
    ConfusionMatrix,
    LVISEvaluator,
    PanopticQualityEvaluator,
    VOCEvaluator,
)

from packages.python_metrics.tests.coco_scenes import batch, random_images
from packages.python_metrics.tests.lvis_scenes import federated_batch, random_scene

WORKERS = 3


def boxes(seed):
    images = random_images(seed, images=11, classes=4, own_areas=True)
    return [batch(images[start : start + 2]) for start in range(0, len(images), 2)]


def federated(seed):
    images, truth, _ = random_scene(seed, images=11)
    return [federated_batch(images[start : start + 2], truth) for start in range(0, len(images), 2)]


def maps(seed):
    """Label maps that serve the confusion matrix and the panoptic quality."""
    random = np.random.default_rng(seed)
    made = []
    for start in range(6):
        sides = [
            {name: random.integers(0, 3, (2, 8, 8)) for name in ("labels", "category_mask", "instance_mask")}
            for _ in range(2)
        ]
        made.append(({"source_id": np.array([2 * start, 2 * start + 1]), **sides[0]}, sides[1]))
    return made


def with_masks(seed):
    made = boxes(seed)
    random = np.random.default_rng(seed)
    for truth, found in made:
        truth["masks"] = random.random((*truth["classes"].shape, 300, 300)) < 0.5
        found["detection_masks"] = random.random((*found["detection_classes"].shape, 7, 7))
    return made


# Name: what makes the metric, and its batches; both are named, so that a worker can be sent them.
CASES = {
    "boxes": (functools.partial(COCOEvaluator, need_rescale_bboxes=False), boxes),
    "boxes, pycocotools": (functools.partial(COCOEvaluator, need_rescale_bboxes=False, engine="pycocotools"), boxes),
    "masks": (functools.partial(COCOEvaluator, None, True, need_rescale_bboxes=False), with_masks),
    "masks, pycocotools": (
        functools.partial(COCOEvaluator, None, True, need_rescale_bboxes=False, engine="pycocotools"),
        with_masks,
    ),
    "federated": (functools.partial(LVISEvaluator, need_rescale_bboxes=False), federated),
    "voc": (VOCEvaluator, boxes),
    "panoptic": (functools.partial(PanopticQualityEvaluator, 3, ignored_label=255), maps),
    "confusion": (functools.partial(ConfusionMatrix, 3), maps),
}


def count(case, worker, workers):
    """What a worker does: every so manieth batch."""
    make, batches = CASES[case]
    metric = make()
    for groundtruths, predictions in batches(7)[worker::workers]:
        metric.update_state(groundtruths, predictions)
    return metric


@pytest.fixture(scope="module")
def pool():
    context = multiprocessing.get_context("spawn")
    with concurrent.futures.ProcessPoolExecutor(WORKERS, mp_context=context) as pool:
        yield pool


@pytest.mark.parametrize("case", CASES)
def test_merged_metrics_of_processes_equal_one_metric_exactly(pool, case):
    parts = list(pool.map(count, [case] * WORKERS, range(WORKERS), [WORKERS] * WORKERS))
    alone = count(case, 0, 1)
    expected = alone.result()

    for order in itertools.permutations(range(WORKERS)):
        whole = CASES[case][0]()
        for worker in order:
            whole.merge_state(parts[worker])

        assert whole.result() == expected
    assert set(expected.values()) != {-1.0}


def test_a_metric_is_sent_without_the_room_that_it_has_to_grow():
    metric = count("boxes", 0, 1)
    detections = sum(int(found["num_detections"].sum()) for _, found in boxes(7))

    sent = pickle.dumps(metric)

    assert len(sent) < 10_000 + 200 * detections
    received = pickle.loads(sent)
    received.update_state(*batch(random_images(8, images=2), ids=lambda identity: identity + 1))
    assert metric.result() == count("boxes", 0, 1).result()
