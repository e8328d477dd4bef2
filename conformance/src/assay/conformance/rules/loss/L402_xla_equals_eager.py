"""L402 xla-equals-eager: the loss compiles with XLA for static shapes, and gives the eager value and gradients."""

from __future__ import annotations

from typing import Any

from assay.conformance.context import Context
from assay.conformance.harness import losses
from assay.conformance.lazy import tf
from assay.conformance.model import Level, Mode, Rule, Target
from assay.conformance.specimens import CROSS_ENTROPY, HUBER_LOSS, SoundHuber
from assay.conformance.targets.programs import Program

RULE = Rule(
    id="L402",
    slug="xla-equals-eager",
    level=Level.MUST,
    requirement="The loss compiles with XLA for static shapes, and gives the eager value and the eager gradients.",
    checks=(
        "Calls the loss inside `tf.function(jit_compile=True)` with batches of one shape, with and without weights "
        "where "
        "it takes them, and compares values and gradients with those of eager calls. Labels stay within their range: "
        "what XLA does outside is the business of L405."
    ),
    why=(
        "A TPU runs nothing else, and a GPU runs faster. `tf.numpy_function`, `tf.py_function` and strings have no "
        "kernel there, and some operations mean something else: they work on a CPU until the day of the move."
    ),
    bad="""
matched = tf.numpy_function(linear_sum_assignment, [costs], tf.int64)  # Python does not compile
""",
    good="""
matched = tf.argmin(costs, axis=-1)
""",
    modes=(Mode.XLA,),
    targets=(Target.CPU, Target.GPU, Target.TPU),
    references=(
        "huggingface/transformers#17973",
        "artemmavrin/focal-loss#19",
        "tensorflow/tensorflow#44904",
    ),
)


def check(ctx: Context) -> None:
    """Compare compiled calls with eager ones."""
    losses.compare_with_eager(
        ctx,
        cause="an operation has another meaning or no kernel under XLA, or the graph was cut by Python",
        fix="Use TensorFlow operations on numbers, with masks and weights in place of shapes that depend on values.",
    )


def programs(ctx: Context) -> list[Program]:
    """What a target must be able to compile."""
    return losses.programs(ctx)


class _CallsPython(SoundHuber):
    def call(self, y_true: Any, y_pred: Any) -> Any:
        return super().call(y_true, y_pred) + tf.reduce_sum(
            tf.numpy_function(lambda array: 0.0 * array, [y_pred], tf.float32)
        )


class _WritesText(SoundHuber):
    def call(self, y_true: Any, y_pred: Any) -> Any:
        values = super().call(y_true, y_pred)
        return values + 0.0 * tf.cast(tf.strings.length(tf.strings.as_string(tf.reduce_sum(values))), tf.float32)


MUTANTS = (
    HUBER_LOSS.replace(factory=_CallsPython, name="calls Python"),
    HUBER_LOSS.replace(factory=_WritesText, name="goes through text"),
)
TWIN = CROSS_ENTROPY
