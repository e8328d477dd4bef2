"""Sound Tasks off the beaten track: steps inside the model, sequences, weights in the batch, targets that follow."""

import tensorflow as tf
from assay.conformance.model import Kind, Subject
from assay.conformance.specimens import SoundTask
from assay.conformance.specimens.task import NUM_CLASSES, NUM_FEATURES


def replicas():
    return tf.distribute.get_strategy().num_replicas_in_sync


class TheModelTakesTheStep(SoundTask):
    """The tape is inside the model, and the Task hands over its optimizer; batches are (features, labels, weights)."""

    def build_inputs(self, params, input_context=None):
        dataset = super().build_inputs(params, input_context)
        return dataset.map(lambda x, y: ({"left": x[:, :5], "right": x[:, 5:]}, y, tf.cast(y + 1, tf.float32) / 3.0))

    def build_model(self):
        class Learner(tf.keras.Model):
            def learn(self, features, labels, weights, optimizer):
                with tf.GradientTape() as tape:
                    outputs = tf.cast(self(features, training=True), tf.float32)
                    loss = tf.reduce_mean(weights * tf.nn.sparse_softmax_cross_entropy_with_logits(labels, outputs))
                    share = loss / replicas()
                variables = self.trainable_variables
                optimizer.apply_gradients(zip(tape.gradient(share, variables), variables, strict=True))
                return loss, outputs

        sides = {side: tf.keras.Input((size,), name=side) for side, size in (("left", 5), ("right", 3))}
        hidden = [tf.keras.layers.Dense(4, activation="tanh")(side) for side in sides.values()]
        return Learner(sides, tf.keras.layers.Dense(NUM_CLASSES)(tf.keras.layers.Concatenate()(hidden)))

    def train_step(self, inputs, model, optimizer, metrics=None):
        loss, outputs = model.learn(*inputs, optimizer)
        self.process_metrics(metrics or [], inputs[1], outputs)
        return {"loss": loss}

    def validation_step(self, inputs, model, metrics=None):
        features, labels, weights = inputs
        outputs = self.forward(model, features, training=False)
        self.process_metrics(metrics or [], labels, outputs)
        losses = tf.nn.sparse_softmax_cross_entropy_with_logits(labels, outputs)
        return self.validation_logs(labels, outputs, tf.reduce_mean(weights * losses))


class ReadsSequences(SoundTask):
    """Token ids padded with zeros, an embedding with sparse gradients, a recurrent layer that honours the mask."""

    def build_inputs(self, params, input_context=None):
        dataset = super().build_inputs(params, input_context)

        def tokens(x, y):
            ids = 1 + tf.cast(tf.argsort(x, axis=-1), tf.int32)
            return tf.where(tf.range(NUM_FEATURES) < 3 + y[:, None], ids, 0), y

        return dataset.map(tokens)

    def build_model(self):
        layers = tf.keras.layers
        tokens = tf.keras.Input((NUM_FEATURES,), dtype="int32")
        embedded = layers.Embedding(NUM_FEATURES + 1, 6, mask_zero=True)(tokens)
        return tf.keras.Model(tokens, layers.Dense(NUM_CLASSES)(layers.GRU(5, dropout=0.2)(embedded)))


class CutsTheBatchInTwo(SoundTask):
    """Adds up the gradients of two halves of the batch, to save memory, and applies them once."""

    def train_step(self, inputs, model, optimizer, metrics=None):
        variables, total, gradients = self.variables_to_train(model), 0.0, None
        features, labels = inputs
        half = tf.shape(labels)[0] // 2
        for part in (slice(None, half), slice(half, None)):
            with tf.GradientTape() as tape:
                outputs = self.forward(model, features[part], training=True)
                losses = tf.nn.sparse_softmax_cross_entropy_with_logits(labels=labels[part], logits=outputs)
                loss = tf.reduce_sum(losses) / tf.cast(tf.shape(labels)[0], tf.float32)
                objective = self.scale(optimizer, self.replica_share(loss))
            found = tape.gradient(objective, variables)
            gradients = found if gradients is None else [a + b for a, b in zip(gradients, found, strict=True)]
            total += loss
            self.process_metrics(metrics or [], labels[part], outputs)
        self.apply(optimizer, self.unscale(optimizer, gradients), variables)
        return self.train_logs(total)


