"""L302 gradient-finite: gradients are finite at saturated predictions and at exact targets."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from assay.conformance.context import Context
from assay.conformance.harness import losses
from assay.conformance.harness.samples import Batch, perfect, sample_of, saturated, wrong
from assay.conformance.lazy import tf
from assay.conformance.model import Level, Mode, NotApplicable, Rule, Target, Violation
from assay.conformance.specimens import CROSS_ENTROPY, HUBER_LOSS, PROBABILITY_LOSS, SoundCrossEntropy, SoundHuber

RULE = Rule(
    id="L302",
    slug="gradient-finite",
    level=Level.MUST,
    requirement="Value and gradients are finite for saturated predictions, right or wrong, and at exact targets.",
    checks=(
        "Computes value and gradients for logits of +-20, 50, 100 and 1000, right, wrong and mixed; for probabilities "
        "of exactly 0 and 1; and for predictions that equal their targets; for six examples, and for batches that "
        "Hypothesis draws. Each stays within the domain of the sample."
    ),
    why=(
        "Logits of 50 are ordinary late in training and in the first steps of a bad start. `log(sigmoid(x))`, a power "
        "of zero and the root of a squared error are finite on random data; the first saturated example makes every "
        "weight NaN."
    ),
    bad="""
p = tf.sigmoid(logits)
return -tf.math.log(1.0 - p)  # log(0) from logits of 17 on
""",
    good="""
return tf.nn.softplus(logits)  # the same number at any size
""",
    modes=(Mode.EAGER,),
    targets=(Target.CPU, Target.GPU, Target.TPU),
    references=("kornia/kornia#918", "google-deepmind/optax#1267", "fizyr/keras-retinanet#706"),
)

SIZES = (20.0, 50.0, 100.0, 1000.0)
KINDS = ("right", "wrong", "mixed")


def check(ctx: Context) -> None:
    """Look for what is not finite."""
    sample = sample_of(ctx)
    makers = _makers()
    if all(make(sample.grow(6), SIZES[0]) is None for make in makers.values()):
        raise NotApplicable(f"Neither saturated nor perfect predictions can be made for {sample.grow(6).describe()}.")

    def cases() -> Any:
        from hypothesis import strategies

        return strategies.tuples(losses.grown(), strategies.sampled_from(SIZES), strategies.sampled_from(KINDS))

    def examine(case: tuple[tuple[int, int], float, str]) -> None:
        (rows, seed), size, kind = case
        extreme = makers[kind](sample.grow(rows, seed=seed), size)
        if extreme is not None:
            _look(ctx, losses.summed(ctx), extreme, f"{kind} predictions of size {size:g}")

    losses.explore(ctx, [((6, 0), size, kind) for size in SIZES for kind in KINDS], cases, examine, examples=6)


def _makers() -> Mapping[str, Callable[[Batch, float], Batch | None]]:
    return {
        "right": lambda batch, size: perfect(batch, confidence=size),
        "wrong": lambda batch, size: wrong(batch, confidence=size),
        "mixed": lambda batch, size: saturated(batch, size),
    }


def _look(ctx: Context, loss: losses.LossComponent, batch: Batch, what: str) -> None:
    found = losses.gradient(ctx, loss, batch)
    bad_values = int(np.sum(~np.isfinite(found.value)))
    bad = sum(int(np.sum(~np.isfinite(g))) for g in found.gradients if g is not None)
    total = sum(g.size for g in found.gradients if g is not None)
    if bad_values or bad:
        raise Violation(
            f"for {losses.counted(batch.size)} with {what} the loss is {np.ravel(found.value)[:3].tolist()} and {bad} "
            f"of {total} gradients are not finite ({batch.describe()})",
            cause=(
                "the value overflows: an exponential, or the logarithm of a probability that has become 0"
                if bad_values
                else "the value is finite and its derivative is not: a root or power of 0, a masked `tf.where`"
            ),
            fix="Compute in log space (`tf.nn.log_softmax`, `tf.nn.softplus`), and keep roots and powers away from 0 "
            "before they are taken.",
        )


class _LogOfSoftmax(SoundCrossEntropy):
    def values(self, labels: Any, y_pred: Any) -> Any:
        probabilities = tf.nn.softmax(y_pred)
        return -tf.math.log(tf.gather(probabilities, labels, axis=-1, batch_dims=1))


class _RootOfTheError(SoundHuber):
    def call(self, y_true: Any, y_pred: Any) -> Any:
        return tf.sqrt(tf.reduce_sum(tf.square(y_pred - y_true), axis=-1))


class _PowerOfZero(SoundCrossEntropy):
    """A focal loss with gamma 0.5: the derivative of `(1 - p)^0.5` at p = 1 is infinite."""

    def values(self, labels: Any, y_pred: Any) -> Any:
        picked = tf.gather(y_pred, labels, axis=-1, batch_dims=1)
        return -((1.0 - picked) ** 0.5) * tf.math.log(picked + 1e-7)


MUTANTS = (
    CROSS_ENTROPY.replace(factory=_LogOfSoftmax, name="logarithm of a softmax"),
    HUBER_LOSS.replace(factory=_RootOfTheError, name="root of a squared error"),
    PROBABILITY_LOSS.replace(factory=_PowerOfZero, name="power of zero"),
)
TWIN = HUBER_LOSS
