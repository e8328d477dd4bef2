"""`run_experiment`: each mode in a directory, what it leaves there, and how it goes on."""

import json
import os

import line_task
import numpy as np
import pytest
import tensorflow as tf
from assay.core.checkpoints import CheckpointMismatchError
from assay.core.config import ConfigError
from assay.core.config.optimization import EmaConfig
from assay.core.distribution import get_distribution_strategy
from assay.core.divergence import DivergedError
from assay.core.experiment import run_experiment
from assay.core.interruption import StopRequest, TrainingInterrupted
from assay.core.progress import LineProgress, Progress

pytestmark = pytest.mark.flavour


def params(**trainer):
    defaults = {
        "train_steps": 6,
        "steps_per_loop": 2,
        "validation_interval": 3,
        "checkpoint_interval": 4,
        "summary_interval": 2,
    }
    config = line_task.experiment(**(defaults | trainer))
    optimization = config.trainer.optimizer_config
    optimization.optimizer.type = "sgd"
    optimization.learning_rate.type = "constant"
    optimization.learning_rate.constant.learning_rate = line_task.RATE
    return config


def run(model_dir, mode="train_and_eval", config=None, *, task_cls=line_task.LineTask, strategy=None, **options):
    config = config or params()
    task = task_cls(config.task, logging_dir=str(model_dir))
    strategy = strategy or get_distribution_strategy("off")
    return run_experiment(strategy, task, mode, config, str(model_dir), **({"progress": Progress()} | options))


def weight(model):
    return float(np.asarray(model.get_weights()[-1]).reshape(()))


def mean_error(weight):
    return 6.5 * (2 - weight)


def tags(directory):
    """The steps of each tag in the event files of a directory."""
    found = {}
    for name in sorted(os.listdir(directory)):
        for record in tf.data.TFRecordDataset(os.path.join(directory, name)):
            event = tf.compat.v1.Event.FromString(record.numpy())
            for value in event.summary.value:
                found.setdefault(value.tag, []).append(event.step)
    return found


def test_train_and_eval_leaves_a_run_directory(tmp_path, strategy):
    model, logs = run(tmp_path, strategy=strategy)

    expected, _ = line_task.sgd_by_hand(6)
    np.testing.assert_allclose(weight(model), expected, rtol=1e-6)
    np.testing.assert_allclose(logs["error"], mean_error(expected), rtol=1e-5)
    assert {"params.yaml", "checkpoint", "ckpt-4.index", "ckpt-6.index", "train", "validation"} <= set(
        os.listdir(tmp_path)
    )
    assert tags(tmp_path / "train") == {
        tag: [2, 3, 4, 6] for tag in ("training_loss", "error", "learning_rate", "steps_per_second")
    }
    assert tags(tmp_path / "validation") == {"validation_loss": [3, 6], "error": [3, 6]}


def test_train_returns_the_logs_of_the_last_loop(tmp_path):
    _, logs = run(tmp_path, "train")

    np.testing.assert_allclose(logs["training_loss"], np.mean(line_task.sgd_by_hand(6)[1][4:]), rtol=1e-5)
    assert not (tmp_path / "validation").exists()


@pytest.mark.parametrize(("mode", "post_eval"), [("train_and_post_eval", False), ("train", True)])
def test_evaluation_after_the_training(tmp_path, mode, post_eval):
    model, logs = run(tmp_path, mode, run_post_eval=post_eval)

    np.testing.assert_allclose(logs["error"], mean_error(weight(model)), rtol=1e-5)
    assert tags(tmp_path / "validation")["error"] == [6]


def test_eval_evaluates_the_latest_checkpoint_and_writes_no_params(tmp_path):
    trained, _ = run(tmp_path, "train")
    os.remove(tmp_path / "params.yaml")
    before = sorted(os.listdir(tmp_path))

    model, logs = run(tmp_path, "eval")

    assert weight(model) == weight(trained)
    np.testing.assert_allclose(logs["error"], mean_error(weight(model)), rtol=1e-5)
    assert sorted([*before, "validation"]) == sorted(os.listdir(tmp_path))


def test_eval_without_a_checkpoint_is_said(tmp_path, caplog):
    _, logs = run(tmp_path, "eval")

    assert logs["error"] == 13.0
    assert "evaluates the initial weights" in caplog.text


def test_continuous_eval_ends_with_the_checkpoint_of_the_last_step(tmp_path):
    run(tmp_path, "train")

    model, logs = run(tmp_path, "continuous_eval", params(continuous_eval_timeout=60))

    np.testing.assert_allclose(logs["error"], mean_error(weight(model)), rtol=1e-5)


def test_continuous_eval_ends_when_no_checkpoint_comes(tmp_path):
    assert run(tmp_path, "continuous_eval", params(continuous_eval_timeout=0.01))[1] == {}


def test_unknown_mode_names_those_there_are(tmp_path):
    with pytest.raises(
        ValueError, match=r"one of train, eval, train_and_eval, continuous_eval, train_and_post_eval; received 'fit'"
    ):
        run(tmp_path, "fit")


