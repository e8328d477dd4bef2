"""What these Tasks share, as a team's own utilities: one optimizer update in either Keras, and sharded, seeded data."""

import tensorflow as tf


def minimise(objective, tape, model, optimizer):
    """One update from the unscaled objective of this replica; `tape` is still recording."""
    with tape:
        scaled = objective / tf.distribute.get_strategy().num_replicas_in_sync
        if hasattr(optimizer, "get_scaled_loss"):  # a LossScaleOptimizer of tf_keras
            scaled = optimizer.get_scaled_loss(scaled)
        elif hasattr(optimizer, "scale_loss"):  # any optimizer of Keras 3, which unscales in apply
            scaled = optimizer.scale_loss(scaled)
    variables = model.trainable_variables
    gradients = tape.gradient(scaled, variables)
    if hasattr(optimizer, "get_unscaled_gradients"):
        gradients = optimizer.get_unscaled_gradients(gradients)
    optimizer.apply_gradients(zip(gradients, variables, strict=True))


def sharded(examples, input_context):
    """The examples of this host."""
    dataset = tf.data.Dataset.from_tensor_slices(examples)
    if input_context is not None and input_context.num_input_pipelines > 1:
        dataset = dataset.shard(input_context.num_input_pipelines, input_context.input_pipeline_id)
    return dataset


def host_batch_size(params, input_context):
    """The batch size on each replica of the global one."""
    if input_context is None:
        return params.global_batch_size
    return input_context.get_per_replica_batch_size(params.global_batch_size)


def batches(examples, params, input_context, *, buffer=64):
    """Shards, shuffles and repeats for training, and batches."""
    dataset = sharded(examples, input_context)
    if params.is_training:
        dataset = dataset.shuffle(buffer, seed=params.seed).repeat()
    return dataset.batch(host_batch_size(params, input_context), drop_remainder=params.drop_remainder)
