"""Run an experiment from its configuration: make everything, restore what there is, run a mode.

```python
params = parse_configuration("digits_classification", params_override="trainer.train_steps=100", mode="train")
task = get_task(params.task, logging_dir="/tmp/run")
model, logs = run_experiment(get_distribution_strategy("off"), task, "train", params, "/tmp/run")
```
"""

import contextlib
import logging
import os
import signal
import tempfile
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import tensorflow as tf
from assay.core.actions import ExportBestCheckpoint, RecoverFromDivergence, SaveAveragedCheckpoint
from assay.core.actions.averaged_checkpoint import AVERAGED_SUBDIR
from assay.core.checkpoint_manager import CheckpointManager
from assay.core.config import MODES, write_params
from assay.core.config.experiment import evaluates, trains
from assay.core.controller import Action, Controller
from assay.core.divergence import LossGuard
from assay.core.interruption import StopRequest, stopping_on
from assay.core.optimization import averages_weights
from assay.core.precision import set_mixed_precision_policy
from assay.core.progress import Progress, default_progress
from assay.core.runner import Output
from assay.core.summary_managers import make_summary_manager
from assay.core.trainer import Trainer

TRAIN_SUBDIR = "train"

_LOG = logging.getLogger(__name__)


def run_experiment(
    distribution_strategy: tf.distribute.Strategy,
    task: Any,
    mode: str,
    params: Any,
    model_dir: str,
    run_post_eval: bool = False,
    save_summary: bool = True,
    train_actions: Iterable[Action] | None = None,
    eval_actions: Iterable[Action] | None = None,
    trainer: Any = None,
    controller_cls: Callable[..., Controller] = Controller,
    summary_manager: Any = None,
    eval_summary_manager: Any = None,
    enable_async_checkpointing: bool = False,
    *,
    progress: Progress | None = None,
    stop: StopRequest | None = None,
) -> tuple[Any, Output]:
    """Run an experiment in a directory, from its latest checkpoint if it has one.

    Args:
        distribution_strategy: The strategy; the model, the optimizer and the metrics are made in its scope.
        task: A `Task`.
        mode: One of

            - `train`: train until `trainer.train_steps`.
            - `train_and_eval`: the same, evaluating each `trainer.validation_interval` steps and at the end.
            - `train_and_post_eval`: train, then evaluate once.
            - `eval`: evaluate the latest checkpoint once.
            - `continuous_eval`: evaluate each checkpoint that another process writes, until the one of
              `trainer.train_steps`, or until none has come for `trainer.continuous_eval_timeout` seconds.
        params: An `ExperimentConfig`.
        model_dir: The directory of the run: `params.yaml` (when it trains), `ckpt-<step>`, `train/`, `validation/`.
        run_post_eval: Evaluate at the end of mode `train` as well.
        save_summary: Whether summaries are written where no manager is given; False writes none.
        train_actions: Called after each training loop with its logs.
        eval_actions: Called after each evaluation with its logs.
        trainer: A `Trainer` made already, under the strategy, instead of one from `params`.
        controller_cls: The `Controller`, or a subclass.
        summary_manager: Writes the training summaries, whatever `save_summary` says.
        eval_summary_manager: Writes the evaluation summaries, likewise. It must take what the task's
            `reduce_aggregated_logs` returns; the one that is made otherwise shows images too (names that begin with
            `image/`).
        enable_async_checkpointing: Write checkpoints while training goes on.
        progress: Where to report; a live bar on a terminal and plain lines elsewhere when None.
        stop: A request to end the run. With `trainer.preemption_on_demand_checkpoint`, SIGTERM makes it.

    Returns:
        The model, and the logs of the last evaluation (in mode `train`, of the last loop) as NumPy values; an empty
        dict when nothing was left to do.

    Raises:
        ValueError: There is no such mode. A `ConfigError`, which is one, when `params` do not fit the mode.
        TrainingInterrupted: The run was asked to stop; a checkpoint holds all steps taken.
        DivergedError: The training loss is not finite or too large.
        CheckpointMismatchError: A checkpoint in `model_dir`, or the initial one, does not fit the model.
    """
    if mode not in MODES:
        raise ValueError(f"`mode` must be one of {', '.join(MODES)}; received {mode!r}.")
    if hasattr(params, "validate"):
        params.validate(mode)
    options = params.trainer
    stop = stop or StopRequest()
    progress = progress or default_progress()
    with contextlib.ExitStack() as cleanup:
        cleanup.callback(progress.close)
        if trains(mode) and options.preemption_on_demand_checkpoint:
            cleanup.enter_context(stopping_on(signal.SIGTERM, stop=stop))
        cleanup.enter_context(_runtime(params.runtime))
        if trainer is None:
            trainer = _make_trainer(distribution_strategy, task, mode, params, run_post_eval)
        writes = distribution_strategy.extended.should_checkpoint
        if trains(mode) and writes:
            write_params(params, model_dir)
        own_dir = model_dir if writes else cleanup.enter_context(tempfile.TemporaryDirectory())
        if save_summary and distribution_strategy.extended.should_save_summary:
            if summary_manager is None and trains(mode):
                summary_manager = make_summary_manager(os.path.join(model_dir, TRAIN_SUBDIR), trainer.global_step)
                cleanup.callback(summary_manager.close)
            if eval_summary_manager is None and (evaluates(mode) or run_post_eval):
                subdir = os.path.join(model_dir, options.validation_summary_subdir)
                eval_summary_manager = make_summary_manager(subdir, trainer.global_step)
                cleanup.callback(eval_summary_manager.close)
        manager = CheckpointManager(
            trainer.checkpoint,
            own_dir,
            max_to_keep=options.max_to_keep,
            global_step=trainer.global_step,
            interval=options.checkpoint_interval,
            init_fn=lambda: _start(trainer, task, mode, model_dir),
            restore_from=model_dir,
        )
        controller = controller_cls(
            global_step=trainer.global_step,
            trainer=trainer if trains(mode) else None,
            evaluator=trainer if evaluates(mode) or run_post_eval else None,
            strategy=distribution_strategy,
            train_actions=[*_train_actions(trainer, manager, options), *(train_actions or ())],
            eval_actions=[*_eval_actions(trainer, options, own_dir), *(eval_actions or ())],
            steps_per_loop=options.steps_per_loop if trains(mode) else None,
            checkpoint_manager=manager,
            enable_async_checkpointing=enable_async_checkpointing,
            summary_interval=options.summary_interval,
            summary_manager=summary_manager,
            eval_summary_manager=eval_summary_manager or _NO_SUMMARIES,
            progress=progress,
            stop=stop,
        )
        logs = _run(controller, mode, options, run_post_eval)
    return trainer.model, logs or {}


