"""The outer loop does each thing at its step; trainer and evaluator are fakes that only count."""

import os
import threading

import numpy as np
import pytest
import tensorflow as tf
from assay.core.checkpoint_manager import CheckpointManager
from assay.core.controller import Controller
from assay.core.interruption import StopRequest, TrainingInterrupted
from assay.core.progress import Progress
from assay.core.runner import AbstractEvaluator, AbstractTrainer, create_global_step


class Counter(AbstractTrainer, AbstractEvaluator):
    """Raises the global step, and keeps what it was asked for."""

    def __init__(self):
        self.global_step = create_global_step()
        self.weight = tf.Variable(0.0)
        self.loops, self.evaluations = [], []

    def train(self, num_steps):
        self.global_step.assign_add(tf.cast(num_steps, tf.int64))
        self.weight.assign(float(self.global_step.numpy()))
        self.loops.append(int(num_steps))
        return {"training_loss": 1.0 / tf.cast(self.global_step, tf.float32)}

    def evaluate(self, num_steps):
        self.evaluations.append((int(self.global_step.numpy()), int(num_steps)))
        return {"weight": tf.convert_to_tensor(self.weight)}


class Summaries:
    def __init__(self):
        self.written, self.flushes = [], 0

    def write_summaries(self, summary_dict):
        self.written.append(summary_dict)

    def flush(self):
        self.flushes += 1


def make(tmp_path=None, *, interval=None, runner=None, **options):
    runner = runner or Counter()
    manager = None
    if tmp_path is not None:
        manager = CheckpointManager(
            tf.train.Checkpoint(global_step=runner.global_step, weight=runner.weight),
            str(tmp_path),
            max_to_keep=None,
            global_step=runner.global_step,
            interval=interval,
            init_fn=options.pop("init_fn", None),
        )
    defaults = {"trainer": runner, "evaluator": runner, "steps_per_loop": 10, "progress": Progress()}
    controller = Controller(global_step=runner.global_step, checkpoint_manager=manager, **(defaults | options))
    return controller, runner


def saved_steps(directory):
    return sorted(int(name[5:-6]) for name in os.listdir(directory) if name.endswith(".index"))


def test_train_goes_on_until_the_total():
    controller, runner = make()

    controller.train(25)
    controller.train(30)

    assert runner.loops == [10, 10, 5, 5]
    assert controller.step == 30


def test_train_does_nothing_when_the_total_is_behind():
    controller, runner = make()
    controller.train(20)

    assert controller.train(15) is None
    assert runner.loops == [10, 10]


def test_logs_are_numpy_values_with_the_speed():
    logs = make()[0].train(10)

    assert set(logs) == {"training_loss", "steps_per_second"}
    assert isinstance(logs["training_loss"], np.float32)
    assert logs["steps_per_second"] > 0


def test_loop_length_may_depend_on_the_step():
    controller, runner = make(steps_per_loop=lambda step: 1 if step < 3 else 7)

    controller.train(12)

    assert runner.loops == [1, 1, 1, 7, 2]


def test_loops_end_where_something_is_due(tmp_path):
    controller, runner = make(tmp_path, interval=15, summary_interval=20)

    controller.train(45)

    assert np.cumsum(runner.loops).tolist() == [10, 15, 20, 30, 40, 45]


def test_checkpoints_are_saved_at_the_interval_and_at_the_end(tmp_path):
    controller, _ = make(tmp_path, interval=15)

    controller.train(40)

    assert saved_steps(tmp_path) == [15, 30, 40]


def test_end_is_not_saved_when_it_is_not_wanted(tmp_path):
    controller, _ = make(tmp_path, interval=15)

    controller.train(40, checkpoint_at_completion=False)

    assert saved_steps(tmp_path) == [15, 30]


def test_explicit_save_always_writes(tmp_path):
    controller, runner = make(tmp_path, interval=100)
    controller.train(10)
    runner.weight.assign(77.0)

    path = controller.save_checkpoint()

    assert path == str(tmp_path / "ckpt-10")
    assert tf.train.load_variable(path, "weight/.ATTRIBUTES/VARIABLE_VALUE") == 77.0


def test_latest_checkpoint_is_restored_at_once(tmp_path):
    make(tmp_path)[0].train(20)

    controller, runner = make(tmp_path)

    assert controller.step == 20
    assert float(runner.weight.numpy()) == 20.0


def test_named_checkpoint_is_restored(tmp_path):
    controller, runner = make(tmp_path, interval=10)
    controller.train(30)

    assert controller.restore_checkpoint(str(tmp_path / "ckpt-10")) == str(tmp_path / "ckpt-10")
    assert (controller.step, float(runner.weight.numpy())) == (10, 10.0)


