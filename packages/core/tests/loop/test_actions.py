"""What actions do with the logs."""

import contextlib
import json
import math
import os
import signal

import line_task
import numpy as np
import pytest
import tensorflow as tf
from assay.core.actions import (
    ConditionalAction,
    ExportBestCheckpoint,
    ExportFileManager,
    ExportSavedModel,
    JSONPersistedValue,
    NewBestMetric,
    RecoverFromDivergence,
    SaveAveragedCheckpoint,
    SaveCheckpointIfPreempted,
)
from assay.core.divergence import DivergedError, LossGuard
from assay.core.interruption import StopRequest, TrainingInterrupted


def test_conditional_action_acts_when_the_condition_holds():
    acted = []
    action = ConditionalAction(lambda logs: tf.constant(logs["x"] > 1), [acted.append, acted.append])

    action({"x": 1})
    action({"x": 2})

    assert acted == [{"x": 2}, {"x": 2}]


@pytest.mark.parametrize(
    ("higher", "values", "best"),
    [(True, [1.0, 3.0, 2.0, 3.0, 4.0], [0, 1, 4]), (False, [3.0, 1.0, 2.0, 0.5], [0, 1, 3])],
)
def test_new_best_metric_follows_the_direction(higher, values, best):
    metric = NewBestMetric("x", higher_is_better=higher)

    assert [index for index, value in enumerate(values) if metric({"x": tf.constant(value)})] == best
    assert metric.best_value == values[best[-1]]


@pytest.mark.parametrize("higher", [True, False])
def test_nan_is_never_best_and_never_stays_best(higher):
    metric = NewBestMetric("x", higher_is_better=higher)

    assert not metric({"x": math.nan})
    assert metric.best_value is None
    assert metric({"x": 1.0})
    assert not metric({"x": math.nan})
    assert metric.best_value == 1.0


def test_new_best_metric_is_remembered_over_a_restart(tmp_path):
    file = str(tmp_path / "sub" / "best.json")
    assert NewBestMetric("x", filename=file)({"x": 2.0})

    metric = NewBestMetric("x", filename=file)

    assert metric.best_value == 2.0
    assert not metric({"x": 1.5})
    assert os.listdir(tmp_path / "sub") == ["best.json"]


def test_test_remembers_nothing_until_commit():
    metric = NewBestMetric("x")

    assert metric.test({"x": 1.0})
    assert metric.best_value is None
    metric.commit({"x": 1.0})
    assert not metric.test({"x": 1.0})


def test_metric_may_be_nested_or_computed():
    logs = {"a": {"b": 2.0}, "c/d": 3.0}

    assert NewBestMetric("a/b").metric_value(logs) == 2.0
    assert NewBestMetric("c/d").metric_value(logs) == 3.0
    assert NewBestMetric(lambda given: given["a"]["b"] + given["c/d"]).metric_value(logs) == 5.0


def test_missing_metric_is_named_with_those_there_are():
    with pytest.raises(KeyError, match="no metric 'accuracy' among the logs; there are: 'loss', 'speed'"):
        NewBestMetric("accuracy")({"loss": 1.0, "speed": 2.0})


def test_persisted_value_is_written_at_each_change(tmp_path):
    file = str(tmp_path / "value.json")
    value = JSONPersistedValue([1], file)
    assert not os.path.exists(file)

    value.write({"a": 2})

    assert json.loads((tmp_path / "value.json").read_text()) == {"a": 2}
    assert JSONPersistedValue(None, file).read() == {"a": 2}


def test_persisted_value_can_be_read_only_and_in_memory(tmp_path):
    file = str(tmp_path / "value.json")
    JSONPersistedValue(None, file).write(1)
    reader, memory = JSONPersistedValue(None, file, write_value=False), JSONPersistedValue(5, None)

    reader.write(2)
    memory.write(6)

    assert (reader.read(), memory.read()) == (2, 6)
    assert JSONPersistedValue(None, file).read() == 1


def test_value_that_is_not_json_changes_nothing(tmp_path):
    value = JSONPersistedValue(1, str(tmp_path / "value.json"))

    with pytest.raises(TypeError):
        value.write(object())
    assert value.read() == 1
    (tmp_path / "value.json").write_text("{")
    with pytest.raises(ValueError, match=r"value\.json is not JSON"):
        JSONPersistedValue(1, str(tmp_path / "value.json"))


