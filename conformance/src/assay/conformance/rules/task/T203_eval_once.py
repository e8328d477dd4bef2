"""T203 eval-once: an evaluation counts every example exactly once, whatever the batch size and the replicas."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np
from assay.conformance.context import Context
from assay.conformance.harness.pipelines.readings import example_rows
from assay.conformance.harness.tasks import (
    BATCH_SIZES,
    SINGLE,
    Account,
    Count,
    EvaluationData,
    account_of,
    contributions,
    count_of,
    evaluation_data,
    evaluation_runner,
    explain_count,
    explain_value,
    numbers_in,
    rehearse,
    same_step_logs,
)
from assay.conformance.lazy import tf
from assay.conformance.model import Level, Mode, NotApplicable, Rule, Subject, SubjectError, Target, Violation
from assay.conformance.specimens import SOUND_TASK, SoundTask

RULE = Rule(
    id="T203",
    slug="eval-once",
    level=Level.MUST,
    requirement="An evaluation counts every example exactly once, for any batch size, on any number of replicas, each "
    "time anew.",
    checks=(
        "Evaluates the first 23 examples (or all, when there are fewer) in batches of 8, 3 and 1, on one replica and "
        "on two, and the first of these once more after a shorter one. What an example adds to the variables of each "
        "metric is known from the batches of one: the sum over the examples is what each evaluation must add. Values "
        "of `reduce_aggregated_logs` must be the same for every batch size; one that is the number of batches is left "
        "alone. Where one is not, shorter evaluations tell which batch or replica is lost, or that it is a mean of "
        "means. No metric may be given the very same values twice by each validation step."
    ),
    why=(
        "The published number is the mean over the data set. A mean over batches gives the last, partial batch the "
        "weight of a whole one; padding that is counted, a first batch that a reset wipes out and a replica whose part "
        "is dropped move it by a few per cent: enough to rank models wrongly, too little to be seen."
    ),
    bad="""
def process_metrics(self, metrics, labels, model_outputs):
    hits = tf.reduce_mean(tf.cast(self.is_hit(labels, model_outputs), tf.float32))  # a mean over the batch ...
    metrics[0].update_state(hits)  # ... of which every batch counts the same, whatever its size
""",
    good="""
def process_metrics(self, metrics, labels, model_outputs):
    metrics[0].update_state(tf.cast(self.is_hit(labels, model_outputs), tf.float32))  # one value an example
