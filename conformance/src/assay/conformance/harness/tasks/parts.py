"""A batch taken part by part on one replica: the reference for replicas that keep statistics of their own part."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from assay.conformance.context import Context
from assay.conformance.harness.tasks.batches import split_batch, training_batches
from assay.conformance.harness.tasks.comparable import comparable_build
from assay.conformance.harness.tasks.runs import DEFAULT_STEPS, TrainRun, train
from assay.conformance.model.vocabulary import Mode

Arrays = Mapping[str, np.ndarray]


def update_of(run: TrainRun, step: int) -> dict[str, np.ndarray]:
    """Return what a step of a run added to each trainable weight, in float64."""
    before, after = run.snapshots[step - 1].weights, run.snapshots[step].weights
    return {name: after[name].astype(np.float64) - before[name] for name in after}


def part_runs(ctx: Context) -> list[TrainRun]:
    """Return one eager step of one replica on each replica's part of the first batch."""
    return ctx.share(
        "one step on each part",
        lambda: [
            train(comparable_build(ctx, mode=Mode.EAGER), [part])
            for part in split_batch(training_batches(ctx, DEFAULT_STEPS)[0])
        ],
    )


def mean_update(parts: Sequence[TrainRun]) -> dict[str, np.ndarray]:
    """Return the mean, over runs, of what their first step added to each trainable weight."""
    return weighted_update(parts, [1 / len(parts)] * len(parts))


def weighted_update(parts: Sequence[TrainRun], weights: Sequence[float]) -> dict[str, np.ndarray]:
    """Return the sum, over runs, of a weight times what the first step added to each trainable weight."""
    updates = [update_of(part, 1) for part in parts]
    return {name: np.tensordot(weights, [update[name] for update in updates], axes=1) for name in updates[0]}


def scale_of_parts(whole: Arrays, parts: Arrays, replicas: int) -> int:
    """Return how many times the mean of the parts' updates the whole batch's is.

    It is 1 for a mean over the examples at hand, and the number of replicas for a sum over them divided by the global
    batch size. Batch statistics blur it; the weights that they touch least, where the two point the same way, tell.
    """

    def agreement(name: str) -> float:
        size = float(np.linalg.norm(whole[name]) * np.linalg.norm(parts[name]))
        return float(np.sum(whole[name] * parts[name])) / size if size else 0.0

    clearest = max(whole, key=agreement)
    power = float(np.sum(np.square(parts[clearest])))
    ratio = float(np.sum(whole[clearest] * parts[clearest])) / power if power else 1.0
    return replicas if ratio > np.sqrt(replicas) else 1


def shares_of_parts(whole: Arrays, parts: Sequence[Arrays]) -> tuple[list[float], float]:
    """Return how the whole batch's update is made up of those of its parts, and how much of it is not.

    A step that takes a mean over some elements weighs the parts by their shares of these elements, and leaves nothing.
    A step that mixes the examples of a batch (batch statistics, negatives within the batch) leaves a rest.

    Args:
      whole: What a step on the whole batch adds to each weight.
      parts: What a step on each part adds.

    Returns:
      The factor of each part in the least-squares fit, and the norm of the rest relative to that of the whole.
    """
    names = list(whole)
    target = np.concatenate([np.ravel(whole[name]) for name in names])
    columns = np.stack([np.concatenate([np.ravel(part[name]) for name in names]) for part in parts], axis=1)
    shares = np.linalg.lstsq(columns, target, rcond=None)[0]
    size = float(np.linalg.norm(target))
    rest = float(np.linalg.norm(target - columns @ shares))
    return [float(share) for share in shares], rest / size if size else 0.0
