"""Regression on a table, as a plain object: batches are dicts, the model is functional and takes a dict."""

import numpy as np
import tensorflow as tf
from assay.conformance.model import Kind, Subject

from conformance.tests.subjects.tasks.training import batches, minimise
from conformance.tests.subjects.verdicts import case


def table(count, seed):
    random = np.random.default_rng(seed)
    numbers = random.normal(size=(count, 4)).astype(np.float32)
    district = random.integers(0, 5, size=count).astype(np.int32)
    price = numbers @ np.array([0.5, -1.0, 0.3, 0.8], np.float32) + 0.4 * district
    return {"numbers": numbers, "district": district, "price": price[:, None].astype(np.float32)}


TRAIN, VALIDATION = table(30, seed=10), table(21, seed=11)


class HousePrices:
    def build_model(self):
        layers = tf.keras.layers
        numbers = tf.keras.Input((4,), name="numbers")
        district = tf.keras.Input((), dtype="int32", name="district")
        hidden = layers.Concatenate()([numbers, layers.Embedding(5, 3, name="place")(district)])
        hidden = layers.Dense(8, activation="tanh", kernel_regularizer=tf.keras.regularizers.L2(1e-3))(hidden)
        return tf.keras.Model({"numbers": numbers, "district": district}, layers.Dense(1, dtype="float32")(hidden))

    def build_inputs(self, params, input_context=None):
        return batches(TRAIN if params.is_training else VALIDATION, params, input_context)

    def build_losses(self, labels, model_outputs, aux_losses=None):
        error = tf.abs(model_outputs - labels)
        loss = tf.reduce_mean(tf.where(error < 1.0, 0.5 * tf.square(error), error - 0.5))
        return loss + tf.add_n([tf.cast(one, tf.float32) for one in aux_losses]) if aux_losses else loss

    def build_metrics(self, training=True):
        return [tf.keras.metrics.MeanAbsoluteError(name="mae"), tf.keras.metrics.RootMeanSquaredError(name="rmse")]

    def split(self, inputs):
        return {"numbers": inputs["numbers"], "district": inputs["district"]}, inputs["price"]

    def train_step(self, inputs, model, optimizer, metrics=None):
        features, price = self.split(inputs)
        with tf.GradientTape() as tape:
            predicted = model(features, training=True)
            loss = self.build_losses(price, predicted, model.losses)
        self.update(loss, tape, model, optimizer)
        for metric in metrics or []:
            metric.update_state(price, predicted)
        return {"loss": loss}

    def update(self, loss, tape, model, optimizer):
        minimise(loss, tape, model, optimizer)

    def validation_step(self, inputs, model, metrics=None):
        features, price = self.split(inputs)
        predicted = model(features, training=False)
        for metric in metrics or []:
            metric.update_state(price, predicted)
        return {"loss": self.build_losses(price, predicted, model.losses)}

    def inference_step(self, inputs, model):
        return model({"numbers": inputs["numbers"], "district": inputs["district"]}, training=False)


class PopsTheTarget(HousePrices):
    def split(self, inputs):
        price = inputs.pop("price")
        return inputs, price


class WarmsUpInPython(HousePrices):
    """Counts the steps in Python: a traced step has the rate of the step that it was traced at."""

    steps = 0

    def update(self, loss, tape, model, optimizer):
        self.steps += 1
        optimizer.learning_rate.assign(0.05 * min(1.0, self.steps / 4))
        super().update(loss, tape, model, optimizer)


class AppliesInTwoCalls(HousePrices):
    """The embedding and the rest by two calls of the optimizer, each of which counts as a step."""

    def update(self, loss, tape, model, optimizer):
        scale = getattr(optimizer, "get_scaled_loss", None) or getattr(optimizer, "scale_loss", lambda loss: loss)
        with tape:
            scaled = scale(loss / tf.distribute.get_strategy().num_replicas_in_sync)
        variables = model.trainable_variables
        gradients = tape.gradient(scaled, variables)
        if hasattr(optimizer, "get_unscaled_gradients"):
            gradients = optimizer.get_unscaled_gradients(gradients)
        pairs = list(zip(gradients, variables, strict=True))
        optimizer.apply_gradients(pairs[:1])
        optimizer.apply_gradients(pairs[1:])


class ForgetsTheReplicas(HousePrices):
    def update(self, loss, tape, model, optimizer):
        with tape:
            loss = loss * tf.distribute.get_strategy().num_replicas_in_sync
        minimise(loss, tape, model, optimizer)


class LogsItsShare(HousePrices):
    """Logs the part of the loss that this replica contributes, and not the loss."""

    def train_step(self, inputs, model, optimizer, metrics=None):
        logs = super().train_step(inputs, model, optimizer, metrics)
        return {"loss": logs["loss"] / tf.distribute.get_strategy().num_replicas_in_sync}


class LeavesOutTheRegulariser(HousePrices):
    """Trains and logs without model.losses, although the model has a regulariser."""

    def build_losses(self, labels, model_outputs, aux_losses=None):
        return super().build_losses(labels, model_outputs)


class DecaysEverything(HousePrices):
    """Freezes the embedding, and shrinks all weights after each update, the frozen ones too."""

    def build_model(self):
        model = super().build_model()
        model.get_layer("place").trainable = False
        return model

    def update(self, loss, tape, model, optimizer):
        super().update(loss, tape, model, optimizer)
        for weight in model.weights:
            weight.assign(0.999 * tf.convert_to_tensor(weight))


class MakesAMetricInTheStep(HousePrices):
    """A metric that is made when the first step needs it, and kept in the Task."""

    largest = None

    def train_step(self, inputs, model, optimizer, metrics=None):
        logs = super().train_step(inputs, model, optimizer, metrics)
        if self.largest is None:
            self.largest = tf.keras.metrics.Mean(name="largest")
        self.largest.update_state(tf.reduce_max(inputs["price"]))
        return logs


class PredictsWithNumPy(HousePrices):
    """Answers requests with model.predict, which is Python and returns an array."""

    def inference_step(self, inputs, model):
        return model.predict({"numbers": inputs["numbers"], "district": inputs["district"]}, verbose=0)


def subject(factory, name, **traits):
    return Subject(factory, kind=Kind.TASK, name=name, traits=traits)


CASES = [
    case(subject(HousePrices, "house prices")),
    case(subject(PopsTheTarget, "house prices, pops the target"), fails="T111"),
    case(subject(WarmsUpInPython, "house prices, warm-up in Python"), fails="T112 T401", may_fail="T601"),
    case(subject(AppliesInTwoCalls, "house prices, applies in two calls"), fails="T104", may_fail="T604 T105"),
    case(subject(ForgetsTheReplicas, "house prices, forgets the replicas"), fails="T104 T501", may_fail="T605"),
    case(subject(LogsItsShare, "house prices, logs its share"), fails="T110", may_fail="T501"),
    case(subject(LeavesOutTheRegulariser, "house prices, no regulariser"), fails="T109"),
    case(subject(DecaysEverything, "house prices, decays frozen weights"), fails="T103"),
    case(
        subject(MakesAMetricInTheStep, "house prices, a metric made in the step"),
        fails="T113",
        may_fail="T401 T402 T403 T501",
    ),
    case(subject(PredictsWithNumPy, "house prices, predicts with NumPy"), fails="T606", may_fail="T112 T402"),
]
