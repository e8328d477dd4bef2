"""K000 usable: the metric can be made, fed with the sample and read; nothing else can be observed otherwise."""

from __future__ import annotations

from typing import Any

from assay.conformance.context import Context
from assay.conformance.harness import metrics
from assay.conformance.harness.calls import calling
from assay.conformance.harness.samples import describe, sample_of
from assay.conformance.model import Level, Mode, Rule, Target, Violation
from assay.conformance.specimens import HIT_RATE, SoundHitRate

RULE = Rule(
    id="K000",
    slug="usable",
    level=Level.MUST,
    requirement="The factory makes a metric that takes the sample and then has a result.",
    checks=(
        "Calls the factory, `update_state` with the sample `(y_true, y_pred)`, and `result`. A third part of the "
        "sample, a dict, is passed as further arguments. A metric of values (one argument) is given the predictions. "
        "Other names or another order are inferred from names such as `logits, labels`, or declared by `arguments`."
    ),
    why=(
        "Every other rule watches these calls. When one of them raises, that is the one thing to mend, and the other "
        "rules are not run instead of all failing for the same reason."
    ),
    bad="""
class HitRate(tf.keras.metrics.Metric):
    def result(self):
        self.hits / self.total  # nothing is returned
""",
    good="""
class HitRate(tf.keras.metrics.Metric):
    def result(self):
        return tf.math.divide_no_nan(self.hits, self.total)
""",
    modes=(Mode.EAGER,),
    targets=(Target.CPU, Target.GPU, Target.TPU),
    traits=("domain", "arguments"),
    gate=True,
)


def check(ctx: Context) -> None:
    """Feed the sample as it is; what the metric raises is the failure."""
    batch = sample_of(ctx).batch
    ctx.note(*describe(ctx))
    metric = metrics.fresh(ctx, steady=False)
    metrics.update(ctx, metric, batch)
    with metrics.placed(ctx), calling("result()"):
        raw = metric.metric.result()
    if raw is None:
        raise Violation(
            f"result() returned None after an update with {batch.describe()}",
            cause="the method computes the result and does not return it",
            fix="Return the result.",
        )


class _NeverSet(SoundHitRate):
    def values(self, y_true: Any, y_pred: Any) -> Any:
        return self.weight_of_hits * super().values(y_true, y_pred)  # type: ignore[attr-defined]


class _ReturnsNothing(SoundHitRate):
    def result(self) -> Any:
        super().result()


MUTANTS = (
    HIT_RATE.replace(factory=_NeverSet, name="an option is never set"),
    HIT_RATE.replace(factory=_ReturnsNothing, name="returns nothing"),
)
TWIN = HIT_RATE
