"""Every metric of the package as a subject of the conformance suite: how it is made, a sample, and its traits.

`assay check packages/keras_metrics/tests/metric_subjects.py:SUBJECTS` runs the whole matrix in one flavour of Keras.
"""

from functools import partial

import assay.keras_metrics as keras_metrics
import numpy as np
from assay.conformance import Subject

RANDOM = np.random.default_rng(7)
CLASSES = 4
IDS = np.array([0, 1, 2, 3, 1, 0], np.int32)
SCORES = RANDOM.normal(size=(6, CLASSES)).astype(np.float32)
PROBABILITIES = np.exp(SCORES) / np.exp(SCORES).sum(axis=-1, keepdims=True)
LABEL_MAPS = RANDOM.integers(0, CLASSES, (6, 3, 4)).astype(np.int32)
PIXELS = RANDOM.normal(size=(6, 3, 4, CLASSES)).astype(np.float32)
VALID = RANDOM.random((6, 3, 4)) < 0.8
INSTANCES = RANDOM.integers(0, 2, (6, 3, 4)).astype(np.int32)
FEW = {"max_instances_per_class": 2, "max_segments_per_image": 6}
IMAGE_INFO = np.tile(np.float32([[[3, 4], [2, 3], [2 / 3, 3 / 4], [0, 0]]]), (6, 1, 1))
CORNERS = RANDOM.integers(0, 3, (6, 3, 2)) * 16.0
OBJECTS = {
    "boxes": np.concatenate([CORNERS, CORNERS + 40], axis=-1).astype(np.float32),
    "classes": RANDOM.integers(0, CLASSES, (6, 3)).astype(np.int32),  # 0 is padding
    "is_crowds": RANDOM.integers(0, 5, (6, 3)) == 0,
}
DETECTIONS = {
    "detection_boxes": OBJECTS["boxes"] + 4 * RANDOM.integers(0, 3, (6, 3, 1)).astype(np.float32),
    "detection_classes": OBJECTS["classes"],
    "detection_scores": RANDOM.integers(1, 4, (6, 3)).astype(np.float32) / 4,
}
IN_BOXES = (RANDOM.random((6, 3, 4, 4)) < 0.8).astype(np.float32)
SHARE = {"bounds": (0.0, 1.0), "best": 1.0}


def shares(numerators, denominators, *, where):
    """The mean of ratios over the classes where a condition holds, in float64; 0 of none."""
    chosen = np.asarray(where, bool)
    return float(np.mean(np.asarray(numerators, float)[chosen] / np.asarray(denominators, float)[chosen]))


def counts(y_true, y_pred):
    """How much of each class was found, labelled and predicted, one class at a time."""
    ids, labels = np.argmax(y_pred, axis=-1), np.asarray(y_true)
    found = np.array([np.sum((labels == one) & (ids == one)) for one in range(CLASSES)])
    labelled = np.array([np.sum(labels == one) for one in range(CLASSES)])
    predicted = np.array([np.sum(ids == one) for one in range(CLASSES)])
    return found, labelled, predicted


def mean_iou(y_true, y_pred):
    found, labelled, predicted = counts(y_true, y_pred)
    either = labelled + predicted - found
    return shares(found, either, where=either > 0) if np.size(y_true) else 0.0


def balanced_accuracy(y_true, y_pred):
    found, labelled, _ = counts(y_true, y_pred)
    return shares(found, labelled, where=labelled > 0) if np.size(y_true) else 0.0


def balanced_accuracy_of_all(y_true, y_pred):
    """The mean over the classes that are labelled or predicted."""
    found, labelled, predicted = counts(y_true, y_pred)
    recall = found / np.maximum(labelled, 1)
    return float(np.mean(recall[labelled + predicted > 0])) if np.size(y_true) else 0.0


def mean_value(y_true, y_pred):
    return float(np.mean(np.asarray(y_pred, np.float64))) if np.size(y_pred) else 0.0


def accuracy(y_true, y_pred):
    return float(np.mean(np.argmax(y_pred, axis=-1) == y_true)) if np.size(y_true) else 0.0


def subject(name, factory, sample, **traits):
    """A subject of the kind keras_metric, a share in [0, 1] unless said otherwise; None takes a trait back."""
    traits = {key: value for key, value in {**SHARE, **traits}.items() if value is not None}
    return Subject(factory, sample, kind="keras_metric", name=name, traits=traits)


