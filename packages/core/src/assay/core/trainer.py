"""The inner loops of a `Task`: train it and evaluate it, on one replica or many.

```python
optimizer = task.create_optimizer(config.trainer.optimizer_config)
trainer = Trainer(config, task, model=task.build_model(), optimizer=optimizer)
trainer.train(tf.constant(100))     # {'training_loss': ..., 'learning_rate': ..., <metrics>}
trainer.evaluate(tf.constant(-1))   # {'validation_loss': ..., <metrics>}
```
"""

import contextlib
import functools
from typing import Any

import tensorflow as tf
from assay.core.checkpoints import SEED_GENERATORS, TRAIN_DATA
from assay.core.config import ConfigError, Problem
from assay.core.divergence import LossGuard
from assay.core.eval_data import eval_dataset
from assay.core.example_mean import ExampleMean, examples_in
from assay.core.keras_flavours import learning_rate, seed_generators
from assay.core.loops import (
    StandardEvaluator,
    StandardEvaluatorOptions,
    StandardTrainer,
    StandardTrainerOptions,
    after,
    ends_data,
)
from assay.core.optimization import swapped_in
from assay.core.runner import Output, create_global_step
from assay.core.task import keeps_step_logs
from assay.core.tracking import require_tracked, track_collections
from assay.core.train_data import TrainData, has_single_replica
from assay.core.workers import is_multi_worker

TRAINING_LOSS = "training_loss"
VALIDATION_LOSS = "validation_loss"
LEARNING_RATE = "learning_rate"
RESERVED_LOG_NAMES = frozenset({"loss", TRAINING_LOSS, VALIDATION_LOSS, LEARNING_RATE, "steps_per_second"})
"""Names that the loop gives to its own logs; no metric may have one. Nor may it begin with `best_`."""


