"""k steps, save, restore, N - k steps equal N steps, bit for bit: weights, optimizer, data, random state."""

import logging

import line_task
import numpy as np
import pytest
import tensorflow as tf
from assay.core.checkpoint_manager import CheckpointManager
from assay.core.checkpoints import CheckpointMismatchError, restore_run
from assay.core.distribution import get_distribution_strategy
from line_task import experiment, make_trainer, train

pytestmark = pytest.mark.flavour

SHUFFLED = {"shuffle": True, "seed": 3}
TOTAL = 7


def momentum():
    return tf.keras.optimizers.SGD(line_task.RATE, momentum=0.9)


def make(strategy, **task):
    return make_trainer(experiment(train_data=SHUFFLED, task=task), strategy=strategy, optimizer=momentum)


def state(trainer):
    """Weights, optimizer and random state, as NumPy arrays."""
    optimizer = trainer.optimizer.variables
    optimizer = optimizer() if callable(optimizer) else optimizer
    return [np.asarray(value) for value in [*trainer.model.get_weights(), *optimizer]]


def assert_same(first, second):
    assert first.step == second.step
    for expected, got in zip(state(first), state(second), strict=True):
        np.testing.assert_array_equal(expected, got)


def test_resumed_run_equals_the_uninterrupted_one_wherever_it_was_saved(tmp_path, strategy):
    straight, first = make(strategy), make(strategy)
    paths = [first.checkpoint.save(str(tmp_path / "ckpt"))]
    for _ in range(TOTAL - 1):
        train(first, 1)
        paths.append(first.checkpoint.save(str(tmp_path / "ckpt")))
    train(straight, TOTAL)

    second = make(strategy)
    for saved_at, path in enumerate(paths):
        restore_run(second.checkpoint, path)
        assert second.step == saved_at
        train(second, TOTAL - saved_at)
        assert_same(straight, second)


@pytest.mark.skipif(
    line_task.LEGACY,
    reason="tf_keras draws dropout from TensorFlow's stateful generator, which no checkpoint can hold",
)
def test_random_state_of_dropout_is_resumed(tmp_path):
    strategy = get_distribution_strategy("off")
    straight, first = make(strategy, dropout=0.5), make(strategy, dropout=0.5)
    train(straight, TOTAL)
    train(first, 3)
    path = first.checkpoint.save(str(tmp_path / "ckpt"))

    second = make(strategy, dropout=0.5)
    restore_run(second.checkpoint, path)
    train(second, TOTAL - 3)

    assert_same(straight, second)


@pytest.mark.parametrize(("before", "after"), [("off", 2), (2, "off")], ids=["1 to 2", "2 to 1"])
def test_run_goes_on_with_another_number_of_replicas(tmp_path, before, after):
    def strategy(name):
        if name == "off":
            return get_distribution_strategy("off")
        return get_distribution_strategy("mirrored", num_cpu_devices=2)

    def unshuffled(name):
        return make_trainer(experiment(), strategy=strategy(name), optimizer=momentum)

    straight, first, second = unshuffled("off"), unshuffled(before), unshuffled(after)
    train(straight, TOTAL)
    train(first, 4)
    restore_run(second.checkpoint, first.checkpoint.save(str(tmp_path / "ckpt")))
    train(second, TOTAL - 4)

    np.testing.assert_allclose(line_task.weight(second), line_task.weight(straight), rtol=1e-6)


def test_position_can_be_left_out_of_the_checkpoint(tmp_path):
    def unpositioned():
        return make_trainer(experiment(checkpoint_train_iterator=False))

    first, second = unpositioned(), unpositioned()
    train(first, 1)
    path = first.checkpoint.save(str(tmp_path / "ckpt"))
    restore_run(second.checkpoint, path)
    logs = train(second, 1)

    # The first batch once more, with the weight of one step.
    weight = line_task.sgd_by_hand(1)[0]
    np.testing.assert_allclose(
        float(logs["training_loss"]), np.mean(((2 - weight) * line_task.EXAMPLES[:4]) ** 2), rtol=1e-5
    )
    assert not [name for name, _ in tf.train.list_variables(path) if "ITERATOR" in name]


