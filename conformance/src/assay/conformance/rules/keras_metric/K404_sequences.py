"""K404 sequences: any sequence of updates, results, resets, saves and restores does what it says."""

from __future__ import annotations

from typing import Any

import numpy as np
from assay.conformance.context import Context
from assay.conformance.harness import metrics
from assay.conformance.harness.samples import Batch
from assay.conformance.harness.searching import search
from assay.conformance.lazy import tf
from assay.conformance.model import Level, Mode, Rule, Violation
from assay.conformance.specimens import DEVIATION, HIT_RATE, SoundDeviation, SoundHitRate

RULE = Rule(
    id="K404",
    slug="sequences",
    level=Level.SHOULD,
    requirement="After any sequence of update, result, reset, save and restore the result is that of what counts.",
    checks=(
        "Draws sequences of these five operations. Saving reads the variables and restoring assigns them. A list of "
        "the batches that count is the model: at each reading, and at the end, a new metric that is fed with them must "
        "say the same. Sequences that fail are shortened."
    ),
    why=(
        "Rules that try one order miss what a flag remembers: a metric that is right after a reset, and right after a "
        "restore, and wrong after a restore that follows a reset."
    ),
    bad="""
def update_state(self, y_true, y_pred, sample_weight=None):
    if not self.started:  # what does a restore do to this flag?
        self.offset.assign(values[0])
        self.started = True
""",
    good="""
def update_state(self, y_true, y_pred, sample_weight=None):
    self.offset.assign(tf.where(self.count == 0, values[0], self.offset))
""",
    modes=(Mode.EAGER,),
    traits=("order_dependent",),
    references=("Hypothesis: provider_conformance",),
)

_OPERATIONS = ("update 0", "update 1", "result", "reset", "save", "restore")
_PLAIN = (
    ("update 0", "save", "reset", "restore", "update 1"),
    ("update 0", "save", "update 1", "result", "restore", "result", "update 1"),
)
"""The sequences of a resumed job, which are tried first."""
_LONGEST = 10


def check(ctx: Context) -> None:
    """Compare random sequences with a list of batches."""
    batches = metrics.contrasting(ctx, 4, 3)

    def examine(operations: list[str]) -> None:
        _follow(ctx, operations, batches)

    for operations in _PLAIN:
        examine(list(operations))
    search(ctx, _sequences, examine, examples=10)


def _sequences() -> Any:
    from hypothesis import strategies as st

    return st.lists(st.sampled_from(_OPERATIONS), min_size=1, max_size=_LONGEST)


def _follow(ctx: Context, operations: list[str], batches: tuple[Batch, ...]) -> None:
    metric = metrics.fresh(ctx)
    counted: list[int] = []
    saved: tuple[list[np.ndarray], list[int]] | None = None
    for number, operation in enumerate([*operations, "result"]):
        if operation.startswith("update"):
            counted = [*counted, int(operation[-1])]
            metrics.update(ctx, metric, batches[counted[-1]])
        elif operation == "reset" and metric.variables:
            metric.reset()
            counted = []
        elif operation == "save":
            saved = metric.state(), counted
        elif operation == "restore" and saved is not None and len(saved[0]) == len(metric.variables):
            metric.assign(saved[0])
            counted = saved[1]
        elif operation == "result":
            _compare(ctx, metric, [batches[one] for one in counted], [*operations, "result"][: number + 1])


def _compare(ctx: Context, metric: metrics.Metric, batches: list[Batch], done: list[str]) -> None:
    expected = metrics.evaluate(ctx, batches) if batches else metrics.result_of_new(ctx)
    if expected is None:
        return
    differs = metrics.difference(ctx, metrics.result(ctx, metric), expected)
    if differs:
        raise Violation(
            f"after {', '.join(done)}: {differs}, as of a new metric with {len(batches)} updates",
            cause="state outside of the variables, such as a flag in Python, decides what an update or a result does",
            fix="Keep all state in variables, and decide with `tf.where` on them.",
        )


class _FlagOfTheFirst(SoundDeviation):
    """Starts with an empty state at the first update after a reset, whatever was restored in between."""

    started = False

    def accumulate(self, values: Any, weights: Any) -> None:
        if not self.started:
            super().reset_state()
            self.started = True
        super().accumulate(values, weights)

    def reset_state(self) -> None:
        super().reset_state()
        self.started = False


class _RemembersTheResult(SoundHitRate):
    remembered: Any = None

    def accumulate(self, values: Any, weights: Any) -> None:
        self.remembered = None
        super().accumulate(values, weights)

    def result(self) -> Any:
        if self.remembered is None:
            self.remembered = tf.identity(super().result())
        return self.remembered


MUTANTS = (
    HIT_RATE.replace(factory=_RemembersTheResult, name="remembers its result"),
    DEVIATION.replace(factory=_FlagOfTheFirst, name="a flag for the first update"),
)
TWIN = DEVIATION
