"""K206 fractional-weight: fractional weights count, or are refused."""

from __future__ import annotations

from typing import Any

from assay.conformance.context import Context
from assay.conformance.harness import metrics
from assay.conformance.harness.searching import search
from assay.conformance.lazy import tf
from assay.conformance.model import Level, Mode, Rule, SubjectError, Violation
from assay.conformance.specimens import DEVIATION, HIT_RATE, SoundDeviation, SoundHitRate

RULE = Rule(
    id="K206",
    slug="fractional-weight",
    level=Level.MUST,
    requirement="Fractional weights count by their value, or are refused; they are never rounded.",
    checks=(
        "Compares weights that are multiples of one half (0.5, 1.5, 2.5 and 0.5, and others that are drawn, for one "
        "to six examples) with twice as many copies of the examples. A mean must be the same, and a sum half."
    ),
    why=(
        "Weights of class balance and of importance sampling are fractions. A cast to an integer makes 0.5 a zero, and "
        "half of the examples are gone without a word."
    ),
    bad="""
self.total.assign_add(tf.reduce_sum(values * tf.cast(sample_weight, tf.int32)))
""",
    good="""
self.total.assign_add(tf.reduce_sum(values * tf.cast(sample_weight, self.dtype)))
""",
    modes=(Mode.EAGER,),
)

_PLAIN = (1, 3, 5, 1)
"""Numbers of copies; the weights are half of them."""
_MOST = 6
_FACTORS = (1.0, 0.5)


def check(ctx: Context) -> None:
    """Compare weights with copies."""
    metrics.require_weights(ctx)
    _examine(ctx, list(_PLAIN))
    search(ctx, _copies, lambda copies: _examine(ctx, copies), examples=4)


def _copies() -> Any:
    from hypothesis import strategies as st

    return st.lists(st.integers(1, 7), min_size=1, max_size=_MOST)


def _examine(ctx: Context, copies: list[int]) -> None:
    batch = metrics.contrasting(ctx, 1, _MOST)[1].take(range(len(copies)))
    weights = [count / 2 for count in copies]
    try:
        found = metrics.evaluate(ctx, [batch], [metrics.row_weights(ctx, batch, weights)])
    except SubjectError:
        return  # refused
    repeated = batch.take([row for row, count in enumerate(copies) for _ in range(count)])
    doubled = metrics.evaluate(ctx, [repeated], [metrics.row_weights(ctx, repeated, [1.0] * repeated.size)])
    for name, value in found.items():
        if not any(metrics.agrees(ctx, value, factor * doubled[name]) for factor in _FACTORS):
            raise Violation(
                f"with weights {weights}, {name} is {metrics.shown(value)}, and with twice as many copies "
                f"{metrics.shown(doubled[name])}; it should be the same, or half of it",
                cause="weights are rounded, cast to integers, or used as a switch",
                fix="Keep weights in a floating-point dtype, and multiply values and counts by them.",
            )


class _CastsToInteger(SoundHitRate):
    def align(self, given: Any, ones: Any) -> Any:
        return tf.floor(super().align(given, ones))


class _UsesASwitch(SoundDeviation):
    def align(self, given: Any, ones: Any) -> Any:
        return tf.cast(super().align(given, ones) > 0.0, ones.dtype)


MUTANTS = (
    DEVIATION.replace(factory=_UsesASwitch, name="uses weights as a switch"),
    HIT_RATE.replace(factory=_CastsToInteger, name="casts weights to integers"),
)
TWIN = DEVIATION