class FollowsItsOwnAverage(SoundTask):
    """Self-distillation: a second model follows the first, gives soft targets, and is never trained itself."""

    def build_model(self):
        class Pair(tf.keras.Model):
            def __init__(self, student, teacher):
                super().__init__()
                self.student, self.teacher = student, teacher
                self.teacher.trainable = False

            def call(self, inputs, training=None):
                return self.student(inputs, training=training)

        student, teacher = super().build_model(), super().build_model()
        teacher.set_weights(student.get_weights())
        model = Pair(student, teacher)
        model(tf.zeros((1, NUM_FEATURES)))
        return model

    def train_step(self, inputs, model, optimizer, metrics=None):
        features, labels = inputs
        targets = tf.nn.softmax(tf.cast(model.teacher(features, training=False), tf.float32))
        with tf.GradientTape() as tape:
            outputs = self.forward(model, features, training=True)
            follow = tf.reduce_mean(tf.reduce_sum(tf.square(tf.nn.softmax(outputs) - tf.stop_gradient(targets)), -1))
            loss = self.build_losses(labels, outputs, aux_losses=model.losses) + 0.5 * follow
            objective = self.scale(optimizer, self.replica_share(loss))
        variables = self.variables_to_train(model)
        self.apply(optimizer, self.unscale(optimizer, tape.gradient(objective, variables)), variables)
        for slow, fast in zip(model.teacher.weights, model.student.weights, strict=True):
            slow.assign(0.9 * tf.convert_to_tensor(slow) + 0.1 * tf.convert_to_tensor(fast))
        self.process_metrics(metrics or [], labels, outputs)
        return {"loss": loss, "follow": follow}


class GoesBelowZero(SoundTask):
    """A likelihood of continuous values: a loss that is negative when the model is good; no metrics."""

    def build_inputs(self, params, input_context=None):
        return super().build_inputs(params, input_context).map(lambda x, y: (x, 0.01 * x[:, :1]))

    def build_model(self):
        layers = tf.keras.layers
        return tf.keras.Sequential([layers.Input((NUM_FEATURES,)), layers.Dense(2)])

    def build_metrics(self, training=True):
        return []

    def build_losses(self, labels, model_outputs, aux_losses=None):
        mean, log_scale = model_outputs[:, :1], model_outputs[:, 1:]
        apart = (labels - mean) * tf.exp(-log_scale)
        loss = tf.reduce_mean(0.5 * tf.square(apart) + log_scale - 3.0)
        return loss + tf.add_n(aux_losses) if aux_losses else loss

    def validation_logs(self, labels, outputs, loss):
        return {"loss": loss}

    def aggregate_logs(self, state, step_logs):
        return None

    def reduce_aggregated_logs(self, aggregated_logs, global_step=None):
        return {}


class CountsForItself(SoundTask):
    """Keeps Python state that decides nothing: calls, the last logs, the time; and noise keyed by the step."""

    def __init__(self):
        super().__init__()
        self.calls, self.last = 0, None

    def train_step(self, inputs, model, optimizer, metrics=None):
        self.calls += 1
        features, labels = inputs
        step = tf.cast(optimizer.iterations, tf.int32)
        noise = tf.random.stateless_normal(tf.shape(features), seed=tf.stack([3, step]), stddev=0.05)
        warm = tf.minimum(1.0, (tf.cast(step, tf.float32) + 1.0) / 3.0)
        logs = super().train_step((features + warm * noise, labels), model, optimizer, metrics)
        self.last = dict(logs)
        return logs


class AugmentsInParallel(SoundTask):
    """Noise in a parallel map without a seed of its own: which example gets which noise is a race of threads."""

    def build_inputs(self, params, input_context=None):
        dataset = super().build_inputs(params, input_context)
        if not params.is_training:
            return dataset
        return dataset.map(lambda x, y: (x + 0.1 * tf.random.normal(tf.shape(x)), y), num_parallel_calls=8)


def subject(factory, name, **traits):
    return Subject(factory, kind=Kind.TASK, name=name, traits=traits)


SUBJECTS = [
    subject(TheModelTakesTheStep, "the model takes the step"),
    subject(CutsTheBatchInTwo, "cuts the batch in two"),
    subject(FollowsItsOwnAverage, "follows its own average"),
    subject(GoesBelowZero, "a loss below zero"),
    subject(CountsForItself, "counts for itself", random_step=True),
    subject(AugmentsInParallel, "augments in parallel"),
]
SLOW_TO_TRACE = [subject(ReadsSequences, "reads sequences", random_step=True)]
