"""A sound Task whose batches are nested dicts, with a weight for each example."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from assay.conformance.lazy import tf
from assay.conformance.specimens.task import SoundTask


class NestedTask(SoundTask):
    """The batches are `({"x": [batch, features]}, {"class": [batch], "extra": {"weight": [batch]}})`.

    The loss is the sum of weight times cross-entropy by the number of examples, and not by the sum of the weights,
    which differs between replicas.
    """

    def build_inputs(self, params: Any, input_context: Any = None) -> Any:
        """Return batches of nested dicts."""
        dataset = super().build_inputs(params, input_context)
        return dataset.map(
            lambda features, labels: ({"x": features}, {"class": labels, "extra": {"weight": self._weight(features)}})
        )

    def build_losses(self, labels: Any, model_outputs: Any, aux_losses: Any = None) -> Any:
        """Return the mean over this replica's examples of weight times cross-entropy, plus the sum of `aux_losses`."""
        losses = tf.nn.sparse_softmax_cross_entropy_with_logits(labels=labels["class"], logits=model_outputs)
        loss = tf.reduce_sum(losses * self.weights(labels)) / tf.cast(tf.size(losses), tf.float32)
        return loss + tf.add_n([tf.cast(one, tf.float32) for one in aux_losses]) if aux_losses else loss

    def process_metrics(self, metrics: Any, labels: Any, model_outputs: Any) -> None:
        """Update each metric once, unweighted."""
        super().process_metrics(metrics, labels["class"], model_outputs)

    def validation_logs(self, labels: Any, outputs: Any, loss: Any) -> dict[str, Any]:
        """Return the loss, and counts to aggregate."""
        return super().validation_logs(labels["class"], outputs, loss)

    def forward(self, model: Any, features: Any, *, training: bool) -> Any:
        """Return the logits of the features under "x"."""
        return super().forward(model, features["x"], training=training)

    def weights(self, labels: Mapping[str, Any]) -> Any:
        """Return the weight of each example `[batch]`."""
        return labels["extra"]["weight"]

    @staticmethod
    def _weight(features: Any) -> Any:
        """A weight of 0.5 or 1.5 that depends on the example alone."""
        return tf.where(tf.reduce_sum(features, axis=-1) > 0.0, np.float32(1.5), np.float32(0.5))
