"""Low precision and two replicas learn a batch as well as float32 on one replica does, within noise."""

import numpy as np
import pytest
import tensorflow as tf
from assay.core import OptimizationConfig, RuntimeConfig
from assay.reference_tasks.retinanet.testing import scenes_subject as detection
from assay.reference_tasks.segmentation.testing import scenes_subject as segmentation

pytestmark = [pytest.mark.flavour, pytest.mark.slow]

STEPS = 40
NOISE = 0.15  # relative; halving the batch of a batch normalisation alone moves the loss by some per cent

OPTIMIZER = OptimizationConfig.from_dict(
    {
        "optimizer": {"type": "adam"},
        "learning_rate": {"type": "constant", "constant": {"learning_rate": 0.01}},
    }
)


# The share of its first value that the loss must come below: 0.18 for segmentation that only learns how frequent each
# class is.
LEARNT = {detection: 0.5, segmentation: 0.16}


@pytest.fixture(scope="module", params=LEARNT, ids=["detection", "segmentation"])
def make_task(request):
    return request.param


@pytest.fixture(scope="module")
def batch(make_task):
    task = make_task()
    return next(iter(task.build_inputs(task.task_config.train_data)))


def losses(make_task, batch, *, dtype="float32", replicas=1):
    """The loss of each step on one batch, the mean over the replicas."""
    tf.keras.utils.set_random_seed(0)
    runtime = RuntimeConfig(
        mixed_precision_dtype=None if dtype == "float32" else dtype,
        loss_scale="dynamic" if dtype == "float16" else None,
    )
    tf.keras.mixed_precision.set_global_policy("float32" if dtype == "float32" else f"mixed_{dtype}")
    devices = [f"CPU:{index}" for index in range(replicas)]
    strategy = tf.distribute.MirroredStrategy(devices, tf.distribute.ReductionToOneDevice())
    try:
        with strategy.scope():
            task = make_task()
            model = task.build_model()
            optimizer = task.create_optimizer(OPTIMIZER, runtime)
            if hasattr(optimizer, "build"):
                optimizer.build(model.trainable_variables)
    finally:
        tf.keras.mixed_precision.set_global_policy("float32")
    shares = strategy.experimental_distribute_values_from_function(
        lambda context: tf.nest.map_structure(lambda x: x[context.replica_id_in_sync_group :: replicas], batch)
    )

    @tf.function
    def step():
        logs = strategy.run(lambda share: task.train_step(share, model, optimizer), args=(shares,))
        return strategy.reduce("mean", logs["loss"], axis=None)

    return np.array([float(step()) for _ in range(STEPS)])


@pytest.fixture(scope="module")
def reference(make_task, batch):
    return losses(make_task, batch)


@pytest.mark.parametrize(
    "options", [{"dtype": "bfloat16"}, {"dtype": "float16"}, {"replicas": 2}], ids=["bfloat16", "float16", "replicas"]
)
def test_a_batch_is_learnt_as_in_float32(make_task, batch, reference, options):
    found = losses(make_task, batch, **options)

    assert reference[-1] < LEARNT[make_task] * reference[0]
    assert found[0] == pytest.approx(reference[0], rel=0.05)
    assert found[-5:].mean() == pytest.approx(reference[-5:].mean(), rel=NOISE)