def _run(controller: Controller, mode: str, options: Any, run_post_eval: bool) -> Output | None:
    if mode == "eval":
        return controller.evaluate(steps=options.validation_steps)
    if mode == "continuous_eval":
        return controller.evaluate_continuously(
            steps=options.validation_steps,
            timeout=options.continuous_eval_timeout,
            until_step=options.train_steps or None,
        )
    if mode == "train_and_eval":
        return controller.train_and_evaluate(
            train_steps=options.train_steps,
            eval_steps=options.validation_steps,
            eval_interval=options.validation_interval,
        )
    logs = controller.train(steps=options.train_steps)
    if mode == "train_and_post_eval" or run_post_eval:
        logs = controller.evaluate(steps=options.validation_steps)
    return logs


def _make_trainer(strategy: Any, task: Any, mode: str, params: Any, run_post_eval: bool) -> Trainer:
    with strategy.scope():
        model = task.build_model()
        optimizer = None
        if trains(mode) or params.trainer.optimizer_config.ema is not None:
            optimizer = task.create_optimizer(params.trainer.optimizer_config, params.runtime)
        return Trainer(
            params,
            task,
            model=model,
            optimizer=optimizer,
            train=trains(mode),
            evaluate=evaluates(mode) or run_post_eval,
        )


def _start(trainer: Any, task: Any, mode: str, model_dir: str) -> None:
    """Begin without a checkpoint of this run."""
    task.initialize(trainer.model)
    if mode == "eval" and not getattr(getattr(task, "task_config", None), "init_checkpoint", None):
        _LOG.warning(
            "There is no checkpoint in %s and no task.init_checkpoint: mode eval evaluates the initial weights.",
            model_dir,
        )


def _train_actions(trainer: Any, manager: CheckpointManager, options: Any) -> Iterator[Action]:
    if options.recovery_max_trials > 0:
        guard = LossGuard(options.loss_upper_bound, options.recovery_begin_steps, options.recovery_max_trials)
        yield RecoverFromDivergence(trainer, manager, guard)


def _eval_actions(trainer: Any, options: Any, model_dir: str) -> Iterator[Action]:
    if options.best_checkpoint_export_subdir:
        yield ExportBestCheckpoint(
            trainer.model_checkpoint,
            os.path.join(model_dir, options.best_checkpoint_export_subdir),
            metric=options.best_checkpoint_eval_metric,
            higher_is_better=options.best_checkpoint_metric_comp == "higher",
            global_step=trainer.global_step,
            averaged_weights=trainer.averaged_weights,
        )
    if averages_weights(trainer.optimizer):
        yield SaveAveragedCheckpoint(
            os.path.join(model_dir, AVERAGED_SUBDIR),
            model=trainer.model,
            optimizer=trainer.optimizer,
            max_to_keep=options.max_to_keep,
        )


@contextlib.contextmanager
def _runtime(runtime: Any) -> Iterator[None]:
    """Apply what `runtime` says of the whole process, and take back what can be taken back."""
    eagerly, policy = tf.config.functions_run_eagerly(), tf.keras.mixed_precision.global_policy()
    if runtime.seed is not None:
        tf.keras.utils.set_random_seed(runtime.seed)
    if runtime.deterministic_ops:
        tf.config.experimental.enable_op_determinism()
    set_mixed_precision_policy(runtime.mixed_precision_dtype)
    tf.config.run_functions_eagerly(runtime.run_eagerly)
    try:
        yield
    finally:
        tf.config.run_functions_eagerly(eagerly)
        tf.keras.mixed_precision.set_global_policy(policy)


class _NoSummaries:
    """In place of a manager: so that evaluation summaries do not fall back to the training manager."""

    def write_summaries(self, summary_dict: Output) -> None:
        """Write nothing."""

    def flush(self) -> None:
        """Write nothing."""


_NO_SUMMARIES = _NoSummaries()
