"""Inner loops around a user's own step: subclass, write a step, choose how it is compiled.

```python
class Mine(StandardTrainer):
    def train_step(self, iterator):
        strategy.run(step, args=(next(iterator),))
```
"""

import abc
import contextlib
import dataclasses
import time
from collections.abc import Callable, Iterable
from typing import Any

import tensorflow as tf
from assay.core.runner import RUN_UNTIL_EXHAUSTED, AbstractEvaluator, AbstractTrainer, Output

CHUNK_SECONDS = 1.0
"""A chunk of a loop grows until it takes about so long: how soon a run notices Ctrl-C, and how often the bar moves."""

_LARGEST_INT32 = 2**31 - 1
_END_OF_DATA = "End of sequence"


@dataclasses.dataclass(frozen=True)
class StandardTrainerOptions:
    """How the training loop is compiled.

    Attributes:
        use_tf_function: Trace the steps into a graph.
        use_tf_while_loop: Run many steps in one call of that graph. Needs `use_tf_function`.
    """

    use_tf_function: bool = True
    use_tf_while_loop: bool = True

    def __post_init__(self) -> None:
        _check_options(self.use_tf_function, self.use_tf_while_loop)


@dataclasses.dataclass(frozen=True)
class StandardEvaluatorOptions:
    """How the evaluation loop is compiled.

    Attributes:
        use_tf_function: Trace the step into a graph.
        use_tf_while_loop: Run the whole evaluation in one call of that graph. Needs `use_tf_function`; then the steps'
            outputs do not reach the host, so `eval_reduce` is not called.
    """

    use_tf_function: bool = True
    use_tf_while_loop: bool = False

    def __post_init__(self) -> None:
        _check_options(self.use_tf_function, self.use_tf_while_loop)


