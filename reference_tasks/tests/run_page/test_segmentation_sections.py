"""What is shown of the predictions of a segmentation model."""

import base64
import types

import numpy as np
import pytest
import tensorflow as tf
from assay.reference_tasks.run_page.pictures import label_picture
from assay.reference_tasks.run_page.segmentation import sections
from assay.reference_tasks.segmentation.testing import scenes_subject

TRUTH = np.array([[0, 0, 1, 1], [0, 2, 2, 255]])
PREDICTED = np.array([[0, 0, 1, 0], [0, 2, 2, 2]])


@pytest.fixture
def segmenting():
    """A task with one black image of 2x4 pixels, 6 of whose 7 counted pixels are right."""

    class Segmenting:
        task_config = types.SimpleNamespace(
            validation_data=types.SimpleNamespace(image_mean=(0.0,) * 3, image_std=(1.0,) * 3)
        )

        def build_inputs(self, params):
            masks = tf.constant(TRUTH[np.newaxis, ..., np.newaxis], tf.int32)
            labels = {"masks": masks, "valid_masks": masks < 255}
            return tf.data.Dataset.from_tensors((tf.zeros([1, 2, 4, 3]), labels))

        def inference_step(self, inputs, model):
            return {"logits": tf.one_hot(PREDICTED[np.newaxis], 3)}

    return Segmenting()


def pixels(image):
    return tf.io.decode_png(base64.b64decode(image.get("src").partition(",")[2])).numpy()


def test_image_labels_and_prediction_stand_side_by_side(segmenting):
    (section,) = sections(segmenting, None)
    image, labels, prediction = map(pixels, section.parts[1].iter("img"))
    black = np.zeros([2, 4, 3], np.uint8)

    np.testing.assert_array_equal(image, black)
    np.testing.assert_array_equal(labels, label_picture(black, TRUTH))
    np.testing.assert_array_equal(prediction, label_picture(black, PREDICTED))


def test_caption_counts_pixels_that_are_not_ignored(segmenting):
    (section,) = sections(segmenting, None)
    captions = ["".join(caption.itertext()) for caption in section.parts[1].iter("figcaption")]

    # Intersection over union: 3/4 of the background, 1/2 of class 1, 2/2 of class 2.
    assert captions[-1] == "85.7% of the pixels right; mean IoU 0.75"


def test_legend_names_the_classes_that_occur(segmenting):
    (named,) = sections(segmenting, None, class_names=["background", "road", "tree", "never seen"])
    (numbered,) = sections(segmenting, None)

    assert ["".join(entry.itertext()).strip() for entry in named.parts[0].iter("li")] == ["road", "tree"]
    assert ["".join(entry.itertext()).strip() for entry in numbered.parts[0].iter("li")] == ["1", "2"]


def test_first_scenes_of_the_reference_task_are_shown():
    task = scenes_subject()
    (section,) = sections(task, task.build_model())

    assert len(list(section.parts[1].iter("img"))) == 3 * 12
