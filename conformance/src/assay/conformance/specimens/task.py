"""A sound Task, as a plain object with the right methods: the model for twins, and the base of mutants.

Each step of the training procedure is a method of its own, so that a mutant overrides the one line that it gets wrong.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from assay.conformance.lazy import tf

NUM_FEATURES = 8
NUM_CLASSES = 3
TRAIN_EXAMPLES = 26
VALIDATION_EXAMPLES = 23  # not divisible by 2, 3 or 8: the last batch is always partial
HIDDEN_UNITS = 16


class SoundTask:
    """Classifies points by the nearest of three centres; a few hundred parameters, data in memory.

    Args:
      batch_norm: Put a batch normalisation after the hidden layer.
      dropout: The rate of a dropout after the hidden layer; 0 leaves it out.
      weight_decay: The factor of an L2 regulariser on the kernels; 0 leaves it out.
      frozen: Freeze the hidden layer.
    """

    loss = "loss"

    def __init__(
        self, *, batch_norm: bool = False, dropout: float = 0.0, weight_decay: float = 0.0, frozen: bool = False
    ) -> None:
        self.batch_norm = batch_norm
        self.dropout = dropout
        self.weight_decay = weight_decay
        self.frozen = frozen

    def build_model(self) -> Any:
        """Return a Keras model: `[batch, NUM_FEATURES]` float32 to logits `[batch, NUM_CLASSES]`."""
        layers = tf.keras.layers
        regulariser = tf.keras.regularizers.L2(self.weight_decay) if self.weight_decay else None
        hidden = layers.Dense(HIDDEN_UNITS, activation="tanh", kernel_regularizer=regulariser, name="hidden")
        hidden.trainable = not self.frozen
        stack = [layers.Input((NUM_FEATURES,)), hidden]
        if self.batch_norm:
            stack.append(layers.BatchNormalization(momentum=0.9, name="norm"))
        if self.dropout:
            stack.append(layers.Dropout(self.dropout, name="dropout"))
        stack.append(layers.Dense(NUM_CLASSES, kernel_regularizer=regulariser, name="logits"))
        return tf.keras.Sequential(stack)

    def build_inputs(self, params: Any, input_context: Any = None) -> Any:
        """Return batches of `(features [batch, NUM_FEATURES] float32, labels [batch] int32)`."""
        dataset = tf.data.Dataset.from_tensor_slices(self.examples(training=params.is_training))
        batch_size = params.global_batch_size
        if input_context is not None:
            dataset = dataset.shard(input_context.num_input_pipelines, input_context.input_pipeline_id)
            batch_size = input_context.get_per_replica_batch_size(batch_size)
        if params.is_training:
            dataset = dataset.shuffle(TRAIN_EXAMPLES, seed=params.seed).repeat()
        return dataset.batch(batch_size, drop_remainder=params.drop_remainder)

    def examples(self, *, training: bool) -> tuple[np.ndarray, np.ndarray]:
        """Return all features `[examples, NUM_FEATURES]` float32 and all labels `[examples]` int32."""
        random = np.random.default_rng(1 if training else 2)
        count = TRAIN_EXAMPLES if training else VALIDATION_EXAMPLES
        labels = random.integers(0, NUM_CLASSES, size=count).astype(np.int32)
        centres = np.random.default_rng(0).normal(size=(NUM_CLASSES, NUM_FEATURES))
        features = centres[labels] + 0.3 * random.normal(size=(count, NUM_FEATURES))
        return features.astype(np.float32), labels

    def build_losses(self, labels: Any, model_outputs: Any, aux_losses: Any = None) -> Any:
        """Return the mean cross-entropy over this replica's examples plus the sum of `aux_losses`, a float32 scalar."""
        losses = tf.nn.sparse_softmax_cross_entropy_with_logits(labels=labels, logits=model_outputs)
        loss = tf.math.divide_no_nan(tf.reduce_sum(losses), tf.cast(tf.size(losses), tf.float32))
        if not aux_losses:
            return loss
        return loss + tf.add_n([tf.cast(one, tf.float32) for one in aux_losses])  # of activities they may be float16

    def build_metrics(self, training: bool = True) -> list[Any]:
        """Return new metrics, updated by the step they are built for."""
        metrics = [tf.keras.metrics.SparseCategoricalAccuracy(name="accuracy")]
        if not training:
            metrics.append(tf.keras.metrics.Mean(name="confidence"))
        return metrics

    def process_metrics(self, metrics: Any, labels: Any, model_outputs: Any) -> None:
        """Update each metric once with this replica's batch."""
        for metric in metrics:
            if metric.name == "confidence":
                metric.update_state(tf.reduce_max(tf.nn.softmax(model_outputs), axis=-1))
            else:
                metric.update_state(labels, model_outputs)

    def train_step(self, inputs: Any, model: Any, optimizer: Any, metrics: Any = None) -> dict[str, Any]:
        """Take one step: forward, loss, scaled gradients, one update, metrics; return the unscaled replica loss."""
        features, labels = inputs
        with tf.GradientTape() as tape:
            outputs = self.forward(model, features, training=True)
            loss = self.build_losses(labels, outputs, aux_losses=model.losses)
            objective = self.scale(optimizer, self.replica_share(loss))
        variables = self.variables_to_train(model)
        gradients = self.unscale(optimizer, tape.gradient(objective, variables))
        self.apply(optimizer, gradients, variables)
        self.process_metrics(metrics or [], labels, outputs)
        return self.train_logs(loss)

    def validation_step(self, inputs: Any, model: Any, metrics: Any = None) -> dict[str, Any]:
        """Run the model in inference mode, update the metrics, return the loss and what `aggregate_logs` adds up."""
        features, labels = inputs
        outputs = self.forward(model, features, training=False)
        self.process_metrics(metrics or [], labels, outputs)
        return self.validation_logs(labels, outputs, self.build_losses(labels, outputs, aux_losses=model.losses))

    def inference_step(self, inputs: Any, model: Any) -> Any:
        """Return the logits in inference mode."""
        return self.forward(model, inputs, training=False)

    def aggregate_logs(self, state: Any, step_logs: Any) -> dict[str, float]:
        """Add one step's counts, each a tuple over the replicas, to the state; None starts a new evaluation."""
        state = state or {"correct": 0.0, "seen": 0.0}
        return {key: total + sum(float(part) for part in step_logs[key]) for key, total in state.items()}

    def reduce_aggregated_logs(self, aggregated_logs: Any, global_step: Any = None) -> dict[str, float]:
        """Return the error rate over everything that was aggregated."""
        return {"error_rate": 1.0 - aggregated_logs["correct"] / max(aggregated_logs["seen"], 1.0)}

    # The parts of a step, for mutants to override.

    def forward(self, model: Any, features: Any, *, training: bool) -> Any:
        """Return the logits in float32, whatever the compute dtype."""
        return tf.cast(model(features, training=training), tf.float32)

    def replica_share(self, loss: Any) -> Any:
        """Return the loss divided by the number of replicas, because the optimizer sums gradients over them."""
        return loss / tf.distribute.get_strategy().num_replicas_in_sync

    def scale(self, optimizer: Any, loss: Any) -> Any:
        """Return the loss times the loss scale, when the optimizer has one."""
        if hasattr(optimizer, "get_scaled_loss"):  # tf_keras
            return optimizer.get_scaled_loss(loss)
        return optimizer.scale_loss(loss) if hasattr(optimizer, "scale_loss") else loss

    def unscale(self, optimizer: Any, gradients: Any) -> Any:
        """Return the gradients without the loss scale; in Keras 3 the optimizer divides by it in `apply`."""
        if hasattr(optimizer, "get_unscaled_gradients"):  # tf_keras
            return optimizer.get_unscaled_gradients(gradients)
        return gradients

    def variables_to_train(self, model: Any) -> list[Any]:
        """Return the variables that get a gradient."""
        return list(model.trainable_variables)

    def apply(self, optimizer: Any, gradients: Any, variables: Any) -> None:
        """Apply each gradient once."""
        optimizer.apply_gradients(zip(gradients, variables, strict=True))

    def train_logs(self, loss: Any) -> dict[str, Any]:
        """Return the logs of a train step."""
        return {self.loss: loss}

    def validation_logs(self, labels: Any, outputs: Any, loss: Any) -> dict[str, Any]:
        """Return the logs of a validation step: the loss, and counts to aggregate."""
        hits = tf.equal(tf.argmax(outputs, axis=-1, output_type=labels.dtype), labels)
        return {
            self.loss: loss,
            "correct": tf.reduce_sum(tf.cast(hits, tf.float32)),
            "seen": tf.cast(tf.size(labels), tf.float32),
        }