class StandardTrainer(AbstractTrainer):
    """A training loop around `train_step(iterator)`.

    A loop is run in chunks of about `CHUNK_SECONDS`, which cost nothing (one call of the same graph each) and let the
    loop report progress and stop early. The chunks grow from one step, as the time of a step is not known before.

    Attributes:
        on_progress: Called with the number of steps after each chunk, None for nobody.
        should_stop: Asked after each chunk; when it says True, `train` returns the logs of what ran.
        whole_loops: Run each loop in one chunk. Several workers need it, as they would choose different chunks.
    """

    def __init__(self, train_dataset: Iterable[Any] | None, *, options: StandardTrainerOptions | None = None) -> None:
        self._train_options = options or StandardTrainerOptions()
        self._train_dataset = train_dataset
        self._train_iterator: Any = None
        self._train_loop: Callable[[Any, int], None] | None = None
        self._chunk = 1
        self.on_progress: Callable[[int], None] | None = None
        self.should_stop: Callable[[], bool] | None = None
        self.whole_loops = False

    def train_loop_begin(self) -> None:
        """Run before the steps of each loop, eagerly: reset metrics here."""

    @abc.abstractmethod
    def train_step(self, iterator: Any) -> None:
        """Run one step on all replicas: `strategy.run(step_fn, args=(next(iterator),))`. In `tf.function`."""

    def train_chunk_end(self, num_steps: int) -> None:
        """Run after each chunk of a loop, eagerly, with the number of steps of the chunk."""

    def train_loop_end(self) -> Output | None:
        """Return the logs of a loop, eagerly, after its last step."""
        return None

    def train_iterator(self) -> Any:
        """Return the iterator to go on with. By default one iterator is made at the first call, and used up."""
        if self._train_iterator is None:
            self._train_iterator = iter(self._train_dataset or ())
        return self._train_iterator

    def train(self, num_steps: tf.Tensor) -> Output | None:
        """Run `num_steps` steps; see `AbstractTrainer`."""
        self.train_loop_begin()
        iterator = self.train_iterator()
        if self._train_loop is None:
            self._train_loop = _make_train_loop(self.train_step, self._train_options)
        remaining = int(num_steps)
        while remaining > 0:
            steps = remaining if self.whole_loops else min(remaining, self._chunk)
            started = time.perf_counter()
            self._train_loop(iterator, steps)
            self.train_chunk_end(steps)
            seconds = time.perf_counter() - started
            if steps == self._chunk and seconds < CHUNK_SECONDS / 2:
                self._chunk *= 2
            elif seconds > 2 * CHUNK_SECONDS:
                self._chunk = max(1, self._chunk // 2)
            remaining -= steps
            if self.on_progress is not None:
                self.on_progress(steps)
            if self.should_stop is not None and self.should_stop():
                break
        return self.train_loop_end()


class StandardEvaluator(AbstractEvaluator):
    """An evaluation loop around `eval_step(iterator)`, from the beginning of the data each time.

    Attributes:
        on_eval_progress: Called with the number of steps after each step, None for nobody.
        eval_steps_taken: Steps of the last evaluation; None when a device loop ran them and did not count.
    """

    def __init__(self, eval_dataset: Iterable[Any] | None, *, options: StandardEvaluatorOptions | None = None) -> None:
        self._eval_options = options or StandardEvaluatorOptions()
        self._eval_dataset = eval_dataset
        self._eval_loop: Callable[[Any, int, Any], Any] | None = None
        self.on_eval_progress: Callable[[int], None] | None = None
        self.eval_steps_taken: int | None = None

    def eval_begin(self) -> Any:
        """Run before the steps of an evaluation, eagerly: reset metrics here. Returns the state to begin with."""
        return None

    @abc.abstractmethod
    def eval_step(self, iterator: Any) -> Any:
        """Run one step on all replicas, in `tf.function`; its outputs go to `eval_reduce`.

        The data ends in the middle of a step, and then TensorFlow still runs what does not depend on the batch, such
        as adding a known batch size to a count. So use the batch inside `with after(batch):`.
        """

    def eval_reduce(self, state: Any, step_outputs: Any) -> Any:
        """Take the outputs of one step into the state, on the host; returns the new state."""
        del step_outputs
        return state

    def eval_end(self, state: Any) -> Output | None:
        """Return the logs of an evaluation, eagerly, after its last step."""
        del state
        return None

    def eval_iterator(self) -> Any:
        """Return an iterator that is at the beginning of the data."""
        return iter(self._eval_dataset or ())

    def evaluate(self, num_steps: tf.Tensor) -> Output | None:
        """Run `num_steps` steps, -1 for all; see `AbstractEvaluator`."""
        state = self.eval_begin()
        if self._eval_loop is None:
            self._eval_loop = self._make_eval_loop()
        limit = int(num_steps)
        steps = _LARGEST_INT32 if limit == RUN_UNTIL_EXHAUSTED else limit
        try:
            state = self._eval_loop(self.eval_iterator(), steps, state)
        except tf.errors.OutOfRangeError as error:
            if limit != RUN_UNTIL_EXHAUSTED or not ends_data(error):
                raise
        return self.eval_end(state)

    def _make_eval_loop(self) -> Callable[[Any, int, Any], Any]:
        if self._eval_options.use_tf_while_loop:
            run = _make_while_loop(self.eval_step)

            def loop(iterator: Any, steps: int, state: Any) -> Any:
                self.eval_steps_taken = None
                run(iterator, tf.constant(steps))
                return state

            return loop
        step = tf.function(self.eval_step) if self._eval_options.use_tf_function else self.eval_step

        def python_loop(iterator: Any, steps: int, state: Any) -> Any:
            self.eval_steps_taken = 0
            for _ in range(steps):
                try:
                    outputs = step(iterator)
                except StopIteration:
                    break
                except tf.errors.OutOfRangeError as error:
                    if steps != _LARGEST_INT32 or not ends_data(error):
                        raise
                    break
                self.eval_steps_taken += 1
                state = self.eval_reduce(state, outputs)
                if self.on_eval_progress is not None:
                    self.on_eval_progress(1)
            return state

        return python_loop


def after(batch: Any) -> contextlib.AbstractContextManager[Any]:
    """Make what is traced inside a `with` run only when `batch` has come: use it around an evaluation step.

    Args:
        batch: Any nest of tensors, what `next(iterator)` returned, in replica context.
    """
    return tf.control_dependencies(tf.nest.flatten(batch, expand_composites=True))


def ends_data(error: tf.errors.OutOfRangeError) -> bool:
    """Tell the end of a dataset from an index out of range inside a step."""
    return _END_OF_DATA in str(error)


def _make_train_loop(step: Callable[[Any], None], options: StandardTrainerOptions) -> Callable[[Any, int], None]:
    if options.use_tf_while_loop:
        run = _make_while_loop(step)
        return lambda iterator, steps: run(iterator, tf.constant(steps))
    one = tf.function(step) if options.use_tf_function else step

    def loop(iterator: Any, steps: int) -> None:
        for _ in range(steps):
            one(iterator)

    return loop


def _make_while_loop(step: Callable[[Any], Any]) -> Callable[[Any, tf.Tensor], None]:
    @tf.function
    def loop(iterator: Any, num_steps: tf.Tensor) -> None:
        for _ in tf.range(num_steps):
            # Without an own name scope every op of the step is renamed, and so are its summaries.
            with tf.name_scope(""):
                step(iterator)

    return loop


def _check_options(use_tf_function: bool, use_tf_while_loop: bool) -> None:
    if use_tf_while_loop and not use_tf_function:
        raise ValueError(
            "`use_tf_while_loop=True` needs `use_tf_function=True`: a while loop exists in a graph only "
            "(in a configuration: set train_tf_while_loop, or eval_tf_while_loop, to false as well)."
        )