def test_init_fn_runs_only_when_there_is_nothing_to_restore(tmp_path):
    calls = []
    make(tmp_path, init_fn=lambda: calls.append("first"))[0].train(10)

    make(tmp_path, init_fn=lambda: calls.append("second"))

    assert calls == ["first"]


@pytest.mark.parametrize("asynchronous", [False, True])
def test_saved_checkpoints_are_complete_when_train_returns(tmp_path, asynchronous):
    controller, _ = make(tmp_path, interval=10, enable_async_checkpointing=asynchronous)

    controller.train(30)

    for step in (10, 20, 30):
        value = tf.train.load_variable(str(tmp_path / f"ckpt-{step}"), "weight/.ATTRIBUTES/VARIABLE_VALUE")
        assert value == float(step)
    assert tf.train.latest_checkpoint(str(tmp_path)) == str(tmp_path / "ckpt-30")


def test_plain_checkpoint_manager_works(tmp_path):
    runner = Counter()
    checkpoint = tf.train.Checkpoint(global_step=runner.global_step)
    manager = tf.train.CheckpointManager(
        checkpoint, str(tmp_path), max_to_keep=2, step_counter=runner.global_step, checkpoint_interval=10
    )
    controller = Controller(
        global_step=runner.global_step,
        trainer=runner,
        steps_per_loop=4,
        checkpoint_manager=manager,
        progress=Progress(),
    )

    controller.train(22)

    assert saved_steps(tmp_path) == [20, 22]
    assert controller.restore_checkpoint(manager.checkpoints[0]) == str(tmp_path / "ckpt-20")


def test_evaluate_passes_its_steps_on():
    controller, runner = make()

    all_of_it, some = controller.evaluate(), controller.evaluate(steps=3)

    assert runner.evaluations == [(0, -1), (0, 3)]
    assert set(all_of_it) == {"weight"}
    assert set(some) == {"weight", "steps_per_second"}


def test_train_and_evaluate_evaluates_the_weights_just_trained():
    controller, runner = make()

    logs = controller.train_and_evaluate(25, eval_steps=2, eval_interval=10)

    assert runner.evaluations == [(10, 2), (20, 2), (25, 2)]
    assert logs["weight"] == 25.0


def test_train_and_evaluate_saves_before_it_evaluates(tmp_path):
    seen = []
    controller, _ = make(tmp_path, interval=20, eval_actions=[lambda logs: seen.append(saved_steps(tmp_path))])

    controller.train_and_evaluate(50, eval_interval=20)

    assert seen == [[20], [20, 40], [20, 40, 50]]


def test_evaluations_stay_on_their_steps_after_a_resume(tmp_path):
    make(tmp_path)[0].train(15)
    controller, runner = make(tmp_path)

    controller.train_and_evaluate(40, eval_interval=20)

    assert [step for step, _ in runner.evaluations] == [20, 40]


def test_evaluation_of_the_restored_step_is_done_again(tmp_path):
    make(tmp_path)[0].train(20)
    controller, runner = make(tmp_path)

    controller.train_and_evaluate(40, eval_interval=20)

    assert [step for step, _ in runner.evaluations] == [20, 40]


def test_finished_training_is_evaluated_once(tmp_path):
    make(tmp_path)[0].train(20)
    controller, runner = make(tmp_path)

    logs = controller.train_and_evaluate(20, eval_interval=5)

    assert runner.evaluations == [(20, -1)]
    assert logs["weight"] == 20.0


def test_actions_get_tensors_and_may_add_logs():
    kinds = []

    def action(logs):
        kinds.append(type(logs[next(iter(logs))]).__name__)
        logs["best"] = 3

    controller, _ = make(train_actions=[action], eval_actions=[action])

    logs = controller.train_and_evaluate(10)

    assert kinds == ["EagerTensor", "EagerTensor"]
    assert logs["best"] == 3


def test_summaries_go_to_the_manager_of_their_kind():
    train, evaluation = Summaries(), Summaries()
    controller, _ = make(summary_manager=train, eval_summary_manager=evaluation)

    controller.train_and_evaluate(20, eval_interval=10)

    assert [sorted(logs) for logs in train.written] == [["steps_per_second", "training_loss"]] * 2
    assert [logs["weight"] for logs in evaluation.written] == [10.0, 20.0]
    assert (train.flushes, evaluation.flushes) == (2, 2)


def test_training_manager_takes_the_evaluation_too_when_it_is_alone():
    manager = Summaries()
    controller, _ = make(summary_manager=manager)

    controller.train_and_evaluate(10)

    assert [sorted(logs)[-1] for logs in manager.written] == ["training_loss", "weight"]


