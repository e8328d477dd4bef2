"""Metrics of instances fed with generated scenes, and what pycocotools says of the same scenes."""

import numpy as np
from assay.keras_metrics import InstanceMetrics

from packages.python_metrics.tests.coco_scenes import answer, batch, dataset, found, numbers

SMALL = {"max_detections": 1500, "need_rescale_bboxes": False}


def metric_of(num_classes=8, **options):
    return InstanceMetrics(num_classes, **{**SMALL, **options})


def fed(images, size=3, metric=None, weights=None, **options):
    """A metric that has seen images in batches, and nothing else."""
    metric = metric or metric_of(**options)
    for start in range(0, len(images), size):
        chosen = None if weights is None else np.float32(weights[start : start + size])
        metric.update_state(*batch(images[start : start + size]), chosen)
    return metric


def scalars(metric):
    """The results that are one number each."""
    return {name: float(value) for name, value in metric.result().items() if value.shape == ()}


def expected(images, limits=(1, 10, 100)):
    """The 12 numbers of pycocotools."""
    return numbers(answer(dataset(images), found(images), limits=limits))


def without_ids(sides):
    """A batch whose images have no id."""
    return tuple({name: field for name, field in side.items() if name != "source_id"} for side in sides)
