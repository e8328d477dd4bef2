"""K301 accumulator: thousands of updates in low precision still count."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from assay.conformance.context import Context
from assay.conformance.harness import metrics
from assay.conformance.harness.calls import calling
from assay.conformance.harness.flavour import precision_policy
from assay.conformance.harness.samples import Batch
from assay.conformance.lazy import tf
from assay.conformance.model import Level, Mode, NotApplicable, Rule, Target, Violation
from assay.conformance.specimens import DEVIATION, HIT_RATE, SoundDeviation, SoundHitRate

RULE = Rule(
    id="K301",
    slug="accumulator",
    level=Level.MUST,
    requirement="Under a float16 policy, with float16 predictions, thousands of updates give the float32 result.",
    checks=(
        "Makes the metric under the policy `mixed_float16` and updates it 4,000 times with four examples and 4,000 "
        "times with another one of another result, float16 predictions, inside a loop; compares with a metric made "
        "under float32 and updated with the same numbers in float32. A refusal of float16 is accepted. "
        "Counts must go on after 8,192 examples in float32, too."
    ),
    why=(
        "Float16 counts to 2048 and bfloat16 to 256; one more is no more. Mixed precision is a switch of the whole "
        "program, and a metric whose variables follow it freezes after the first few batches."
    ),
    bad="""
self.total = self.add_weight(name="total", dtype=tf.keras.mixed_precision.global_policy().compute_dtype)
""",
    good="""
self.total = self.add_weight(name="total", dtype="float32")
""",
    modes=(Mode.MIXED_PRECISION,),
    targets=(Target.CPU, Target.GPU, Target.TPU),
    references=("datamol-io/graphium#406",),
)

UPDATES = 4000
EXAMPLES = 2**13
"""A float16 of this size has steps of eight, a bfloat16 of sixty-four."""


def check(ctx: Context) -> None:
    """Compare low precision with float32."""
    stall = metrics.stalled(ctx, EXAMPLES)
    if stall is not None:
        raise Violation(
            f"after {EXAMPLES:,} examples {stall}, even under float32",
            cause=f"the count is a {stall.dtype}, or passes through a dtype of 16 bits",
            fix="Give `add_weight` the dtype float32 or int64.",
        )
    half = [batch.cast_predictions(np.float16) for batch in metrics.contrasting(ctx, 4, 1)]
    exact = [batch.cast_predictions(np.float32) for batch in half]
    found = _accumulate(ctx, half, "mixed_float16")
    if found is None:
        raise NotApplicable("The metric refuses float16 predictions.")
    expected = _accumulate(ctx, exact, "float32")
    if expected is None:
        raise NotApplicable("The metric cannot be updated inside a loop of a graph.")
    differs = metrics.difference(ctx, found, expected, quantity="half metrics")
    if differs:
        raise Violation(
            f"after twice {UPDATES} updates under mixed_float16, {differs}, as under float32",
            cause="the variables have the compute dtype of the policy, or sums are made in it",
            fix="Give `add_weight` the dtype float32, and cast inputs to it before adding up.",
        )


def _accumulate(ctx: Context, batches: Sequence[Batch], policy: str) -> metrics.Numbers | None:
    metrics.fresh(ctx)  # lifts the rule for a metric that does not repeat
    with precision_policy(policy):
        metric = metrics.adapted(ctx, metrics.make_metric(ctx))
        try:
            metric.update(*metrics.tensors(batches[0]))  # variables that are made late cannot be made in a loop
        except Exception:
            return None

        @tf.function
        def run(y_true: Any, y_pred: Any) -> None:
            for _ in tf.range(UPDATES):
                metric.update(y_true, y_pred)

        with metrics.placed(ctx), calling(f"{UPDATES} updates in a loop under {policy}"):
            for batch in batches:
                run(*metrics.tensors(batch))
        return metrics.result(ctx, metric)


class _FollowsThePolicy(SoundHitRate):
    def count_dtype(self) -> Any:
        dtype = tf.keras.mixed_precision.global_policy().compute_dtype
        return tf.float16 if dtype == "float16" else tf.float32


class _AlwaysHalf(SoundHitRate):
    def count_dtype(self) -> Any:
        return tf.float16


class _AddsInHalf(SoundDeviation):
    def accumulate(self, values: Any, weights: Any) -> None:
        if tf.keras.mixed_precision.global_policy().compute_dtype == "float16":
            total = tf.cast(self.total, tf.float16) + tf.cast(tf.reduce_sum(values), tf.float16)
            self.total.assign(tf.cast(total, tf.float64))
            self.weight.assign_add(tf.reduce_sum(weights))
        else:
            super().accumulate(values, weights)


MUTANTS = (
    HIT_RATE.replace(factory=_FollowsThePolicy, name="variables follow the policy"),
    DEVIATION.replace(factory=_AddsInHalf, name="adds up in float16"),
    HIT_RATE.replace(factory=_AlwaysHalf, name="counts in float16 whatever the policy"),
)
TWIN = HIT_RATE
