"""K402 graph-xla-equal: inside `tf.function` and under XLA the metric counts what it counts eagerly."""

from __future__ import annotations

from typing import Any

import numpy as np
from assay.conformance.context import Context
from assay.conformance.harness import metrics
from assay.conformance.harness.compiling import explained
from assay.conformance.harness.metrics import updates
from assay.conformance.lazy import tf
from assay.conformance.model import Level, Mode, Rule, SubjectError, Target, Violation
from assay.conformance.specimens import DEVIATION, HIT_RATE, IOU, SoundDeviation, SoundHitRate
from assay.conformance.targets.programs import Program

RULE = Rule(
    id="K402",
    slug="graph-xla-equal",
    level=Level.MUST,
    requirement="Inside `tf.function`, plain or compiled by XLA, updates and results are the eager ones.",
    checks=(
        "Updates with three batches of one shape, eagerly and inside one `tf.function`, plain and with "
        "`jit_compile=True`, and compares the result after each. The result is read inside a plain `tf.function`."
    ),
    why=(
        "Evaluation loops are graphs, and on TPU they are compiled. Python branches on values, counters on `self` and "
        "lists that grow are evaluated while the graph is traced, and are constants from then on."
    ),
    bad="""
def update_state(self, y_true, y_pred, sample_weight=None):
    self.batches += 1  # once a trace, not once a batch
""",
    good="""
def update_state(self, y_true, y_pred, sample_weight=None):
    self.batches.assign_add(1.0)
""",
    modes=(Mode.GRAPH, Mode.XLA),
    targets=(Target.CPU, Target.GPU, Target.TPU),
    references=("Lightning-AI/torchmetrics#1466", "keras-team/keras-cv#895"),
)

ROWS = 4


def check(ctx: Context) -> None:
    """Compare a graph with eager calls."""
    batches = metrics.contrasting(ctx, ROWS, ROWS, ROWS)
    expected = ctx.share("eager metric steps", lambda: updates.run_in(ctx, metrics.fresh(ctx), batches, Mode.EAGER))
    try:
        found = updates.run_in(ctx, metrics.fresh(ctx), batches, ctx.mode)
    except SubjectError as error:
        raise explained(error, "update_state") from error
    for step, (actual, wanted) in enumerate(zip(found, expected, strict=True)):
        differs = metrics.difference(ctx, actual, wanted)
        if differs:
            raise Violation(
                f"after {step + 1} updates in mode {ctx.mode}, {differs}, as eagerly",
                cause="Python decides something while the graph is traced: a branch, a counter, a NumPy value",
                fix="Use TensorFlow operations and variables for what depends on values or changes.",
            )


def programs(ctx: Context) -> list[Program]:
    """What a target must be able to compile."""
    return metrics.programs(ctx)


class _CountsOnTheHost(SoundDeviation):
    batches = 0

    def accumulate(self, values: Any, weights: Any) -> None:
        self.batches += 1
        super().accumulate(values, weights * self.batches)


class _BranchesInPython(SoundHitRate):
    def values(self, y_true: Any, y_pred: Any) -> Any:
        values = super().values(y_true, y_pred)
        return 0.5 * values if tf.executing_eagerly() else values


class _ConvertsToNumPy(SoundHitRate):
    def values(self, y_true: Any, y_pred: Any) -> Any:
        return tf.constant((y_true.numpy() == np.argmax(y_pred.numpy(), axis=-1)).astype(np.float32))


class _HasNoKernelUnderXla(SoundDeviation):
    def values(self, y_true: Any, y_pred: Any) -> Any:
        values = super().values(y_true, y_pred)
        return tf.reshape(tf.numpy_function(lambda array: array, [values], tf.float32), tf.shape(values))


MUTANTS = (
    DEVIATION.replace(factory=_CountsOnTheHost, name="counts on the host"),
    HIT_RATE.replace(factory=_BranchesInPython, name="branches in Python"),
    HIT_RATE.replace(factory=_ConvertsToNumPy, name="converts to NumPy"),
    DEVIATION.replace(factory=_HasNoKernelUnderXla, name="calls Python, which XLA cannot"),
)
TWIN = IOU
