"""The default steps of a Task, in closed form; and what it does with inputs, losses and an initial checkpoint."""

import line_task
import numpy as np
import pytest
import tensorflow as tf
from assay.core.checkpoints import CheckpointMismatchError
from assay.core.precision import wrap_loss_scale
from assay.core.task import Task, keeps_step_logs, unpack_inputs

pytestmark = pytest.mark.flavour

BATCH = (line_task.EXAMPLES[:4], 2 * line_task.EXAMPLES[:4])


def new_task(**task):
    return line_task.LineTask(line_task.experiment(task=task).task)


def weight(model):
    return float(np.asarray(model.get_weights()[-1]).reshape(()))


def test_train_step_applies_the_gradient_once():
    task = new_task()
    model, optimizer = task.build_model(), tf.keras.optimizers.SGD(0.01)

    logs = task.train_step(BATCH, model, optimizer)

    expected, losses = line_task.sgd_by_hand(1, rate=0.01)
    np.testing.assert_allclose(weight(model), expected, rtol=1e-6)
    np.testing.assert_allclose(float(logs["loss"]), losses[0], rtol=1e-6)
    assert set(logs) == {"loss"}
    assert int(np.asarray(optimizer.iterations)) == 1


@pytest.mark.parametrize("scale", [2.0**10, "dynamic"])
def test_loss_scale_changes_neither_the_update_nor_the_logged_loss(scale):
    task = new_task()
    model = task.build_model()
    optimizer = wrap_loss_scale(tf.keras.optimizers.SGD(0.01), scale)

    logs = task.train_step(BATCH, model, optimizer)

    expected, losses = line_task.sgd_by_hand(1, rate=0.01)
    np.testing.assert_allclose(weight(model), expected, rtol=1e-6)
    np.testing.assert_allclose(float(logs["loss"]), losses[0], rtol=1e-6)


def test_inputs_that_are_no_pair_are_their_own_labels():
    features = tf.constant([[1.0]])

    assert unpack_inputs(features) == (features, features)
    assert unpack_inputs([features, 2]) == ([features, 2], [features, 2])
    assert unpack_inputs((features, 2)) == (features, 2)


def test_validation_step_runs_the_model_for_inference_and_keeps_its_state():
    task = new_task(dropout=0.5)
    model = task.build_model()
    model.set_weights([*model.get_weights()[:-1], np.ones([1, 1], np.float32)])
    before = model.get_weights()

    logs = task.validation_step(BATCH, model)

    np.testing.assert_allclose(float(logs["loss"]), np.mean(BATCH[0] ** 2), rtol=1e-6)
    np.testing.assert_array_equal(before[-1], model.get_weights()[-1])


def test_train_step_runs_the_model_for_training():
    seen = []

    class Probe(tf.keras.layers.Layer):
        def call(self, inputs, training=None):
            seen.append(training)
            return inputs

    class Probing(line_task.LineTask):
        def build_model(self):
            return tf.keras.Sequential([tf.keras.layers.Input([1]), Probe(), tf.keras.layers.Dense(1)])

    task = Probing(line_task.experiment().task)
    model = task.build_model()
    seen.clear()

    task.train_step(BATCH, model, tf.keras.optimizers.SGD(0.01))
    task.validation_step(BATCH, model)
    task.inference_step(BATCH[0], model)

    assert [bool(training) for training in seen] == [True, False, False]


def test_half_precision_outputs_reach_the_loss_as_float32():
    dtypes = []

    class Half(line_task.LineTask):
        def build_model(self):
            return tf.keras.Sequential([tf.keras.layers.Input([1]), tf.keras.layers.Dense(1, dtype="mixed_bfloat16")])

        def build_losses(self, labels, model_outputs, aux_losses=None):
            dtypes.append(model_outputs.dtype)
            return super().build_losses(labels, model_outputs, aux_losses)

    task = Half(line_task.experiment().task)

    task.train_step(BATCH, task.build_model(), tf.keras.optimizers.SGD(0.01))

    assert dtypes == [tf.float32]


def test_metrics_are_fed_by_the_step_that_is_given_them():
    task = new_task()
    model, metrics = task.build_model(), task.build_metrics(training=False)

    task.validation_step(BATCH, model, metrics)

    assert float(metrics[0].result()) == 5.0


def test_loss_that_is_no_scalar_is_refused():
    class Vector(line_task.LineTask):
        def build_losses(self, labels, model_outputs, aux_losses=None):
            return tf.square(labels - model_outputs)[:, 0]

    task = Vector(line_task.experiment().task)

    with pytest.raises(ValueError, match=r"Vector.build_losses must return a scalar.*received shape \(4,\)"):
        task.validation_step(BATCH, task.build_model())