class Trainer(StandardTrainer, StandardEvaluator):
    """Trains and evaluates a `Task`.

    Make it under `strategy.scope()`, with a model made there too. What it does besides calling the task's steps:

    - `training_loss` and `validation_loss` are means over *examples*: the loss of each replica's batch counts with
      the number of its examples. So a smaller last batch, or an empty one on some replica, counts what it should.
    - Metrics and losses start afresh at each loop and at each evaluation.
    - The step logs of a validation reach `task.aggregate_logs` on the host, each value as a tuple over this host's
      replicas, when the task does something with them.
    - The training loss is looked at on the host about once a second; a bad one raises `DivergedError`.
    - `checkpoint` holds all that an exact resume needs; see `assay.core.checkpoints` and `assay.core.train_data`.

    Args:
        config: An `ExperimentConfig` (`task.train_data`, `task.validation_data`, `trainer`, `runtime` are read).
        task: A `Task`, or anything with its methods.
        model: A built Keras model; `task.build_model()` when None.
        optimizer: A Keras optimizer; may be None when `train` is False.
        train: Whether to prepare training.
        evaluate: Whether to prepare evaluation.
        train_dataset: The training data, a `tf.data.Dataset` with global batches or a distributed dataset, instead of
            `task.build_inputs(config.task.train_data)`.
        validation_dataset: The validation data, likewise.

    Attributes:
        global_step: int64 scalar variable, the steps taken.
        checkpoint: The `tf.train.Checkpoint` of the run.
        model_checkpoint: The same without the position in the data, for a checkpoint to evaluate or export.
    """

    def __init__(
        self,
        config: Any,
        task: Any,
        *,
        model: Any = None,
        optimizer: Any = None,
        train: bool = True,
        evaluate: bool = True,
        train_dataset: Any = None,
        validation_dataset: Any = None,
    ) -> None:
        self.strategy = tf.distribute.get_strategy()
        _check_strategy(self.strategy)
        self.config, self.task = config, task
        if train and optimizer is None:
            raise ValueError("`optimizer` must be given when `train` is True; received None.")
        self.model = task.build_model() if model is None else model
        self.optimizer = optimizer
        options = config.trainer
        self._guard = LossGuard(options.loss_upper_bound, options.recovery_begin_steps, options.recovery_max_trials)
        self.global_step = create_global_step()
        self.train_data: Any = None
        if train:
            self._train_loss = ExampleMean(TRAINING_LOSS)
            self.train_metrics = list(task.build_metrics(training=True) or [])
            _check_metric_names(self.train_metrics)
            self.train_data = TrainData(
                train_dataset
                if train_dataset is not None
                else functools.partial(task.build_inputs, config.task.train_data),
                self.strategy,
                keep_position=options.checkpoint_train_iterator,
            )
        StandardTrainer.__init__(
            self,
            None,
            options=StandardTrainerOptions(
                use_tf_function=options.train_tf_function, use_tf_while_loop=options.train_tf_while_loop
            ),
        )
        self.whole_loops = is_multi_worker(self.strategy)
        self._chunk_start = self._loop_start = 0
        if evaluate:
            self._validation_loss = ExampleMean(VALIDATION_LOSS)
            self.validation_metrics = list(task.build_metrics(training=False) or [])
            _check_metric_names(self.validation_metrics)
            self._reaches_host = keeps_step_logs(task)
            validation_dataset = eval_dataset(
                validation_dataset
                if validation_dataset is not None
                else functools.partial(task.build_inputs, config.task.validation_data),
                self.strategy,
            )
        StandardEvaluator.__init__(
            self,
            validation_dataset,
            options=StandardEvaluatorOptions(
                use_tf_function=options.eval_tf_function, use_tf_while_loop=options.eval_tf_while_loop
            ),
        )
        if evaluate and options.eval_tf_while_loop and self._reaches_host:
            raise _refused(
                "trainer.eval_tf_while_loop",
                f"is true, which keeps the step logs on the device, but {type(task).__name__} aggregates them on the "
                "host (it overrides aggregate_logs or reduce_aggregated_logs). Set it to false.",
            )
        self._prepare_steps(config.runtime.enable_xla)
        self._make_checkpoints()

    def _prepare_steps(self, enable_xla: bool) -> None:
        if enable_xla and not has_single_replica(self.strategy):
            raise _refused(
                "runtime.enable_xla",
                "is true, which compiles the whole step of a replica; TensorFlow allows that on a single replica "
                f"only, and this run has {self.strategy.num_replicas_in_sync}. Set it to false, or use one device.",
            )
        compiled = functools.partial(tf.function, jit_compile=True) if enable_xla else lambda step: step
        task, model, optimizer = self.task, self.model, self.optimizer

        def train_one(batch: Any) -> dict[str, Any]:
            return task.train_step(batch, model=model, optimizer=optimizer, metrics=self.train_metrics)

        def validate_one(batch: Any) -> dict[str, Any]:
            return task.validation_step(batch, model=model, metrics=self.validation_metrics)

        self._train_one, self._validate_one = compiled(train_one), compiled(validate_one)

    def _make_checkpoints(self) -> None:
        if not getattr(self.model, "built", True) or not self.model.variables:
            raise ValueError(
                f"The model of {type(self.task).__name__} has no variables yet, so nothing could be restored or saved. "
                "Build it in `build_model`: give it an Input, or call it once on a batch of zeros."
            )
        if self.optimizer is not None and not getattr(self.optimizer, "built", False):
            self.optimizer.build(self.model.trainable_variables)
        track_collections(self.model)
        require_tracked(self.model)
        items = dict(getattr(self.model, "checkpoint_items", None) or {})
        items |= {"global_step": self.global_step, "model": self.model}
        if self.optimizer is not None:
            items["optimizer"] = self.optimizer
        if random_states := seed_generators(self.model):
            items[SEED_GENERATORS] = random_states
        self.model_checkpoint = tf.train.Checkpoint(**items)
        if self.train_data is not None:
            items[TRAIN_DATA] = self.train_data
        self.checkpoint = tf.train.Checkpoint(**items)

    @property
    def step(self) -> int:
        """The steps taken, as a plain number."""
        return int(self.global_step.numpy())

    def train_loop_begin(self) -> None:
        """Reset the training loss and metrics."""
        if self.train_data is None:
            raise ValueError("This Trainer was made with train=False; it cannot train.")
        self._train_loss.reset()
        for metric in self.train_metrics:
            metric.reset_state()
        self._loop_start = self._chunk_start = self.step

    def train_iterator(self) -> Any:
        """Return an iterator at the batch for the next step."""
        return self.train_data.iterator_at(self.step)

    def train(self, num_steps: tf.Tensor) -> Output | None:
        """Run `num_steps` steps; see `AbstractTrainer`.

        Returns:
            `training_loss`, the mean over the examples of these steps; each train metric by its name;
            `learning_rate`, that of the next step.

        Raises:
            DivergedError: The loss is not finite or too large, and `trainer.recovery_max_trials` is 0.
            ConfigError: The training data ended.
        """
        try:
            return super().train(num_steps)
        except tf.errors.OutOfRangeError as error:
            self.train_data.lost_count()
            if not ends_data(error):
                raise
            raise _refused(
                "task.train_data",
                f"the training data ended after step {self.step}, {self.step - self._loop_start} steps into a loop of "
                f"{int(num_steps)}. Training data must repeat: end the pipeline of `build_inputs` with .repeat() when "
                "params.is_training.",
            ) from error
        except Exception:
            if self.train_data is not None:
                self.train_data.lost_count()
            raise

    def train_step(self, iterator: Any) -> None:
        """Run the task's train step on all replicas."""

        def step(batch: Any) -> None:
            logs = self._train_one(batch)
            if self.task.loss in logs:
                self._train_loss.update(logs[self.task.loss], examples_in(batch))

        batch = next(iterator)
        self.strategy.run(step, args=(batch,))
        with after(batch):
            self.global_step.assign_add(1)

    def train_chunk_end(self, num_steps: int) -> None:
        """Count the batches and look at the loss so far."""
        self.train_data.drew(num_steps)
        loss = self._train_loss.result()
        step = self._chunk_start + num_steps
        if loss is not None and self._guard.stops and self._guard.finds_bad(float(loss), step):
            raise self._guard.error(float(loss), self._chunk_start + 1, step)
        self._chunk_start = step

    def train_loop_end(self) -> Output:
        """Return the logs of the loop."""
        logs: Output = {metric.name: metric.result() for metric in self.train_metrics}
        loss = self._train_loss.result()
        if loss is not None:
            logs[TRAINING_LOSS] = loss
        logs[LEARNING_RATE] = learning_rate(self.optimizer)
        return logs

    def evaluate(self, num_steps: tf.Tensor) -> Output | None:
        """Run `num_steps` validation steps, -1 for all; see `AbstractEvaluator`.

        With averaged weights (`optimizer_config.ema`) it is they that are evaluated.

        Returns:
            Each validation metric by its name; `validation_loss`, the mean over the examples, when any step returned
            a loss; what `task.reduce_aggregated_logs` returned.

        Raises:
            ConfigError: The data has not a single batch.
        """
        with self.averaged_weights():
            logs = super().evaluate(num_steps)
        if self.eval_steps_taken == 0:
            raise _refused(
                "task.validation_data",
                "has not a single batch. Is it empty, or smaller than one batch while the remainder is dropped?",
            )
        return logs

    def averaged_weights(self) -> contextlib.AbstractContextManager[None]:
        """Give the model its averaged weights for the duration of a `with`; without an average, change nothing."""
        return swapped_in(self.optimizer, self.model)

    def eval_begin(self) -> Any:
        """Reset the validation loss and metrics."""
        if self._eval_dataset is None:
            raise ValueError("This Trainer was made with evaluate=False; it cannot evaluate.")
        self._validation_loss.reset()
        for metric in self.validation_metrics:
            metric.reset_state()

    def eval_step(self, iterator: Any) -> Any:
        """Run the task's validation step on all replicas; return its logs as tuples over replicas, when wanted."""

        def step(batch: Any) -> dict[str, Any]:
            # Where the data ends, TensorFlow still runs what does not depend on the batch. Without this, a metric
            # whose count is known from a fixed batch size counts one batch more than there was.
            with after(batch):
                logs = self._validate_one(batch)
                if self.task.loss in logs:
                    self._validation_loss.update(logs[self.task.loss], examples_in(batch))
            return logs if self._reaches_host else {}

        logs = self.strategy.run(step, args=(next(iterator),))
        return tf.nest.map_structure(self.strategy.experimental_local_results, logs)

    def eval_reduce(self, state: Any, step_outputs: Any) -> Any:
        """Let the task aggregate the logs of one step."""
        if not self._reaches_host:
            return state
        return self.task.aggregate_logs(state, step_outputs)

    def eval_end(self, state: Any) -> Output:
        """Return the logs of the evaluation."""
        logs: Output = {metric.name: metric.result() for metric in self.validation_metrics}
        loss = self._validation_loss.result()
        if loss is not None:
            logs[VALIDATION_LOSS] = loss
        if state is not None:
            logs |= self.task.reduce_aggregated_logs(state, global_step=self.global_step)
        return logs

    def recover(self, path: str) -> None:
        """Go back to the weights, optimizer state and step of a checkpoint, and on with new data.

        With the data of the checkpoint, the batches that led to a bad loss would come again.
        """
        self.model_checkpoint.read(path).expect_partial()
        self.train_data.go_on_from(self.step)


def _check_metric_names(metrics: list[Any]) -> None:
    names = [metric.name for metric in metrics]
    for name in names:
        if name in RESERVED_LOG_NAMES or name.startswith("best_"):
            reserved = ", ".join(sorted(RESERVED_LOG_NAMES))
            raise ValueError(
                f"A metric is named {name!r}, which the loop uses for its own logs ({reserved}, best_*). Give "
                "it another name."
            )
        if names.count(name) > 1:
            raise ValueError(f"Two metrics are named {name!r}; one would hide the other in the logs. Rename one.")


def _refused(path: str, message: str) -> ConfigError:
    return ConfigError(Problem(path, message))


def _check_strategy(strategy: tf.distribute.Strategy) -> None:
    if isinstance(strategy, tf.distribute.experimental.ParameterServerStrategy):
        raise _refused(
            "runtime.distribution_strategy",
            "is parameter_server, which trains asynchronously, through a ClusterCoordinator; Trainer runs synchronous "
            "strategies only. Use multi_worker_mirrored.",
        )
