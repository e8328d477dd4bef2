"""Detection on a grid with padded boxes: dict labels, two outputs, a metric on the host."""

import numpy as np
import tensorflow as tf
from assay.conformance.model import Kind, Subject

from conformance.tests.subjects.tasks.training import batches, minimise
from conformance.tests.subjects.verdicts import case

CELLS, SLOTS = 4, 3


def grids(count, seed):
    """Images with one cell brighter for each object, and up to `SLOTS` boxes (yxyx, in cells), padded with -1."""
    random = np.random.default_rng(seed)
    images = random.normal(scale=0.1, size=(count, CELLS, CELLS, 1)).astype(np.float32)
    boxes, classes = np.full((count, SLOTS, 4), -1.0, np.float32), np.full((count, SLOTS), -1, np.int32)
    for index in range(count):
        for slot in range(random.integers(0, SLOTS + 1)):
            y, x = random.integers(0, CELLS, size=2)
            images[index, y, x] += 1.0
            boxes[index, slot] = y, x, y + 1, x + 1
            classes[index, slot] = 0
    return images, {"boxes": boxes, "classes": classes, "source_id": np.arange(count, dtype=np.int64)}


TRAIN, VALIDATION = grids(25, seed=50), grids(15, seed=51)


class Detection:
    """The sum over the cells, divided by the number of images: it does not depend on who has how many objects."""

    def build_model(self):
        layers = tf.keras.layers
        inputs = tf.keras.Input((CELLS, CELLS, 1))
        hidden = layers.Conv2D(4, 3, padding="same", activation="tanh")(inputs)
        scores = layers.Conv2D(1, 1, dtype="float32", name="scores")(hidden)
        offsets = layers.Conv2D(4, 1, dtype="float32", name="offsets")(hidden)
        return tf.keras.Model(inputs, {"scores": scores, "offsets": offsets})

    def build_inputs(self, params, input_context=None):
        return batches(TRAIN if params.is_training else VALIDATION, params, input_context)

    def targets(self, labels):
        """Which cells `[batch, CELLS, CELLS]` hold an object, as 0.0 and 1.0."""
        real = tf.cast(labels["classes"] >= 0, tf.float32)[..., tf.newaxis]
        rows = tf.one_hot(tf.cast(labels["boxes"][..., 0], tf.int32), CELLS) * real
        columns = tf.one_hot(tf.cast(labels["boxes"][..., 1], tf.int32), CELLS)
        return tf.minimum(tf.einsum("bsr,bsc->brc", rows, columns), 1.0)

    def build_losses(self, labels, model_outputs, aux_losses=None):
        held = self.targets(labels)
        scores = tf.nn.sigmoid_cross_entropy_with_logits(held, model_outputs["scores"][..., 0])
        offsets = tf.reduce_mean(tf.abs(model_outputs["offsets"] - 0.5), axis=-1) * held
        loss = self.normalise(tf.reduce_sum(scores + offsets), labels)
        return loss + tf.add_n(aux_losses) if aux_losses else loss

    def normalise(self, total, labels):
        return total / tf.cast(tf.shape(labels["classes"])[0], tf.float32)

    def train_step(self, inputs, model, optimizer, metrics=None):
        images, labels = inputs
        with tf.GradientTape() as tape:
            loss = self.total(self.build_losses(labels, model(images, training=True), model.losses))
        minimise(loss, tape, model, optimizer)
        return {"loss": loss}

    def total(self, losses):
        return losses

    def validation_step(self, inputs, model, metrics=None):
        images, labels = inputs
        outputs = model(images, training=False)
        found = tf.sigmoid(outputs["scores"][..., 0])
        return {"loss": self.total(self.build_losses(labels, outputs)), "found": found, "held": self.targets(labels)}

    def inference_step(self, inputs, model):
        return model(inputs, training=False)

    def aggregate_logs(self, state, step_logs):
        state = state or []
        for found, held in zip(step_logs["found"], step_logs["held"], strict=True):
            state.append((np.asarray(found) > 0.5, np.asarray(held) > 0.5))
        return state

    def reduce_aggregated_logs(self, aggregated_logs, global_step=None):
        found, held = (np.concatenate(part) for part in zip(*aggregated_logs, strict=True))
        return {"recall": float(np.sum(found & held) / max(np.sum(held), 1)), "objects": int(np.sum(held))}


class ReturnsThreeLosses(Detection):
    def build_losses(self, labels, model_outputs, aux_losses=None):
        total = super().build_losses(labels, model_outputs, aux_losses)
        return total, 0.7 * total, 0.3 * total

    def total(self, losses):
        return losses[0]


class CountsItsObjects(Detection):
    """Divides by the objects of this replica."""

    def normalise(self, total, labels):
        return total / tf.maximum(tf.reduce_sum(tf.cast(labels["classes"] >= 0, tf.float32)), 1.0)


class KeepsWhatItSaw(Detection):
    """Collects in an attribute, which nobody empties between evaluations."""

    def __init__(self):
        self.seen = []

    def aggregate_logs(self, state, step_logs):
        self.seen = super().aggregate_logs(self.seen, step_logs)
        return self.seen


class AsksThePython(Detection):
    """Finds the peaks with NumPy, inside the validation step."""

    def validation_step(self, inputs, model, metrics=None):
        logs = super().validation_step(inputs, model, metrics)
        peaks = tf.numpy_function(lambda found: found >= found.max(axis=(1, 2), keepdims=True), [logs["found"]], bool)
        peaks = tf.ensure_shape(peaks, logs["found"].shape)
        return {**logs, "found": logs["found"] * tf.cast(peaks, tf.float32)}


class DetectionsAsTheyAre(Detection):
    """Reports a list of numbers, one a cell, instead of numbers."""

    def reduce_aggregated_logs(self, aggregated_logs, global_step=None):
        found, _ = (np.concatenate(part) for part in zip(*aggregated_logs, strict=True))
        return {"found": found.mean(axis=0)}


def subject(factory, name, **traits):
    return Subject(factory, kind=Kind.TASK, name=name, traits=traits)


CASES = [
    case(subject(Detection, "detection")),
    case(subject(ReturnsThreeLosses, "detection, returns three losses"), fails="T001", may_fail="T109"),
    case(subject(CountsItsObjects, "detection, counts its objects"), fails="T501"),
    case(subject(KeepsWhatItSaw, "detection, keeps what it saw"), fails="T503", may_fail="T203 T502"),
    case(subject(AsksThePython, "detection, asks NumPy"), fails="T404", may_fail="T402"),
    case(subject(DetectionsAsTheyAre, "detection, reports an array"), fails="T503"),
]
