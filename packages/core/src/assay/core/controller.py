"""The outer loop: train, evaluate, save, summarise and act, each at its step.

```python
controller = Controller(global_step=trainer.global_step, trainer=trainer, evaluator=trainer, steps_per_loop=100,
                        checkpoint_manager=manager)
controller.train_and_evaluate(train_steps=1000, eval_interval=500)
```
"""

import time
from collections.abc import Callable, Iterable
from typing import Any, cast

import tensorflow as tf
from assay.core.checkpoint_manager import new_checkpoints
from assay.core.interruption import StopRequest, TrainingInterrupted
from assay.core.progress import Progress, default_progress
from assay.core.runner import RUN_UNTIL_EXHAUSTED, AbstractEvaluator, AbstractTrainer, Output, get_value
from assay.core.steps import check_positive, next_multiple
from assay.core.summary_managers import make_summary_manager, recording
from assay.core.workers import any_worker, is_multi_worker

STEPS_PER_SECOND = "steps_per_second"
Action = Callable[[Output], Any]
"""Called with the logs of a loop or of an evaluation, tensors still; may add to them."""


class Controller:
    """Runs the loops of a trainer and an evaluator, and does what is due between them.

    Steps are totals: `train(1000)` trains *until* step 1000, and does nothing when that is behind already. A loop is
    never longer than `steps_per_loop`, and shorter when it would pass a step at which something is due: a checkpoint,
    an in-step summary, an evaluation, the end.

    After each training loop, in this order: the logs are reported, the train actions run, the logs are written as
    summaries, a due checkpoint is saved. An evaluation comes after the checkpoint of its step, so that a failure in it
    costs no training; a run that is resumed at a step with an evaluation does that evaluation again.

    Args:
        global_step: int64 variable, raised by the trainer.
        trainer: For `train` and `train_and_evaluate`.
        evaluator: For the methods that evaluate; may be the same object.
        strategy: The strategy to run under; the current one when None.
        train_actions: Called after each training loop with its logs.
        eval_actions: Called after each evaluation with its logs.
        steps_per_loop: Steps of a training loop, or a function from the global step to it. Needed with a trainer.
        checkpoint_manager: A `tf.train.CheckpointManager` or one of `assay.core.checkpoints`. Its latest checkpoint
            is restored at once; without one its `init_fn` is called.
        enable_async_checkpointing: Write checkpoints while training goes on; waited for at the end of each method.
        summary_interval: In steps, for `tf.summary` operations inside a step: they record at its multiples. The logs
            of a loop are written after each loop.
        summary_dir: Where to write training summaries, when there is no `summary_manager`.
        eval_summary_dir: The same for evaluation; `summary_dir` when None.
        summary_manager: Writes training summaries: `write_summaries(dict)`, `flush()`.
        eval_summary_manager: The same for evaluation; `summary_manager` when it and `eval_summary_dir` are None.
        progress: Where to report; a live bar on a terminal and plain lines elsewhere when None.
        stop: A request to end the run, looked at after each loop.

    Raises:
        ValueError: `trainer` is given without `steps_per_loop`; a number of steps is not above 0; neither `trainer`
            nor `evaluator` is given.
        CheckpointMismatchError: The latest checkpoint does not fit the run.
    """

    def __init__(
        self,
        *,
        global_step: tf.Variable,
        trainer: AbstractTrainer | None = None,
        evaluator: AbstractEvaluator | None = None,
        strategy: tf.distribute.Strategy | None = None,
        train_actions: Iterable[Action] | None = None,
        eval_actions: Iterable[Action] | None = None,
        steps_per_loop: int | Callable[[int], int] | None = None,
        checkpoint_manager: Any = None,
        enable_async_checkpointing: bool = False,
        summary_interval: int | None = None,
        summary_dir: str | None = None,
        eval_summary_dir: str | None = None,
        summary_manager: Any = None,
        eval_summary_manager: Any = None,
        progress: Progress | None = None,
        stop: StopRequest | None = None,
    ) -> None:
        if trainer is None and evaluator is None:
            raise ValueError("`trainer` or `evaluator` must be given; received neither.")
        if trainer is not None and steps_per_loop is None:
            raise ValueError("`steps_per_loop` must be given with a `trainer`; received None.")
        if not callable(steps_per_loop):
            check_positive("steps_per_loop", steps_per_loop)
        check_positive("summary_interval", summary_interval)
        self.global_step = global_step
        # Any: more is asked of them than the interfaces say, but only where they have it.
        self.trainer = cast(Any, trainer)
        self.evaluator = cast(Any, evaluator)
        self.strategy = strategy or tf.distribute.get_strategy()
        self.train_actions, self.eval_actions = list(train_actions or ()), list(eval_actions or ())
        self.steps_per_loop: Any = steps_per_loop
        self.summary_interval = summary_interval
        self.checkpoint_manager = checkpoint_manager
        self._checkpoint_options = tf.train.CheckpointOptions(
            experimental_enable_async_checkpoint=enable_async_checkpointing
        )
        if summary_manager is None and summary_dir is not None and trainer is not None:
            summary_manager = make_summary_manager(summary_dir, global_step)
        if eval_summary_manager is None and evaluator is not None:
            if eval_summary_dir is not None and eval_summary_dir != summary_dir:
                eval_summary_manager = make_summary_manager(eval_summary_dir, global_step)
            elif summary_manager is None and summary_dir is not None:
                eval_summary_manager = make_summary_manager(summary_dir, global_step)
            else:
                eval_summary_manager = summary_manager
        self.summary_manager, self.eval_summary_manager = summary_manager, eval_summary_manager
        self.progress = progress or default_progress()
        self.stop = stop or StopRequest()
        self._saved_step: int | None = None
        self._restored_step: int | None = None
        self._seen_step = 0
        if trainer is not None and hasattr(trainer, "on_progress"):
            self.trainer.on_progress = self.progress.advance
            self.trainer.should_stop = lambda: self.stop.requested and not is_multi_worker(self.strategy)
        if evaluator is not None and hasattr(evaluator, "on_eval_progress"):
            self.evaluator.on_eval_progress = self._after_eval_step
        if checkpoint_manager is not None:
            self.restore_checkpoint()
        self._seen_step = self.step

    @property
    def step(self) -> int:
        """The steps taken, as a plain number."""
        return int(self.global_step.numpy())

    def train(self, steps: int, checkpoint_at_completion: bool = True) -> Output | None:
        """Train until the global step is `steps`.

        Args:
            steps: Total number of steps, above 0.
            checkpoint_at_completion: Whether to save at the end, whatever the checkpoint interval.

        Returns:
            The logs of the last loop as NumPy values; None when there was nothing to do.

        Raises:
            TrainingInterrupted: The run was asked to stop; a checkpoint has been saved.
            ValueError: There is no trainer, or `steps` is not above 0.
        """
        output = self._train_until(steps, total=steps)
        if checkpoint_at_completion:
            self._save_if_new()
        self._wait_for_checkpoints()
        return output

    def evaluate(self, steps: int = RUN_UNTIL_EXHAUSTED) -> Output | None:
        """Evaluate the weights as they are.

        Args:
            steps: Number of evaluation steps; -1 runs until the data ends.

        Returns:
            The logs as NumPy values.

        Raises:
            ValueError: There is no evaluator, or `steps` is neither above 0 nor -1.
        """
        if self.evaluator is None:
            raise ValueError("`evaluator` must be given to the Controller to evaluate; it is None.")
        if steps < 1 and steps != RUN_UNTIL_EXHAUSTED:
            raise ValueError(f"`steps` must be above 0, or -1 to run until the data ends; received {steps}.")
        step = self.step
        with self.strategy.scope(), self.progress.phase("eval"), recording(self.eval_summary_manager, self.global_step):
            started = time.perf_counter()
            output = self.evaluator.evaluate(tf.constant(steps, tf.int32)) or {}
            seconds = time.perf_counter() - started
            for action in self.eval_actions:
                action(output)
        if steps > 0:
            output[STEPS_PER_SECOND] = steps / seconds
        output = get_value(output)
        self.progress.report("eval", step=step, logs=output, seconds=seconds)
        _write(self.eval_summary_manager, output)
        return output

    def train_and_evaluate(
        self, train_steps: int, eval_steps: int = RUN_UNTIL_EXHAUSTED, eval_interval: int | None = None
    ) -> Output | None:
        """Train until `train_steps`, evaluating at each multiple of `eval_interval` and at the end.

        Each evaluation is of the weights just trained. A run that is at `train_steps` already is evaluated once.

        Args:
            train_steps: Total number of training steps.
            eval_steps: Steps of each evaluation; -1 for all.
            eval_interval: Steps between evaluations; None for one at the end.

        Returns:
            The logs of the last evaluation.

        Raises:
            TrainingInterrupted: The run was asked to stop; a checkpoint has been saved.
            ValueError: As `train` and `evaluate`.
        """
        check_positive("train_steps", train_steps)
        check_positive("eval_interval", eval_interval)
        if self.step >= train_steps:
            self.progress.message(f"already trained until step {self.step}; evaluating")
            return self.evaluate(eval_steps)
        interval = eval_interval or train_steps
        if self._restored_step == self.step and self.step > 0 and self.step % interval == 0:
            self.evaluate(eval_steps)
        output = None
        while self.step < train_steps:
            target = min(train_steps, next_multiple(self.step, interval))
            self._train_until(target, total=train_steps)
            if target == train_steps:
                self._save_if_new()
            output = self.evaluate(eval_steps)
        self._wait_for_checkpoints()
        return output

    def evaluate_continuously(
        self,
        steps: int = RUN_UNTIL_EXHAUSTED,
        timeout: float | None = None,
        timeout_fn: Callable[[], bool] | None = None,
        until_step: int | None = None,
    ) -> Output | None:
        """Evaluate each new checkpoint of the manager's directory, the latest when there are several.

        Args:
            steps: Steps of each evaluation; -1 for all.
            timeout: Seconds to wait for a new checkpoint; None waits forever.
            timeout_fn: Asked when the time is up; the waiting ends when it says True or is None.
            until_step: End after a checkpoint of this step or a later one, without waiting for another.

        Returns:
            The logs of the last evaluation; None when no checkpoint came.

        Raises:
            TrainingInterrupted: The run was asked to stop.
            ValueError: There is no checkpoint manager or no evaluator.
        """
        if self.checkpoint_manager is None:
            raise ValueError(
                "`checkpoint_manager` must be given to the Controller to wait for checkpoints; it is None."
            )
        output = None
        checkpoints = new_checkpoints(self.checkpoint_manager.directory, timeout, timeout_fn, self._end_if_stopped)
        for path in checkpoints:
            try:
                self.restore_checkpoint(path)
            except (tf.errors.NotFoundError, FileNotFoundError):
                continue  # Training has deleted it meanwhile: there is a newer one.
            output = self.evaluate(steps)
            if until_step is not None and self.step >= until_step:
                return output
        self.progress.message(f"no new checkpoint for {timeout:g} s; ending")
        return output

    def restore_checkpoint(self, path: str | None = None) -> str | None:
        """Restore a checkpoint.

        Args:
            path: Which; None for the manager's latest, and when there is none its `init_fn` is called.

        Returns:
            The path, None when nothing was restored.

        Raises:
            CheckpointMismatchError: The checkpoint does not fit the run.
            ValueError: There is no checkpoint manager.
        """
        manager = self._manager()
        with self.strategy.scope(), self.progress.phase("checkpoint"):
            if path is None:
                path = manager.restore_or_initialize()
            elif hasattr(manager, "restore"):
                manager.restore(path)
            else:
                manager.checkpoint.restore(path)
        if path is not None:
            self._saved_step = self._restored_step = self.step
            self.progress.message(f"restored from checkpoint: {path}")
        return path

    def save_checkpoint(self) -> str:
        """Save a checkpoint of the present step, whatever the interval, and return its path.

        Raises:
            ValueError: There is no checkpoint manager.
        """
        manager = self._manager()
        with self.progress.phase("checkpoint"):
            path = (
                manager.save(checkpoint_number=self.step, check_interval=False, options=self._checkpoint_options)
                or manager.latest_checkpoint
            )
        self._saved_step = self.step
        self.progress.message(f"saved checkpoint to {path}.")
        return path

    def _train_until(self, steps: int, *, total: int) -> Output | None:
        """Run loops until `steps`, saving at each interval."""
        if self.trainer is None:
            raise ValueError("`trainer` must be given to the Controller to train; it is None.")
        check_positive("steps", steps)
        output = None
        self.progress.begin_training(self.step, total)
        while self.step < steps:
            output = self._train_one_loop(self._loop_length(steps))
            if any_worker(self.strategy, self.stop.requested):
                self._save_and_end()
            self._save_if_due()
        return output

    def _train_one_loop(self, num_steps: int) -> Output:
        before = self.step
        recorder = recording(self.summary_manager, self.global_step, every=self.summary_interval)
        with self.strategy.scope(), self.progress.phase("train"), recorder:
            started = time.perf_counter()
            output = self.trainer.train(tf.constant(num_steps, tf.int32)) or {}
            seconds = time.perf_counter() - started
        taken = self.step - before
        if taken < num_steps and (not self.stop.requested or is_multi_worker(self.strategy)):
            raise ValueError(
                f"The trainer was asked for {num_steps} steps and raised the global step by {taken}: "
                f"{type(self.trainer).__name__}.train must raise it by one with each step."
            )
        output[STEPS_PER_SECOND] = taken / seconds
        self.progress.report("train", step=self.step, logs=get_value(output), seconds=seconds)
        for action in self.train_actions:
            action(output)
        output = get_value(output)
        if self.step == before + taken:  # else an action has gone back to a checkpoint
            _write(self.summary_manager, output)
        return output

    def _loop_length(self, target: int) -> int:
        step = self.step
        length = self.steps_per_loop(step) if callable(self.steps_per_loop) else self.steps_per_loop
        check_positive("steps_per_loop", length)
        ends = [target, step + length]
        for interval in (self.summary_interval, self._checkpoint_interval()):
            if interval:
                ends.append(next_multiple(step, interval))
        return min(ends) - step

    def _checkpoint_interval(self) -> int | None:
        manager = self.checkpoint_manager
        return getattr(manager, "interval", None) or getattr(manager, "checkpoint_interval", None)

    def _save_if_due(self) -> None:
        """Save when a multiple of the checkpoint interval has been reached since the last look."""
        interval, step = self._checkpoint_interval(), self.step
        if interval and step // interval > self._seen_step // interval:
            self._save_if_new()
        self._seen_step = step

    def _save_if_new(self) -> str | None:
        if self.checkpoint_manager is None:
            return None
        if self._saved_step == self.step:
            return self.checkpoint_manager.latest_checkpoint
        return self.save_checkpoint()

    def _wait_for_checkpoints(self) -> None:
        if self.checkpoint_manager is not None and hasattr(self.checkpoint_manager, "sync"):
            with self.progress.phase("checkpoint"):
                self.checkpoint_manager.sync()

    def _end_if_stopped(self) -> None:
        # Several workers agree on it after a training loop; here they may be at different places.
        if self.stop.requested and not is_multi_worker(self.strategy):
            self._save_and_end()

    def _save_and_end(self) -> None:
        path = getattr(self.checkpoint_manager, "latest_checkpoint", None)
        if self.trainer is not None:
            path = self._save_if_new()
        self._wait_for_checkpoints()
        raise TrainingInterrupted(self.step, path, self.stop.signal)

    def _after_eval_step(self, steps: int) -> None:
        self.progress.advance_eval(steps)
        self._end_if_stopped()

    def _manager(self) -> Any:
        if self.checkpoint_manager is None:
            raise ValueError("`checkpoint_manager` must be given to the Controller for checkpoints; it is None.")
        return self.checkpoint_manager


def _write(manager: Any, output: Output) -> None:
    if manager is not None:
        manager.write_summaries(output)
        manager.flush()
