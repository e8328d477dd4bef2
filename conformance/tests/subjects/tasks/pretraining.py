"""Learning without labels: denoising, a variational code, contrasts within the batch, a teacher that lags behind."""

import types

import numpy as np
import tensorflow as tf
from assay.conformance.model import Kind, Subject

from conformance.tests.subjects.tasks.training import batches, minimise
from conformance.tests.subjects.verdicts import case

SIGNALS = np.random.default_rng(60).normal(size=(26, 3)).astype(np.float32) @ np.random.default_rng(61).normal(
    size=(3, 8)
).astype(np.float32)
HELD_OUT = SIGNALS[::-1][:13] + 0.1


class Unlabelled:
    """What the Tasks of this file share: batches of signals, and no labels."""

    def build_inputs(self, params, input_context=None):
        return batches(SIGNALS if params.is_training else HELD_OUT, params, input_context)

    def train_step(self, inputs, model, optimizer, metrics=None):
        with tf.GradientTape() as tape:
            loss = self.objective(inputs, model, training=True)
        minimise(loss, tape, model, optimizer)
        return {"loss": loss}

    def validation_step(self, inputs, model, metrics=None):
        return {"loss": self.objective(inputs, model, training=False)}

    def inference_step(self, inputs, model):
        return model(inputs, training=False)


class Denoiser(Unlabelled):
    """An autoencoder with a noise layer of Keras, which is silent in inference."""

    def build_model(self):
        layers = tf.keras.layers
        return tf.keras.Sequential(
            [
                layers.Input((8,)),
                layers.GaussianNoise(0.1),
                layers.Dense(4, activation="elu"),
                layers.Dense(8, dtype="float32"),
            ]
        )

    def objective(self, inputs, model, *, training):
        return tf.reduce_mean(tf.square(model(self.corrupted(inputs, training), training=training) - inputs))

    def corrupted(self, inputs, training):
        return inputs


class NoiseFromNumPy(Denoiser):
    def corrupted(self, inputs, training):
        if not training:
            return inputs
        return inputs + np.random.normal(scale=0.1, size=(1, 8)).astype(np.float32)  # noqa: NPY002


class NoiseFromTheClock(Denoiser):
    """A generator of its own that starts from the operating system's randomness."""

    def __init__(self):
        self.generator = tf.random.Generator.from_non_deterministic_state()

    def corrupted(self, inputs, training):
        return inputs + self.generator.normal(tf.shape(inputs), stddev=0.1) if training else inputs


class Sampling(tf.keras.layers.Layer):
    """Draws a code, and adds the divergence from a standard normal distribution to the losses of the model."""

    def call(self, code, training=None):
        mean, log_variance = tf.split(tf.cast(code, tf.float32), 2, axis=-1)
        divergence = 0.5 * (tf.square(mean) + tf.exp(log_variance) - log_variance - 1.0)
        self.add_loss(0.1 * tf.reduce_mean(divergence))
        return mean + tf.exp(0.5 * log_variance) * tf.random.normal(tf.shape(mean)) if training else mean


class Variational(Unlabelled):
    def build_model(self):
        layers = tf.keras.layers
        inputs = tf.keras.Input((8,))
        code = Sampling()(layers.Dense(6)(inputs))
        return tf.keras.Model(inputs, layers.Dense(8, dtype="float32")(code))

    def build_losses(self, labels, model_outputs, aux_losses=None):
        loss = tf.reduce_mean(tf.square(model_outputs - labels))
        return loss + tf.add_n(aux_losses) if aux_losses else loss

    def objective(self, inputs, model, *, training):
        outputs = model(inputs, training=training)
        return self.build_losses(inputs, outputs, self.extra(model))

    def extra(self, model):
        return model.losses


class ForgetsTheDivergence(Variational):
    """Never reads model.losses, so that the code is not held together by anything."""

    def extra(self, model):
        return None


class Contrastive(Unlabelled):
    """Two views of each signal; every other signal of the batch is a negative, so that replicas see fewer of them."""

    def build_model(self):
        layers = tf.keras.layers
        return tf.keras.Sequential(
            [layers.Input((8,)), layers.Dense(6, activation="tanh"), layers.Dense(4, dtype="float32")]
        )

    def objective(self, inputs, model, *, training):
        views = [model(view, training=training) for view in (inputs, inputs[:, ::-1])]
        one, other = (tf.math.l2_normalize(view, axis=-1) for view in views)
        similar = tf.matmul(one, other, transpose_b=True) / 0.5
        return tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(tf.range(tf.shape(similar)[0]), similar))


