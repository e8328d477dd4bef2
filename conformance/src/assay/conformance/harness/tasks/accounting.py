"""Evaluations of the same examples in batches of several sizes, with the state of the metrics after every call.

What one example adds to a metric is known from the evaluation in batches of one. The sum of these is what an evaluation
must add, whatever the batch size and the number of replicas.
"""

from __future__ import annotations

import collections
import dataclasses
import itertools
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from assay.conformance.context import Context
from assay.conformance.harness.pipelines.components import make_component
from assay.conformance.harness.pipelines.datasets import build_dataset, data_params
from assay.conformance.harness.tasks.batches import validation_batches
from assay.conformance.harness.tasks.build import build_task
from assay.conformance.harness.tasks.runs import Evaluation, evaluate, validation_stepper
from assay.conformance.harness.tasks.snapshots import metric_state
from assay.conformance.model.errors import SubjectError
from assay.conformance.model.vocabulary import Mode

BATCH_SIZES = (8, 3, 1)
"""None divides the number of examples but 1, so that the last batch is partial."""

EXAMPLES = 23
"""How many examples are looked at: two whole batches and a partial one of the largest size."""

_SPARE_BATCHES = 2
"""More than the examples need: a pipeline that goes on for ever may have partial batches on the way."""

SINGLE = Mode.GRAPH
"""How one replica evaluates: many short steps, which are slow one operation at a time."""

AGGREGATED = "aggregate_logs"
"""What is called last for each batch."""

State = Mapping[str, np.ndarray]
Runner = Callable[..., "Account"]


@dataclasses.dataclass(frozen=True, eq=False)
class EvaluationData:
    """The first examples of the validation data, in batches of each size.

    Attributes:
      examples: How many examples there are, as batches of one count them.
      whole: Whether these are all, so that what the pipeline does at the end is seen.
      batches: The batches by batch size.
    """

    examples: int
    whole: bool
    batches: Mapping[int, tuple[Any, ...]]


@dataclasses.dataclass(frozen=True, eq=False)
class Account:
    """One evaluation, call by call.

    Attributes:
      evaluation: The record of the evaluation.
      rows: How many rows each batch has.
      states: What was called, and the state of the validation metrics afterwards, in order; empty when not watched.
    """

    evaluation: Evaluation
    rows: tuple[int, ...]
    states: tuple[tuple[str, State], ...]

    @property
    def initial(self) -> State:
        """The state of the metrics when the evaluation began."""
        return self.evaluation.before.validation_metrics

    @property
    def added(self) -> dict[str, np.ndarray]:
        """What the evaluation added to each variable of the metrics, in float64."""
        return added(self.initial, self.evaluation.after.validation_metrics)


def added(before: State, after: State) -> dict[str, np.ndarray]:
    """Return the differences of the numeric variables of two states, in float64; a start at infinity counts as zero."""
    return {
        name: after[name].astype(np.float64) - np.where(np.isfinite(before[name]), before[name], 0.0)
        for name in before
        if name in after and np.issubdtype(before[name].dtype, np.number) and before[name].shape == after[name].shape
    }


