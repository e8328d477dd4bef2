"""Sound Tasks whose model is built in another way: subclassed, with several outputs, frozen, constrained, sampling."""

import tensorflow as tf
from assay.conformance.model import Kind, Subject
from assay.conformance.specimens import SoundTask


def two_headed():
    inputs = tf.keras.Input((8,))
    hidden = tf.keras.layers.Dense(6, activation="tanh")(inputs)
    heads = {"main": tf.keras.layers.Dense(3)(hidden), "size": tf.keras.layers.Dense(1)(hidden)}
    return tf.keras.Model(inputs, heads)


class TwoHeads(SoundTask):
    def build_model(self):
        return two_headed()

    def forward(self, model, features, *, training):
        return model(features, training=training)

    def build_losses(self, labels, model_outputs, aux_losses=None):
        size = tf.reduce_mean(tf.square(model_outputs["size"][:, 0] - tf.cast(labels, tf.float32)))
        return super().build_losses(labels, model_outputs["main"], aux_losses) + 0.3 * size

    def process_metrics(self, metrics, labels, model_outputs):
        super().process_metrics(metrics, labels, model_outputs["main"])

    def validation_logs(self, labels, outputs, loss):
        return super().validation_logs(labels, outputs["main"], loss)


class Subclassed(SoundTask):
    """No `training` in the model's call, a metric in an attribute, variables made by the first call."""

    def build_model(self):
        class Net(tf.keras.Model):
            def __init__(self):
                super().__init__()
                self.hidden = tf.keras.layers.Dense(6, activation="relu")
                self.dropout = tf.keras.layers.Dropout(0.3)
                self.out = tf.keras.layers.Dense(3)
                self.seen = tf.keras.metrics.Mean(name="seen")

            def call(self, inputs):
                return self.out(self.dropout(self.hidden(inputs)))

        return Net()

    def validation_step(self, inputs, model, metrics=None):
        model.seen.update_state(1.0)
        return super().validation_step(inputs, model, metrics)


class AveragesItsWeights(SoundTask):
    """The model keeps an average of its own kernel in a variable that is not trained, moved by the train step."""

    def build_model(self):
        class Net(tf.keras.Model):
            def build(self, input_shape):
                self.dense = tf.keras.layers.Dense(3)
                self.dense.build(input_shape)
                self.average = self.add_weight(name="average", shape=(8, 3), initializer="zeros", trainable=False)
                self.built = True

            def call(self, inputs, training=None):
                return self.dense(inputs)

        model = Net()
        model.build((None, 8))
        return model

    def apply(self, optimizer, gradients, variables):
        super().apply(optimizer, gradients, variables)
        self._model.average.assign(0.9 * self._model.average + 0.1 * tf.convert_to_tensor(self._model.dense.kernel))

    def variables_to_train(self, model):
        self._model = model
        return super().variables_to_train(model)


class FrozenBackbone(SoundTask):
    """The backbone stays in inference mode while the head trains, as guides to transfer learning say."""

    def build_model(self):
        class Net(tf.keras.Model):
            def __init__(self):
                super().__init__()
                layers = tf.keras.layers
                self.backbone = tf.keras.Sequential([layers.Input((8,)), layers.Dense(6), layers.BatchNormalization()])
                self.backbone.trainable = False
                self.dropout = layers.Dropout(0.2)
                self.head = layers.Dense(3)

            def call(self, inputs, training=None):
                features = self.backbone(inputs, training=False)
                return self.head(self.dropout(features, training=training))

        return Net()


class PartByPart(FrozenBackbone):
    """The step calls the parts of the model itself, the frozen one with training=False."""

    def forward(self, model, features, *, training):
        features = model.backbone(features, training=False)
        return model.head(model.dropout(features, training=training))


class Constrained(SoundTask):
    """The optimizer projects the kernel after its update."""

    def build_model(self):
        norm = tf.keras.constraints.MaxNorm(0.5)
        return tf.keras.Sequential([tf.keras.layers.Input((8,)), tf.keras.layers.Dense(3, kernel_constraint=norm)])


class ActivityLosses(SoundTask):
    """Losses of two kinds in model.losses: of weights, and of activities."""

    def build_model(self):
        layers, regularizers = tf.keras.layers, tf.keras.regularizers
        hidden = layers.Dense(6, kernel_regularizer=regularizers.L2(0.1), activity_regularizer=regularizers.L2(0.1))
        return tf.keras.Sequential([layers.Input((8,)), hidden, layers.Dense(3)])


class StartsAtZero(SoundTask):
    """A residual branch behind a scale that starts at zero: its kernel has no gradient at the first step."""

    def build_model(self):
        class Scaled(tf.keras.layers.Layer):
            def build(self, input_shape):
                self.kernel = self.add_weight(name="kernel", shape=(8, 8), initializer="glorot_uniform")
                self.scale = self.add_weight(name="scale", shape=(), initializer="zeros")
                self.built = True

            def call(self, inputs):
                return inputs + self.scale * tf.matmul(inputs, self.kernel)

        return tf.keras.Sequential([tf.keras.layers.Input((8,)), Scaled(), tf.keras.layers.Dense(3)])


class Samples(SoundTask):
    """Draws a code in training and in inference alike."""

    def forward(self, model, features, *, training):
        return super().forward(model, features + 0.1 * tf.random.normal(tf.shape(features)), training=training)


class Codebook(SoundTask):
    """One trainable variable is moved by something else than a gradient, and is declared."""

    def build_model(self):
        class Net(tf.keras.Model):
            def build(self, input_shape):
                self.codebook = self.add_weight(name="codebook", shape=(3,), initializer="ones")
                self.dense = tf.keras.layers.Dense(3)
                self.dense.build(input_shape)
                self.built = True

            def call(self, inputs, training=None):
                return self.dense(inputs) + tf.stop_gradient(tf.convert_to_tensor(self.codebook))

        model = Net()
        model.build((None, 8))
        return model


class ModuleModel(SoundTask):
    """The model is a `tf.Module` with a flag of its own name."""

    def build_model(self):
        class Net(tf.Module):
            def __init__(self):
                super().__init__()
                self.kernel = tf.Variable(tf.random.normal([8, 3]), name="kernel")
                self.mean = tf.Variable(tf.zeros([8]), trainable=False, name="mean")
                self.losses = ()

            def __call__(self, x, is_training):
                if is_training:
                    self.mean.assign(0.9 * self.mean + 0.1 * tf.reduce_mean(x, axis=0))
                return tf.matmul(x - self.mean, self.kernel)

        return Net()

    def forward(self, model, features, *, training):
        return model(features, is_training=training)


def subject(factory, name, **traits):
    return Subject(factory, kind=Kind.TASK, name=name, traits=traits)


SUBJECTS = [
    subject(TwoHeads, "two outputs in a dict"),
    subject(Subclassed, "subclassed model, no training argument", random_step=True),
    subject(AveragesItsWeights, "averages its own weights"),
    subject(FrozenBackbone, "frozen backbone", random_step=True),
    subject(PartByPart, "calls the parts of the model", random_step=True),
    subject(Constrained, "kernel constraint"),
    subject(ActivityLosses, "activity losses"),
    subject(StartsAtZero, "zero-initialised branch"),
    subject(Samples, "samples in inference", random_step=True, random_inference=True),
    subject(Codebook, "codebook without a gradient", untrained_variables=("*codebook",)),
    subject(ModuleModel, "tf.Module as the model", batch_statistics=True),
    subject(lambda: SoundTask(batch_norm=True, dropout=0.3), "both", batch_statistics=True, random_step=True),
]
