"""Small segmentation data, without files: batches as `build_inputs` gives them."""

import numpy as np
import pytest
import tensorflow as tf
from assay.reference_tasks.segmentation import SegmentationTask
from assay.reference_tasks.segmentation.testing import scenes_subject

CLASSES, SIDE = 11, 32


@pytest.fixture(scope="session")
def make_task():
    """Return a function from changes of its configuration to the subject."""
    return lambda **changes: SegmentationTask(scenes_subject().task_config.replace(**changes))


@pytest.fixture(scope="session")
def make_batch():
    """Return a function that makes images and labels of any size; a tenth of the pixels is ignored."""

    def make(size=4, *, seed=0, side=SIDE):
        random = np.random.default_rng(seed)
        masks = random.integers(0, CLASSES, [size, side, side, 1]).astype(np.int32)
        masks[random.random(masks.shape) < 0.1] = 255
        info = np.tile([[[side, side], [side, side], [1, 1], [0, 0]]], [size, 1, 1])
        labels = {
            "masks": tf.constant(masks),
            "valid_masks": tf.constant(masks != 255),
            "image_info": tf.constant(info, tf.float32),
        }
        return tf.constant(random.normal(size=[size, side, side, 3]), tf.float32), labels

    return make
