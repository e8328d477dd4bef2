"""L000 usable: the loss can be made and called with the sample; nothing else can be observed otherwise."""

from __future__ import annotations

from typing import Any

import numpy as np
from assay.conformance.context import Context
from assay.conformance.harness import losses
from assay.conformance.harness.samples import describe, sample_of
from assay.conformance.model import Level, Mode, Rule, Target, Violation
from assay.conformance.specimens import CROSS_ENTROPY, SoundCrossEntropy

RULE = Rule(
    id="L000",
    slug="usable",
    level=Level.MUST,
    requirement="The factory makes a loss that gives a finite number, or finite numbers, for the sample.",
    checks=(
        "Calls the factory and then the loss with the sample `(y_true, y_pred)`. From the sample's values the suite "
        "infers what they stand for (class ids, one-hot rows, logits, probabilities, ...) and stays within that; the "
        "trait `domain` says it where values cannot. A function `f(y_true, y_pred)` is a loss too; other names or "
        "another order of the arguments are inferred from names such as `logits, labels`, or declared by `arguments`."
    ),
    why=(
        "Every other rule watches these calls. When one of them raises, that is the one thing to mend, and the other "
        "rules are not run instead of all failing for the same reason."
    ),
    bad="""
class FocalLoss(tf.keras.losses.Loss):
    def call(self, y_true, y_pred):
        return self.gamma * y_pred  # self.gamma was never set
""",
    good="""
class FocalLoss(tf.keras.losses.Loss):
    def __init__(self, gamma=2.0, **kwargs):
        super().__init__(**kwargs)
        self.gamma = gamma
""",
    modes=(Mode.EAGER,),
    targets=(Target.CPU, Target.GPU, Target.TPU),
    traits=("domain", "arguments"),
    gate=True,
)


def check(ctx: Context) -> None:
    """Call the loss with the sample as it is; what it raises is the failure."""
    sample = sample_of(ctx)
    ctx.note(*describe(ctx))
    loss = losses.component(ctx, steady=False)
    returned = losses.output(ctx, loss, sample.batch)
    if returned is None:
        raise Violation(
            f"the loss returned None for {sample.batch.describe()}",
            cause="the function computes the loss and does not return it",
            fix="Return the loss.",
        )
    values = np.asarray(losses.to_float64(returned))
    if not np.all(np.isfinite(values)):
        bad = int(np.sum(~np.isfinite(values)))
        raise Violation(
            f"{bad} of {values.size} values are not finite for {sample.batch.describe()}",
            cause="the sample is outside the domain of the loss, such as logits where probabilities are expected",
            fix="Give a sample of what the loss sees in training, or mend the loss where it divides or takes a log.",
        )


class _NeverSet(SoundCrossEntropy):
    def call(self, y_true: Any, y_pred: Any) -> Any:
        return self.gamma * super().call(y_true, y_pred)  # type: ignore[attr-defined]


class _ReturnsNothing(SoundCrossEntropy):
    def reduce(self, losses: Any, weights: Any) -> Any:
        super().reduce(losses, weights)


MUTANTS = (
    CROSS_ENTROPY.replace(factory=_NeverSet, name="an option is never set"),
    CROSS_ENTROPY.replace(factory=_ReturnsNothing, name="returns nothing"),
)
TWIN = CROSS_ENTROPY
