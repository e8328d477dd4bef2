"""L108 low-precision-input: float16 and bfloat16 predictions are accepted, and give the float32 value."""

from __future__ import annotations

from typing import Any

import numpy as np
from assay.conformance.context import Context
from assay.conformance.harness import losses
from assay.conformance.harness.refusals import is_refusal
from assay.conformance.harness.samples import Batch, Domain, sample_of, saturated
from assay.conformance.lazy import tf
from assay.conformance.model import Level, Mode, NotApplicable, Rule, SubjectError, Target, Violation
from assay.conformance.specimens import CROSS_ENTROPY, HUBER_LOSS, PROBABILITY_LOSS, SoundCrossEntropy, SoundHuber

RULE = Rule(
    id="L108",
    slug="low-precision-input",
    level=Level.MUST,
    requirement="float16 and bfloat16 predictions are accepted and give the value of the same numbers in float32.",
    checks=(
        "Casts the predictions to float16 and to bfloat16, and compares with the loss of those rounded numbers in "
        "float32; for probabilities also with rows of exact zeros and ones. A loss that raises an error of its own "
        "about the dtype has decided so, and the rule does not apply; an operation that falls over has not."
    ),
    why=(
        "Under a mixed policy the last layer gives float16 or bfloat16 unless somebody remembered to make it float32. "
        "A constant such as 1e-8 is 0 in float16, so that a logarithm becomes infinite in mixed precision only."
    ),
    bad="""
def call(self, y_true, y_pred):
    return -tf.math.log(y_pred + 1e-8)  # float16: log(0)
""",
    good="""
def call(self, y_true, y_pred):
    return -tf.math.log(tf.cast(y_pred, tf.float32) + 1e-8)
""",
    modes=(Mode.EAGER,),
    targets=(Target.CPU, Target.GPU, Target.TPU),
)

DTYPES = ("float16", "bfloat16")


def check(ctx: Context) -> None:
    """Compare half-precision predictions with the same numbers in float32."""
    sample = sample_of(ctx)
    if not any(leaf.domain is not Domain.FIXED for leaf in sample.layout.predictions):
        raise NotApplicable("No predictions are floating-point numbers of a known domain.")
    batches = [sample.grow(5)]
    if sample.has_predictions(Domain.PROBABILITIES, Domain.SIMPLEX):
        extreme = saturated(batches[0], 0.0, seed=ctx.seed)
        batches += [extreme] if extreme is not None else []
    for name in DTYPES:
        for batch in batches:
            _compare(ctx, batch, name)


def _compare(ctx: Context, batch: Batch, name: str) -> None:
    loss = losses.component(ctx)
    half = batch.cast_predictions(tf.as_dtype(name).as_numpy_dtype)
    expected = losses.value(ctx, loss, half.cast_predictions(np.float32))
    try:
        found = losses.value(ctx, loss, half)
    except SubjectError as error:
        if is_refusal(error.original):
            raise NotApplicable(f"The loss refuses {name} predictions by an error of its own.") from error
        raise
    if np.all(np.isfinite(expected)) and not ctx.tolerance("half loss").allows(found, expected):
        raise Violation(
            f"with {name} predictions the loss is {found.ravel()[:3].tolist()}; the same numbers in float32 give "
            f"{expected.ravel()[:3].tolist()} ({batch.describe()})",
            cause="the arithmetic runs in the dtype of the predictions, where a small constant is 0 or a sum overflows",
            fix="Cast the predictions to float32 before anything else: `y_pred = tf.cast(y_pred, tf.float32)`.",
        )


class _TakesNoHalf(SoundHuber):
    def prepare(self, y_true: Any, y_pred: Any) -> tuple[Any, Any]:
        return tf.cast(y_true, tf.float32), y_pred


class _EpsilonVanishes(SoundCrossEntropy):
    def prepare(self, y_true: Any, y_pred: Any) -> tuple[Any, Any]:
        return tf.cast(y_true, tf.int32), y_pred

    def values(self, labels: Any, y_pred: Any) -> Any:
        picked = tf.gather(y_pred, labels, axis=-1, batch_dims=1)
        return tf.cast(-tf.math.log(picked + tf.cast(1e-8, picked.dtype)), tf.float32)


def _epsilon_vanishes() -> SoundCrossEntropy:
    return _EpsilonVanishes(from_logits=False)


class _SquareOverflows(SoundCrossEntropy):
    def values(self, labels: Any, y_pred: Any) -> Any:
        penalty = tf.reduce_sum(tf.square(300.0 * y_pred), axis=-1)
        return tf.cast(super().values(labels, y_pred), tf.float32) + 1e-6 * tf.cast(penalty, tf.float32)

    def prepare(self, y_true: Any, y_pred: Any) -> tuple[Any, Any]:
        return tf.cast(y_true, tf.int32), y_pred


MUTANTS = (
    HUBER_LOSS.replace(factory=_TakesNoHalf, name="mixes float32 labels with half predictions"),
    PROBABILITY_LOSS.replace(factory=_epsilon_vanishes, name="epsilon is zero in float16"),
    CROSS_ENTROPY.replace(factory=_SquareOverflows, name="a square overflows float16"),
)
TWIN = PROBABILITY_LOSS
