"""The generated scenes that stand for data in new tasks."""

import itertools

import numpy as np
import pytest
from assay.reference_tasks.templates.starters.scenes.scenes import CLASS_NAMES, EXAMPLES, SIDE, scenes

ALL = {split: list(scenes(split)) for split in EXAMPLES}


def test_splits_have_their_sizes_and_share_no_number():
    numbers = [scene.number for split in ALL.values() for scene in split]

    assert {split: len(found) for split, found in ALL.items()} == EXAMPLES
    assert len(set(numbers)) == len(numbers)


def test_scenes_are_the_same_each_time():
    for one, other in zip(ALL["validation"], scenes("validation"), strict=True):
        np.testing.assert_array_equal(one.image, other.image)
        np.testing.assert_array_equal(one.boxes, other.boxes)


@pytest.mark.parametrize("split", EXAMPLES)
def test_every_class_occurs_and_some_scene_has_no_object(split):
    classes = np.concatenate([scene.classes for scene in ALL[split]])

    assert set(classes) == set(range(1, len(CLASS_NAMES)))
    assert any(not len(scene.classes) for scene in ALL[split])


def test_boxes_hold_the_pixels_of_their_objects_tightly():
    for scene in itertools.chain(*ALL.values()):
        boxed = np.zeros([SIDE, SIDE], np.uint8)
        for (top, left, bottom, right), class_id in zip(scene.boxes.astype(int), scene.classes, strict=True):
            inside = scene.label_map[top:bottom, left:right] == class_id

            assert all(inside.any(axis=axis)[[0, -1]].all() for axis in (0, 1))
            boxed[top:bottom, left:right] = 1
        assert not scene.label_map[boxed == 0].any()
