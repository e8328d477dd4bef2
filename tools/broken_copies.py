"""Copies of the classification reference task, each broken in one way that people copy from tutorials.

Each copy is the reference task but for one method. `tools/conformance_demo.py` shows that the suite catches them, and
they can be checked by hand:

```
assay check tools/broken_copies.py:forgets_the_replicas
```
"""

from __future__ import annotations

from typing import Any

import tensorflow as tf
from assay.reference_tasks.classification.testing import digits_subject


class Copy:
    """A task that is another one, but for the methods that a subclass overrides.

    Args:
      original: The task that everything else is taken from.
    """

    def __init__(self, original: Any) -> None:
        self._original = original

    def __getattr__(self, name: str) -> Any:
        return getattr(self._original, name)


class ValidatesInTrainingMode(Copy):
    """Runs the model with `training=True` in validation: a shared forward function whose default was forgotten."""

    def validation_step(self, inputs: Any, model: Any, metrics: Any = None) -> Any:
        """Do as the original does, with a model that believes that it is training."""
        return self._original.validation_step(inputs, _AlwaysTraining(model), metrics=metrics)


class ForgetsTheReplicas(Copy):
    """Does not divide the loss by the number of replicas, as one-device tutorials do not."""

    def train_step(self, inputs: Any, model: Any, optimizer: Any, metrics: Any = None) -> dict[str, Any]:
        """Take a step as a tutorial for one device writes it; the optimizer sums the gradients of all replicas."""
        features, labels = inputs
        with tf.GradientTape() as tape:
            outputs = tf.cast(model(features, training=True), tf.float32)
            loss = self.build_losses(labels, outputs, aux_losses=model.losses)
            objective = self._scaled(optimizer, loss)  # the original divides by num_replicas_in_sync here
        gradients = tape.gradient(objective, model.trainable_variables)
        if hasattr(optimizer, "get_unscaled_gradients"):
            gradients = optimizer.get_unscaled_gradients(gradients)
        optimizer.apply_gradients(zip(gradients, model.trainable_variables, strict=True))
        if metrics:
            self.process_metrics(metrics, labels, outputs)
        return {"loss": loss}

    def _scaled(self, optimizer: Any, loss: Any) -> Any:
        """Apply the loss scale of either Keras flavour: this copy is wrong in one way only."""
        if hasattr(optimizer, "get_scaled_loss"):
            return optimizer.get_scaled_loss(loss)
        return optimizer.scale_loss(loss) if hasattr(optimizer, "scale_loss") else loss


class _AlwaysTraining:
    """A model whose calls run in training mode, whatever the caller asks for."""

    def __init__(self, model: Any) -> None:
        self._model = model

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self._model(*args, **{**kwargs, "training": True})

    def __getattr__(self, name: str) -> Any:
        return getattr(self._model, name)


def validates_in_training_mode() -> ValidatesInTrainingMode:
    """Make a reference task that validates in training mode."""
    return ValidatesInTrainingMode(_reference_task())


def forgets_the_replicas() -> ForgetsTheReplicas:
    """Make a reference task whose updates grow with the number of replicas."""
    return ForgetsTheReplicas(_reference_task())


def _reference_task() -> Any:
    return digits_subject()