class Best:
    """A variable, a step and the action that keeps the best."""

    def __init__(self, directory, **options):
        self.weight = tf.Variable(0.0)
        self.global_step = tf.Variable(0, dtype=tf.int64)
        self.action = ExportBestCheckpoint(
            tf.train.Checkpoint(weight=self.weight),
            str(directory),
            **({"metric": "accuracy"} | options),
            global_step=self.global_step,
        )

    def evaluate(self, step, **logs):
        self.global_step.assign(step)
        self.weight.assign(float(step))
        logs = dict(logs)
        self.action(logs)
        return logs


def test_best_checkpoint_is_named_by_its_step_and_kept_alone(tmp_path):
    best = Best(tmp_path)

    best.evaluate(4, accuracy=tf.constant(0.5))
    best.evaluate(8, accuracy=tf.constant(0.7), loss=tf.constant(2.0))
    logs = best.evaluate(12, accuracy=tf.constant(0.6))

    assert sorted(os.listdir(tmp_path)) == [
        "best_ckpt-8.data-00000-of-00001",
        "best_ckpt-8.index",
        "checkpoint",
        "info.json",
    ]
    assert tf.train.load_variable(str(tmp_path / "best_ckpt-8"), "weight/.ATTRIBUTES/VARIABLE_VALUE") == 8.0
    info = json.loads((tmp_path / "info.json").read_text())
    assert info == {"accuracy": float(np.float32(0.7)), "loss": 2.0, "best_ckpt_global_step": 8}
    assert logs["best_accuracy"] == float(np.float32(0.7))


def test_best_checkpoint_of_an_earlier_run_counts(tmp_path):
    Best(tmp_path).evaluate(4, accuracy=0.5)

    second = Best(tmp_path)
    second.evaluate(8, accuracy=0.4)

    assert second.action.best_value == 0.5
    assert tf.train.latest_checkpoint(str(tmp_path)) == str(tmp_path / "best_ckpt-4")


def test_nan_is_not_exported(tmp_path):
    logs = Best(tmp_path).evaluate(4, accuracy=math.nan)

    assert logs.keys() == {"accuracy"}
    assert not (tmp_path / "info.json").exists()


def test_lower_may_be_better(tmp_path):
    best = Best(tmp_path, metric="loss", higher_is_better=False)

    best.evaluate(4, loss=2.0)
    best.evaluate(8, loss=3.0)

    assert tf.train.latest_checkpoint(str(tmp_path)) == str(tmp_path / "best_ckpt-4")


def test_best_checkpoint_holds_the_weights_that_were_evaluated(tmp_path):
    @contextlib.contextmanager
    def averaged():
        trained = best.weight.numpy()
        best.weight.assign(-1.0)
        yield
        best.weight.assign(trained)

    best = Best(tmp_path, averaged_weights=averaged)

    best.evaluate(4, accuracy=0.5)

    assert tf.train.load_variable(str(tmp_path / "best_ckpt-4"), "weight/.ATTRIBUTES/VARIABLE_VALUE") == -1.0
    assert best.weight.numpy() == 4.0


@pytest.mark.flavour
def test_averaged_checkpoint_holds_the_average_and_leaves_the_weights(tmp_path):
    model = tf.keras.Sequential([tf.keras.layers.Input([1]), tf.keras.layers.Dense(1, use_bias=False)])
    optimizer = tf.keras.optimizers.SGD(1.0, use_ema=True, ema_momentum=0.5)
    model.set_weights([np.zeros([1, 1], np.float32)])
    optimizer.build(model.trainable_variables)
    for _ in range(3):
        optimizer.apply_gradients([(tf.constant([[-2.0]]), model.trainable_variables[0])])

    SaveAveragedCheckpoint(str(tmp_path), model=model, optimizer=optimizer)({})

    assert model.get_weights()[0] == 6.0
    tf.train.Checkpoint(model=model).read(str(tmp_path / "average_weights-3")).assert_existing_objects_matched()
    expected = line_task.average_by_hand([2.0, 4.0, 6.0], start=0.0, decay=0.5)
    np.testing.assert_allclose(model.get_weights()[0], expected, rtol=1e-6)


