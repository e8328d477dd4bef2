"""Sound Tasks that are hard to compare between runs: random, normalised, padded, augmented, ragged, ill-conditioned."""

import numpy as np
import tensorflow as tf
from assay.conformance.model import Kind, Subject
from assay.conformance.specimens import SoundTask
from assay.conformance.specimens.task import NUM_CLASSES, NUM_FEATURES, TRAIN_EXAMPLES


def replicas():
    return tf.distribute.get_strategy().num_replicas_in_sync


class CountsOverAllReplicas(SoundTask):
    """Ignores class 0 and divides by the number of other examples of the whole batch."""

    def build_losses(self, labels, model_outputs, aux_losses=None):
        losses = tf.nn.sparse_softmax_cross_entropy_with_logits(labels=labels, logits=model_outputs)
        valid = tf.cast(labels > 0, tf.float32)
        count = tf.reduce_sum(valid)
        context = tf.distribute.get_replica_context()
        if context is not None and replicas() > 1:
            count = context.all_reduce(tf.distribute.ReduceOp.SUM, count) / replicas()
        return tf.math.divide_no_nan(tf.reduce_sum(losses * valid), count)


class GlobalBatchAndStatistics(SoundTask):
    """Divides the sum by the global batch size, logs the mean, and has batch statistics that it does not declare."""

    def __init__(self):
        super().__init__(batch_norm=True)

    def replica_share(self, loss):
        return loss * (self.seen / 8.0)

    def build_losses(self, labels, model_outputs, aux_losses=None):
        self.seen = float(labels.shape[0])
        return super().build_losses(labels, model_outputs, aux_losses)


class ScalesByThePolicy(SoundTask):
    """Scales the loss under a float16 policy only."""

    def scale(self, optimizer, loss):
        return super().scale(optimizer, loss) if self.in_float16() else loss

    def unscale(self, optimizer, gradients):
        return super().unscale(optimizer, gradients) if self.in_float16() else gradients

    def in_float16(self):
        mixed_precision = tf.keras.mixed_precision
        policy = getattr(mixed_precision, "global_policy", None) or mixed_precision.dtype_policy
        return "float16" in str(policy().compute_dtype)


class UndeclaredNoise(SoundTask):
    def forward(self, model, features, *, training):
        noise = 0.1 * tf.random.normal(tf.shape(features)) if training else 0.0
        return super().forward(model, features + noise, training=training)


class ObjectAsState(SoundTask):
    """Aggregates into an object of its own, and reports nested numbers of several types, and an image."""

    class Counts:
        def __init__(self):
            self.correct, self.seen = [], []

    def aggregate_logs(self, state, step_logs):
        state = self.Counts() if state is None else state
        state.correct.extend(np.asarray(part) for part in step_logs["correct"])
        state.seen.extend(np.asarray(part) for part in step_logs["seen"])
        return state

    def reduce_aggregated_logs(self, aggregated_logs, global_step=None):
        rate = np.sum(aggregated_logs.correct) / np.sum(aggregated_logs.seen)
        return {
            "errors": {"rate": 1.0 - rate, "seen": int(np.sum(aggregated_logs.seen)), "tensor": tf.constant(rate)},
            "image/last": np.zeros((1, 4, 4, 3), np.uint8),
        }


class ArrayAsState(SoundTask):
    """Aggregates into an array, which has no truth value."""

    def aggregate_logs(self, state, step_logs):
        counts = np.array([sum(float(part) for part in step_logs[key]) for key in ("correct", "seen")])
        return counts if state is None else state + counts

    def reduce_aggregated_logs(self, aggregated_logs, global_step=None):
        return {"rate": aggregated_logs[0] / aggregated_logs[1]}


class PadsTheLastBatch(SoundTask):
    """Fills the last evaluation batch with zeros that a weight of zero marks."""

    def build_inputs(self, params, input_context=None):
        dataset = super().build_inputs(params, input_context)
        size = params.global_batch_size
        size = size if input_context is None else input_context.get_per_replica_batch_size(size)

        def pad(features, labels):
            missing = size - tf.shape(labels)[0]
            weights = tf.pad(tf.ones_like(labels, tf.float32), [[0, missing]])
            return (tf.pad(features, [[0, missing], [0, 0]]), weights), tf.pad(labels, [[0, missing]])

        return dataset.map(pad)

    def train_step(self, inputs, model, optimizer, metrics=None):
        (features, _), labels = inputs  # training batches are whole
        return super().train_step((features, labels), model, optimizer, metrics)

    def validation_step(self, inputs, model, metrics=None):
        (features, weights), labels = inputs
        outputs = self.forward(model, features, training=False)
        losses = tf.nn.sparse_softmax_cross_entropy_with_logits(labels=labels, logits=outputs)
        hits = tf.cast(tf.equal(tf.argmax(outputs, -1, labels.dtype), labels), tf.float32)
        for metric in metrics or []:
            if metric.name == "confidence":
                metric.update_state(tf.reduce_max(tf.nn.softmax(outputs), axis=-1), sample_weight=weights)
            else:
                metric.update_state(labels, outputs, sample_weight=weights)
        seen = tf.reduce_sum(weights)
        loss = tf.math.divide_no_nan(tf.reduce_sum(losses * weights), seen)
        return {"loss": loss, "correct": tf.reduce_sum(hits * weights), "seen": seen}

    def inference_step(self, inputs, model):
        return super().inference_step(inputs[0] if isinstance(inputs, tuple) else inputs, model)


