"""Why an evaluation counts too few or too many: which batch, which replica, or a mean of means."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from assay.conformance.context import Context
from assay.conformance.harness.tasks.accounting import SINGLE, Account, account_of, evaluation_runner, rows_of
from assay.conformance.harness.tasks.batches import split_batch
from assay.conformance.harness.tasks.reported import numbers_in, reported_values
from assay.conformance.model.errors import NotApplicable, NotRun, SubjectError
from assay.conformance.tolerances import Tolerance

Explanation = tuple[str, str, str]
"""What was counted, why, and how to mend it."""

_ONE_VALUE = "Update with one value an example, or with sums and counts, and divide once at the end."
_SUMS_AND_COUNTS = (
    "Let validation_step return sums and counts, add them up over steps and replicas in aggregate_logs, and divide in "
    "reduce_aggregated_logs."
)
_ALL_REPLICAS = "Each leaf of step_logs is a tuple over the replicas: loop over it, `for part in step_logs[key]`."
_ORDINALS = ("first", "second", "third", "fourth")
_EMPTY_STATE = "With state=None make an empty state, then add the logs of this step to it as at every other step."


@dataclasses.dataclass(frozen=True)
class Count:
    """How many examples a variable of a metric has counted.

    Attributes:
      variable: The variable's name.
      counted: What it holds, in units of what one example adds.
      updates: How many batches there were.
    """

    variable: str
    counted: float
    updates: int

    @property
    def harmless(self) -> bool:
        """Whether it counts updates, or is a flag: no matter while the metric's result is right."""
        return bool(np.isclose(self.counted, self.updates) or np.isclose(self.counted, 1.0))


def count_of(account: Account, parts: Sequence[Mapping[str, np.ndarray]], names: Sequence[str]) -> Count | None:
    """Return how many examples the first variable counts to which every example adds the same; None without one.

    Args:
      account: An evaluation.
      parts: What each example adds to each variable, in batches of one.
      names: Variables of the metric.
    """
    for name in names:
        units = np.stack([part[name] for part in parts])
        # One to which only the first adds is started anew at each step.
        steady = np.ptp(units, axis=0).max(initial=0.0) == 0.0 or not np.any(units[1:])
        if steady and np.any(units[0]):
            counted = float(np.sum(account.added[name]) / np.sum(units[0]))
            return Count(name.partition(" ")[2] or name, counted, len(account.rows))
    return None