def test_configuration_that_does_not_fit_the_mode_is_refused(tmp_path):
    with pytest.raises(ConfigError, match=r"trainer\.train_steps"):
        run(tmp_path, "train", params(train_steps=0))
    assert os.listdir(tmp_path) == []


def test_run_goes_on_where_it_ended(tmp_path, strategy):
    run(tmp_path, "train", strategy=strategy)

    model, _ = run(tmp_path, "train", params(train_steps=9), strategy=strategy)

    np.testing.assert_allclose(weight(model), line_task.sgd_by_hand(9)[0], rtol=1e-6)


def test_finished_run_has_nothing_left_to_do(tmp_path):
    run(tmp_path, "train")

    assert run(tmp_path, "train")[1] == {}


def test_save_summary_false_writes_none(tmp_path):
    run(tmp_path, save_summary=False)

    assert not [name for _, _, files in os.walk(tmp_path) for name in files if "tfevents" in name]


class Summaries:
    def __init__(self):
        self.written, self.closed = [], False

    def write_summaries(self, summary_dict):
        self.written.append(summary_dict)

    def flush(self):
        pass

    def close(self):
        self.closed = True


@pytest.mark.parametrize("save_summary", [True, False])
def test_given_summary_managers_are_used(tmp_path, save_summary):
    train, evaluation = Summaries(), Summaries()

    run(tmp_path, save_summary=save_summary, summary_manager=train, eval_summary_manager=evaluation)

    assert (len(train.written), len(evaluation.written)) == (4, 2)
    assert not (tmp_path / "train").exists()
    assert not (tmp_path / "validation").exists()
    assert not train.closed


def test_training_manager_alone_does_not_get_the_evaluation(tmp_path):
    train = Summaries()

    run(tmp_path, save_summary=False, summary_manager=train)

    assert len(train.written) == 4


def test_actions_are_called_with_the_logs(tmp_path):
    train, evaluation = [], []

    run(tmp_path, train_actions=[train.append], eval_actions=[evaluation.append])

    assert (len(train), len(evaluation)) == (4, 2)
    assert "training_loss" in train[0]
    assert "validation_loss" in evaluation[0]


def test_best_checkpoint_is_exported_and_logged(tmp_path):
    best = {
        "best_checkpoint_export_subdir": "best",
        "best_checkpoint_eval_metric": "error",
        "best_checkpoint_metric_comp": "lower",
    }

    model, logs = run(tmp_path, config=params(**best))

    info = json.loads((tmp_path / "best" / "info.json").read_text())
    assert info["best_ckpt_global_step"] == 6
    assert logs["best_error"] == info["error"] == logs["error"]
    assert tf.train.latest_checkpoint(str(tmp_path / "best")) == str(tmp_path / "best" / "best_ckpt-6")
    assert tags(tmp_path / "validation")["best_error"] == [3, 6]
    fresh = line_task.LineTask(params(**best).task).build_model()
    tf.train.Checkpoint(model=fresh).read(str(tmp_path / "best" / "best_ckpt-6")).expect_partial()
    assert weight(fresh) == weight(model)


def test_averaged_weights_are_evaluated_and_saved(tmp_path):
    config = params(train_steps=3)
    config.trainer.optimizer_config.ema = EmaConfig(average_decay=0.5)

    model, logs = run(tmp_path, config=config)

    weights = [line_task.sgd_by_hand(steps)[0] for steps in (1, 2, 3)]
    average = line_task.average_by_hand(weights, start=0.0, decay=0.5)
    np.testing.assert_allclose(weight(model), weights[2], rtol=1e-6)
    np.testing.assert_allclose(logs["error"], mean_error(average), rtol=1e-5)
    fresh = line_task.LineTask(config.task).build_model()
    path = str(tmp_path / "ema_checkpoints" / "average_weights-3")
    tf.train.Checkpoint(model=fresh).read(path).assert_existing_objects_matched()
    np.testing.assert_allclose(weight(fresh), average, rtol=1e-6)

    _, again = run(tmp_path, "eval", config)
    np.testing.assert_allclose(again["error"], mean_error(average), rtol=1e-5)


def test_initial_checkpoint_is_loaded_once(tmp_path):
    config = params(train_steps=1)
    source = line_task.LineTask(config.task).build_model()
    source.set_weights([np.full([1, 1], 1.5, np.float32)])
    config.task.init_checkpoint = tf.train.Checkpoint(model=source).write(str(tmp_path / "init"))

    first, _ = run(tmp_path / "run", "train", config)
    os.remove(tmp_path / "init.index")
    config.trainer.train_steps = 2
    second, _ = run(tmp_path / "run", "train", config)

    gradient = [np.mean(2 * (1.5 - 2) * batch**2) for batch in line_task.batches(1)]
    np.testing.assert_allclose(weight(first), 1.5 - line_task.RATE * gradient[0], rtol=1e-5)
    assert weight(second) > weight(first)