def evaluation_data(ctx: Context) -> EvaluationData:
    """Return the examples that evaluations are compared on, as the pipeline gives them for each batch size.

    A dataset with more examples than these is cut after them; one with fewer is read to its end.
    """

    def read() -> EvaluationData:
        single = validation_batches(ctx, global_batch_size=1, at_most=EXAMPLES + 1)
        count = sum(rows_of(batch) for batch in single)
        whole = count <= EXAMPLES
        examples = min(count, EXAMPLES)
        batches = {
            size: validation_batches(ctx, global_batch_size=size, at_most=-(-examples // size) + _SPARE_BATCHES)
            for size in BATCH_SIZES
        }
        return EvaluationData(
            examples, whole, batches if whole else {size: _cut(found, examples) for size, found in batches.items()}
        )

    return ctx.share("evaluation data", read)


class _Traced:
    """A build whose validation step is traced once for batches of all lengths, or once for each."""

    def __init__(self, ctx: Context, mode: Mode, *, any_length: bool) -> None:
        self.any_length = any_length
        self._build = build_task(ctx, mode=mode)
        self._stepper = validation_stepper(self._build, any_length=any_length)

    def run(self, batches: Sequence[Any], *, watched: bool) -> Account:
        states: list[tuple[str, State]] = []

        def record(called: str) -> None:
            states.append((called, metric_state(self._build, self._build.validation_metrics)))

        evaluation = evaluate(self._build, batches, stepper=self._stepper, after_call=record if watched else None)
        return Account(evaluation, tuple(map(rows_of, batches)), tuple(states))


def evaluation_runner(ctx: Context, mode: Mode) -> Runner:
    """Return what takes batches and returns the account of their evaluation, always with the same build and traces.

    With `watched=False` the states between calls are not recorded: reading a metric's state on replicas takes longer
    than a small step.
    """

    def make() -> Runner:
        state = _Traced(ctx, mode, any_length=_has_any_length(ctx))

        def run(batches: Sequence[Any], *, watched: bool = True) -> Account:
            nonlocal state
            try:
                return state.run(batches, watched=watched)
            except SubjectError:
                if not state.any_length:
                    raise
            # A step that needs to know the length of its batch may well be called with batches of known lengths.
            state = _Traced(ctx, mode, any_length=False)
            return state.run(batches, watched=watched)

        return run

    return ctx.share(("evaluation runner", mode), make)


def account_of(ctx: Context, size: int, *, mode: Mode, repetition: int = 0) -> Account:
    """Return the account of an evaluation of `evaluation_data` in batches of a size, shared by all rules.

    Args:
      ctx: The check's context.
      size: The global batch size, one of `BATCH_SIZES`.
      mode: `SINGLE`, or on replicas.
      repetition: Tells evaluations of the same data apart.

    Raises:
      SubjectError: If the subject's code raises.
    """
    return ctx.share(
        ("account", size, mode, repetition),
        lambda: evaluation_runner(ctx, mode)(
            evaluation_data(ctx).batches[size], watched=mode is SINGLE or size == BATCH_SIZES[0]
        ),
    )


def contributions(ctx: Context) -> list[dict[str, np.ndarray]]:
    """Return what each example adds to each variable of the validation metrics, on one replica in batches of one."""

    def measure() -> list[dict[str, np.ndarray]]:
        account = account_of(ctx, 1, mode=SINGLE)
        after = [state for called, state in account.states if called == AGGREGATED]
        return [added(one, other) for one, other in itertools.pairwise([account.initial, *after])]

    return ctx.share("contributions", measure)


def rows_of(batch: Any) -> int:
    """Return how many rows a batch has: the length that most of its tensors have."""
    import tensorflow as tf

    lengths = [int(leaf.shape[0]) for leaf in tf.nest.flatten(batch) if leaf.shape.rank]
    return collections.Counter(lengths).most_common(1)[0][0] if lengths else 0


def head_of(batch: Any, rows: int) -> Any:
    """Return the first rows of a batch; tensors whose length is not the batch's are left as they are."""
    import tensorflow as tf

    length = rows_of(batch)
    if rows >= length:
        return batch
    return tf.nest.map_structure(
        lambda leaf: leaf[:rows] if leaf.shape.rank and leaf.shape[0] == length else leaf, batch
    )


def _has_any_length(ctx: Context) -> bool:
    """Whether the data itself says that batches are of any length, so that a loop over it traces the step once."""
    import tensorflow as tf

    def look() -> bool:
        task = ctx.share("task for data", lambda: make_component(ctx))
        dataset = build_dataset(task, data_params(task, training=False, drop_remainder=False))
        specs = tf.nest.flatten(getattr(dataset, "element_spec", ()))
        shapes = [getattr(spec, "shape", None) for spec in specs]
        return any(shape is not None and shape.rank and shape[0] is None for shape in shapes)

    return ctx.share("validation batches of any length", look)


def _cut(batches: Sequence[Any], examples: int) -> tuple[Any, ...]:
    """The batches up to a number of examples, the last one cut."""
    kept: list[Any] = []
    for batch in batches:
        if examples > 0:
            kept.append(head_of(batch, examples))
            examples -= rows_of(kept[-1])
    return tuple(kept)