def explain_count(count: Count, account: Account, examples: int, size: int) -> Explanation:
    """Return which examples a count leaves out or counts twice.

    Args:
      count: The count.
      account: The evaluation.
      examples: How many examples should be counted.
      size: The batch size.
    """
    rows, delivered = account.rows, sum(account.rows)
    replicas = account.evaluation.build.num_replicas
    firsts = sum(-(-one // replicas) for one in rows)
    last = f"the last batch of {rows[-1]}"

    def told(number: float) -> bool:
        return bool(np.isclose(count.counted, number))

    if delivered != examples and told(delivered):
        if delivered < examples:
            return (
                f"the data gives {delivered} of {examples} examples",
                "the pipeline drops the last, partial batch (drop_remainder=True) in evaluation",
                "Keep the remainder when `params.is_training` is false, or declare the trait 'eval_drops_remainder'.",
            )
        return (
            f"the data gives {delivered} rows for {examples} examples",
            "the last batch is filled up with examples or padding, and the metric counts them",
            "Yield a weight of 0 for what fills a batch, and pass it to the metrics as sample_weight.",
        )
    if told(len(rows)):
        return (
            f"one for each of the {len(rows)} batches, so that {last} weighs as much as one of {size}",
            "a mean of means: the metric is updated with the mean over the batch",
            _ONE_VALUE,
        )
    if replicas > 1 and told(len(rows) * replicas):
        return (
            f"one for each of {len(rows)} batches on each of {replicas} replicas",
            "a mean of means: the metric is updated with the mean over the replica's part of the batch",
            _ONE_VALUE,
        )
    if told(examples - rows[0]):
        return (
            f"the first batch of {rows[0]} is lost",
            "the metric is reset, or its state dropped, after the first step has updated it",
            "Leave the reset of what build_metrics returned to the loop, which does it before each evaluation.",
        )
    if told(rows[-1]):
        return (
            f"{last} alone is counted",
            "the metric is reset at every step, or assigned instead of added to",
            "Add to the metric in each validation step, and leave its reset to the loop.",
        )
    if told(examples - rows[-1]):
        return (
            f"{last} is left out",
            "the step leaves out batches that are smaller than the others",
            "Count every batch: take sizes from tf.shape, and mask what is padding.",
        )
    if told(len(rows) * size):
        return (
            f"{last} counts as one of {size}",
            "the step divides or weighs by the configured batch size, or pads the batch and counts the padding",
            "Take the number of examples from the batch, and give padding a weight of 0.",
        )
    if replicas > 1 and told(firsts):
        return ("only the part of the first replica is counted", "the other replicas' updates are lost", _ALL_REPLICAS)
    times = count.counted / examples
    if times > 1 and np.isclose(times, round(times)):
        return (
            f"each example is counted {round(times)} times",
            (
                "each replica adds up what all of them see"
                if replicas > 1
                else "the step updates the metric several times with the same examples"
            ),
            "Update each metric once a step, with the examples of the replica.",
        )
    return (
        "no batch or replica accounts for the difference",
        "the step weighs or leaves out examples by what else is in the batch, or by a count of its own",
        _ONE_VALUE,
    )


def explain_value(ctx: Context, name: str, account: Account) -> Explanation:
    """Return why a value of reduce_aggregated_logs depends on the batch size or on replicas, by shorter evaluations.

    Args:
      ctx: The check's context.
      name: The value's name.
      account: The evaluation that gave it.
    """
    allowed = ctx.tolerance("metrics")
    batches, build = account.evaluation.batches, account.evaluation.build
    value = numbers_in(account.evaluation.reduced)[name]
    here = evaluation_runner(ctx, build.mode)

    def same(some: Sequence[Any]) -> bool:
        found = _value(here, some, name)
        return found is not None and allowed.allows(found, value)

    if not np.isfinite(value):
        return (
            "it is not a number",
            "something is divided by the number of examples that a replica or a batch has, and one has none",
            "Divide once at the end, or use tf.math.divide_no_nan.",
        )
    by_replica = explain_replicas(ctx, name, account)
    if by_replica is not None:
        return by_replica
    if len(batches) > 1:
        # Left out altogether, the first would only make way for the second, which is then lost instead.
        if same([batches[-1], *batches[1:]]) and not same([*batches[:-1], batches[0]]):
            return (
                f"it does not change when another batch takes the place of the first, of {account.rows[0]}",
                "`aggregate_logs(None, first)` drops the first step's logs, or resets what the step has updated",
                _EMPTY_STATE,
            )
        if same(batches[-1:]):
            return (
                f"it is the value of the last batch of {account.rows[-1]} alone",
                "each call of aggregate_logs starts anew",
                _EMPTY_STATE,
            )
        if same(batches[:-1]):
            return (
                f"it does not change when the last batch of {account.rows[-1]} is left out",
                "a partial batch is not aggregated",
                "Aggregate every batch, whatever its size.",
            )
        singles = [_value(here, [batch], name) for batch in batches]
        if all(one is not None for one in singles) and allowed.allows(np.mean([one or 0.0 for one in singles]), value):
            return (
                f"it is the mean of the values of {len(batches)} batches, and the last has {account.rows[-1]} rows",
                "a mean of means: a mean over each batch is aggregated, and each weighs the same",
                _SUMS_AND_COUNTS,
            )
    reference = numbers_in(account_of(ctx, 1, mode=SINGLE).evaluation.reduced)[name]
    ratio = value / reference if reference else float("nan")
    return (
        f"{ratio:.3g} times as much",
        (
            "the values of the replicas are averaged or added although they stand for parts of different sizes"
            if build.num_replicas > 1
            else "what is aggregated is a mean over a batch or its number, and not the sums and counts of its examples"
        ),
        _SUMS_AND_COUNTS,
    )


def explain_replicas(ctx: Context, name: str, account: Account) -> Explanation | None:
    """Return why a value that replicas report is not that of one replica, or None when no part of the data tells.

    One replica evaluates the parts that the replicas had: those of each replica alone, and all of them as batches of
    their own, which is what a mean over replicas amounts to.

    Args:
      ctx: The check's context.
      name: The value's name, among those of the metrics and of the reduced logs.
      account: The evaluation that gave it.
    """
    allowed, count = ctx.tolerance("metrics"), account.evaluation.build.num_replicas
    if count == 1:
        return None
    value = reported_values(account.evaluation)[name]
    alone = evaluation_runner(ctx, SINGLE)
    parts = [split_batch(batch, count) for batch in account.evaluation.batches]

    def same(some: Sequence[Any]) -> bool:
        found = _value(alone, some, name)
        return found is not None and allowed.allows(found, value)

    for index, which in enumerate(_ORDINALS[:count]):
        if same([part[index] for part in parts]):
            return (
                f"it is the value of the {which} replica's part alone",
                f"aggregate_logs takes `step_logs[key][{index}]`, and leaves out the other replicas",
                _ALL_REPLICAS,
            )
    if same([one for part in parts for one in part if rows_of(one)]) or _is_mean_of_parts(
        lambda one: _value(alone, [one], name), parts, value, allowed
    ):
        sizes = " and ".join(str(rows_of(one)) for one in parts[-1])
        return (
            f"it is what the means of the replicas' parts give, with {sizes} rows in the last batch weighed alike",
            "a mean of means: a mean over the replica's part is aggregated",
            _SUMS_AND_COUNTS,
        )
    return None


def _is_mean_of_parts(
    value_of: Callable[[Any], float | None], parts: Sequence[Sequence[Any]], value: float, allowed: Tolerance
) -> bool:
    """Whether a value is the mean over batches, weighed by their rows, of the plain mean over the replicas' parts."""
    means, weights = [], []
    for batch in parts:
        values = [value_of(one) for one in batch if rows_of(one)]
        if any(one is None for one in values):
            return False
        means.append(np.mean([one or 0.0 for one in values]))
        weights.append(sum(rows_of(one) for one in batch))
    return allowed.allows(np.average(means, weights=weights), value)


def _value(run: Callable[[Sequence[Any]], Account], batches: Sequence[Any], name: str) -> float | None:
    """A reduced value of a shorter evaluation; None when that cannot be had."""
    try:
        return reported_values(run(batches).evaluation).get(name)
    except (SubjectError, NotApplicable, NotRun):
        return None