def test_exports_are_numbered_and_old_ones_removed(tmp_path):
    manager = ExportFileManager(str(tmp_path / "export"), max_to_keep=2)
    for _ in range(4):
        os.makedirs(manager.next_name())
        manager.clean_up()
    (tmp_path / "export-notes").mkdir()

    assert manager.managed_files == [str(tmp_path / "export-2"), str(tmp_path / "export-3")]
    assert manager.next_name() == str(tmp_path / "export-4")


def test_exports_may_be_named_by_the_step_and_lie_in_a_subdirectory(tmp_path):
    manager = ExportFileManager(str(tmp_path / "export"), next_id_fn=lambda: 700, subdirectory="model")

    assert manager.next_name() == str(tmp_path / "export-700" / "model")


def test_no_export_at_all_cannot_be_asked_for(tmp_path):
    with pytest.raises(ValueError, match=r"`max_to_keep` must be above 0.*received 0"):
        ExportFileManager(str(tmp_path), max_to_keep=0)


def test_exported_model_answers_as_the_model(tmp_path):
    class Doubler(tf.Module):
        @tf.function(input_signature=[tf.TensorSpec([None], tf.float32)])
        def __call__(self, x):
            return 2 * x

    manager = ExportFileManager(str(tmp_path / "export"), max_to_keep=1)
    action = ExportSavedModel(Doubler(), manager)
    action({}), action({})

    (path,) = manager.managed_files
    assert path == str(tmp_path / "export-1")
    np.testing.assert_array_equal(tf.saved_model.load(path)(tf.constant([1.0, 2.0])), [2.0, 4.0])


class Recoverable:
    step = 30

    def __init__(self):
        self.recovered = []

    def recover(self, path):
        self.recovered.append(path)


class Latest:
    def __init__(self, path):
        self.latest_checkpoint = path


def test_bad_loss_goes_back_to_the_last_checkpoint_a_few_times():
    trainer = Recoverable()
    action = RecoverFromDivergence(trainer, Latest("ckpt-20"), LossGuard(max_recoveries=2))

    action({"training_loss": tf.constant(1.0)})
    assert trainer.recovered == []
    action({"training_loss": tf.constant(math.nan)})
    action({"training_loss": tf.constant(1e9)})
    assert trainer.recovered == ["ckpt-20", "ckpt-20"]
    with pytest.raises(DivergedError, match="above loss_upper_bound=1e\\+06 since step 30"):
        action({"training_loss": tf.constant(1e9)})


def test_bad_loss_without_a_checkpoint_ends_the_run():
    action = RecoverFromDivergence(Recoverable(), Latest(None), LossGuard(max_recoveries=2))

    with pytest.raises(DivergedError, match="not finite"):
        action({"training_loss": math.inf})


@pytest.fixture
def manager(tmp_path):
    checkpoint = tf.train.Checkpoint(step=tf.Variable(6, dtype=tf.int64))
    return tf.train.CheckpointManager(checkpoint, str(tmp_path), max_to_keep=None)


def test_preemption_saves_and_ends(manager, tmp_path):
    stop = StopRequest()
    action = SaveCheckpointIfPreempted(manager, checkpoint_number=manager.checkpoint.step, stop=stop)

    action({})
    assert manager.latest_checkpoint is None
    stop.request(signal.SIGTERM)
    with pytest.raises(TrainingInterrupted) as caught:
        action({})

    assert caught.value.checkpoint == manager.latest_checkpoint == str(tmp_path / "ckpt-6")
    assert caught.value.signal == signal.SIGTERM


def test_preemption_may_save_once_and_go_on(manager):
    before = signal.getsignal(signal.SIGTERM)
    try:
        action = SaveCheckpointIfPreempted(manager, checkpoint_number=6, keep_running_after_save=True)
        os.kill(os.getpid(), signal.SIGTERM)
        action({}), action({})
    finally:
        signal.signal(signal.SIGTERM, before)

    assert int(manager.checkpoint.save_counter.numpy()) == 1