def test_stateful_pipeline_is_named_once_and_the_run_goes_on(tmp_path, caplog):
    with caplog.at_level(logging.WARNING, logger="assay"):
        trainer = make_trainer(experiment(train_data={"stateful": True}))
        train(trainer, 2)
        trainer.checkpoint.save(str(tmp_path / "ckpt"))
        trainer.checkpoint.save(str(tmp_path / "ckpt"))

    warnings = [record.getMessage() for record in caplog.records]
    assert len(warnings) == 1
    assert "stateful operation RandomUniform" in warnings[0]
    assert "trainer.checkpoint_train_iterator=false" in warnings[0]


def test_checkpoint_of_another_program_is_read_by_step(tmp_path, caplog):
    first = make_trainer()
    train(first, 4)
    path = tf.train.Checkpoint(global_step=first.global_step, model=first.model, optimizer=first.optimizer).save(
        str(tmp_path / "ckpt")
    )

    second = make_trainer()
    restore_run(second.checkpoint, path)
    train(second, 3)

    np.testing.assert_allclose(line_task.weight(second), line_task.sgd_by_hand(7)[0], rtol=1e-6)
    assert "does not hold the position in the training data; it is taken from the step" in caplog.text


def test_checkpoint_without_the_optimizer_does_not_restore_a_training(tmp_path):
    first = make_trainer()
    path = tf.train.Checkpoint(global_step=first.global_step, model=first.model).save(str(tmp_path / "ckpt"))

    with pytest.raises(CheckpointMismatchError, match="lacks variables of"):
        restore_run(make_trainer().checkpoint, path)


def test_recovery_keeps_the_data_going(tmp_path):
    trainer = make_trainer()
    train(trainer, 2)
    path = trainer.checkpoint.save(str(tmp_path / "ckpt"))
    weight = line_task.weight(trainer)
    train(trainer, 2)  # Batches 3 and 4, of which the third begins the data anew.

    trainer.recover(path)
    logs = train(trainer, 1)

    batch = line_task.batches(5)[4]
    np.testing.assert_allclose(float(logs["training_loss"]), np.mean(((2 - weight) * batch) ** 2), rtol=1e-5)
    assert trainer.step == 3

    second = make_trainer()
    restore_run(second.checkpoint, trainer.checkpoint.save(str(tmp_path / "ckpt")))
    train(trainer, 2), train(second, 2)
    assert line_task.weight(second) == line_task.weight(trainer)


def test_asynchronous_checkpoint_holds_the_position_of_the_save(tmp_path):
    options = tf.train.CheckpointOptions(experimental_enable_async_checkpoint=True)
    straight, first = make_trainer(experiment(train_data=SHUFFLED)), make_trainer(experiment(train_data=SHUFFLED))
    train(straight, 12)
    manager = CheckpointManager(first.checkpoint, str(tmp_path), max_to_keep=None, global_step=first.global_step)
    paths = []
    for _ in range(4):
        train(first, 2)
        paths.append(manager.save(options=options))
    train(first, 4)
    manager.sync()

    for saved, path in enumerate(paths, start=1):
        second = make_trainer(experiment(train_data=SHUFFLED))
        restore_run(second.checkpoint, path)
        assert second.step == 2 * saved
        train(second, 12 - 2 * saved)
        assert_same(straight, second)


def test_checkpoint_is_read_by_a_plain_one(tmp_path):
    trainer = make_trainer()
    path = trainer.checkpoint.save(str(tmp_path / "ckpt"))

    other = make_trainer()
    plain = tf.train.Checkpoint(global_step=other.global_step, model=other.model, optimizer=other.optimizer)
    plain.restore(path).expect_partial().assert_existing_objects_matched()
    assert tf.train.load_variable(path, "global_step/.ATTRIBUTES/VARIABLE_VALUE").dtype == np.int64
