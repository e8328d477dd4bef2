"""T503 aggregate-protocol: every batch of an evaluation is in its result, and nothing of an earlier evaluation is."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from assay.conformance.context import Context
from assay.conformance.harness import require
from assay.conformance.harness.pipelines import make_component
from assay.conformance.harness.tasks import (
    Build,
    Evaluation,
    build_task,
    evaluate,
    is_plain,
    reported_values,
    same_step_logs,
    validation_batches,
)
from assay.conformance.lazy import tf
from assay.conformance.model import Level, Mode, NotApplicable, Rule, Subject, Target, Violation
from assay.conformance.specimens import SOUND_TASK, SoundTask
from assay.conformance.tolerances import Tolerance

RULE = Rule(
    id="T503",
    slug="aggregate-protocol",
    level=Level.MUST,
    requirement="An evaluation reports every batch, the first one included, in plain values, and starts clean.",
    checks=(
        "Runs short evaluations by the loop's protocol (`aggregate_logs(None, first)`, `aggregate_logs(state, next)`, "
        "`reduce_aggregated_logs(state)`, validation metrics reset before) over three validation batches in many "
        "orders. A reported value that depends on the last batch and never on the first has lost it. The first "
        "evaluation is repeated after another one, and must give the same. Reduced values are numbers, or images "
        "`[n, h, w, c]`, possibly in nested dicts."
    ),
    why=(
        "`if state is None: reset` after the step has already updated its metrics drops the first batch of every "
        "evaluation: with 10 batches a tenth of the data is not in the published number, and nobody notices because "
        "the number looks right. State that is kept in the Task mixes evaluations: the curve is a running mean."
    ),
    bad="""
def aggregate_logs(self, state, step_logs):
    if state is None:
        self.iou.reset_state()  # the validation step has updated it already
        return self.iou
    self.iou.update_state(step_logs["labels"][0], step_logs["logits"][0])
    return self.iou
""",
    good="""
def aggregate_logs(self, state, step_logs):
    if state is None:
        state = MeanIoU(num_classes=self.num_classes)
    for labels, logits in zip(step_logs["labels"], step_logs["logits"]):  # a tuple over the replicas
        state.update_state(labels, logits)
    return state

def reduce_aggregated_logs(self, aggregated_logs, global_step=None):
    return {"mean_iou": float(aggregated_logs.result())}
