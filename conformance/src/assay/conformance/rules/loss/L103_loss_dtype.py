"""L103 loss-dtype: the loss is float32 or better, whatever the policy and the predictions, unless it declares less."""

from __future__ import annotations

from typing import Any

import numpy as np
from assay.conformance.context import Context
from assay.conformance.harness import losses
from assay.conformance.harness.calls import calling
from assay.conformance.harness.compiling import compiled
from assay.conformance.harness.flavour import precision_policy
from assay.conformance.harness.samples import sample_of
from assay.conformance.lazy import tf
from assay.conformance.model import Level, Mode, Rule, SubjectError, Target, Violation
from assay.conformance.specimens import CROSS_ENTROPY, HUBER_LOSS, SoundCrossEntropy, SoundHuber

RULE = Rule(
    id="L103",
    slug="loss-dtype",
    level=Level.MUST,
    requirement="The result is float32 or wider under every precision policy, unless the loss itself declares less.",
    checks=(
        "Makes the loss under the policies float32, mixed_float16 and mixed_bfloat16, and calls it with float32 "
        "predictions and with predictions in the policy's compute dtype. The dtype that comes back must be the one in "
        "the loss's own attribute `dtype`, or at least float32 where it has none. A loss that refuses half-precision "
        "predictions has nothing to show here."
    ),
    why=(
        "float16 ends at 65504 and bfloat16 has three significant digits. A sum of losses overflows, a mean stops "
        "moving, and the loss scale is multiplied into a number that has no room left for it."
    ),
    bad="""
def call(self, y_true, y_pred):
    return tf.reduce_mean(tf.square(y_pred - tf.cast(y_true, y_pred.dtype)), axis=-1)  # as narrow as the predictions
""",
    good="""
def call(self, y_true, y_pred):
    y_pred = tf.cast(y_pred, tf.float32)
    return tf.reduce_mean(tf.square(y_pred - tf.cast(y_true, tf.float32)), axis=-1)
""",
    modes=(Mode.EAGER,),
    targets=(Target.CPU, Target.GPU, Target.TPU),
    references=("tensorflow/tensorflow#45568",),
)

_POLICIES = {"float32": "float32", "mixed_float16": "float16", "mixed_bfloat16": "bfloat16"}
_WIDE = ("float32", "float64")


def check(ctx: Context) -> None:
    """Look at the dtype of the result under three policies."""
    batch = sample_of(ctx).grow(3)
    declared = _dtype_of(losses.component(ctx).loss)
    for policy, compute in _POLICIES.items():
        with precision_policy(policy):
            made = losses.new_component(ctx)
            loss = compiled(made, ctx.target, name="the loss") if ctx.mode is Mode.XLA else made
            for name in dict.fromkeys(("float32", compute)):
                cast = batch.cast_predictions(tf.as_dtype(name).as_numpy_dtype)
                y_true, y_pred = losses.as_tensors(cast)
                try:
                    with calling(f"the loss with {name} predictions under the policy {policy}"):
                        found = tf.as_dtype(np.asarray(loss(y_true, y_pred)).dtype).name
                except SubjectError:
                    if name in _WIDE:
                        raise
                    continue  # refusing or failing is the business of L108
                if found != declared if declared else found not in _WIDE:
                    raise Violation(
                        f"under the policy {policy}, with {name} predictions, the loss is {found}"
                        + (f", and it declares {declared}" if declared else ""),
                        cause="it is computed in the dtype of the predictions, or in the policy's compute dtype",
                        fix="Cast the predictions to float32 first: `y_pred = tf.cast(y_pred, tf.float32)`.",
                    )


def _dtype_of(loss: Any) -> str:
    declared = getattr(loss, "dtype", None)
    return declared if isinstance(declared, str) else ""


class _AsThePredictions(SoundHuber):
    def prepare(self, y_true: Any, y_pred: Any) -> tuple[Any, Any]:
        return tf.cast(y_true, y_pred.dtype), y_pred

    def divisor(self, losses: Any) -> Any:
        return tf.cast(tf.size(losses), losses.dtype)


class _AsThePolicy(SoundCrossEntropy):
    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        mixed_precision = tf.keras.mixed_precision
        policy = getattr(mixed_precision, "global_policy", None) or mixed_precision.dtype_policy
        self.compute_dtype = policy().compute_dtype

    def reduce(self, losses: Any, weights: Any) -> Any:
        return tf.cast(super().reduce(losses, weights), self.compute_dtype)


MUTANTS = (
    HUBER_LOSS.replace(factory=_AsThePredictions, name="as narrow as the predictions"),
    CROSS_ENTROPY.replace(factory=_AsThePolicy, name="casts to the policy's compute dtype"),
)
TWIN = CROSS_ENTROPY