class RootOfZero(Contrastive):
    """Distances instead of similarities; that of a view to itself is the root of zero, whose slope is infinite."""

    def objective(self, inputs, model, *, training):
        codes = model(inputs, training=training)
        distances = tf.sqrt(tf.reduce_sum(tf.square(codes[:, None] - codes[None]), axis=-1))
        return tf.reduce_mean(tf.nn.relu(1.0 - distances))


class Student(tf.keras.Model):
    """A student and its teacher, which is a moving average of the student and gets no gradient."""

    def __init__(self):
        super().__init__()
        self.student = tf.keras.layers.Dense(4)
        self.teacher = tf.keras.layers.Dense(4, trainable=False)

    def build(self, input_shape):
        self.student.build(input_shape)
        self.teacher.build(input_shape)
        self.built = True

    def call(self, inputs, training=None):
        return self.student(inputs)


class TeacherInTheModel(Unlabelled):
    def build_model(self):
        model = Student()
        model.build((None, 8))
        return model

    def teacher(self, model):
        return model.teacher

    def objective(self, inputs, model, *, training):
        wanted = tf.stop_gradient(self.teacher(model)(inputs[:, ::-1]))
        codes = tf.cast(model(inputs, training=training), tf.float32)
        return tf.reduce_mean(tf.square(codes - 0.9 * tf.cast(wanted, tf.float32) - 0.1))

    def train_step(self, inputs, model, optimizer, metrics=None):
        logs = super().train_step(inputs, model, optimizer, metrics)
        for slow, fast in zip(self.teacher(model).weights, model.student.weights, strict=True):
            slow.assign(0.7 * tf.convert_to_tensor(slow) + 0.3 * tf.convert_to_tensor(fast))
        return logs


class TeacherInTheTask(TeacherInTheModel):
    """The teacher is an attribute of the Task, where no checkpoint of the model and the optimizer finds it."""

    class Net(tf.keras.Model):
        def __init__(self):
            super().__init__()
            self.student = tf.keras.layers.Dense(4)

        def build(self, input_shape):
            self.student.build(input_shape)
            self.built = True

        def call(self, inputs, training=None):
            return self.student(inputs)

    def build_model(self):
        model = self.Net()
        model.build((None, 8))
        self.slow = tf.keras.layers.Dense(4)
        self.slow.build((None, 8))
        self.slow.set_weights(model.student.get_weights())
        return model

    def teacher(self, model):
        return self.slow


class FineTuned(Denoiser):
    """Starts from a checkpoint, and insists on all of it."""

    def __init__(self):
        self.task_config = types.SimpleNamespace(init_checkpoint=None)

    def initialize(self, model):
        if self.task_config.init_checkpoint:
            status = tf.train.Checkpoint(model=model).read(self.task_config.init_checkpoint)
            status.expect_partial().assert_existing_objects_matched()


class StartsFromWhatItFinds(FineTuned):
    """Takes from the checkpoint what happens to match, and leaves the rest at random."""

    def initialize(self, model):
        if self.task_config.init_checkpoint:
            tf.train.Checkpoint(net=model).read(self.task_config.init_checkpoint).expect_partial()


def subject(factory, name, **traits):
    return Subject(factory, kind=Kind.TASK, name=name, traits=traits)


CASES = [
    case(subject(Denoiser, "denoiser", random_step=True)),
    case(subject(NoiseFromNumPy, "denoiser, noise from NumPy", random_step=True), fails="T112", may_fail="T202 T601"),
    case(subject(NoiseFromTheClock, "denoiser, noise from the clock", random_step=True), fails="T202", may_fail="T601"),
    case(subject(Variational, "variational", random_step=True)),
    case(subject(ForgetsTheDivergence, "variational, forgets the divergence", random_step=True), fails="T109"),
    case(subject(Contrastive, "contrastive", batch_statistics=True)),
    case(
        subject(RootOfZero, "contrastive, root of zero", batch_statistics=True),
        fails="T301",
        may_fail="T103 T105 T201 T202 T501 T601 T603",
    ),
    case(subject(TeacherInTheModel, "teacher in the model")),
    case(subject(TeacherInTheTask, "teacher in the Task"), fails="T601", may_fail="T602 T605"),
    case(subject(FineTuned, "fine-tuned", random_step=True)),
    case(subject(StartsFromWhatItFinds, "fine-tuned from what it finds", random_step=True), fails="T607"),
]
