"""Batches that a metric tells apart: what a rule mixes up must show in the result."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence

import numpy as np
from assay.conformance.context import Context
from assay.conformance.harness.metrics.comparing import difference
from assay.conformance.harness.metrics.component import evaluate
from assay.conformance.harness.samples import Batch, Domain, Leaf, perfect, sample_of, wrong
from assay.conformance.model.errors import SubjectError

_SEEDS = 6


def contrasting(ctx: Context, *sizes: int) -> tuple[Batch, ...]:
    """Return batches whose results differ from each other, as far as the sample has such; shared by all rules.

    A metric that forgets its first batch, or counts it twice, says nothing wrong when all batches score 1.

    Args:
      ctx: The check's context.
      *sizes: How many examples each batch has.

    Raises:
      SubjectError: If the metric raises on the first batch.
    """
    return ctx.share(("contrasting batches", sizes), lambda: _contrasting(ctx, sizes))


def joined(parts: Sequence[Batch]) -> Batch:
    """Return one batch of the rows of several."""
    first = parts[0]
    sides = []
    for leaves, arrays in (
        (first.layout.truth, [part.truth for part in parts]),
        (first.layout.predictions, [part.predictions for part in parts]),
    ):
        rows = zip(leaves, zip(*arrays, strict=True), strict=True)
        sides.append(tuple(np.concatenate(each) if leaf.batched else each[0] for leaf, each in rows))
    size = sum(part.size for part in parts)
    return dataclasses.replace(first, truth=sides[0], predictions=sides[1], size=size)


def _contrasting(ctx: Context, sizes: Sequence[int]) -> tuple[Batch, ...]:
    chosen = [sample_of(ctx).grow(sizes[0])]
    results = [evaluate(ctx, chosen)]
    for number, size in enumerate(sizes[1:], 1):
        best, most, its_result = sample_of(ctx).grow(size, seed=number), -1, results[-1]
        for batch in _candidates(ctx, size, number):
            try:
                found = evaluate(ctx, [batch])
            except SubjectError:
                continue
            # The batch just before counts most: it is the one that is mistaken for this one.
            differing = [bool(difference(ctx, found, one)) for one in results]
            score = sum(differing) + len(results) * differing[-1]
            if score > most:
                best, most, its_result = batch, score, found
            if all(differing):
                break
        chosen.append(best)
        results.append(its_result)
    return tuple(chosen)


def _candidates(ctx: Context, size: int, number: int) -> Iterator[Batch]:
    """Batches of a size: other rows, and predictions that are all wrong, all right, or as wrong as can be."""
    sample = sample_of(ctx)
    for seed in range(number, number + _SEEDS):
        yield sample.grow(size, seed=seed)
    for answering in (wrong, perfect, _worst):
        batch = answering(sample.grow(size, seed=number))
        if batch is not None:
            yield batch


def _worst(batch: Batch) -> Batch | None:
    """The batch with the lowest scores for the true classes, below all others: not even the second guess is right."""
    right = perfect(batch)
    if right is None:
        return None

    def turned(leaf: Leaf, array: np.ndarray) -> np.ndarray:
        if leaf.domain is Domain.LOGITS:
            return -array
        return (1 - array) / max(array.shape[-1] - 1, 1) if leaf.domain is Domain.SIMPLEX else array

    return right.map_predictions(turned)
