"""Time per training step of the loop on a tiny model, beside a loop written by hand on the same model.

Dense 16-32-10, SGD, batch 8, 1,000 steps a loop, no summaries, no checkpoints: what is measured is the loop itself.
Both read the same cached dataset through an iterator; the hand-written loop returns its mean loss, as the trainer does.
"""

from typing import Any

from tools.bench.paired import interleave, report

STEPS = 1000
BATCH = 8
FEATURES, HIDDEN, CLASSES = 16, 32, 10
LEARNING_RATE = 0.01


def dataset() -> Any:
    """Endless batches of one fixed random example set, from memory."""
    import tensorflow as tf

    generator = tf.random.Generator.from_seed(0)
    features = generator.normal([64 * BATCH, FEATURES])
    labels = generator.uniform([64 * BATCH], maxval=CLASSES, dtype=tf.int32)
    return tf.data.Dataset.from_tensor_slices((features, labels)).batch(BATCH, drop_remainder=True).cache().repeat()


def tiny_model() -> Any:
    """Dense 16-32-10."""
    import tensorflow as tf

    layers = [
        tf.keras.layers.Input([FEATURES]),
        tf.keras.layers.Dense(HIDDEN, "relu"),
        tf.keras.layers.Dense(CLASSES),
    ]
    return tf.keras.Sequential(layers)


def mean_loss(labels: Any, logits: Any) -> Any:
    """The cross-entropy that all alternatives use."""
    import tensorflow as tf

    return tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(labels, logits))


def hand_written() -> Any:
    """Return a function that runs `STEPS` steps in one `tf.function` with `tf.range`."""
    import tensorflow as tf

    model, optimizer = tiny_model(), tf.keras.optimizers.SGD(LEARNING_RATE)
    iterator = iter(dataset())

    @tf.function
    def loop(iterator: Any, steps: Any) -> Any:
        total = tf.constant(0.0)
        for _ in tf.range(steps):
            features, labels = next(iterator)
            with tf.GradientTape() as tape:
                loss = mean_loss(labels, model(features, training=True))
            gradients = tape.gradient(loss, model.trainable_variables)
            optimizer.apply_gradients(list(zip(gradients, model.trainable_variables, strict=True)))
            total += loss
        return total / tf.cast(steps, tf.float32)

    return lambda: float(loop(iterator, tf.constant(STEPS)))


def with_trainer() -> Any:
    """Return a function that runs `STEPS` steps of `assay.core.Trainer`."""
    import tensorflow as tf
    from assay.core import Task, Trainer
    from assay.core.config import DataConfig, ExperimentConfig, TaskConfig, TrainerConfig

    class TinyTask(Task):
        """The same model, data and loss as a Task."""

        def build_model(self) -> Any:
            return tiny_model()

        def build_inputs(self, params: Any, input_context: Any = None) -> Any:
            return dataset()

        def build_losses(self, labels: Any, model_outputs: Any, aux_losses: Any = None) -> Any:
            return mean_loss(labels, model_outputs)

    config = ExperimentConfig(
        task=TaskConfig(train_data=DataConfig(is_training=True, global_batch_size=BATCH)),
        trainer=TrainerConfig(steps_per_loop=STEPS, train_steps=STEPS),
    )
    task = TinyTask(config.task)
    trainer = Trainer(config, task, optimizer=tf.keras.optimizers.SGD(LEARNING_RATE), evaluate=False)
    # The trainer's loop grows its chunks from one step; the rounds are timed once they have their full length.
    for _ in range(12):
        trainer.train(tf.constant(STEPS))
    return lambda: float((trainer.train(tf.constant(STEPS)) or {})["training_loss"])


def with_fit(steps_per_execution: int) -> Any:
    """Return a function that runs `STEPS` steps of Keras' own `fit`."""
    import tensorflow as tf

    model = tiny_model()
    loss = tf.keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    optimizer = tf.keras.optimizers.SGD(LEARNING_RATE)
    model.compile(optimizer=optimizer, loss=loss, steps_per_execution=steps_per_execution)
    data = dataset()
    return lambda: model.fit(data, steps_per_epoch=STEPS, verbose=0).history["loss"][0]


def main() -> None:
    """Print the table for the Keras flavour in use."""
    import tensorflow as tf

    flavour = "tf_keras" if tf.keras.Model.__module__.startswith("tf_keras") else "Keras 3"
    timings = interleave(
        {
            "hand-written tf.range loop": hand_written(),
            "assay.core.Trainer": with_trainer(),
            "Keras fit, 100 steps a call": with_fit(100),
            "Keras fit": with_fit(1),
        }
    )
    title = f"Time per step, Dense {FEATURES}-{HIDDEN}-{CLASSES}, batch {BATCH}, {STEPS} steps a loop, {flavour}"
    print(report(title, timings, per=STEPS, unit="us"))


if __name__ == "__main__":
    main()
