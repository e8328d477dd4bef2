"""Sound Tasks whose steps differ: clipped, decorated, weighted, with other labels, with metrics of their own."""

import tensorflow as tf
from assay.conformance.model import Kind, Subject
from assay.conformance.specimens import SoundTask


class Clips(SoundTask):
    """Clips by the global norm, so low that each step is clipped."""

    def apply(self, optimizer, gradients, variables):
        gradients, _ = tf.clip_by_global_norm(gradients, 0.05)
        super().apply(optimizer, gradients, variables)


class TrainsLayersAtTheirOwnPace(SoundTask):
    def apply(self, optimizer, gradients, variables):
        paces = [0.1, 0.1, 1.0, 1.0]
        super().apply(optimizer, [pace * g for pace, g in zip(paces, gradients, strict=True)], variables)


class DecaysByHand(SoundTask):
    """Decoupled weight decay after the update, of the kernels only."""

    def apply(self, optimizer, gradients, variables):
        super().apply(optimizer, gradients, variables)
        for variable in variables:
            if len(variable.shape) > 1:
                variable.assign(0.999 * tf.convert_to_tensor(variable))


class WarmsUp(SoundTask):
    """Sets the learning rate at each step."""

    def apply(self, optimizer, gradients, variables):
        optimizer.learning_rate = 0.02 * (1.0 + tf.cast(optimizer.iterations, tf.float32))
        super().apply(optimizer, gradients, variables)


class PenalisesGradients(SoundTask):
    """A term beside build_losses, in the objective and in the logs."""

    def train_step(self, inputs, model, optimizer, metrics=None):
        features, labels = inputs
        with tf.GradientTape() as tape:
            with tf.GradientTape() as inner:
                inner.watch(features)
                outputs = self.forward(model, features, training=True)
                loss = self.build_losses(labels, outputs, aux_losses=model.losses)
            slope = inner.gradient(loss, features)
            total = loss + tf.reduce_mean(tf.square(slope))
            objective = self.replica_share(total)
        variables = self.variables_to_train(model)
        self.apply(optimizer, tape.gradient(objective, variables), variables)
        self.process_metrics(metrics or [], labels, outputs)
        return self.train_logs(total)


class Decorated(SoundTask):
    """Steps that are tf.functions already: TensorFlow runs such a step on one replica only."""

    @tf.function
    def train_step(self, inputs, model, optimizer, metrics=None):
        return super().train_step(inputs, model, optimizer, metrics)

    @tf.function
    def validation_step(self, inputs, model, metrics=None):
        return super().validation_step(inputs, model, metrics)


class OneHot(SoundTask):
    """build_losses takes labels that only the steps can make, and options with defaults."""

    def build_losses(self, labels, model_outputs, aux_losses=None, *, smoothing=0.1, **options):
        losses = tf.keras.losses.categorical_crossentropy(
            tf.one_hot(labels, 3) if labels.dtype.is_integer else labels,
            model_outputs,
            from_logits=True,
            label_smoothing=smoothing,
        )
        return tf.reduce_mean(losses) + (tf.add_n(aux_losses) if aux_losses else 0.0)

    def train_step(self, inputs, model, optimizer, metrics=None):
        features, labels = inputs
        with tf.GradientTape() as tape:
            outputs = self.forward(model, features, training=True)
            loss = self.build_losses(tf.one_hot(labels, 3), outputs, aux_losses=model.losses, smoothing=0.2, extra=1)
            objective = self.replica_share(loss)
        variables = self.variables_to_train(model)
        self.apply(optimizer, tape.gradient(objective, variables), variables)
        self.process_metrics(metrics or [], labels, outputs)
        return self.train_logs(loss)


class DividesByTheGlobalBatch(SoundTask):
    """The other sound way on replicas: the sum over the examples by the size of the global batch."""

    def build_losses(self, labels, model_outputs, aux_losses=None):
        losses = tf.nn.sparse_softmax_cross_entropy_with_logits(labels=labels, logits=model_outputs)
        return tf.reduce_sum(losses) / 8.0 + (tf.add_n(aux_losses) if aux_losses else 0.0)

    def replica_share(self, loss):
        return loss


class MetricsOfItsOwn(SoundTask):
    """Counts that may stay zero, and a metric that the Task keeps and that no loop knows of."""

    def build_metrics(self, training=True):
        self.confusion = tf.keras.metrics.MeanIoU(num_classes=3, name="iou")
        metrics = [tf.keras.metrics.TruePositives(name="never", thresholds=0.99)]
        return metrics if training else [*metrics, tf.keras.metrics.Mean(name="in_aggregation")]

    def process_metrics(self, metrics, labels, model_outputs):
        for metric in metrics:
            if metric.name == "never":
                metric.update_state(tf.zeros_like(labels), tf.nn.softmax(model_outputs)[:, 0])

    def validation_step(self, inputs, model, metrics=None):
        self.confusion.update_state(inputs[1], tf.argmax(self.inference_step(inputs[0], model), axis=-1))
        self._mean = [metric for metric in metrics or [] if metric.name == "in_aggregation"]
        return super().validation_step(inputs, model, metrics)

    def aggregate_logs(self, state, step_logs):
        for metric in self._mean:
            metric.update_state(step_logs["loss"])
        return super().aggregate_logs(state, step_logs)


class MetricsInTrainingOnly(SoundTask):
    def build_metrics(self, training=True):
        return super().build_metrics(training) if training else []


class NoLossInTheLogsOfValidation(SoundTask):
    def validation_logs(self, labels, outputs, loss):
        logs = super().validation_logs(labels, outputs, loss)
        return {key: value for key, value in logs.items() if key != "loss"}


class LogsWithoutATape(SoundTask):
    """What is logged is detached from the tape; build_losses is what is differentiated."""

    def train_logs(self, loss):
        return {"loss": tf.stop_gradient(loss)}


def subject(factory, name, **traits):
    return Subject(factory, kind=Kind.TASK, name=name, traits=traits)


ON_ONE_REPLICA = [
    subject(Decorated, "steps are tf.functions"),
    # Metrics of tf_keras cannot be updated outside of a replica, as in aggregate_logs, when there are several.
    subject(MetricsOfItsOwn, "metrics of its own"),
]

SUBJECTS = [
    subject(Clips, "clips gradients"),
    subject(TrainsLayersAtTheirOwnPace, "learning rate by layer"),
    subject(DecaysByHand, "decoupled weight decay"),
    subject(WarmsUp, "sets the learning rate"),
    subject(PenalisesGradients, "gradient penalty"),
    subject(lambda: OneHot(weight_decay=0.01), "one-hot labels, further options"),
    subject(DividesByTheGlobalBatch, "divides by the global batch size"),
    subject(MetricsInTrainingOnly, "metrics in training only"),
    subject(NoLossInTheLogsOfValidation, "no loss in validation logs"),
    subject(LogsWithoutATape, "detached logs"),
]
