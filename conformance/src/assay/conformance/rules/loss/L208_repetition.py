"""L208 repetition: a weight of three is the example three times."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from assay.conformance.context import Context
from assay.conformance.harness import losses
from assay.conformance.harness.samples import sample_of
from assay.conformance.lazy import tf
from assay.conformance.model import Level, Mode, Rule, Violation
from assay.conformance.specimens import CROSS_ENTROPY, HUBER_LOSS, SoundCrossEntropy, SoundHuber

RULE = Rule(
    id="L208",
    slug="repetition",
    level=Level.SHOULD,
    requirement="In the sum, an example of weight n counts as that example n times.",
    checks=(
        "Gives four examples the weights 1, 3, 0 and 2, and other batches whole numbers that Hypothesis draws, and "
        "compares the summed loss with that of a batch in which they come so often, without weights."
    ),
    why=(
        "Oversampling a class and weighting it are meant to be the same thing. Where they differ, moving from one to "
        "the other changes the class balance that was tuned."
    ),
    bad="""
losses = losses * tf.sqrt(sample_weight)
""",
    good="""
losses = losses * sample_weight
""",
    modes=(Mode.EAGER,),
    traits=("mixes_examples",),
    references=("tensorflow/tensorflow#34491", "keras-team/keras#7394"),
)

TIMES = (1, 3, 0, 2)


def check(ctx: Context) -> None:
    """Compare weights with repetition."""
    losses.require_weights(ctx)
    losses.require_independent_examples(ctx)
    losses.require_weights(ctx, losses.SUM)

    def cases() -> Any:
        return losses.example_weights(1, 4, choices=(1, 0, 2, 3)).filter(any)

    losses.explore(ctx, [TIMES], cases, lambda times: _compare(ctx, times))


def _compare(ctx: Context, times: Sequence[int]) -> None:
    loss = losses.component(ctx, losses.SUM)
    batch = sample_of(ctx).grow(len(times))
    repeated = batch.take(np.repeat(np.arange(len(times)), times).tolist())
    found = losses.value(ctx, loss, batch, losses.row_weights(ctx, batch, times))
    expected = losses.value(ctx, loss, repeated)
    if not ctx.tolerance("loss").allows(found, expected):
        raise Violation(
            f"weights {list(times)} give the sum {float(found):.6g}; the examples repeated so often give "
            f"{float(expected):.6g}",
            cause="the weights are transformed (a root, a softmax, a normalisation) before they are applied",
            fix="Multiply the values by the weights as they come.",
        )


class _TakesTheRoot(SoundCrossEntropy):
    def weigh(self, losses: Any, weights: Any) -> Any:
        return losses if weights is None else losses * tf.sqrt(weights)


class _Normalises(SoundHuber):
    def weigh(self, losses: Any, weights: Any) -> Any:
        return losses if weights is None else losses * weights / tf.reduce_max(weights)


MUTANTS = (
    CROSS_ENTROPY.replace(factory=_TakesTheRoot, name="takes the root of the weights"),
    HUBER_LOSS.replace(factory=_Normalises, name="divides by the largest weight"),
)
TWIN = HUBER_LOSS
