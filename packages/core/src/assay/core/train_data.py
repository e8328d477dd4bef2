"""Training data with a position: a resumed run goes on with the batch that comes next.

Two ways, because TensorFlow can save the iterator of one replica and not that of several (a `DistributedIterator` is
no trackable object in TensorFlow 2.21):

- One replica: the state of the iterator is saved, shuffle buffers included. Restoring costs nothing; the checkpoint
  grows by the content of the buffers.
- Several replicas, or a dataset given as a distributed one: the number of batches drawn is known, and on restoring
  the pipeline of each worker is made anew and skips that many. The checkpoint stays small; restoring reads and
  processes the skipped batches again.

Both are exact when the pipeline is deterministic: seeded shuffles, stateless augmentation.
"""

import logging
import threading
from collections.abc import Callable
from typing import Any

import tensorflow as tf
from assay.core.workers import is_multi_worker

_LOG = logging.getLogger(__name__)

DatasetFn = Callable[[tf.distribute.InputContext | None], tf.data.Dataset]


class TrainData(tf.__internal__.tracking.Trackable):
    """A supply of training batches that knows its position. Trackable: put it in a `tf.train.Checkpoint`.

    Args:
        source: A function from `InputContext` to a dataset with per-replica batches, or a `tf.data.Dataset` with
            global batches, or a distributed dataset.
        strategy: The strategy of the run; the current one when None.
        keep_position: Whether a checkpoint holds the position. Otherwise each run starts from the first batch.
    """

    def __init__(
        self, source: Any, strategy: tf.distribute.Strategy | None = None, *, keep_position: bool = True
    ) -> None:
        self._strategy = strategy or tf.distribute.get_strategy()
        self._source = source
        self._direct = has_single_replica(self._strategy) and (callable(source) or isinstance(source, tf.data.Dataset))
        self._iterator: Any = None
        self._drawn: int | None = 0
        self._state: _IteratorState | None = None
        self.batches_ahead = tf.Variable(0, dtype=tf.int64, trainable=False, name="batches_ahead")
        """Batches drawn beyond the global step: not 0 after a recovery, which goes back in steps and on in data."""
        self._track_trackable(self.batches_ahead, "batches_ahead")
        self._keep_position = keep_position
        if keep_position and self._direct:
            self._keep_position = self._can_be_saved()
        if self._keep_position and self._direct:
            self._state = _IteratorState(self)
            self._track_trackable(self._state, "iterator")

    def iterator_at(self, global_step: int) -> Any:
        """Return an iterator whose next batch is the one for the step after `global_step`.

        The same iterator as long as the steps follow each other. After a restore it is the restored one, or a new one
        that has skipped what was drawn before.

        Args:
            global_step: Steps taken so far.
        """
        wanted = global_step + int(self.batches_ahead.numpy())
        if self._state is not None and self._state.just_restored:
            self._state.just_restored = False
        elif self._iterator is None or (self._keep_position and self._drawn != wanted):
            self._iterator = self._new_iterator(skip=wanted if self._keep_position else 0)
        self._drawn = wanted
        return self._iterator

    def current_iterator(self) -> Any:
        """Return the iterator as it is; made at the first call."""
        if self._iterator is None:
            self._iterator = self._new_iterator(skip=0)
        return self._iterator

    def drew(self, num_batches: int) -> None:
        """Record that steps have drawn global batches from the iterator."""
        if self._drawn is not None:
            self._drawn += num_batches

    def lost_count(self) -> None:
        """Record that it is not known how many batches were drawn, as after an error inside a loop."""
        self._drawn = None

    def go_on_from(self, global_step: int) -> None:
        """Leave the data where it is although the global step has changed: the next batch is a new one."""
        if self._drawn is not None:
            self.batches_ahead.assign(self._drawn - global_step)

    def freeze(self) -> None:
        """Keep the present position for a checkpoint that a background thread writes later."""
        if self._state is not None:
            self._state.freeze()

    def _can_be_saved(self) -> bool:
        try:
            self.current_iterator()._serialize_to_tensors()
        except tf.errors.FailedPreconditionError as error:
            operation = error.message.split("}} ")[-1].split(" is stateful")[0]
            _LOG.warning(
                "The position in the training data cannot be saved: the input pipeline has the stateful operation %s. "
                "A resumed run will start from the first batch. Use stateless randomness (tf.random.stateless_*, "
                "seeded from the example or the step) and no Python functions, or set "
                "trainer.checkpoint_train_iterator=false to accept it.",
                operation,
            )
            return False
        return True

    def _new_iterator(self, skip: int) -> Any:
        if skip:
            _LOG.info("Skipping the %d batches of training data that were drawn before.", skip)
        if self._direct:
            dataset = self._source(tf.distribute.InputContext()) if callable(self._source) else self._source
            return iter(dataset.skip(skip) if skip else dataset)
        if callable(self._source):
            batches = skip * replicas_per_pipeline(self._strategy)
            return iter(
                self._strategy.distribute_datasets_from_function(
                    lambda context: self._source(context).skip(batches) if batches else self._source(context)
                )
            )
        if isinstance(self._source, tf.data.Dataset):
            dataset = self._source.skip(skip) if skip else self._source
            return iter(self._strategy.experimental_distribute_dataset(dataset))
        iterator = iter(self._source)
        for _ in range(skip):
            next(iterator)
        return iterator


class _IteratorState(tf.__internal__.tracking.Trackable):
    """The state of the iterator, under the key that `tf.train.Checkpoint(iterator=iterator)` would use.

    TensorFlow writes an asynchronous checkpoint from another thread, after training has gone on; variables are copied
    in time, iterators are not. So what that thread gets is the state that `freeze` has kept.
    """

    def __init__(self, data: TrainData) -> None:
        self._data = data
        self._frozen: dict[str, tf.Tensor] = {}
        self._freezer: int | None = None
        self.just_restored = False

    def freeze(self) -> None:
        """Keep the state for any thread other than this one."""
        self._frozen = self._data.current_iterator()._serialize_to_tensors()
        self._freezer = threading.get_ident()

    def _serialize_to_tensors(self) -> dict[str, tf.Tensor]:
        if self._freezer not in (None, threading.get_ident()):
            return self._frozen
        return self._data.current_iterator()._serialize_to_tensors()

    def _restore_from_tensors(self, restored_tensors: dict[str, tf.Tensor]) -> Any:
        result = self._data.current_iterator()._restore_from_tensors(restored_tensors)
        self.just_restored = True
        return result

    def _copy_trackable_to_cpu(self, object_map: Any) -> None:
        object_map[self] = self


def has_single_replica(strategy: tf.distribute.Strategy) -> bool:
    """Say whether one replica on this host's CPU or GPU does all the work.

    Then a plain iterator feeds it, which can be saved, and which is faster: a `DistributedIterator` costs about 0.4 ms
    a batch on a CPU, twice the time of a tiny step.
    """
    return (
        strategy.num_replicas_in_sync == 1
        and not is_multi_worker(strategy)
        and not isinstance(strategy, tf.distribute.TPUStrategy)
    )


def replicas_per_pipeline(strategy: tf.distribute.Strategy) -> int:
    """Return how many batches of one input pipeline make one step: one for each replica that the pipeline feeds."""
    if isinstance(strategy, tf.distribute.TPUStrategy):
        return strategy.num_replicas_in_sync // strategy.extended.num_hosts
    return len(strategy.extended.worker_devices)
