"""L211 logits-agree: the loss of logits is the loss of their probabilities."""

from __future__ import annotations

from typing import Any

import numpy as np
from assay.conformance.context import Context
from assay.conformance.harness import losses
from assay.conformance.harness.samples import Batch, Domain, sample_of, softmax
from assay.conformance.lazy import tf
from assay.conformance.model import Level, Mode, NotApplicable, Rule, Violation
from assay.conformance.specimens import CROSS_ENTROPY, PROBABILITY_LOSS, SoundCrossEntropy

RULE = Rule(
    id="L211",
    slug="logits-agree",
    level=Level.SHOULD,
    requirement="With `from_logits` the loss of logits equals the loss of their probabilities without it.",
    checks=(
        "For a loss whose config has `from_logits`, rebuilds it both ways, and compares moderate logits with their "
        "softmax, or with their sigmoid where each label stands for itself."
    ),
    why=(
        "Two code paths for one formula drift apart: a label smoothing or a focal weight that one of them lacks. A "
        "model "
        "that moves its softmax into the loss, as everybody should, then trains on something else."
    ),
    bad="""
if self.from_logits:
    return tf.nn.softmax_cross_entropy_with_logits(y_true, y_pred)  # the focal weight is in the other branch
""",
    good="""
log_p = tf.nn.log_softmax(y_pred) if self.from_logits else tf.math.log(y_pred)
return -tf.reduce_sum((1.0 - tf.exp(log_p)) ** self.gamma * y_true * log_p, axis=-1)
""",
    modes=(Mode.EAGER,),
    traits=("domain",),
)

_LARGEST = 4.0


def check(ctx: Context) -> None:
    """Compare both forms."""
    loss, config = losses.config_of(ctx)
    if not isinstance(config.get("from_logits"), bool):
        raise NotApplicable("The config has no switch 'from_logits'.")
    batch = sample_of(ctx).grow(5)
    pair = _both_forms(batch)
    if pair is None:
        raise NotApplicable(f"The predictions have no two forms: {batch.describe()}.")
    values = [
        losses.value(ctx, losses.adapted(ctx, losses.rebuild(loss, {**config, "from_logits": flag})), form)
        for flag, form in zip((True, False), pair, strict=True)
    ]
    if values[0].shape != values[1].shape or not ctx.tolerance("forms").allows(*values):
        raise Violation(
            f"logits give {np.ravel(values[0])[:3].tolist()}, and their probabilities "
            f"{np.ravel(values[1])[:3].tolist()}",
            cause="the two branches of `from_logits` do not compute the same formula",
            fix="Turn both into log-probabilities first, and write the formula once.",
        )


def _both_forms(batch: Batch) -> tuple[Batch, Batch] | None:
    logits, probabilities = [], []
    for leaf, array in zip(batch.layout.predictions, batch.predictions, strict=True):
        if leaf.partner is None:
            return None
        values = array.astype(np.float64)
        alone = batch.layout.truth[leaf.partner].domain in (Domain.BINARY, Domain.PROBABILITIES)
        if leaf.domain is Domain.LOGITS:
            values = np.clip(values, -_LARGEST, _LARGEST)
        elif leaf.domain is Domain.SIMPLEX:
            values = np.log(np.clip(values, np.exp(-_LARGEST), None))
        elif leaf.domain is Domain.PROBABILITIES:
            inner = np.clip(values, 0.02, 0.98)
            values = np.log(inner / (1 - inner))
        else:
            return None
        logits.append(values)
        probabilities.append(1 / (1 + np.exp(-values)) if alone else softmax(values))
    return batch.with_predictions(logits), batch.with_predictions(probabilities)


class _FocalInOneBranch(SoundCrossEntropy):
    def values(self, labels: Any, y_pred: Any) -> Any:
        values = super().values(labels, y_pred)
        return values if self.from_logits else (1.0 - tf.exp(-values)) * values


class _SigmoidForSoftmax(SoundCrossEntropy):
    def values(self, labels: Any, y_pred: Any) -> Any:
        if not self.from_logits:
            return super().values(labels, y_pred)
        return -tf.math.log_sigmoid(tf.gather(y_pred, labels, axis=-1, batch_dims=1))


MUTANTS = (
    CROSS_ENTROPY.replace(factory=_FocalInOneBranch, name="a weight in one branch"),
    CROSS_ENTROPY.replace(factory=_SigmoidForSoftmax, name="a sigmoid for a softmax"),
)
TWIN = PROBABILITY_LOSS
