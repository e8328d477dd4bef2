"""Non-maximum suppression is exact: a NumPy reference goes through the candidates one by one, best first."""

import numpy as np
import pytest
import tensorflow as tf
from assay.reference_tasks.vision.boxes import non_max_suppression
from hypothesis import given
from hypothesis import strategies as st

BATCH, CANDIDATES, KEPT = 3, 24, 10


def reference(boxes, scores, groups, *, limit, iou_threshold, score_threshold=-np.inf):
    """Indices of the kept candidates of one image, in order."""
    kept = []
    for index in sorted(range(len(scores)), key=lambda index: (-scores[index], index)):
        if not scores[index] > score_threshold or len(kept) == limit:
            continue
        y0, x0, y1, x1 = boxes[index].astype(float)

        def overlap(other, y0=y0, x0=x0, y1=y1, x1=x1):
            b = boxes[other].astype(float)
            shared = max(0.0, min(y1, b[2]) - max(y0, b[0])) * max(0.0, min(x1, b[3]) - max(x0, b[1]))
            union = (y1 - y0) * (x1 - x0) + (b[2] - b[0]) * (b[3] - b[1]) - shared
            return shared / union if union else 0.0

        rivals = [other for other in kept if groups is None or groups[other] == groups[index]]
        if all(overlap(other) <= iou_threshold for other in rivals):
            kept.append(index)
    return kept


def scene(seed):
    """Boxes of whole sides, so that overlaps are exact, and scores of which many are equal."""
    random = np.random.default_rng(seed)
    corners = random.integers(0, 12, [BATCH, CANDIDATES, 2])
    boxes = np.concatenate([corners, corners + random.integers(0, 9, [BATCH, CANDIDATES, 2])], -1).astype(np.float32)
    scores = (random.integers(0, 9, [BATCH, CANDIDATES]) / 8).astype(np.float32)
    return boxes, scores, random.integers(0, 3, [BATCH, CANDIDATES]).astype(np.int32)


@tf.function(reduce_retracing=True)
def suppressed(boxes, scores, groups, iou_threshold, score_threshold):
    selection = non_max_suppression(
        boxes,
        scores,
        max_output_size=KEPT,
        iou_threshold=iou_threshold,
        score_threshold=score_threshold,
        groups=groups,
    )
    return selection.indices, selection.counts, selection.of(scores)


@given(
    st.integers(0, 2**32 - 1),
    st.sampled_from([0.0, 0.25, 0.5, 0.75, 1.0]),
    st.sampled_from([0.0, 0.3, 0.9]),
    st.booleans(),
)
def test_keeps_what_the_reference_keeps(seed, iou_threshold, score_threshold, within_groups):
    boxes, scores, groups = scene(seed)
    groups = groups if within_groups else np.zeros_like(groups)
    indices, counts, kept_scores = (
        part.numpy()
        for part in suppressed(boxes, scores, groups, tf.constant(iou_threshold), tf.constant(score_threshold))
    )

    for image in range(BATCH):
        expected = reference(
            *(boxes[image], scores[image], groups[image]),
            limit=KEPT,
            iou_threshold=np.float32(iou_threshold),
            score_threshold=np.float32(score_threshold),
        )
        assert indices[image, : counts[image]].tolist() == expected
        assert not indices[image, counts[image] :].any()
        assert not kept_scores[image, counts[image] :].any()


def test_without_groups_every_candidate_rules_out_every_other():
    boxes, scores, _ = scene(0)
    selection = non_max_suppression(boxes, scores, max_output_size=KEPT, iou_threshold=0.5)

    expected = [reference(boxes[i], scores[i], None, limit=KEPT, iou_threshold=0.5) for i in range(BATCH)]
    assert [
        row[:count].tolist() for row, count in zip(selection.indices.numpy(), selection.counts.numpy(), strict=True)
    ] == expected


def test_compiles_and_agrees():
    boxes, scores, groups = scene(1)
    compiled = tf.function(
        lambda *inputs: (
            non_max_suppression(*inputs[:2], groups=inputs[2], max_output_size=KEPT, iou_threshold=0.5).indices
        ),
        jit_compile=True,
    )

    eager = non_max_suppression(boxes, scores, groups=groups, max_output_size=KEPT, iou_threshold=0.5).indices
    np.testing.assert_array_equal(compiled(boxes, scores, groups), eager)


@pytest.mark.parametrize("scores", [[np.nan, 0.5], [-np.inf, 0.5]])
def test_scores_that_are_no_numbers_are_no_candidates(scores):
    boxes = tf.constant([[[0.0, 0.0, 1.0, 1.0], [5.0, 5.0, 6.0, 6.0]]])
    selection = non_max_suppression(boxes, tf.constant([scores]), max_output_size=2, iou_threshold=0.5)

    assert selection.counts.numpy().tolist() == [1]
    assert selection.indices.numpy().tolist() == [[1, 0]]


def test_an_empty_batch_gives_an_empty_selection():
    selection = non_max_suppression(tf.zeros([0, 5, 4]), tf.zeros([0, 5]), max_output_size=3, iou_threshold=0.5)

    assert selection.indices.shape == [0, 3]
    assert selection.of(tf.zeros([0, 5, 4])).shape == [0, 3, 4]
