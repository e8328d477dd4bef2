"""What is shown of a detector's detections."""

import types

import numpy as np
import pytest
import tensorflow as tf
from assay.reference_tasks.retinanet.testing import scenes_subject
from assay.reference_tasks.run_page.detection import sections

NAMES = ("background", "cat", "dog")


@pytest.fixture
def detecting():
    """A task with one image of 8x16 pixels, half the size of the original: a cat, a crowd of dogs, three detections."""

    class Detecting:
        task_config = types.SimpleNamespace(validation_data=types.SimpleNamespace(image_mean=(0.5,), image_std=(0.25,)))

        def build_inputs(self, params):
            labels = {
                "image_info": [[[16.0, 32.0], [8.0, 16.0], [0.5, 0.5], [0.0, 1.0]]],
                "groundtruths": {
                    "boxes": [[[2.0, 4.0, 10.0, 12.0], [0.0, 20.0, 6.0, 30.0], [-1.0] * 4]],
                    "classes": [[1, 2, -1]],
                    "is_crowds": [[0, 1, 0]],
                    "num_detections": [2],
                },
            }
            return tf.data.Dataset.from_tensors((tf.zeros([1, 8, 16, 1]), labels))

        def inference_step(self, inputs, model):
            return {
                "detection_boxes": tf.constant(
                    [[[1.0, 1.0, 5.0, 5.0], [0.0, 12.0, 4.0, 15.0], [2.0, 2.0, 3.0, 3.0], [0.0] * 4]]
                ),
                "detection_classes": tf.constant([[1, 2, 2, 0]]),
                "detection_scores": tf.constant([[0.9, 0.5, 0.1, 0.9]]),
                "num_detections": tf.constant([3]),
            }

    return Detecting()


def rectangles(section, class_):
    found = [part for part in section.parts[0].iter("rect") if part.get("class") == class_]
    return [[float(part.get(side)) for side in ("x", "y", "width", "height")] for part in found]


def test_objects_are_drawn_where_they_lie_in_the_input(detecting):
    (section,) = sections(detecting, None)

    assert rectangles(section, "object") == [[1.0, 1.0, 4.0, 4.0]]
    assert rectangles(section, "object crowd") == [[9.0, 0.0, 5.0, 3.0]]


def test_detections_with_a_score_are_drawn_the_best_one_on_top(detecting):
    (section,) = sections(detecting, None)

    assert rectangles(section, "detection") == [[12.0, 0.0, 3.0, 4.0], [1.0, 1.0, 4.0, 4.0]]


def test_labels_say_class_and_score_and_stay_inside(detecting):
    (section,) = sections(detecting, None, class_names=NAMES)
    labels = [part for part in section.parts[0].iter("text") if part.get("class") == "label"]

    assert [label.text for label in labels] == ["dog 0.50", "cat 0.90"]
    assert [label.get("text-anchor") for label in labels] == ["end", "start"]


def test_caption_tells_objects_without_crowds_and_detections(detecting):
    (section,) = sections(detecting, None, class_names=NAMES)

    assert ["".join(caption.itertext()) for caption in section.parts[0].iter("figcaption")] == [
        "objects: catdetected: cat, dog"
    ]


def test_first_scenes_of_the_reference_task_are_shown():
    task = scenes_subject()
    (section,) = sections(task, task.build_model())

    assert len(list(section.parts[0].iter("svg"))) == 18
    assert np.all([part.get("href").startswith("data:image/png") for part in section.parts[0].iter("image")])
