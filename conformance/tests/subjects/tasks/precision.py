"""A step that was written for mixed precision in either Keras: where gradients are scaled, clipped and applied."""

import numpy as np
import tensorflow as tf
from assay.conformance.model import Kind, Subject

from conformance.tests.subjects.tasks.training import batches
from conformance.tests.subjects.verdicts import case

SPIRALS = np.random.default_rng(70).normal(size=(24, 2)).astype(np.float32)
TURNS = (SPIRALS[:, 0] * SPIRALS[:, 1] > 0).astype(np.int32)


class Spirals:
    """Classifies points; scales the loss and unscales the gradients itself."""

    def build_model(self):
        layers = tf.keras.layers
        return tf.keras.Sequential(
            [
                layers.Input((2,)),
                layers.Dense(8, activation="relu"),
                layers.LayerNormalization(),
                layers.Dense(2, dtype="float32"),
            ]
        )

    def build_inputs(self, params, input_context=None):
        first = slice(None) if params.is_training else slice(0, 17)
        return batches({"x": SPIRALS[first], "y": TURNS[first]}, params, input_context)

    def build_losses(self, labels, model_outputs, aux_losses=None):
        losses = tf.nn.sparse_softmax_cross_entropy_with_logits(labels, model_outputs)
        loss = tf.nn.compute_average_loss(losses) if self.averages_globally else tf.reduce_mean(losses)
        return loss + tf.add_n(aux_losses) if aux_losses else loss

    averages_globally = False

    def train_step(self, inputs, model, optimizer, metrics=None):
        with tf.GradientTape() as tape:
            loss = self.build_losses(inputs["y"], model(inputs["x"], training=True))
            scaled = self.scaled(loss / tf.distribute.get_strategy().num_replicas_in_sync, optimizer)
        variables = model.trainable_variables
        self.apply(tape.gradient(scaled, variables), variables, optimizer)
        return {"loss": loss}

    def scaled(self, loss, optimizer):
        if hasattr(optimizer, "get_scaled_loss"):
            return optimizer.get_scaled_loss(loss)
        return optimizer.scale_loss(loss) if hasattr(optimizer, "scale_loss") else loss

    def apply(self, gradients, variables, optimizer):
        if hasattr(optimizer, "get_unscaled_gradients"):
            gradients = optimizer.get_unscaled_gradients(gradients)
        optimizer.apply_gradients(zip(gradients, variables, strict=True))

    def validation_step(self, inputs, model, metrics=None):
        logits = model(inputs["x"], training=False)
        return {"loss": self.build_losses(inputs["y"], logits)}

    def inference_step(self, inputs, model):
        return model(inputs["x"] if isinstance(inputs, dict) else inputs, training=False)


class GoesPastTheScale(Spirals):
    """Takes the optimizer inside, which knows nothing of the scale."""

    def apply(self, gradients, variables, optimizer):
        inner = getattr(optimizer, "inner_optimizer", optimizer)
        inner.apply_gradients(zip(gradients, variables, strict=True))


class ClipsWhatIsScaled(Spirals):
    def apply(self, gradients, variables, optimizer):
        gradients, _ = tf.clip_by_global_norm(gradients, 0.5)
        super().apply(gradients, variables, optimizer)


class LogsWhatIsScaled(Spirals):
    def train_step(self, inputs, model, optimizer, metrics=None):
        logs = super().train_step(inputs, model, optimizer, metrics)
        return {"loss": self.scaled(logs["loss"], optimizer)}


class DividesTwice(Spirals):
    """Averages over the examples of all replicas, and then divides by the number of replicas once more."""

    averages_globally = True


class AppliesTwice(Spirals):
    def apply(self, gradients, variables, optimizer):
        super().apply(gradients, variables, optimizer)
        super().apply(gradients, variables, optimizer)


def subject(factory, name, **traits):
    return Subject(factory, kind=Kind.TASK, name=name, traits=traits)


CASES = [
    case(subject(Spirals, "spirals")),
    case(subject(GoesPastTheScale, "spirals, goes past the scale"), fails="T105"),
    case(subject(ClipsWhatIsScaled, "spirals, clips what is scaled"), fails="T105 T501"),
    case(subject(LogsWhatIsScaled, "spirals, logs what is scaled"), fails="T110"),
    case(subject(DividesTwice, "spirals, divides twice"), fails="T104 T501", may_fail="T110 T502"),
    case(subject(AppliesTwice, "spirals, applies twice"), fails="T104", may_fail="T604"),
]
