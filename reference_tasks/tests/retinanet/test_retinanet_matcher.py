"""Anchors are matched as the definition says, against a reference that goes through them one by one."""

import numpy as np
import pytest
import tensorflow as tf
from assay.reference_tasks.retinanet.matcher import BACKGROUND, IGNORED, Matcher
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

OVERLAPS = st.sampled_from([0.0, 0.0, 0.125, 0.25, 0.375, 0.5, 0.625, 0.75, 1.0])


def reference(overlaps, match_threshold, unmatched_threshold, force):
    """The object of each anchor; of equal overlaps the first one wins."""
    matches = []
    for column in overlaps.T:
        best = int(np.argmax(column)) if len(column) else 0
        largest = column[best] if len(column) else 0.0
        if largest > 0 and largest >= match_threshold:
            matches.append(best)
        else:
            matches.append(BACKGROUND if largest == 0 or largest < unmatched_threshold else IGNORED)
    forced = {}
    for row, overlap in enumerate(overlaps if force else []):
        anchor = int(np.argmax(overlap))
        rival = forced.get(anchor)
        if overlap[anchor] > 0 and (rival is None or overlap[anchor] > overlaps[rival, anchor]):
            forced[anchor] = row
    for anchor, row in forced.items():
        matches[anchor] = row
    return matches


@given(
    st.integers(0, 4).flatmap(lambda objects: hnp.arrays(np.float32, [objects, 7], elements=OVERLAPS)),
    st.sampled_from([(0.5, 0.5), (0.5, 0.25), (0.75, 0.5), (0.0, 0.0)]),
    st.booleans(),
)
def test_matches_are_those_of_the_loop(overlaps, thresholds, force):
    matches = Matcher(*thresholds, force_match=force).match(tf.constant(overlaps))

    assert matches.dtype == tf.int32
    assert matches.numpy().tolist() == reference(overlaps, *thresholds, force)


def test_an_object_that_overlaps_no_anchor_has_none():
    assert Matcher().match(tf.zeros([1, 3])).numpy().tolist() == [BACKGROUND] * 3


def test_of_two_objects_with_one_best_anchor_the_one_that_it_overlaps_more_has_it():
    assert Matcher().match(tf.constant([[0.25, 0.0], [0.375, 0.125]])).numpy().tolist() == [1, BACKGROUND]


@pytest.mark.parametrize("thresholds", [(0.5, 0.6), (1.5, 0.5), (0.5, -0.1)])
def test_thresholds_out_of_order_are_refused(thresholds):
    with pytest.raises(ValueError, match="0 <= unmatched_threshold <= match_threshold <= 1"):
        Matcher(*thresholds)