""",
    modes=(Mode.GRAPH, Mode.REPLICAS),
    targets=(Target.CPU, Target.GPU, Target.TPU),
    traits=("eval_drops_remainder", "random_inference"),
    references=("tensorflow/tensorflow#25284", "google/flax#264", "google/uncertainty-baselines#303"),
)

_PARTS = 2  # fewer examples cannot be split in two ways


def check(ctx: Context) -> None:
    """Evaluate the same examples in batches of several sizes, and compare what was counted."""
    ctx.not_applicable_if("random_inference")
    data = evaluation_data(ctx)
    if data.examples < _PARTS or any(rows != 1 for rows in account_of(ctx, 1, mode=SINGLE).rows):
        raise NotApplicable(
            f"The validation data has {data.examples} examples in batches of one: it cannot be split in several ways."
        )
    first = account_of(ctx, BATCH_SIZES[0], mode=ctx.mode)
    if not first.initial and not numbers_in(first.evaluation.reduced):
        raise NotApplicable("The Task has no validation metrics, and reduce_aggregated_logs gives no numbers.")
    if ctx.mode is not Mode.REPLICAS:
        _check_given_once(ctx)
    _check_resets(first)
    _check_again(ctx, first)
    try:
        for size in BATCH_SIZES:
            view = _View(ctx, size, _account(ctx, size), data)
            _check_metrics(view)
            _check_reduced(view)
    except Violation:
        _check_same_examples(data)
        raise


def _check_same_examples(data: EvaluationData) -> None:
    """Raise when the pipeline draws the evaluation data anew for each batch size: then nothing can be compared."""
    rows = {size: [row for batch in batches for row in example_rows(batch)] for size, batches in data.batches.items()}
    single = rows[1]
    for size in BATCH_SIZES:
        for one, other in zip(zip(*single, strict=True), zip(*rows[size], strict=True), strict=False):
            if len(set(one) & set(other)) * _PARTS < len(set(other)):
                raise Violation(
                    f"the evaluation data is not the same from one build to the next: in batches of {size} most "
                    "examples hold a tensor that those in batches of one do not have",
                    cause="build_inputs draws the evaluation data, or augments it, at random",
                    fix="Draw evaluation data from a fixed seed, and augment only when `params.is_training` is true.",
                )


@dataclasses.dataclass(frozen=True)
class _View:
    """One evaluation, and what is known of its data.

    Attributes:
      ctx: The check's context.
      size: The batch size.
      account: The evaluation.
      data: The data.
    """

    ctx: Context
    size: int
    account: Account
    data: EvaluationData

    @property
    def examples(self) -> int:
        """How many examples should be counted: fewer than there are only when the remainder is dropped on purpose."""
        delivered = sum(self.account.rows)
        dropped = self.data.examples - delivered
        allowed = self.ctx.trait("eval_drops_remainder") and 0 < dropped < self.size
        return delivered if allowed else self.data.examples

    @property
    def comparable(self) -> bool:
        """Whether it should report what an evaluation of all examples does."""
        return self.examples == self.data.examples

    @property
    def where(self) -> str:
        """The batch size and the replicas, for messages."""
        replicas = self.account.evaluation.build.num_replicas
        return f"in batches of {self.size}" + (f" on {replicas} replicas" if replicas > 1 else "")


def _account(ctx: Context, size: int) -> Account:
    """The account of a size; a replica that gets no example at all must be able to live with it."""
    try:
        return account_of(ctx, size, mode=ctx.mode)
    except SubjectError as error:
        if ctx.mode is not Mode.REPLICAS or size > 1:
            raise
        raise Violation(
            f"with batches of one example on two replicas, where the second replica gets none, {error.doing} raised "
            f"{type(error.original).__name__}: {str(error.original).splitlines()[0][:200]}",
            cause="the step needs at least one example, and the last batch of a data set may have none for a replica",
            fix="Let the step work with tensors of no rows: tf.math.divide_no_nan, shapes from tf.shape, no x[0].",
        ) from error


def _check_given_once(ctx: Context) -> None:
    """Raise when each validation step gives a metric the very same values more than once."""
    seen = rehearse(ctx)
    names = [
        metric.name
        for metric in seen.training.build.validation_metrics
        if seen.calls_in_evaluation[id(metric)].given_twice
    ]
    if names:
        raise Violation(
            f"each validation step gives the metric {', '.join(names)} the same values at least twice",
            cause="the step updates its metrics itself, and calls process_metrics or a method of its base class too",
            fix="Update each metric in one place: in process_metrics, which the step calls once.",
        )


def _check_resets(account: Account) -> None:
    """Raise when a metric is back at its start after a call, although it was updated before."""
    before = account.initial
    for index, (called, state) in enumerate(account.states):
        for metric in account.evaluation.build.validation_metrics:
            names = [name for name in state if name.startswith(f"{metric.name}/")]
            moved = any(not np.array_equal(before[name], account.initial[name], equal_nan=True) for name in names)
            back = all(np.array_equal(state[name], account.initial[name], equal_nan=True) for name in names)
            if not (moved and back):
                continue
            step = index // 2 + 1
            lost = sum(account.rows[:step])
            raise Violation(
                f"{called} at batch {step} of {len(account.rows)} puts the metric {metric.name!r} back to its start: "
                f"{lost} of {sum(account.rows)} examples are lost",
                cause=(
                    "`aggregate_logs` resets the metric where an evaluation seems to begin (state=None), and the "
                    "first validation step has updated it already"
                    if called == "aggregate_logs"
                    else "the validation step resets a metric"
                ),
                fix="Leave the reset of what build_metrics returned to the loop, which does it before each evaluation.",
            )
        before = state


def _check_again(ctx: Context, first: Account) -> None:
    """Raise when a second evaluation in a row does not count what the first did."""
    # A shorter evaluation in between: what is kept of it shows, for its examples are not in the same proportion.
    evaluation_runner(ctx, ctx.mode)(first.evaluation.batches[:1])
    second = account_of(ctx, BATCH_SIZES[0], mode=ctx.mode, repetition=1)
    allowed = ctx.tolerance("metrics")
    values, again = (
        {**numbers_in(one.evaluation.metrics), **numbers_in(one.evaluation.reduced)} for one in (first, second)
    )
    start, after = second.initial, second.evaluation.after.validation_metrics
    kept = [name for name in start if not np.array_equal(start[name], first.initial[name], equal_nan=True)]
    changed = [name for name in values if not allowed.allows(again.get(name, np.nan), values[name])]
    ended = first.evaluation.after.validation_metrics
    if not changed and all(allowed.allows(after[name], ended[name]) for name in kept):
        return
    if not same_step_logs(first.evaluation, second.evaluation, allowed):
        raise NotApplicable(
            "The validation step answers differently to the same batch with the same weights (see rule T107), so that "
            "evaluations cannot be compared."
        )
    seen = "; ".join(f"{name} was {values[name]:.6g} and is {again.get(name, np.nan):.6g}" for name in changed[:3])
    raise Violation(
        "an evaluation of the same examples, after the first and a shorter one, does not give the same: "
        + (seen or f"{kept[0]} does not start at zero"),
        cause=(
            f"resetting the metric leaves {kept[0].partition(' ')[2]} as it was"
            if kept
            else "what was counted is kept in the Task, and the next evaluation adds to it"
        ),
        fix="Make a new state when aggregate_logs is given None, and let reset_state put every variable back.",
    )


def _check_metrics(view: _View) -> None:
    """Compare what was added to the metrics with the sum over the examples."""
    ctx, account = view.ctx, view.account
    allowed = ctx.tolerance("metrics")
    parts = contributions(ctx)[: view.examples]
    alone = numbers_in(account_of(ctx, 1, mode=SINGLE).evaluation.metrics)
    values = numbers_in(account.evaluation.metrics)
    for metric in account.evaluation.build.validation_metrics:
        names = [name for name in parts[0] if name.startswith(f"{metric.name}/") and name in account.added]
        sums = {name: np.sum([part[name] for part in parts], axis=0) for name in names}
        off = [name for name in names if not allowed.allows(account.added[name], sums[name])]
        if not off:
            continue
        own = [name for name in values if name == metric.name or name.startswith(f"{metric.name}/")]
        wrong = [name for name in own if view.comparable and not allowed.allows(values[name], alone[name])]
        count = count_of(account, parts, off)
        if count is not None and (wrong or not count.harmless):
            _raise_miscount(view, metric.name, count, wrong, values, alone)
        if wrong:
            name = wrong[0]
            raise Violation(
                f"the metric {name!r} is {values[name]:.6g} {view.where} and {alone[name]:.6g} in batches of 1, over "
                f"the same {view.examples} examples",
                cause=(
                    "each batch adds a value of its own (a mean over the batch, a score of the batch) and not the "
                    "counts of its examples; or what the model answers for an example depends on the others in its "
                    "batch, as with training=True (see T107)"
                ),
                fix="Update the metric with one value an example, or with counts and sums; never with a mean.",
            )


def _raise_miscount(
    view: _View, metric: str, count: Count, wrong: Sequence[str], values: dict[str, float], alone: dict[str, float]
) -> None:
    what, cause, fix = explain_count(count, view.account, view.examples, view.size)
    value = f" {wrong[0]!r} is {values[wrong[0]]:.6g}, and {alone[wrong[0]]:.6g} in batches of 1." if wrong else ""
    raise Violation(
        f"{view.where}, the metric {metric!r} counts {count.counted:.6g} where there are {view.examples} examples "
        f"({count.variable}), {count.counted / view.examples:.3g} times as many: {what}.{value}".rstrip("."),
        cause=cause,
        fix=fix,
    )


def _check_reduced(view: _View) -> None:
    """Compare the values of reduce_aggregated_logs with those of batches of one, on one replica."""
    alone = account_of(view.ctx, 1, mode=SINGLE)
    reference, values = (numbers_in(one.evaluation.reduced) for one in (alone, view.account))
    allowed = view.ctx.tolerance("metrics")
    if not view.comparable:
        return
    for name in values:
        if name not in reference or allowed.allows(values[name], reference[name]):
            continue
        if values[name] == len(view.account.rows) and reference[name] == len(alone.rows):
            continue  # a number of batches, which is meant to differ
        what, cause, fix = explain_value(view.ctx, name, view.account)
        raise Violation(
            f"{name!r} is {values[name]:.6g} {view.where} and {reference[name]:.6g} in batches of 1 on one replica, "
            f"over the same {view.examples} examples: {what}",
            cause=cause,
            fix=fix,
        )


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


class _MeanOfMeans(SoundTask):
    """Updates a mean with the mean of each batch."""

    def process_metrics(self, metrics: Any, labels: Any, model_outputs: Any) -> None:
        for metric in metrics:
            if metric.name == "confidence":
                metric.update_state(tf.reduce_mean(tf.reduce_max(tf.nn.softmax(model_outputs), axis=-1)))
            else:
                metric.update_state(labels, model_outputs)


class _MeanOfErrorRates(SoundTask):
    """Aggregates the error rate of each batch."""

    def aggregate_logs(self, state: Any, step_logs: Any) -> Any:
        rates = [
            1.0 - float(correct) / max(float(seen), 1.0)
            for correct, seen in zip(step_logs["correct"], step_logs["seen"], strict=True)
        ]
        return [*(state or []), float(np.mean(rates))]

    def reduce_aggregated_logs(self, aggregated_logs: Any, global_step: Any = None) -> dict[str, float]:
        return {"error_rate": float(np.mean(aggregated_logs))}


class _DropsTheFirst(SoundTask):
    def aggregate_logs(self, state: Any, step_logs: Any) -> dict[str, float]:
        if state is None:
            return {"correct": 0.0, "seen": 0.0}
        return super().aggregate_logs(state, step_logs)


class _CountsPadding(SoundTask):
    """Fills every batch of the validation data up with its first example."""

    def build_inputs(self, params: Any, input_context: Any = None) -> Any:
        dataset, size = super().build_inputs(params, input_context), params.global_batch_size

        def fill(tensor: Any) -> Any:
            missing = size - tf.shape(tensor)[0]
            return tf.concat([tensor, tf.repeat(tensor[:1], missing, axis=0)], axis=0)

        return dataset if params.is_training else dataset.map(lambda x, y: (fill(x), fill(y)))


class _DropsTheRemainder(SoundTask):
    def build_inputs(self, params: Any, input_context: Any = None) -> Any:
        dataset = super().build_inputs(params, input_context)
        return dataset.unbatch().batch(params.global_batch_size, drop_remainder=True)


class _Divides(SoundTask):
    """Divides by the number of examples of the replica, of which there may be none."""

    def validation_logs(self, labels: Any, outputs: Any, loss: Any) -> dict[str, Any]:
        logs = super().validation_logs(labels, outputs, loss)
        return {**logs, "correct": logs["correct"] / logs["seen"] * logs["seen"]}


class _NeverForgets(SoundTask):
    def __init__(self) -> None:
        super().__init__()
        self._counts: Any = None

    def aggregate_logs(self, state: Any, step_logs: Any) -> dict[str, float]:
        self._counts = super().aggregate_logs(self._counts, step_logs)
        return self._counts


class _FeedsItsMetricsTwice(SoundTask):
    def validation_step(self, inputs: Any, model: Any, metrics: Any = None) -> dict[str, Any]:
        features, labels = inputs
        self.process_metrics(metrics or [], labels, self.forward(model, features, training=False))
        return super().validation_step(inputs, model, metrics)


MUTANTS = (
    Subject(_ResetsAfterTheFirstUpdate, name="resets a metric after its first update"),
    Subject(_MeanOfMeans, name="a metric of means over batches"),
    Subject(_MeanOfErrorRates, name="the mean of the error rates of batches"),
    Subject(_DropsTheFirst, name="drops the first batch"),
    Subject(_CountsPadding, name="counts what fills the last batch"),
    Subject(_DropsTheRemainder, name="drops the last, partial batch in the pipeline"),
    Subject(_Divides, name="divides by the examples of a replica that has none"),
    Subject(_NeverForgets, name="keeps its counts between evaluations"),
    Subject(_FeedsItsMetricsTwice, name="feeds its metrics twice"),
)
TWIN = SOUND_TASK
