"""L503 global-normaliser: a loss that divides by a count uses the count of all replicas."""

from __future__ import annotations

from typing import Any

import numpy as np
from assay.conformance.context import Context
from assay.conformance.harness import losses
from assay.conformance.harness.samples import sample_of
from assay.conformance.harness.strategies import REPLICAS
from assay.conformance.lazy import tf
from assay.conformance.model import Level, Mode, NotApplicable, Rule, Target, Violation
from assay.conformance.specimens import IGNORING_LOSS, SoundCrossEntropy

RULE = Rule(
    id="L503",
    slug="global-normaliser",
    level=Level.SHOULD,
    requirement="A loss that divides by the number of valid elements divides by that of all replicas together.",
    checks=(
        "For a loss that declares `normaliser='valid'` and an `ignore_label`, gives one replica three valid examples "
        "and "
        "the other one valid and two ignored ones. What they contribute must add up to the loss of one replica with "
        "all "
        "six, or to twice that, when the training loop is to divide by the number of replicas."
    ),
    why=(
        "The mean of means is not the mean. On a replica with few valid pixels each of them counts for more, so that "
        "the "
        "gradient depends on how a batch was cut, and small or empty images get the largest weight."
    ),
    bad="""
count = tf.reduce_sum(valid)  # of this replica
return tf.math.divide_no_nan(tf.reduce_sum(losses * valid), count)
""",
    good="""
count = tf.reduce_sum(valid)
context = tf.distribute.get_replica_context()
count = context.all_reduce(tf.distribute.ReduceOp.SUM, count)  # of all replicas
total = tf.math.divide_no_nan(tf.reduce_sum(losses * valid), count)
""",
    modes=(Mode.REPLICAS,),
    targets=(Target.CPU, Target.GPU, Target.TPU),
    traits=("normaliser", "ignore_label", "mixes_examples"),
    references=("tensorflow/tensorflow#33651",),
)

ROWS = 3
IGNORED = (4, 5)


def check(ctx: Context) -> None:
    """Compare uneven counts on two replicas with one replica."""
    label = ctx.trait("ignore_label")
    if label is None or ctx.trait("normaliser") != "valid":
        raise NotApplicable("The loss does not declare normaliser='valid' and an 'ignore_label'.")
    losses.require_independent_examples(ctx)
    batch = sample_of(ctx).grow(ROWS * REPLICAS)
    truth = [array.copy() for array in batch.truth]
    for array in truth:
        if np.all(array == label):
            raise NotApplicable("The sample has ignored labels only.")
        valid = array[array != label]
        array[array == label] = valid.ravel()[0]
        array[list(IGNORED)] = label
    batch = batch.with_truth(truth)
    loss = losses.component(ctx)
    alone = losses.value(ctx, loss, batch, mode=Mode.EAGER)
    if alone.ndim:
        raise NotApplicable("The loss has no reduced form.")
    found = losses.replica_outputs(ctx, loss, losses.parts_of(batch, (ROWS, ROWS)))
    if found is None:
        raise NotApplicable("The loss refuses to reduce under a strategy.")
    together = float(np.sum([float(part) for part in found]))
    if not any(ctx.tolerance("loss").allows(together, factor * float(alone)) for factor in (1.0, float(REPLICAS))):
        raise Violation(
            f"with 3 and 1 valid examples two replicas contribute {float(found[0]):.6g} and {float(found[1]):.6g}, "
            f"{together:.6g} together; one replica gives {float(alone):.6g}",
            cause="each replica divides by the number of its own valid elements",
            fix="Add the count up over the replicas (`get_replica_context().all_reduce`) before dividing, or return "
            "sum and "
            "count and let the loop divide.",
        )


class _DividesLocally(SoundCrossEntropy):
    def count(self, valid: Any) -> Any:
        return tf.reduce_sum(tf.cast(valid, tf.float32))


MUTANTS = (IGNORING_LOSS.replace(factory=lambda: _DividesLocally(ignore_label=255), name="divides by its own count"),)
TWIN = IGNORING_LOSS
