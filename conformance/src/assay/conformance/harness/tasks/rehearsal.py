"""Training and then validation in one build, eagerly, with the metrics watched: who updates what, and when."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from assay.conformance.context import Context
from assay.conformance.harness.tasks.batches import training_batches, validation_batches
from assay.conformance.harness.tasks.build import build_task
from assay.conformance.harness.tasks.layer_calls import replaced_method
from assay.conformance.harness.tasks.runs import Evaluation, TrainRun, evaluate, train
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
    """

    updates: int = 0
    resets: int = 0


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
            evaluation = evaluate(build, batches)
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
        result = original(*args, **kwargs)
        setattr(calls, counter, before + 1)
        return result

    return method
