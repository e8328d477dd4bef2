"""Why an update or a loss on replicas is not that of one replica: the causes that leave a trace, each with its fix."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from assay.conformance.context import Context
from assay.conformance.harness.tasks.comparable import comparable_run, differing_beyond_rounding
from assay.conformance.harness.tasks.factors import common_factor
from assay.conformance.harness.tasks.parts import mean_update, part_runs, shares_of_parts, update_of
from assay.conformance.model.vocabulary import Mode

Arrays = Mapping[str, np.ndarray]
Cause = tuple[str, str]
"""The most likely cause, and the fix."""

_DIVIDE = (
    "Divide the mean loss of the replica by `tf.distribute.get_strategy().num_replicas_in_sync` once, before the "
    "gradients are taken, and apply the gradients with the optimizer's default sum over replicas."
)
_GLOBAL_COUNT = (
    "Divide by the count over all replicas, `tf.distribute.get_replica_context().all_reduce('sum', count)`, and not by "
    "num_replicas_in_sync as well."
)
_ALONE = "the update is exactly the mean of what each replica does alone"

NORMALISER: Cause = (
    (
        f"a mean of means: {_ALONE}, so that a normaliser (a count of valid pixels, positives or weights) is counted "
        "per replica and differs between them"
    ),
    _GLOBAL_COUNT,
)
_MIXES: Cause = (
    (
        f"{_ALONE}, and one replica's is not made up of these: an example's share depends on which others are in its "
        "batch (class weights by frequency, negatives within the batch, Dice over the batch), or it is a mean of means "
        "of several counts"
    ),
    f"{_GLOBAL_COUNT} If a replica is meant to mix its examples, declare the trait 'batch_statistics'.",
)


def same_update(ctx: Context, actual: Arrays, expected: Arrays) -> bool:
    """Whether two updates of the first step agree, but for rounding."""
    return not differing_beyond_rounding(ctx, actual, expected, step=1)


def mixing(ctx: Context) -> tuple[list[float], bool]:
    """Return the factors with which one replica's first update is made of those of its halves, and whether it is not.

    A step that only weighs its examples by a count has such factors; one that mixes the examples of a batch has none.
    """
    whole = update_of(comparable_run(ctx, mode=Mode.GRAPH), 1)
    shares, rest = shares_of_parts(whole, [update_of(part, 1) for part in part_runs(ctx)])
    return shares, rest > ctx.tolerance("mixing").relative


def cause_of_factor(factor: float, replicas: int) -> Cause:
    """Return why an update on replicas is a multiple of what it should be.

    Args:
      factor: The multiple.
      replicas: How many replicas there are.
    """
    causes = {
        float(replicas): (
            "the loss is a mean over the replica's own examples, not divided by num_replicas_in_sync, and the "
            "optimizer sums gradients over replicas; or the gradients are summed by hand as well"
        ),
        1.0 / replicas: (
            "the loss is divided twice (by the global batch size and by num_replicas_in_sync), or the gradients are "
            "averaged over replicas although the loss was divided"
        ),
        float(replicas**2): "the gradients are summed over replicas twice, and the loss is not divided",
        1.0 / replicas**2: "the loss is divided by num_replicas_in_sync more than twice",
    }
    for value, cause in causes.items():
        if np.isclose(factor, value, rtol=0.05):
            return cause, _DIVIDE
    return (
        "a constant that depends on the batch size or the number of replicas multiplies the loss",
        "Let the objective be the mean over the replica's examples divided by num_replicas_in_sync, and no more.",
    )


def cause_of_difference(
    ctx: Context, actual: Arrays, expected: Arrays, before: Arrays, names: Sequence[str], *, first: bool
) -> Cause:
    """Return why an update on replicas differs from what it should be, and is no multiple of it.

    Args:
      ctx: The check's context.
      actual: What the replicas add to each weight.
      expected: What they should add.
      before: The weights before the step.
      names: Where the two differ.
      first: Whether it is the first step, of which the parts are known.
    """
    excess = {name: actual[name] - expected[name] for name in names}
    weights = {name: before[name] for name in names}
    if common_factor(excess, weights, tolerance=ctx.tolerance("factor"), weights=before) is not None:
        return (
            "the regularisation losses are counted once per replica: the excess is proportional to the weights",
            "Add the sum of `aux_losses` to the loss before the whole is divided by num_replicas_in_sync.",
        )
    if first and same_update(ctx, actual, mean_update(part_runs(ctx))):
        shares, mixes = mixing(ctx)
        if mixes:
            return _MIXES
        cause, fix = NORMALISER
        return f"{cause}: one replica gives the two halves the factors {shares[0]:.3g} and {shares[1]:.3g}", fix
    return (
        (
            "the step does something to each replica's own gradients or examples before they are summed: clips or "
            "normalises them, weighs them with a count of the replica, or depends on the position in the batch"
        ),
        "Make the gradients a sum over examples divided by a global count, and clip after the sum over replicas.",
    )


def cause_of_logged_loss(ratio: float, replicas: int) -> Cause:
    """Return why the mean over replicas of the logged loss is not what one replica logs.

    Args:
      ratio: The one by the other.
      replicas: How many replicas there are.
    """
    fix = 'Return the mean loss of the replica, before any division by replicas: `return {"loss": loss}`.'
    if np.isclose(ratio, 1.0 / replicas, rtol=0.05):
        return "the logs hold the objective, which is divided by the number of replicas or the global batch size", fix
    if np.isclose(ratio, replicas, rtol=0.05):
        return "the logged loss is a sum over replicas, or is multiplied by their number", fix
    return (
        "a mean of means: the logged loss is divided by a count of the replica's own (valid pixels, positives)",
        "Divide by the mean over replicas of the count, so that the mean over replicas is the mean over all elements.",
    )
