"""L303 gradient-connected: every array of predictions gets a gradient."""

from __future__ import annotations

from typing import Any

import numpy as np
from assay.conformance.context import Context
from assay.conformance.harness import losses
from assay.conformance.harness.samples import Domain, sample_of
from assay.conformance.lazy import tf
from assay.conformance.model import Level, Mode, NotApplicable, Rule, Violation
from assay.conformance.specimens import CROSS_ENTROPY, HUBER_LOSS, SoundCrossEntropy, SoundHuber

RULE = Rule(
    id="L303",
    slug="gradient-connected",
    level=Level.MUST,
    requirement="Every array of predictions gets a gradient, and it is not zero for all examples.",
    checks=(
        "Computes the gradients of the loss with respect to each floating-point array of the predictions, for three "
        "grown "
        "batches. None may be missing, and none may be zero everywhere in all three."
    ),
    why=(
        "An `argmax`, a comparison, a cast to integers or a trip through NumPy cuts the gradient. The optimizer then "
        "skips "
        "the variables with a warning, or moves nothing, and the loss stays where it is for no visible reason."
    ),
    bad="""
hits = tf.cast(tf.argmax(y_pred, axis=-1) == y_true, tf.float32)  # a step function
return 1.0 - hits
""",
    good="""
return tf.nn.sparse_softmax_cross_entropy_with_logits(labels=y_true, logits=y_pred)
""",
    modes=(Mode.EAGER,),
    references=("tensorflow/probability: tests of gradients",),
)

BATCHES = 3


def check(ctx: Context) -> None:
    """Look for gradients that are missing or zero."""
    sample = sample_of(ctx)
    loss = losses.summed(ctx)
    found = [losses.gradient(ctx, loss, sample.grow(4, seed=seed)).gradients for seed in range(BATCHES)]
    looked = False
    for index, leaf in enumerate(sample.layout.predictions):
        if sample.batch.predictions[index].dtype.kind in "biuSO" or leaf.domain is Domain.FIXED:
            continue
        looked = True
        gradients = [one[index] for one in found]
        if any(gradient is None for gradient in gradients):
            seen = "has no gradient: nothing that can be differentiated leads from it to the loss"
        elif all(not np.any(gradient) for gradient in gradients):
            seen = f"has a gradient of zero everywhere in {BATCHES} batches of 4 examples"
        else:
            continue
        raise Violation(
            f"{leaf.name} {seen}",
            cause="it passes through `argmax`, a comparison, rounding, an integer or NumPy, or it is not used",
            fix="Compute the loss from the predictions themselves with TensorFlow operations; leave out of `y_pred` "
            "what "
            "the loss does not use.",
        )
    if not looked:
        raise NotApplicable("No predictions are floating-point numbers of a known domain.")


class _CountsErrors(SoundCrossEntropy):
    def values(self, labels: Any, y_pred: Any) -> Any:
        return tf.cast(tf.not_equal(tf.argmax(y_pred, axis=-1, output_type=labels.dtype), labels), tf.float32)


class _GoesThroughNumPy(SoundHuber):
    def call(self, y_true: Any, y_pred: Any) -> Any:
        return super().call(y_true, tf.numpy_function(lambda array: array, [y_pred], tf.float32))


class _Saturates(SoundHuber):
    def call(self, y_true: Any, y_pred: Any) -> Any:
        return tf.reduce_mean(tf.round(tf.abs(y_pred - y_true)), axis=-1)


def _forgets_one(y_true: Any, y_pred: Any) -> Any:
    return tf.reduce_mean(tf.square(y_true["size"] - y_pred["size"]))


_TWO_HEADS = (
    {"size": np.ones((4, 2), np.float32), "place": np.zeros((4, 2), np.float32)},
    {"size": np.full((4, 2), 0.5, np.float32), "place": np.full((4, 2), -0.5, np.float32)},
)

MUTANTS = (
    CROSS_ENTROPY.replace(factory=_CountsErrors, name="counts errors"),
    HUBER_LOSS.replace(factory=_GoesThroughNumPy, name="goes through NumPy"),
    HUBER_LOSS.replace(factory=_Saturates, name="rounds the error"),
    HUBER_LOSS.replace(factory=_forgets_one, sample=_TWO_HEADS, traits={}, name="forgets one of two heads"),
)
TWIN = CROSS_ENTROPY
