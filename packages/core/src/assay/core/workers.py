"""What several workers must do together: each collective operation on all of them, in the same order."""

import tensorflow as tf


def is_multi_worker(strategy: tf.distribute.Strategy) -> bool:
    """Say whether other processes take part in each step."""
    return bool(strategy.extended._in_multi_worker_mode())


def any_worker(strategy: tf.distribute.Strategy, flag: bool) -> bool:
    """Say whether `flag` is true on any worker. With several workers, all of them must call it at the same place."""
    if not is_multi_worker(strategy):
        return flag
    votes = strategy.run(lambda: tf.constant(float(flag)))
    return float(strategy.reduce(tf.distribute.ReduceOp.SUM, votes, axis=None)) > 0
