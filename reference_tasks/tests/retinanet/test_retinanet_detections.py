"""Detections are what NumPy makes of the same outputs: decode, score, sort, suppress."""

import numpy as np
import pytest
import tensorflow as tf
from assay.reference_tasks.retinanet.anchors import AnchorGenerator
from assay.reference_tasks.retinanet.detections import DetectionGenerator
from assay.reference_tasks.vision.boxes import BoxCoder

CLASSES, BATCH = 4, 2
ANCHORS = AnchorGenerator(3, 4, num_scales=1, aspect_ratios=(0.5, 1.0), anchor_size=2.0, image_size=(32, 24))
CODER = BoxCoder((2.0, 2.0, 1.0, 1.0))


def outputs(seed=0):
    """What a head might say, by level."""
    random = np.random.default_rng(seed)
    shapes = {level: boxes.shape[:2] for level, boxes in ANCHORS.by_level.items()}
    scales = {"cls_outputs": (CLASSES, 2.0), "box_outputs": (4, 0.3), "depth": (1, 1.0)}
    values = {
        key: {
            level: tf.constant(random.normal(size=[BATCH, *shape, 2 * depth]) * scale, tf.float32)
            for level, shape in shapes.items()
        }
        for key, (depth, scale) in scales.items()
    }
    return {"cls_outputs": values["cls_outputs"], "box_outputs": values["box_outputs"]} | {
        "attribute_outputs": {"depth": values["depth"]}
    }


def of_image(by_level, row, depth):
    return np.concatenate([np.asarray(x)[row].reshape(-1, depth) for x in by_level.values()]).astype(float)


def overlap(a, b):
    sides = np.clip(np.minimum(a[2:], b[2:]) - np.maximum(a[:2], b[:2]), 0, None)
    shared = sides.prod()
    union = (a[2:] - a[:2]).prod() + (b[2:] - b[:2]).prod() - shared
    return shared / union if union > 0 else 0.0


def reference(given, row, *, top_k, score_threshold, iou_threshold, limit, agnostic, window):
    """(score, class, box, anchor) of each detection, the best first."""
    codes, anchors = of_image(given["box_outputs"], row, 4), ANCHORS.flat.astype(float)
    scores = 1 / (1 + np.exp(-of_image(given["cls_outputs"], row, CLASSES)[:, 1:]))
    sizes = anchors[:, 2:] - anchors[:, :2]
    centres = codes[:, :2] / 2.0 * sizes + (anchors[:, :2] + anchors[:, 2:]) / 2
    halves = np.exp(codes[:, 2:]) * sizes / 2
    boxes = np.clip(np.concatenate([centres - halves, centres + halves], axis=1), 0, np.tile(window, 2))
    pairs = [(scores[a, c], c + 1, boxes[a], a) for a in range(len(anchors)) for c in range(CLASSES - 1)]
    if agnostic:
        pairs = [max((pair for pair in pairs if pair[3] == a), key=lambda pair: pair[0]) for a in range(len(anchors))]
    kept = []
    for pair in sorted(pairs, key=lambda pair: -pair[0])[:top_k]:
        rivals = [other for other in kept if agnostic or other[1] == pair[1]]
        if pair[0] > score_threshold and all(overlap(other[2], pair[2]) <= iou_threshold for other in rivals):
            kept.append(pair)
    return kept[:limit]


@pytest.mark.parametrize("agnostic", [False, True])
@pytest.mark.parametrize(("top_k", "limit"), [(5000, 20), (15, 20), (5000, 4)])
def test_detections_are_those_of_the_reference(agnostic, top_k, limit):
    given = outputs()
    windows = np.array([[32.0, 24.0], [20.0, 24.0]])
    generator = DetectionGenerator(
        *(ANCHORS, CODER, CLASSES),
        pre_nms_top_k=top_k,
        pre_nms_score_threshold=0.3,
        nms_iou_threshold=0.4,
        max_num_detections=limit,
        use_class_agnostic_nms=agnostic,
    )
    found = generator.detect(given, windows=tf.constant(windows, tf.float32))

    assert found["detection_boxes"].shape == [BATCH, limit, 4]
    assert found["detection_classes"].dtype == found["num_detections"].dtype == tf.int32
    for row in range(BATCH):
        expected = reference(
            *(given, row),
            top_k=top_k,
            score_threshold=0.3,
            iou_threshold=0.4,
            limit=limit,
            agnostic=agnostic,
            window=windows[row],
        )
        count = int(found["num_detections"][row])
        assert 0 < count == len(expected)
        np.testing.assert_allclose(found["detection_scores"][row, :count], [one[0] for one in expected], rtol=1e-5)
        assert found["detection_classes"][row, :count].numpy().tolist() == [one[1] for one in expected]
        np.testing.assert_allclose(found["detection_boxes"][row, :count], [one[2] for one in expected], atol=1e-3)
        depth = of_image(given["attribute_outputs"]["depth"], row, 1)[[one[3] for one in expected]]
        np.testing.assert_allclose(found["detection_attributes"]["depth"][row, :count], depth, rtol=1e-5)
        for name in ("detection_boxes", "detection_scores", "detection_classes"):
            assert not found[name][row, count:].numpy().any()


def test_detection_compiles_and_agrees():
    generator, given = DetectionGenerator(ANCHORS, CODER, CLASSES, max_num_detections=10), outputs(1)
    compiled = tf.function(generator.detect, jit_compile=True)(given)

    for name, expected in generator.detect(given).items():
        tf.nest.map_structure(
            lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-4), compiled[name], expected
        )


def test_background_is_never_detected():
    given = outputs()
    for level, logits in given["cls_outputs"].items():
        background = tf.one_hot(tf.zeros([2], tf.int32), CLASSES, on_value=50.0, off_value=-50.0)
        given["cls_outputs"][level] = tf.broadcast_to(tf.reshape(background, [-1]), logits.shape)

    assert DetectionGenerator(ANCHORS, CODER, CLASSES).detect(given)["num_detections"].numpy().tolist() == [0, 0]