def test_summaries_in_a_step_are_recorded_at_the_interval(tmp_path):
    class Recording(Counter):
        @tf.function
        def run(self, steps):
            for _ in tf.range(steps):
                self.global_step.assign_add(1)
                tf.summary.scalar("inside", 1.0)

        def train(self, num_steps):
            self.run(num_steps)

    class Manager(Summaries):
        def __init__(self):
            super().__init__()
            self.writer = tf.summary.create_file_writer(str(tmp_path))

        def summary_writer(self, relative_path=""):
            return self.writer

    runner, manager = Recording(), Manager()
    controller = Controller(
        global_step=runner.global_step,
        trainer=runner,
        steps_per_loop=4,
        summary_interval=6,
        summary_manager=manager,
        progress=Progress(),
    )
    controller.train(25)
    manager.writer.close()

    (path,) = tmp_path.iterdir()
    events = [tf.compat.v1.Event.FromString(record.numpy()) for record in tf.data.TFRecordDataset(str(path))]
    assert [event.step for event in events if event.summary.value] == [6, 12, 18, 24]


def test_stop_saves_and_says_where(tmp_path):
    stop = StopRequest()
    controller, runner = make(tmp_path, interval=1000, stop=stop, train_actions=[lambda logs: stop.request(15)])

    with pytest.raises(TrainingInterrupted, match=r"after step 10, saved in .*ckpt-10") as caught:
        controller.train(100)

    assert saved_steps(tmp_path) == [10]
    assert (caught.value.step, caught.value.checkpoint, caught.value.signal) == (10, str(tmp_path / "ckpt-10"), 15)
    assert runner.loops == [10]


def test_stopped_run_goes_on_from_there(tmp_path):
    stop = StopRequest()
    with pytest.raises(TrainingInterrupted):
        make(tmp_path, stop=stop, train_actions=[lambda logs: stop.request()])[0].train(100)

    controller, runner = make(tmp_path)
    controller.train(30)

    assert runner.loops == [10, 10]


def test_trainer_that_does_not_count_is_named():
    class Idle(Counter):
        def train(self, num_steps):
            return {}

    with pytest.raises(ValueError, match=r"asked for 10 steps and raised the global step by 0: Idle\.train"):
        make(runner=Idle())[0].train(10)


def test_new_checkpoints_of_another_process_are_evaluated_until_the_last_step(tmp_path):
    trainer, _ = make(tmp_path, interval=10)
    runner = Counter()
    follower, _ = make(tmp_path, runner=runner, trainer=None, steps_per_loop=None)
    trained_on = threading.Event()

    def train_on(logs):
        if trainer.step < 20:
            trainer.train(trainer.step + 10)
        trained_on.set()

    follower.eval_actions.append(train_on)
    trainer.train(10)

    logs = follower.evaluate_continuously(timeout=5, until_step=20)

    assert [step for step, _ in runner.evaluations] == [10, 20]
    assert logs["weight"] == 20.0


def test_waiting_for_checkpoints_ends_at_the_timeout(tmp_path):
    answers = [False, True]
    follower, _ = make(tmp_path, trainer=None, steps_per_loop=None)

    assert follower.evaluate_continuously(timeout=0.05, timeout_fn=lambda: answers.pop(0)) is None
    assert answers == []


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"trainer": None, "evaluator": None}, "received neither"),
        ({"steps_per_loop": None}, "`steps_per_loop` must be given"),
        ({"steps_per_loop": 0}, "`steps_per_loop` must be above 0; received 0"),
        ({"summary_interval": -1}, "`summary_interval` must be above 0; received -1"),
    ],
)
def test_wrong_options_are_named(options, message):
    with pytest.raises(ValueError, match=message):
        make(**options)


@pytest.mark.parametrize("steps", [0, -2])
def test_wrong_number_of_evaluation_steps_is_named(steps):
    with pytest.raises(ValueError, match=f"above 0, or -1 .* received {steps}"):
        make()[0].evaluate(steps)


def test_minus_one_is_for_evaluation_only():
    with pytest.raises(ValueError, match="`steps` must be above 0; received -1"):
        make()[0].train(-1)


def test_what_is_missing_for_a_method_is_named(tmp_path):
    runner = Counter()
    only_eval, _ = make(runner=runner, trainer=None, steps_per_loop=None)
    only_train, _ = make(runner=runner, evaluator=None)

    with pytest.raises(ValueError, match="`trainer` must be given"):
        only_eval.train(5)
    with pytest.raises(ValueError, match="`evaluator` must be given"):
        only_train.evaluate()
    with pytest.raises(ValueError, match="`checkpoint_manager` must be given"):
        only_train.save_checkpoint()
    with pytest.raises(ValueError, match="`checkpoint_manager` must be given"):
        only_eval.evaluate_continuously()