SUBJECTS = [
    subject("Accuracy", keras_metrics.Accuracy, (IDS, SCORES), reference=accuracy),
    subject("TopKAccuracy", partial(keras_metrics.TopKAccuracy, 2), (IDS, SCORES)),
    subject(
        "MeanIoU", partial(keras_metrics.MeanIoU, CLASSES), (IDS, SCORES), reference=mean_iou, absent_class="excluded"
    ),
    subject(
        "MeanIoU absent classes are 0",
        partial(keras_metrics.MeanIoU, CLASSES, absent_class="zero"),
        (IDS, SCORES),
        absent_class="zero",
    ),
    subject("MeanIoU of label maps", partial(keras_metrics.MeanIoU, CLASSES), (LABEL_MAPS, PIXELS), reference=mean_iou),
    subject(
        "MeanIoU of original images",
        partial(keras_metrics.MeanIoU, CLASSES, rescale_predictions=True),
        ({"masks": LABEL_MAPS, "valid_masks": VALID, "image_info": IMAGE_INFO}, PIXELS[:, :2, :3]),
        domain={"y_true/valid_masks": "fixed", "y_true/image_info": "fixed", "y_pred": "logits"},
        best=None,
    ),
    subject(
        "MeanIoU ignoring",
        partial(keras_metrics.MeanIoU, CLASSES, ignore_label=255),
        (np.where(VALID, LABEL_MAPS, 255).astype(np.int32), PIXELS),
        ignore_label=255,
        best=None,
    ),
    subject("PerClassIoU", partial(keras_metrics.PerClassIoU, CLASSES), (LABEL_MAPS, PIXELS)),
    subject("FrequencyWeightedIoU", partial(keras_metrics.FrequencyWeightedIoU, CLASSES), (LABEL_MAPS, PIXELS)),
    subject("PixelAccuracy", partial(keras_metrics.PixelAccuracy, CLASSES), (LABEL_MAPS, PIXELS), reference=accuracy),
    subject(
        "MeanPerClassAccuracy",
        partial(keras_metrics.MeanPerClassAccuracy, CLASSES),
        (IDS, SCORES),
        reference=balanced_accuracy,
        absent_class="excluded",
    ),
    subject("BoundaryIoU", partial(keras_metrics.BoundaryIoU, CLASSES, distance=1), (LABEL_MAPS, PIXELS)),
    subject(
        "PanopticQuality",
        partial(keras_metrics.PanopticQuality, CLASSES, thing_class_ids=[1, 2], **FEW),
        (
            {"category_mask": LABEL_MAPS, "instance_mask": INSTANCES},
            {"category_mask": np.where(VALID, LABEL_MAPS, 0).astype(np.int32), "instance_mask": INSTANCES},
        ),
        domain={"y_true": "fixed", "y_pred": "fixed"},
        best=None,
    ),
    subject(
        "InstanceMetrics",
        partial(keras_metrics.InstanceMetrics, CLASSES, need_rescale_bboxes=False, max_detections=2**16),
        (OBJECTS, DETECTIONS),
        domain={"y_true": "fixed", "y_pred": "fixed", "y_pred/detection_scores": "probabilities"},
        bounds=(-1.0, 1.0),
        best=None,
    ),
    subject(
        "InstanceMetrics of masks",
        partial(
            keras_metrics.InstanceMetrics,
            CLASSES,
            use_masks=True,
            iou_thresholds=[0.5, 0.75],
            average_precision_algorithms={"AP": "coco", "area": "voc2010"},
            confidence_thresholds=[0.5],
            per_class_metrics=True,
            need_rescale_bboxes=False,
            mask_output_boundary=[40, 40],
            max_detections=2**16,
        ),
        ({**OBJECTS, "masks": IN_BOXES}, {**DETECTIONS, "detection_masks": IN_BOXES[::-1]}),
        domain={"y_true": "fixed", "y_pred": "fixed", "y_pred/detection_scores": "probabilities"},
        bounds=(-1.0, 1.0),
        best=None,
    ),
    subject("MulticlassPrecision", partial(keras_metrics.MulticlassPrecision, CLASSES), (IDS, SCORES)),
    subject(
        "MulticlassRecall",
        partial(keras_metrics.MulticlassRecall, CLASSES),
        (IDS, SCORES),
        reference=balanced_accuracy_of_all,
    ),
    subject("MulticlassFBeta", partial(keras_metrics.MulticlassFBeta, CLASSES, beta=2.0), (IDS, SCORES)),
    subject(
        "MulticlassFBeta micro",
        partial(keras_metrics.MulticlassFBeta, CLASSES, average="micro"),
        (IDS, SCORES),
        reference=accuracy,
    ),
    subject(
        "ExpectedCalibrationError",
        partial(keras_metrics.ExpectedCalibrationError, 10),
        (IDS, PROBABILITIES),
        best=0.0,
        domain="simplex",
    ),
    subject(
        "RunningMean",
        keras_metrics.RunningMean,
        (IDS, SCORES[:, 0]),
        reference=mean_value,
        best=None,
        bounds=None,
        domain="real",
    ),
]
