"""What the tests of the losses share: gradients, their central differences, and textbook functions in NumPy float64."""

import numpy as np
import tensorflow as tf
from assay.conformance import Mode, Target
from assay.conformance.harness.strategies import strategy_for


def value_and_gradient(function, point):
    """The summed value of `function(point)` and its gradient, as NumPy."""
    tensor = tf.constant(point)
    with tf.GradientTape() as tape:
        tape.watch(tensor)
        value = tf.reduce_sum(function(tensor))
    return value.numpy(), tape.gradient(value, tensor).numpy()


def central_differences(function, point, *, step=1e-6):
    """The gradient of the summed value at a float64 point, entry by entry."""
    point = np.asarray(point, np.float64)
    moved = np.repeat(point[np.newaxis], 2 * point.size, axis=0).reshape(2 * point.size, -1)
    moved[np.arange(point.size), np.arange(point.size)] += step
    moved[point.size + np.arange(point.size), np.arange(point.size)] -= step
    totals = [float(tf.reduce_sum(function(tf.constant(each.reshape(point.shape))))) for each in moved]
    return (np.array(totals[: point.size]) - np.array(totals[point.size :])).reshape(point.shape) / (2 * step)


def assert_gradient_is_numeric(function, point, *, step=1e-6, atol=1e-7):
    """The gradient at a float64 point equals its central differences."""
    point = np.asarray(point, np.float64)
    _, gradient = value_and_gradient(function, point)

    np.testing.assert_allclose(gradient, central_differences(function, point, step=step), atol=atol, rtol=1e-5)


def softmax(logits):
    """Softmax over the last axis, float64."""
    powers = np.exp(np.asarray(logits, np.float64) - np.max(logits, axis=-1, keepdims=True))
    return powers / powers.sum(-1, keepdims=True)


def log_softmax(logits):
    """Its logarithm, exact for large logits."""
    logits = np.asarray(logits, np.float64)
    top = logits.max(-1, keepdims=True)
    return logits - top - np.log(np.exp(logits - top).sum(-1, keepdims=True))


def sigmoid(logits):
    """Sigmoid, float64."""
    return np.exp(-np.logaddexp(0, -np.asarray(logits, np.float64)))


def on_two_replicas(function, *batches):
    """What `function(*batch)` returns on each of two replicas, each with its own batch, as NumPy.

    Args:
        function: Called in replica context.
        batches: Two tuples of arrays (possibly nested), one per replica.
    """
    # The suite's own: two strategies on the CPUs of one process disturb each other.
    strategy = strategy_for(Target.CPU, Mode.REPLICAS)
    batches = [tf.nest.map_structure(tf.constant, batch) for batch in batches]
    arguments = strategy.experimental_distribute_values_from_function(
        lambda context: batches[context.replica_id_in_sync_group]
    )
    results = tf.function(lambda given: strategy.run(lambda batch: function(*batch), args=(given,)))(arguments)
    return [result.numpy() for result in strategy.experimental_local_results(results)]