class Augments(SoundTask):
    """Adds noise to the training features in the pipeline, anew in each epoch."""

    def build_inputs(self, params, input_context=None):
        dataset = super().build_inputs(params, input_context)
        if not params.is_training:
            return dataset
        return dataset.map(lambda features, labels: (features + tf.random.normal(tf.shape(features)), labels))


class AugmentsBesideAnId(Augments):
    """Yields an id, a string, beside features that change."""

    def build_inputs(self, params, input_context=None):
        features, labels = self.examples(training=params.is_training)
        ids = np.array([f"example {index}" for index in range(len(labels))])
        dataset = tf.data.Dataset.from_tensor_slices(({"x": features, "id": ids}, labels))
        size = params.global_batch_size
        if input_context is not None:
            dataset = dataset.shard(input_context.num_input_pipelines, input_context.input_pipeline_id)
            size = input_context.get_per_replica_batch_size(size)
        if params.is_training:
            dataset = dataset.shuffle(100, seed=params.seed).repeat()
            dataset = dataset.map(lambda x, y: ({**x, "x": x["x"] + tf.random.normal(tf.shape(x["x"]))}, y))
        return dataset.batch(size, drop_remainder=params.drop_remainder)

    def forward(self, model, features, *, training):
        return super().forward(model, features["x"] if isinstance(features, dict) else features, training=training)


class HoldsCopies(SoundTask):
    """Holds most examples several times."""

    def examples(self, *, training):
        features, labels = super().examples(training=training)
        return np.concatenate([features[:7]] * 3 + [features]), np.concatenate([labels[:7]] * 3 + [labels])


class ShufflesAcrossEpochs(SoundTask):
    """Shards, repeats, and then shuffles with a small buffer, as pipelines over many files do."""

    def build_inputs(self, params, input_context=None):
        dataset = tf.data.Dataset.from_tensor_slices(self.examples(training=params.is_training))
        size = params.global_batch_size
        if input_context is not None:
            dataset = dataset.shard(input_context.num_input_pipelines, input_context.input_pipeline_id)
            size = input_context.get_per_replica_batch_size(size)
        if params.is_training:
            dataset = dataset.repeat().shuffle(10, seed=params.seed)
        return dataset.batch(size, drop_remainder=params.drop_remainder)


class DropsBeforeItRepeats(SoundTask):
    """Batches each epoch by itself, so that the last partial batch of an epoch is dropped, whatever is asked for."""

    def build_inputs(self, params, input_context=None):
        if not params.is_training:
            return super().build_inputs(params, input_context)
        dataset = tf.data.Dataset.from_tensor_slices(self.examples(training=True))
        size = params.global_batch_size
        if input_context is not None:
            dataset = dataset.shard(input_context.num_input_pipelines, input_context.input_pipeline_id)
            size = input_context.get_per_replica_batch_size(size)
        return dataset.shuffle(TRAIN_EXAMPLES, seed=params.seed).batch(size, drop_remainder=True).repeat()


