"""A cheap task whose model and step tests share."""

import pytest
import tensorflow as tf
from assay.reference_tasks.retinanet import RetinaNetTask
from assay.reference_tasks.retinanet.testing import scenes_subject


@pytest.fixture(scope="session")
def make_task():
    """Return a function that makes the subject with changes to its configuration."""
    return lambda **changes: RetinaNetTask(scenes_subject().task_config.replace(**changes))


@pytest.fixture(scope="session")
def trained():
    """The subject, its model after a few steps, and the losses of the steps on one batch."""
    tf.keras.utils.set_random_seed(0)
    task = scenes_subject()
    model = task.build_model()
    optimizer = tf.keras.optimizers.Adam(0.01)
    batch = next(iter(task.build_inputs(task.task_config.train_data)))
    step = tf.function(lambda: task.train_step(batch, model, optimizer)["loss"])
    return task, model, [float(step()) for _ in range(40)]


@pytest.fixture(scope="session")
def batches(trained):
    """Three batches of 8 validation examples, as lists of features and labels."""
    task, _, _ = trained
    return list(task.build_inputs(task.task_config.validation_data).take(3))