def test_checkpoint_of_another_model_is_refused(tmp_path):
    run(tmp_path, "train")

    class Wider(line_task.LineTask):
        def build_model(self):
            return tf.keras.Sequential([tf.keras.layers.Input([1]), tf.keras.layers.Dense(2)])

    with pytest.raises(CheckpointMismatchError, match="ckpt-6"):
        run(tmp_path, "eval", task_cls=Wider)


class Poisoned(line_task.LineTask):
    """The labels of one batch, the fifth to be drawn, are infinite."""

    def build_inputs(self, params, input_context=None):
        dataset = super().build_inputs(params, input_context)
        if not params.is_training:
            return dataset
        poison = tf.data.Dataset.range(1000).map(lambda i: tf.where(tf.equal(i, 4), float("inf"), 1.0))
        return tf.data.Dataset.zip((dataset, poison)).map(lambda batch, factor: (batch[0], factor * batch[1]))


def test_bad_loss_ends_the_run_without_saving_the_weights(tmp_path):
    with pytest.raises(DivergedError, match="not finite since step 5"):
        run(tmp_path, "train", params(steps_per_loop=1), task_cls=Poisoned)

    assert tf.train.latest_checkpoint(str(tmp_path)) == str(tmp_path / "ckpt-4")


def test_run_recovers_from_a_bad_loss_with_the_data_behind_it(tmp_path):
    config = params(recovery_max_trials=1, train_steps=8)

    model, logs = run(tmp_path, "train", config, task_cls=Poisoned)

    batches = [batch for index, batch in enumerate(line_task.batches(10)) if index not in (4, 5)]
    expected = 0.0
    for x in batches:
        expected -= line_task.RATE * np.mean(2 * (expected * x - 2 * x) * x)
    np.testing.assert_allclose(weight(model), expected, rtol=1e-5)
    assert np.isfinite(logs["training_loss"])


def test_stopped_run_is_saved_and_goes_on_to_the_same_end(tmp_path):
    stop = StopRequest()
    with pytest.raises(TrainingInterrupted) as caught:
        run(tmp_path, "train", stop=stop, train_actions=[lambda logs: stop.request()])
    assert caught.value.checkpoint == str(tmp_path / "ckpt-2")

    model, _ = run(tmp_path, "train")

    np.testing.assert_allclose(weight(model), line_task.sgd_by_hand(6)[0], rtol=1e-6)


def test_asynchronous_checkpoints_are_complete_at_the_end(tmp_path):
    run(tmp_path, "train", enable_async_checkpointing=True)

    model, _ = run(tmp_path, "train", params(train_steps=9))

    np.testing.assert_allclose(weight(model), line_task.sgd_by_hand(9)[0], rtol=1e-6)


def test_eager_run_computes_the_same_and_leaves_tensorflow_as_it_was(tmp_path):
    config = params()
    config.runtime.run_eagerly = True
    seen = []

    class Eager(line_task.LineTask):
        def train_step(self, inputs, model, optimizer, metrics=None):
            seen.append(tf.executing_eagerly())
            return super().train_step(inputs, model, optimizer, metrics)

    model, _ = run(tmp_path, "train", config, task_cls=Eager)

    assert seen == [True] * 6
    np.testing.assert_allclose(weight(model), line_task.sgd_by_hand(6)[0], rtol=1e-6)
    assert not tf.config.functions_run_eagerly()


def test_mixed_precision_holds_for_the_run_only(tmp_path):
    config = params()
    config.runtime.mixed_precision_dtype = "bfloat16"

    model, _ = run(tmp_path, "train", config)

    assert model.layers[-1].compute_dtype == "bfloat16"
    assert model.layers[-1].dtype == "float32"
    assert tf.keras.layers.Dense(1).compute_dtype == "float32"
    np.testing.assert_allclose(weight(model), line_task.sgd_by_hand(6)[0], rtol=0.02)


def test_seed_makes_two_runs_the_same(tmp_path):
    class Random(line_task.LineTask):
        def build_model(self):
            return tf.keras.Sequential([tf.keras.layers.Input([1]), tf.keras.layers.Dense(1)])

    config = params()
    config.runtime.seed = 5

    first, second = (run(tmp_path / str(i), "train", config, task_cls=Random)[0] for i in range(2))

    for one, other in zip(first.get_weights(), second.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)


def test_given_trainer_is_used(tmp_path):
    config = params()
    trainer = line_task.make_trainer(config)

    model, _ = run(tmp_path, "train", config, trainer=trainer)

    assert model is trainer.model
    assert trainer.step == 6


def test_lines_are_reported(tmp_path, capsys):
    run(tmp_path, config=params(train_steps=3), progress=LineProgress())

    lines = capsys.readouterr().out.splitlines()
    assert [line.split(" | ")[0].strip() for line in lines[:1]] == ["train"]
    assert any(line.startswith(" eval | step:      3 | ") and "validation_loss: " in line for line in lines)
    assert f"saved checkpoint to {tmp_path}/ckpt-3." in lines
    assert lines[-1].startswith("time | train ")