class FromAGenerator(SoundTask):
    """Reads from a Python generator, made anew for each epoch; tf.data does not know its length."""

    def build_inputs(self, params, input_context=None):
        features, labels = self.examples(training=params.is_training)
        pipelines, mine = (
            (1, 0)
            if input_context is None
            else (
                input_context.num_input_pipelines,
                input_context.input_pipeline_id,
            )
        )

        def generate():
            yield from zip(features[mine::pipelines], labels[mine::pipelines], strict=True)

        spec = (tf.TensorSpec([NUM_FEATURES], tf.float32), tf.TensorSpec([], tf.int32))
        dataset = tf.data.Dataset.from_generator(generate, output_signature=spec)
        dataset = dataset.repeat() if params.is_training else dataset
        return dataset.batch(params.global_batch_size // pipelines, drop_remainder=params.drop_remainder)


class PadsToTheLongest(SoundTask):
    """Sequences, padded to the longest of their batch: the shape and the content of a row depend on its neighbours."""

    def build_inputs(self, params, input_context=None):
        features, labels = self.examples(training=params.is_training)
        index = np.arange(len(labels))
        dataset = tf.data.Dataset.from_tensor_slices((features, labels, index))
        size = params.global_batch_size
        if input_context is not None:
            dataset = dataset.shard(input_context.num_input_pipelines, input_context.input_pipeline_id)
            size = input_context.get_per_replica_batch_size(size)
        if params.is_training:
            dataset = dataset.shuffle(100, seed=params.seed).repeat()
        dataset = dataset.map(lambda x, y, i: (tf.repeat(x[None], 1 + i % 5, axis=0), y))
        return dataset.padded_batch(size, drop_remainder=params.drop_remainder)

    def build_model(self):
        layers = tf.keras.layers

        class SumOverTime(layers.Layer):  # to which padding adds nothing
            def call(self, inputs):
                return tf.reduce_sum(inputs, axis=1)

        return tf.keras.Sequential(
            [
                layers.Input((None, NUM_FEATURES)),
                layers.Dense(8, activation="tanh", use_bias=False),
                SumOverTime(),
                layers.Dense(NUM_CLASSES),
            ]
        )


class Ragged(PadsToTheLongest):
    """Sequences of different lengths as a ragged tensor, which the step pads."""

    def build_inputs(self, params, input_context=None):
        dataset = super().build_inputs(params, input_context)
        lengths = lambda x: tf.reduce_sum(tf.cast(tf.reduce_any(x != 0.0, axis=-1), tf.int32), axis=-1)  # noqa: E731
        return dataset.map(lambda x, y: (tf.RaggedTensor.from_tensor(x, lengths(x)), y))

    def forward(self, model, features, *, training):
        if isinstance(features, tf.RaggedTensor):
            features = features.to_tensor()
        return super().forward(model, features, training=training)


class Contrasts(SoundTask):
    """Tells the examples of a batch from each other: a replica knows only its own."""

    def build_losses(self, labels, model_outputs, aux_losses=None):
        similar = tf.matmul(model_outputs, model_outputs, transpose_b=True)
        return tf.reduce_mean(
            tf.nn.sparse_softmax_cross_entropy_with_logits(labels=tf.range(tf.shape(similar)[0]), logits=similar)
        )


class DeepAndNormalised(SoundTask):
    """Many layers with statistics of a few examples: the last bit of a weight moves the update by thousands of bits."""

    def build_model(self):
        layers = tf.keras.layers
        stack = [layers.Input((NUM_FEATURES,))]
        for _ in range(12):
            stack += [layers.Dense(8, use_bias=False), layers.BatchNormalization(), layers.ReLU()]
        return tf.keras.Sequential([*stack, layers.Dense(NUM_CLASSES)])


class Blocks(SoundTask):
    """A subclassed model whose layers are attributes with fixed names, batch normalisation among them."""

    def build_model(self):
        class Net(tf.keras.Model):
            def __init__(self):
                super().__init__()
                for index in range(2):
                    setattr(self, f"dense_{index}", tf.keras.layers.Dense(4))
                    setattr(self, f"norm_{index}", tf.keras.layers.BatchNormalization())
                self.head = tf.keras.layers.Dense(NUM_CLASSES)
                self.checkpoint_items = {"head": self.head}

            def call(self, inputs, training=None):
                for index in range(2):
                    inputs = getattr(self, f"dense_{index}")(inputs)
                    inputs = getattr(self, f"norm_{index}")(inputs, training=training)
                return self.head(inputs)

        return Net()


def subject(factory, name, **traits):
    return Subject(factory, kind=Kind.TASK, name=name, traits=traits)


RUNS = [
    subject(lambda: SoundTask(dropout=0.5), "dropout that is not declared"),
    subject(lambda: SoundTask(batch_norm=True), "batch norm that is not declared"),
    subject(CountsOverAllReplicas, "normaliser counted over all replicas"),
    subject(GlobalBatchAndStatistics, "global batch size and batch norm"),
    subject(ScalesByThePolicy, "scales the loss by the policy"),
    subject(UndeclaredNoise, "noise that is not declared"),
    subject(Contrasts, "contrastive", batch_statistics=True),
    subject(Ragged, "ragged sequences"),
    subject(DeepAndNormalised, "deep and normalised"),
    subject(Blocks, "subclassed model with batch norm"),
]
EVALUATIONS = [
    subject(ObjectAsState, "an object as state, nested results"),
    subject(ArrayAsState, "an array as state"),
    subject(PadsTheLastBatch, "pads the last batch"),
]
PIPELINES = [
    subject(PadsTheLastBatch, "pads the last batch"),
    subject(Augments, "augments"),
    subject(AugmentsBesideAnId, "augments beside an id"),
    subject(HoldsCopies, "holds copies"),
    subject(ShufflesAcrossEpochs, "shuffles across epochs"),
    subject(DropsBeforeItRepeats, "drops before it repeats"),
    subject(FromAGenerator, "from a generator"),
    subject(PadsToTheLongest, "pads to the longest"),
    subject(Ragged, "ragged sequences"),
]
