"""L401 graph-equals-eager: inside `tf.function` the value and the gradients are the eager ones."""

from __future__ import annotations

from typing import Any

from assay.conformance.context import Context
from assay.conformance.harness import losses
from assay.conformance.lazy import tf
from assay.conformance.model import Level, Mode, Rule, Target
from assay.conformance.specimens import CROSS_ENTROPY, HUBER_LOSS, SoundCrossEntropy, SoundHuber

RULE = Rule(
    id="L401",
    slug="graph-equals-eager",
    level=Level.MUST,
    requirement="Inside `tf.function` the loss gives the eager value and the eager gradients, call after call.",
    checks=(
        "Calls the loss inside one `tf.function` with three batches of the same shape, with and without weights where "
        "it "
        "takes them, and compares values and gradients with those of eager calls."
    ),
    why=(
        "Training runs in a graph and debugging does not. Python branches on values, `.numpy()`, lists that grow and "
        "counters kept on `self` are evaluated once, when the graph is traced, and are constants from then on."
    ),
    bad="""
def call(self, y_true, y_pred):
    largest = tf.get_static_value(tf.reduce_max(y_true)) or 1.0  # None while a graph is traced
    return tf.square(y_pred - y_true) / largest
""",
    good="""
def call(self, y_true, y_pred):
    return tf.square(y_pred - y_true) / tf.reduce_max(y_true)
""",
    modes=(Mode.GRAPH,),
    targets=(Target.CPU, Target.GPU),
    references=("google-deepmind/chex: variants",),
)


def check(ctx: Context) -> None:
    """Compare a graph with eager calls."""
    losses.compare_with_eager(
        ctx,
        cause="Python decides something while the graph is traced: a branch, a counter, a NumPy value",
        fix="Use TensorFlow operations (`tf.where`, `tf.cond`) and variables for what depends on values or changes.",
    )


class _ReadsValuesWhereItCan(SoundHuber):
    """Scales by the targets when their values are to be had, which they are not while a graph is traced."""

    def call(self, y_true: Any, y_pred: Any) -> Any:
        known = tf.get_static_value(y_true)
        return super().call(y_true, y_pred) / (1.0 if known is None else float(abs(known).max()) + 1.0)


class _BranchesInPython(SoundCrossEntropy):
    def values(self, labels: Any, y_pred: Any) -> Any:
        values = super().values(labels, y_pred)
        if tf.executing_eagerly() and float(tf.reduce_mean(values)) > 0:
            values = values + 0.1
        return values


class _ConvertsToNumPy(SoundHuber):
    def call(self, y_true: Any, y_pred: Any) -> Any:
        return super().call(y_true, y_pred) * float(abs(y_pred.numpy()).max() > 0)


MUTANTS = (
    HUBER_LOSS.replace(factory=_ReadsValuesWhereItCan, name="reads values where it can"),
    CROSS_ENTROPY.replace(factory=_BranchesInPython, name="branches in Python"),
    HUBER_LOSS.replace(factory=_ConvertsToNumPy, name="converts to NumPy"),
)
TWIN = CROSS_ENTROPY