def test_aggregation_keeps_the_first_step():
    state = new_task().aggregate_logs(None, {"loss": (1.0,)})

    assert new_task().aggregate_logs(state, {"loss": (2.0,)}) == [{"loss": (1.0,)}, {"loss": (2.0,)}]


def test_step_logs_are_kept_only_for_a_task_that_uses_them():
    class Reduces(line_task.LineTask):
        def reduce_aggregated_logs(self, aggregated_logs, global_step=None):
            return {}

    assert not keeps_step_logs(new_task())
    assert keeps_step_logs(Reduces(line_task.experiment().task))
    assert not keeps_step_logs(object())


def test_task_has_a_name_and_needs_its_abstract_methods():
    assert new_task().name == "LineTask"
    assert line_task.LineTask(None, name="other", logging_dir="x").name == "other"
    with pytest.raises(TypeError, match="abstract"):
        Task(None)


def layers(*units):
    dense = [tf.keras.layers.Dense(unit) for unit in units]
    return tf.keras.Sequential([tf.keras.layers.Input([3]), *dense])


def saved(model, tmp_path, **items):
    return tf.train.Checkpoint(model=model, **items).write(str(tmp_path / "init"))


def initialize(model, path, **task):
    config = line_task.experiment(task={"init_checkpoint": str(path)}).task
    for name, value in task.items():
        object.__setattr__(config, name, value)
    line_task.LineTask(config).initialize(model)


def test_initialize_loads_all_weights(tmp_path):
    source, target = layers(4, 2), layers(4, 2)
    optimizer = tf.keras.optimizers.SGD(0.1, momentum=0.9)
    optimizer.build(source.trainable_variables)
    path = saved(source, tmp_path, optimizer=optimizer)

    initialize(target, path)

    for expected, got in zip(source.get_weights(), target.get_weights(), strict=True):
        np.testing.assert_array_equal(expected, got)


def test_initialize_takes_the_latest_checkpoint_of_a_directory(tmp_path):
    source, target = layers(4), layers(4)
    manager = tf.train.CheckpointManager(tf.train.Checkpoint(model=source), str(tmp_path), max_to_keep=3)
    manager.save()
    source.set_weights([weights + 1 for weights in source.get_weights()])
    manager.save()

    initialize(target, tmp_path)

    np.testing.assert_array_equal(source.get_weights()[0], target.get_weights()[0])


@pytest.mark.parametrize(
    ("units", "message"),
    [((4, 2, 2), r"lacks variables of 'model': .*kernel.* \(2, 2\)"), ((4, 3), "does not fit 'model'")],
    ids=["missing layer", "other shape"],
)
def test_initialize_raises_for_what_it_cannot_load(tmp_path, units, message):
    path = saved(layers(4, 2), tmp_path)

    with pytest.raises(CheckpointMismatchError, match=message):
        initialize(layers(*units), path)


def test_initialize_raises_when_there_is_no_checkpoint(tmp_path):
    with pytest.raises(FileNotFoundError, match="the directory holds no checkpoint"):
        initialize(layers(4), tmp_path)
    with pytest.raises(FileNotFoundError, match=r"nothing\.index does not exist"):
        initialize(layers(4), tmp_path / "nothing")


def test_initialize_raises_for_an_unbuilt_model(tmp_path):
    path = saved(layers(4), tmp_path)

    with pytest.raises(CheckpointMismatchError, match="'model': it has no variables yet"):
        initialize(tf.keras.Sequential([tf.keras.layers.Dense(4)]), path)


def with_parts(*units):
    model = layers(*units)
    model.checkpoint_items = {"backbone": model.layers[0]}
    return model


def test_initialize_loads_a_named_part_only(tmp_path):
    source, target = with_parts(4, 2), with_parts(4, 3)
    path = saved(source, tmp_path, **source.checkpoint_items)
    head = target.layers[1].get_weights()[0]

    initialize(target, path, init_checkpoint_modules="backbone")

    np.testing.assert_array_equal(source.layers[0].get_weights()[0], target.layers[0].get_weights()[0])
    np.testing.assert_array_equal(head, target.layers[1].get_weights()[0])


def test_initialize_refuses_a_part_that_does_not_exist(tmp_path):
    model = with_parts(4)

    with pytest.raises(ValueError, match=r"asks for 'decoder', but .*\['backbone'\]"):
        initialize(model, saved(model, tmp_path), init_checkpoint_modules=["decoder"])