""",
    modes=(Mode.EAGER,),
    targets=(Target.CPU,),
    references=(
        "tensorflow/models: official/vision/tasks/semantic_segmentation.py resets its metrics in aggregate_logs",
        "orbit: StandardEvaluator.eval_reduce(state, step_outputs)",
    ),
)

BATCHES = 3
_NAMED_AT_MOST = 3

Values = Mapping[str, float]


def check(ctx: Context) -> None:
    """Evaluate a few batches in many orders, and compare what is reported."""
    task = ctx.share("task for data", lambda: make_component(ctx))
    require(task, "aggregate_logs")
    require(task, "reduce_aggregated_logs")
    batches, build = _three_batches(ctx), build_task(ctx)
    first = evaluate(build, batches[:2])
    _check_plain(first.reduced)
    pairs = {
        pair: evaluate(build, [batches[index] for index in pair])
        for pair in itertools.permutations(range(BATCHES), 2)
        if pair != (0, 1)
    }
    again = evaluate(build, batches[:2])
    _check_clean_start(ctx, first, again)
    _check_one_batch(build, first, batches)
    values = {pair: reported_values(evaluation) for pair, evaluation in {(0, 1): first, **pairs}.items()}
    _check_first_kept(build, batches, values, ctx.tolerance("metrics"))


def _three_batches(ctx: Context) -> list[Any]:
    """The first two validation batches and the last, or three pieces of the first when there are fewer."""
    batches = validation_batches(ctx)
    if len(batches) >= BATCHES:
        return [*batches[: BATCHES - 1], batches[-1]]
    first = batches[0]
    rows = max((int(leaf.shape[0]) for leaf in tf.nest.flatten(first) if leaf.shape.rank), default=0)
    if rows < BATCHES:
        raise NotApplicable(f"The validation data has fewer than {BATCHES} examples, so that no order can be varied.")
    bounds = np.linspace(0, rows, BATCHES + 1).astype(int)

    def piece(begin: int, end: int) -> Any:
        return tf.nest.map_structure(lambda leaf: leaf[begin:end] if leaf.shape.rank else leaf, first)

    return [piece(begin, end) for begin, end in itertools.pairwise(bounds.tolist())]


def _check_plain(reduced: Any, path: str = "") -> None:
    """Raise when a reduced value is neither a number nor images."""
    if not isinstance(reduced, Mapping):
        raise Violation(
            f"reduce_aggregated_logs returned {_described(reduced)}",
            cause="the result is not a dict",
            fix="Return a dict from names to numbers.",
        )
    for key, value in reduced.items():
        name = f"{path}{key}"
        if isinstance(value, Mapping):
            _check_plain(value, f"{name}/")
        elif not is_plain(value):
            raise Violation(
                f"reduce_aggregated_logs returned {_described(value)} under {name!r}",
                cause=(
                    "the values of the replicas were not joined"
                    if isinstance(value, tuple)
                    else "a value for each class or each example, or an object, is returned as it is"
                ),
                fix=(
                    "Return one number a name (a dict such as {'iou': {'road': 0.7, 'sky': 0.9}} for several), or "
                    "images as [n, height, width, channels]."
                ),
            )


def _described(value: Any) -> str:
    if value is None:
        return "None"
    if getattr(value, "shape", None) is not None and getattr(value, "dtype", None) is not None:
        return f"{tf.as_dtype(value.dtype).name} of shape {list(value.shape)}"
    length = f" of {len(value)}" if isinstance(value, list | tuple) else ""
    return f"a {type(value).__name__}{length}"


def _check_clean_start(ctx: Context, first: Evaluation, again: Evaluation) -> None:
    """Compare one evaluation with itself after others."""
    allowed = ctx.tolerance("metrics")
    before, after = reported_values(first), reported_values(again)
    changed = [name for name in before if not allowed.allows(after.get(name, np.nan), before[name])]
    if not changed and set(before) == set(after):
        return
    if not same_step_logs(first, again, allowed):
        raise NotApplicable(
            "The validation step answers differently to the same batch with the same weights (see rule T107), so that "
            "evaluations cannot be compared."
        )
    seen = "; ".join(f"{name} was {before[name]:.6g} and is {after.get(name, np.nan):.6g}" for name in changed)
    raise Violation(
        "the first evaluation, repeated after evaluations of other batches with the same weights, gives another "
        f"result: {seen or f'the names {sorted(before)} became {sorted(after)}'}",
        cause="what was aggregated is kept in the Task (an attribute, a metric) and survives the evaluation",
        fix="Make a new state when `aggregate_logs` is called with state=None, and keep nothing else.",
    )


def _check_one_batch(build: Build, pair: Evaluation, batches: Sequence[Any]) -> None:
    """An evaluation of a single batch reports the names that one of two batches does."""
    if not pair.reduced:
        return
    single = evaluate(build, batches[:1])
    missing = sorted(set(pair.reduced) - set(single.reduced))
    if missing:
        raise Violation(
            f"an evaluation of two batches reports {missing[:_NAMED_AT_MOST]}, and one of a single batch does not",
            cause="`aggregate_logs(None, first)` drops the first step's logs",
            fix="Take the logs of the first step into the new state: state=None means empty, not skip.",
        )


def _check_first_kept(
    build: Build, batches: Sequence[Any], values: Mapping[tuple[int, int], Values], allowed: Tolerance
) -> None:
    """Look for a value that some last batch changes, and that no first batch changes."""
    for name in values[0, 1]:
        table = {pair: result[name] for pair, result in values.items() if name in result}
        if len(table) < len(values):
            continue
        ignores_first = all(_alike(table, allowed, last=last) for last in range(BATCHES))
        if not ignores_first or all(_alike(table, allowed, first=first) for first in range(BATCHES)):
            continue
        shown = ", ".join(f"{value:.6g} over batches {a + 1} and {b + 1}" for (a, b), value in sorted(table.items()))
        longer = [evaluate(build, [batches[index] for index in order]) for order in ((0, 1, 2), (1, 0, 2))]
        three = [reported_values(evaluation).get(name) for evaluation in longer]
        only_last = allowed.allows(three[0], three[1])
        raise Violation(
            f"{name!r} does not depend on the first batch of an evaluation: {shown}",
            cause=(
                "each call of aggregate_logs starts anew, so that only the last batch is reported"
                if only_last
                else "`aggregate_logs(None, first)` drops the first step's logs, or resets a metric that the first "
                "step has updated already"
            ),
            fix="With state=None make an empty state, then add the logs of this step to it as at every other step.",
        )


def _alike(
    table: Mapping[tuple[int, int], float], allowed: Tolerance, *, first: int | None = None, last: int | None = None
) -> bool:
    """Whether the value is the same in both evaluations with this first, or this last batch."""
    kept = [value for (a, b), value in table.items() if (a == first if last is None else b == last)]
    return allowed.allows(kept[0], kept[1])


class _DropsTheFirst(SoundTask):
    def aggregate_logs(self, state: Any, step_logs: Any) -> dict[str, float]:
        if state is None:
            return {"correct": 0.0, "seen": 0.0}
        return super().aggregate_logs(state, step_logs)


class _ResetsAfterTheFirstUpdate(SoundTask):
    """Resets its metrics where an evaluation seems to begin, after the step has updated them."""

    def build_metrics(self, training: bool = True) -> list[Any]:
        metrics = super().build_metrics(training)
        if not training:
            self._metrics = metrics
        return metrics

    def aggregate_logs(self, state: Any, step_logs: Any) -> dict[str, float]:
        if state is None:
            for metric in self._metrics:
                metric.reset_state()
        return super().aggregate_logs(state, step_logs)


class _KeepsOnlyTheLast(SoundTask):
    def aggregate_logs(self, state: Any, step_logs: Any) -> dict[str, float]:
        return super().aggregate_logs(None, step_logs)


class _NeverForgets(SoundTask):
    def __init__(self) -> None:
        super().__init__()
        self._counts: Any = None

    def aggregate_logs(self, state: Any, step_logs: Any) -> dict[str, float]:
        self._counts = super().aggregate_logs(self._counts, step_logs)
        return self._counts


class _ReturnsAVector(SoundTask):
    def reduce_aggregated_logs(self, aggregated_logs: Any, global_step: Any = None) -> dict[str, Any]:
        return {"counts": np.array([aggregated_logs["correct"], aggregated_logs["seen"]])}


class _ReturnsTuples(SoundTask):
    def aggregate_logs(self, state: Any, step_logs: Any) -> Any:
        return dict(step_logs)

    def reduce_aggregated_logs(self, aggregated_logs: Any, global_step: Any = None) -> dict[str, Any]:
        return dict(aggregated_logs)


MUTANTS = (
    Subject(_DropsTheFirst, name="drops the first batch"),
    Subject(_ResetsAfterTheFirstUpdate, name="resets a metric after its first update"),
    Subject(_KeepsOnlyTheLast, name="keeps the last batch only"),
    Subject(_NeverForgets, name="keeps its counts between evaluations"),
    Subject(_ReturnsAVector, name="reduces to a vector"),
    Subject(_ReturnsTuples, name="returns tuples over the replicas"),
)
TWIN = SOUND_TASK
