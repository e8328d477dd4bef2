"""L405 label-range: a label out of range is an error, NaN or one value, the same eagerly, in a graph and under XLA."""

from __future__ import annotations

from typing import Any

import numpy as np
from assay.conformance.context import Context
from assay.conformance.harness import losses
from assay.conformance.harness.samples import Domain, sample_of
from assay.conformance.lazy import tf
from assay.conformance.model import Level, Mode, NotApplicable, Rule, SubjectError, Target, Violation
from assay.conformance.specimens import CROSS_ENTROPY, PROBABILITY_LOSS, SoundCrossEntropy

RULE = Rule(
    id="L405",
    slug="label-range",
    level=Level.SHOULD,
    requirement="A class id outside the range shows (an error or NaN) in every mode, or has one value in all of them.",
    checks=(
        "Gives one example the label -1, and then the number of classes, and calls the loss eagerly and under XLA. "
        "What "
        "shows in one mode and is a quiet number in the other, or is two different numbers, is reported."
    ),
    why=(
        "A CPU checks indices, a TPU clamps them: a dataset with ids from 1 to N trains there with the last two "
        "classes "
        "merged, and the run that would have raised was never made."
    ),
    bad="""
picked = tf.gather(probabilities, labels, batch_dims=1)  # raises on a CPU, clamps under XLA
""",
    good="""
picked = tf.reduce_sum(probabilities * tf.one_hot(labels, num_classes), axis=-1)  # 0 in every mode
""",
    modes=(Mode.XLA,),
    targets=(Target.CPU, Target.GPU, Target.TPU),
    traits=("domain",),
)


def check(ctx: Context) -> None:
    """Compare what becomes of labels out of range."""
    batch = sample_of(ctx).grow(3)
    leaf = batch.layout.truth[0]
    if len(batch.truth) != 1 or leaf.domain is not Domain.CLASS_IDS or leaf.classes < 2 or len(batch.predictions) != 1:
        raise NotApplicable("The labels are not one array of class ids whose number of classes is known.")
    loss = losses.summed(ctx)
    for label in (leaf.classes, -1):
        if label < 0 and batch.truth[0].dtype.kind == "u":
            continue
        truth = batch.truth[0].copy()
        truth[0] = label
        changed = batch.with_truth([truth])
        eager, compiled = (_outcome(ctx, loss, changed, mode) for mode in (Mode.EAGER, Mode.XLA))
        if eager is None and compiled is None:
            continue
        if eager is None or compiled is None or not ctx.tolerance("loss").allows(compiled, eager):
            said = ["an error or NaN" if one is None else f"{float(np.sum(one)):.6g}" for one in (eager, compiled)]
            raise Violation(
                f"label {label} of {leaf.classes} classes gives {said[0]} eagerly and {said[1]} under XLA",
                cause="an index is checked by one kernel and clamped, or read as zero, by the other",
                fix="Decide it: assert the range in the input pipeline, or use `tf.one_hot`, which gives zeros in all "
                "modes.",
            )


def _outcome(ctx: Context, loss: Any, batch: Any, mode: Mode) -> np.ndarray | None:
    """The value, or None when it shows that something is wrong."""
    try:
        found = losses.value(ctx, loss, batch, mode=mode)
    except SubjectError:
        return None
    return found if np.all(np.isfinite(found)) else None


class _Gathers(SoundCrossEntropy):
    def values(self, labels: Any, y_pred: Any) -> Any:
        log_p = tf.nn.log_softmax(y_pred)
        return -tf.gather(log_p, labels, axis=-1, batch_dims=1)


MUTANTS = (CROSS_ENTROPY.replace(factory=_Gathers, name="gathers with the label"),)
TWIN = PROBABILITY_LOSS
