"""L109 tpu-dtypes: nothing inside the loss computes in float64 or complex128, which a TPU does not have."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np
from assay.conformance.context import Context
from assay.conformance.harness import Operation, losses, operations
from assay.conformance.lazy import tf
from assay.conformance.model import Evidence, Level, Mode, Rule, Target, Violation
from assay.conformance.specimens import CROSS_ENTROPY, HUBER_LOSS, SoundCrossEntropy, SoundHuber
from assay.conformance.targets.programs import trace

RULE = Rule(
    id="L109",
    slug="tpu-dtypes",
    level=Level.MUST,
    requirement="Nothing inside the loss, or inside its gradient, computes in float64 or complex128.",
    checks=(
        "Traces the loss with its gradients on the sample, with floating-point predictions and labels in float32, and "
        "looks through every operation, functions and branches included, for one that takes or gives 64-bit floats or "
        "128-bit complex numbers. Constants, and casts to a smaller dtype, are passed over."
    ),
    why=(
        "A TPU has no 64-bit floating-point unit. Its compiler takes float64 apart into pairs of float32, at many "
        "times the cost and without the range, and refuses complex128. The dtype comes in unseen: a NumPy constant is "
        "float64, `tf.cast(x, float)` is, and everything that touches it becomes it."
    ),
    bad="""
weights = tf.constant(np.array([0.2, 0.8]))  # float64
return tf.cast(losses, tf.float64) * weights
""",
    good="""
weights = tf.constant([0.2, 0.8], tf.float32)
return losses * weights
""",
    modes=(Mode.GRAPH,),
    targets=(Target.TPU,),
    references=("JAX documentation, Double (64bit) precision", "Cloud TPU documentation, bfloat16"),
    evidence=Evidence.STATIC,
)

_NAMED_AT_MOST = 3
_NO_ARITHMETIC = frozenset({"Const", "Identity", "Placeholder", "NoOp", "ReadVariableOp", "Shape", "ZerosLike"})


def check(ctx: Context) -> None:
    """Look for wide operations."""
    for program in losses.programs(ctx, narrow=True):
        graph = ctx.share(("traced, narrow", program.name), functools.partial(trace, program))
        found = [one for one in operations(graph) if _computes_wide(one)]
        if found:
            named = list(dict.fromkeys(map(str, found)))
            more = len(named) - _NAMED_AT_MOST
            raise Violation(
                f"{program.name}: {len(found)} {'operation computes' if len(found) == 1 else 'operations compute'} in "
                f"float64 or complex128: {'; '.join(named[:_NAMED_AT_MOST])}"
                + (f"; and {more} more" if more > 0 else ""),
                cause="a NumPy array or a Python cast brought the wide dtype in, and what touches it takes it over",
                fix="Give constants and casts a dtype, `tf.float32`; sum in float32, in the order that keeps it exact.",
            )


def _computes_wide(operation: Operation) -> bool:
    if operation.kind in _NO_ARITHMETIC:
        return False
    given = [tensor.dtype for tensor in operation.op.inputs]
    made = [tensor.dtype for tensor in operation.op.outputs]
    if operation.kind == "Cast":
        return any(_is_wide(dtype) for dtype in made)
    return any(_is_wide(dtype) for dtype in (*given, *made))


def _is_wide(dtype: Any) -> bool:
    return dtype in (tf.float64, tf.complex128)


class _WeighsInNumPy(SoundCrossEntropy):
    def values(self, labels: Any, y_pred: Any) -> Any:
        weights = tf.constant(np.linspace(1.0, 1.5, y_pred.shape[-1]))
        values = super().values(labels, y_pred)
        return tf.cast(tf.cast(values, tf.float64) * tf.gather(weights, labels), tf.float32)


class _SumsWide(SoundHuber):
    """Casts for the precision of a sum, in a function of its own."""

    def call(self, y_true: Any, y_pred: Any) -> Any:
        @tf.function
        def wide(values: Any) -> Any:
            return tf.cast(tf.math.square(tf.cast(values, tf.float64)), tf.float32)

        return wide(super().call(y_true, y_pred))


class _TransformsWide(SoundHuber):
    def call(self, y_true: Any, y_pred: Any) -> Any:
        spectrum = tf.signal.fft(tf.cast(y_pred - y_true, tf.complex128))
        return super().call(y_true, y_pred) + tf.cast(tf.reduce_mean(tf.abs(spectrum), axis=-1), tf.float32)


MUTANTS = (
    CROSS_ENTROPY.replace(factory=_WeighsInNumPy, name="weights of NumPy"),
    HUBER_LOSS.replace(factory=_SumsWide, name="a square in float64, in a function"),
    HUBER_LOSS.replace(factory=_TransformsWide, name="a spectrum in complex128"),
)
TWIN = CROSS_ENTROPY
