"""Anchors are Model Garden's: a plain loop over levels, rows, columns, scales and ratios makes the same ones."""

import math

import numpy as np
from assay.reference_tasks.retinanet.anchors import AnchorGenerator
from hypothesis import given
from hypothesis import strategies as st


def reference(min_level, max_level, num_scales, aspect_ratios, anchor_size, image_size):
    """Anchors one by one, in order."""
    boxes = []
    for level in range(min_level, max_level + 1):
        rows, columns = (math.ceil(side / 2**level) for side in image_size)
        for row in range(rows):
            for column in range(columns):
                y, x = (row + 0.5) * image_size[0] / rows, (column + 0.5) * image_size[1] / columns
                for scale in range(num_scales):
                    for ratio in aspect_ratios:
                        base = anchor_size * 2**level * 2 ** (scale / num_scales)
                        height, width = base / math.sqrt(ratio), base * math.sqrt(ratio)
                        boxes.append([y - height / 2, x - width / 2, y + height / 2, x + width / 2])
    return np.array(boxes)


@given(
    st.integers(0, 4),
    st.integers(0, 2),
    st.integers(1, 3),
    st.lists(st.sampled_from([0.5, 0.6, 1.0, 2.0]), min_size=1, max_size=3),
    st.sampled_from([1.0, 3.0, 4.0]),
    st.tuples(st.integers(4, 40), st.integers(4, 40)),
)
def test_anchors_are_those_of_the_loop(min_level, more_levels, num_scales, aspect_ratios, anchor_size, image_size):
    arguments = (min_level, min_level + more_levels, num_scales, tuple(aspect_ratios), anchor_size, image_size)
    anchors = AnchorGenerator(*arguments)

    np.testing.assert_allclose(anchors.flat, reference(*arguments), rtol=1e-5, atol=1e-4)


def test_published_anchors_of_a_small_image():
    anchors = AnchorGenerator(3, 7, 3, (0.5, 1.0, 2.0), 4.0, (128, 128))

    assert anchors.anchors_per_location == 9
    assert {level: boxes.shape for level, boxes in anchors.by_level.items()} == {
        "3": (16, 16, 36), "4": (8, 8, 36), "5": (4, 4, 36), "6": (2, 2, 36), "7": (1, 1, 36)
    }  # fmt: skip
    # The first square anchor, 32 pixels a side, around the centre of the first 8 pixels.
    np.testing.assert_array_equal(anchors.by_level["3"][0, 0, 4:8], [-12, -12, 20, 20])
    assert anchors.flat.shape == (9 * (256 + 64 + 16 + 4 + 1), 4)
    assert anchors.flat.dtype == np.float32
