"""Training and then validation in one build, eagerly, with the metrics watched: who updates what, and when."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import hashlib
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np
from assay.conformance.context import Context
from assay.conformance.harness.tasks.batches import training_batches, validation_batches
from assay.conformance.harness.tasks.build import build_task
from assay.conformance.harness.tasks.layer_calls import replaced_method
from assay.conformance.harness.tasks.runs import Evaluation, TrainRun, evaluate, train
from assay.conformance.harness.values import as_numpy
from assay.conformance.model.vocabulary import Mode

_STEPS = 2
_EVALUATED = 4
_MOMENTUM = 0.9
_RESETS = ("reset_state", "reset_states")


@dataclasses.dataclass
class MetricCalls:
    """What was called on one metric.

    Attributes:
      updates: Calls of `update_state`.
      resets: Calls of `reset_state`, under either of its names.
      steps: For each validation step, a digest of what each update in it was given; None for one that tells nothing,
        such as a scalar or a tensor of equal numbers.
    """

    updates: int = 0
    resets: int = 0
    steps: list[list[str | None]] = dataclasses.field(default_factory=lambda: [[]])

    @property
    def given_twice(self) -> bool:
        """Whether every step gives the metric everything, as far as that can be told, at least twice."""
        telling = [[digest for digest in step if digest is not None] for step in self.steps]
        return any(telling) and all(step.count(digest) > 1 for step in telling for digest in step)


@dataclasses.dataclass(frozen=True, eq=False)
class Rehearsal:
    """Training steps and then a short evaluation, with slot variables and moved statistics, as in a real run.

    Attributes:
      training: The training steps.
      evaluation: A pass over the first few and the last of the validation batches after them.
      calls_in_training: What the training steps called on each metric, by its identity.
      calls_in_evaluation: What the evaluation called; the loop's own reset before it is one of the resets.
    """

    training: TrainRun
    evaluation: Evaluation
    calls_in_training: Mapping[int, MetricCalls]
    calls_in_evaluation: Mapping[int, MetricCalls]


def rehearse(ctx: Context) -> Rehearsal:
    """Return the rehearsal, shared by all rules.

    Raises:
      SubjectError: If a step raises.
    """

    def run() -> Rehearsal:
        build = build_task(ctx, mode=Mode.EAGER, momentum=_MOMENTUM)
        metrics = {id(metric): metric for metric in [*build.train_metrics, *build.validation_metrics]}
        batches = validation_batches(ctx)
        batches = (*batches[: _EVALUATED - 1], *batches[_EVALUATED - 1 :][-1:])  # the last may be a partial one
        with watching_metrics(metrics) as in_training:
            training = train(build, training_batches(ctx, _STEPS))
        with watching_metrics(metrics) as in_evaluation:

            def end_step(called: str) -> None:
                if called == "validation_step":
                    for calls in in_evaluation.values():
                        calls.steps.append([])

            evaluation = evaluate(build, batches, after_call=end_step)
        return Rehearsal(training, evaluation, in_training, in_evaluation)

    return ctx.share("rehearsal", run)


@contextlib.contextmanager
def watching_metrics(metrics: Mapping[int, Any]) -> Iterator[dict[int, MetricCalls]]:
    """Count what is called on metrics while the block runs; in eager mode these are the calls of the steps."""
    counts = {key: MetricCalls() for key in metrics}
    with contextlib.ExitStack() as stack:
        for key, metric in metrics.items():
            for name in ("update_state", *_RESETS):
                if callable(getattr(metric, name, None)):
                    counter = "updates" if name == "update_state" else "resets"
                    stack.enter_context(replaced_method(metric, name, _counting(metric, name, counts[key], counter)))
        yield counts


def _counting(metric: Any, name: str, calls: MetricCalls, counter: str) -> Callable[..., Any]:
    """Return the method with a counter; one that calls itself under its other name counts once."""
    original = getattr(metric, name)

    @functools.wraps(original)
    def method(*args: Any, **kwargs: Any) -> Any:
        before = getattr(calls, counter)
        if counter == "updates":
            calls.steps[-1].append(_digest((args, kwargs)))
        result = original(*args, **kwargs)
        setattr(calls, counter, before + 1)
        return result

    return method


def _digest(arguments: Any) -> str | None:
    """A digest of what a metric is given; None when it may well be given the same again by chance."""
    import tensorflow as tf

    leaves = [leaf for leaf in tf.nest.flatten(arguments, expand_composites=True) if leaf is not None]
    if not all(hasattr(leaf, "numpy") or isinstance(leaf, np.ndarray) for leaf in leaves):
        return None
    arrays = [as_numpy(leaf) for leaf in leaves]
    if not any(array.dtype != object and array.size > 1 and np.any(array != array.flat[0]) for array in arrays):
        return None
    content = b"".join(f"{array.dtype}{array.shape}".encode() + array.tobytes() for array in arrays)
    return hashlib.blake2b(content, digest_size=16).hexdigest()
