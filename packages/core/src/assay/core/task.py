"""What to learn: a `Task` makes the model, the data, the losses, the metrics and the steps; the loop does the rest.

```python
class Regression(Task):
    def build_model(self):
        return tf.keras.Sequential([tf.keras.layers.Input([3]), tf.keras.layers.Dense(1)])

    def build_inputs(self, params, input_context=None):
        return tf.data.Dataset.from_tensors((tf.ones([4, 3]), tf.ones([4, 1]))).repeat()

    def build_losses(self, labels, model_outputs, aux_losses=None):
        return tf.reduce_mean(tf.square(labels - model_outputs)) + tf.add_n(aux_losses or [tf.constant(0.0)])
```
"""

import abc
from collections.abc import Sequence
from typing import Any

import tensorflow as tf
from assay.core.checkpoints import load_checkpoint
from assay.core.optimization import build_optimizer
from assay.core.precision import apply_scaled_gradients, cast_outputs_to_float32, scale_loss

ALL_MODULES = "all"
"""The value of `init_checkpoint_modules` that stands for the whole model."""


class Task(abc.ABC):
    """The part of an experiment that knows the problem. Subclass it; override what differs from the defaults.

    Where each method runs, which decides what it may do:

    | method | runs | in `tf.function` | may |
    |---|---|---|---|
    | `build_model`, `initialize` | once, under `strategy.scope()` | no | create variables, read files |
    | `build_metrics` | once for train, once for eval, under `strategy.scope()` | no | create variables |
    | `build_inputs` | once per input pipeline (one a host) | no | read files |
    | `train_step`, `validation_step`, `build_losses`, `process_metrics` | each step, on the device, in replica context\
| yes | use TensorFlow ops; create no variable, read no Python or NumPy state that changes |
    | `inference_step` | on export | yes | as the steps |
    | `aggregate_logs`, `reduce_aggregated_logs` | on the host, eagerly, cross-replica | no | use NumPy, write files |

    A Task need not inherit from this class: the loop uses these methods and nothing else.

    Attributes:
        loss: `"loss"`, the key of the loss among the logs of a step. The keys `training_loss`, `validation_loss`,
            `learning_rate`, `steps_per_second` and those that begin with `best_` belong to the loop.
        needs_step_logs: Whether the logs of validation steps must reach `aggregate_logs`. None means: if the task
            overrides it or `reduce_aggregated_logs`. False spares the transfer where a configuration turns it off.
    """

    loss = "loss"
    needs_step_logs: bool | None = None

    def __init__(self, params: Any, *, logging_dir: str | None = None, name: str | None = None) -> None:
        self._task_config = params
        self._logging_dir = logging_dir
        self._name = name or type(self).__name__

    @property
    def task_config(self) -> Any:
        """The configuration that the task was made with."""
        return self._task_config

    @property
    def logging_dir(self) -> str | None:
        """A directory that the task may write to (the run's `model_dir`), or None when the run keeps no files."""
        return self._logging_dir

    @property
    def name(self) -> str:
        """The name of this task, its class name unless given."""
        return self._name

    @classmethod
    def create_optimizer(cls, optimizer_config: Any, runtime_config: Any = None) -> Any:
        """Make the optimizer of the run. Runs once, under `strategy.scope()`.

        Args:
            optimizer_config: An `OptimizationConfig`.
            runtime_config: A `RuntimeConfig`; its mixed precision and loss scale decide whether the optimizer is
                wrapped in a `LossScaleOptimizer`.

        Returns:
            An optimizer of the Keras flavour in use.
        """
        return build_optimizer(optimizer_config, runtime_config)

    @abc.abstractmethod
    def build_model(self) -> Any:
        """Make the model, with all its variables.

        Must return a new, built model each time (a subclassed model: call it once, or give it a `build`). Must not
        load weights: `initialize` does. May set `model.checkpoint_items`, a dict from name to part, to name the parts
        in the checkpoint (`backbone`, `head`).
        """

    def initialize(self, model: Any) -> None:
        """Load `task_config.init_checkpoint` into the model; do nothing when there is none.

        Runs once, before the first step, and not when the run resumes from a checkpoint of its own. The checkpoint may
        be a path or a directory (its latest is used). `task_config.init_checkpoint_modules`, `"all"` by default, names
        what is loaded: a name or a list of names in `model.checkpoint_items`.

        Must load everything that it claims to load or raise: a layer left at random without a word costs days.

        Args:
            model: What `build_model` returned.

        Raises:
            CheckpointMismatchError: A variable of a part to load is missing from the checkpoint or has another shape.
            FileNotFoundError: There is no such checkpoint.
        """
        path = getattr(self.task_config, "init_checkpoint", None)
        if not path:
            return
        load_checkpoint(path, self._modules_to_load(model))

    def _modules_to_load(self, model: Any) -> dict[str, Any]:
        names = getattr(self.task_config, "init_checkpoint_modules", None) or ALL_MODULES
        if names in (ALL_MODULES, [ALL_MODULES], (ALL_MODULES,)):
            return {"model": model}
        items = dict(getattr(model, "checkpoint_items", None) or {})
        wanted = [names] if isinstance(names, str) else list(names)
        unknown = [name for name in wanted if name not in items]
        if unknown:
            raise ValueError(
                f"`init_checkpoint_modules` asks for {unknown[0]!r}, but the model's `checkpoint_items` are "
                f"{sorted(items) or 'empty'}; use 'all' or one of these."
            )
        return {name: items[name] for name in wanted}

    @abc.abstractmethod
    def build_inputs(self, params: Any, input_context: tf.distribute.InputContext | None = None) -> tf.data.Dataset:
        """Make the dataset of one input pipeline.

        Must yield `(features, labels)`, batched to `input_context.get_per_replica_batch_size(global_batch_size)`
        when there is a context and to the global batch size otherwise. Must repeat when `params.is_training`, and
        must yield every example once when not. Should derive all randomness from `params.seed`, with stateless
        operations: only then can the loop save the position in the data and resume exactly there.

        Args:
            params: A `DataConfig`, of training or of validation.
            input_context: Which of how many pipelines this is, for sharding.

        Returns:
            A `tf.data.Dataset` of pairs, each tensor `[per_replica_batch_size, ...]`.
        """

    @abc.abstractmethod
    def build_losses(self, labels: Any, model_outputs: Any, aux_losses: Sequence[tf.Tensor] | None = None) -> tf.Tensor:
        """Compute the loss of one replica's batch.

        Must be a mean over the examples of the batch, in float32, plus the sum of `aux_losses`; must accept None and
        an empty list there. Must not divide by the number of replicas and must not apply a loss scale: the step does
        both. Should be finite for an empty batch.

        Args:
            labels: What `build_inputs` gives as labels, each tensor `[batch, ...]`.
            model_outputs: What the model returns, float16 and bfloat16 cast to float32, each tensor `[batch, ...]`.
            aux_losses: Scalars: `model.losses`, the regularisers.

        Returns:
            A float scalar.
        """

    def build_metrics(self, training: bool = True) -> list[Any]:
        """Make new Keras metrics, each with a name of its own. None by default.

        The loop resets them before each train loop and before each evaluation, and logs `result()` after it under
        the metric's name.

        Args:
            training: Whether they are for training or for validation.

        Returns:
            Keras metrics, whose variables exist already.
        """
        del training
        return []

    def process_metrics(self, metrics: Sequence[Any], labels: Any, model_outputs: Any, **kwargs: Any) -> None:
        """Update each metric with one replica's batch. Must change nothing else.

        Args:
            metrics: What `build_metrics` returned.
            labels: As in `build_losses`.
            model_outputs: As in `build_losses`.
            **kwargs: For overriding methods; ignored here.
        """
        del kwargs
        for metric in metrics:
            metric.update_state(labels, model_outputs)

    def train_step(
        self, inputs: Any, model: Any, optimizer: Any, metrics: Sequence[Any] | None = None
    ) -> dict[str, Any]:
        """Take one optimizer step on one replica's batch; the replicas' gradients are summed by the optimizer.

        The steps of this method are the recommended structure, and an override should keep them: unpack; forward with
        `training=True`; loss in float32; divide by the number of replicas (as the optimizer sums over them); scale
        the loss when the optimizer has a loss scale; apply the gradients exactly once; update the metrics; return the
        loss as it was before dividing and scaling.

        Args:
            inputs: `(features, labels)`, each tensor `[batch, ...]`. Anything else than a pair stands for features
                that are their own labels. Must be left as they are.
            model: What `build_model` returned.
            optimizer: What `create_optimizer` returned.
            metrics: What `build_metrics(training=True)` returned, or None to update none.

        Returns:
            A flat dict of tensors with the same keys at each step, `{"loss": float32 scalar}` at least. The loss is
            this replica's own, unscaled.
        """
        features, labels = unpack_inputs(inputs)
        with tf.GradientTape() as tape:
            outputs = cast_outputs_to_float32(model(features, training=True))
            loss = self._checked_loss(labels, outputs, model)
            share = loss / tf.cast(tf.distribute.get_strategy().num_replicas_in_sync, loss.dtype)
            scaled_loss = scale_loss(optimizer, share)
        variables = model.trainable_variables
        apply_scaled_gradients(optimizer, tape.gradient(scaled_loss, variables), variables)
        if metrics:
            self.process_metrics(metrics, labels, outputs)
        return {self.loss: tf.cast(loss, tf.float32)}

    def validation_step(self, inputs: Any, model: Any, metrics: Sequence[Any] | None = None) -> dict[str, Any]:
        """Evaluate one replica's batch with `training=False`. Must change nothing but the metrics.

        Args:
            inputs: As in `train_step`. The last batch of a replica may be smaller, and empty.
            model: What `build_model` returned.
            metrics: What `build_metrics(training=False)` returned, or None to update none.

        Returns:
            A flat dict with the same keys at each step: `{"loss": float32 scalar}` and whatever `aggregate_logs`
            needs, of any shape.
        """
        features, labels = unpack_inputs(inputs)
        outputs = cast_outputs_to_float32(self.inference_step(features, model))
        loss = self._checked_loss(labels, outputs, model)
        if metrics:
            self.process_metrics(metrics, labels, outputs)
        return {self.loss: tf.cast(loss, tf.float32)}

    def inference_step(self, inputs: Any, model: Any) -> Any:
        """Return the model's outputs for features, with `training=False`. Must change nothing.

        Args:
            inputs: Features, without labels, each tensor `[batch, ...]`.
            model: What `build_model` returned.
        """
        return model(inputs, training=False)

    def aggregate_logs(self, state: Any, step_logs: dict[str, Any]) -> Any:
        """Take the logs of one validation step into what is known so far, on the host.

        For what no device metric can compute (average precision, say). The first call of an evaluation has
        `state=None`, and *its* logs count like all others. Must keep what it needs of `step_logs` in the state that
        it returns, nothing in the task: then a second evaluation starts clean.

        By default the steps are collected into a list. The loop calls this method, and moves step logs to the host,
        only for a task that overrides it or `reduce_aggregated_logs`, and as `needs_step_logs` says.

        Args:
            state: What the last call returned; None at the first step of an evaluation.
            step_logs: What `validation_step` returned, each value as a tuple with one entry per replica of this host
                (a tuple of one on a single replica).

        Returns:
            The new state, anything but None.
        """
        collected = [] if state is None else state
        collected.append(step_logs)
        return collected

    def reduce_aggregated_logs(self, aggregated_logs: Any, global_step: Any = None) -> dict[str, Any]:
        """Turn what `aggregate_logs` has gathered into logs, once at the end of an evaluation that had any step.

        Args:
            aggregated_logs: The last state.
            global_step: The training step of the evaluated weights.

        Returns:
            A dict from name to plain scalar (or a dict of these), added to the evaluation's logs. Images
            `[n, height, width, channels]`, uint8 or floats in [0, 1], have a name that begins with `image/`: the
            summary manager shows them.
        """
        del aggregated_logs, global_step
        return {}

    def _checked_loss(self, labels: Any, outputs: Any, model: Any) -> tf.Tensor:
        loss = tf.convert_to_tensor(
            self.build_losses(labels=labels, model_outputs=outputs, aux_losses=list(model.losses))
        )
        if loss.shape.rank not in (0, None):
            raise ValueError(
                f"{type(self).__name__}.build_losses must return a scalar, the mean over the batch; received shape "
                f"{tuple(loss.shape)}. The likely cause is a loss made with reduction 'none' and no tf.reduce_mean."
            )
        return loss


def unpack_inputs(inputs: Any) -> tuple[Any, Any]:
    """Return features and labels of a batch: of anything but a tuple of two, the features are their own labels."""
    if isinstance(inputs, tuple) and len(inputs) == 2:
        return inputs
    return inputs, inputs


def keeps_step_logs(task: Any) -> bool:
    """Say whether the steps of an evaluation must reach the host: does the task do anything with them?"""
    declared = getattr(task, "needs_step_logs", None)
    if declared is not None:
        return bool(declared)
    methods = ("aggregate_logs", "reduce_aggregated_logs")
    return any(getattr(type(task), name, None) not in (None, getattr(Task, name)) for name in methods)
