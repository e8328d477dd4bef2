"""Runs of a Python metric: a new one, fed with batches, asked for its result."""

from __future__ import annotations

import contextlib
import enum
import random
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from assay.conformance.context import Context
from assay.conformance.harness.calls import calling
from assay.conformance.harness.host_metrics.batching import Junk, Pair, join
from assay.conformance.harness.host_metrics.examples import Example
from assay.conformance.harness.host_metrics.fields import as_tensors, map_leaves
from assay.conformance.harness.host_metrics.sample import examples_of, given_as_tensors, sample_batches, sample_of
from assay.conformance.harness.host_metrics.scores import Scores, as_scores, differing
from assay.conformance.model.errors import NotApplicable

RESETS = ("reset_state", "reset_states")
"""What the method that forgets all batches is called: by Keras 3, and by Keras 2."""


def make_metric(ctx: Context) -> Any:
    """Return a new metric from the subject's factory.

    Raises:
      SubjectError: If the factory raises.
    """
    with calling("the factory"), quietly():
        return ctx.subject.factory()


def reset_of(metric: Any) -> Callable[[], Any] | None:
    """Return the method that forgets all batches, by either name, or None."""
    return next((getattr(metric, name) for name in RESETS if callable(getattr(metric, name, None))), None)


class Handed(enum.StrEnum):
    """As what a metric is handed its batches."""

    ARRAYS = "NumPy arrays"
    TENSORS = "tensors"


def takes(ctx: Context) -> tuple[Handed, ...]:
    """Return as what the metric takes a batch of the sample: the kind that the sample has, then the other one.

    A metric that calls `.numpy()` takes tensors only, whatever its sample holds. When neither works it is the sample's
    own kind, so that what is said is about that.
    """

    def probe() -> tuple[Handed, ...]:
        kinds = (Handed.TENSORS, Handed.ARRAYS) if given_as_tensors(ctx) else (Handed.ARRAYS, Handed.TENSORS)
        taken = []
        for kind in kinds:
            metric = make_metric(ctx)
            with contextlib.suppress(Exception), seeded(ctx.seed), quietly():
                metric.update_state(*hand_over(sample_batches(ctx)[0], kind))
                taken.append(kind)
        return tuple(taken) or kinds[:1]

    return ctx.share("host metric takes", probe)


def hand_over(pair: Pair, kind: Handed) -> Pair:
    """Return a copy of a batch as arrays, or as tensors."""
    truth, found = (map_leaves(np.copy, side) for side in pair)
    return (as_tensors(truth), as_tensors(found)) if kind is Handed.TENSORS else (truth, found)


def update(ctx: Context, metric: Any, pair: Pair, what: str = "a batch") -> None:
    """Give a metric one batch, as copies that it may do with what it likes.

    Raises:
      SubjectError: If the metric raises.
    """
    kind = takes(ctx)[0]
    given = hand_over(pair, kind)
    with calling(f"update_state with {what} ({kind}: {describe_batch(pair)})"), quietly():
        metric.update_state(*given)


def result(metric: Any, what: str = "result()") -> Scores:
    """Return what a metric says now.

    Raises:
      SubjectError: If the metric raises.
    """
    with calling(what), quietly():
        return as_scores(metric.result())


def scores_of(ctx: Context, pairs: Sequence[Pair], *, seed: int = 0) -> Scores:
    """Return what a new metric says of some batches.

    Args:
      ctx: The check's context.
      pairs: The batches, in order.
      seed: Where NumPy's and Python's global randomness starts from: some metrics break ties with it.
    """
    with seeded(ctx.seed + seed):
        metric = make_metric(ctx)
        for number, pair in enumerate(pairs, start=1):
            update(ctx, metric, pair, f"batch {number} of {len(pairs)}")
        return result(metric)


def scores_of_examples(
    ctx: Context,
    examples: Sequence[Example],
    *,
    slots: Mapping[str, int] | None = None,
    junk: Junk | None = None,
    counts: Mapping[str, int] | None = None,
) -> Scores:
    """Return what a new metric says of examples in as few batches as their shapes allow; see `join`."""
    return scores_of(ctx, join(sample_of(ctx).layout, examples, slots=slots, junk=junk, counts=counts))


def baseline(ctx: Context, *, at_least: int = 1) -> Scores:
    """Return what the metric says of the sample's examples in one go; shared, and found to be repeatable.

    Args:
      ctx: The check's context.
      at_least: How many examples the rule needs.

    Raises:
      NotRun: If the sample has too few examples.
      NotApplicable: If two runs over the same batches differ: then no comparison says anything.
    """
    examples = examples_of(ctx, at_least=at_least)
    ctx.not_applicable_if("random_result")
    first = ctx.share("host metric baseline", lambda: scores_of_examples(ctx, examples))

    def again() -> Scores:
        return scores_of(ctx, join(sample_of(ctx).layout, examples), seed=1)

    second = ctx.share("host metric baseline, again", again)
    if differing(second, first, ctx.tolerance("metrics")):
        raise NotApplicable(
            "Two runs over the same batches give different results, so nothing can be compared: the metric draws "
            "random numbers, or its instances share state (H104). The trait 'random_result' declares the first."
        )
    return first


@contextlib.contextmanager
def quietly() -> Iterator[None]:
    """Keep the warnings of the metric's arithmetic to itself: what matters is what comes out."""
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        yield


@contextlib.contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Start the global randomness of Python and NumPy from a seed, and put it back afterwards."""
    before = random.getstate(), np.random.get_state()  # noqa: NPY002 - the global one is what metrics use
    random.seed(seed)
    np.random.seed(seed)  # noqa: NPY002
    try:
        yield
    finally:
        random.setstate(before[0])
        np.random.set_state(before[1])  # noqa: NPY002


def describe_batch(pair: Pair) -> str:
    """Return the shapes of a batch, for messages: `boxes [3, 5, 4], scores [3, 5]`."""
    sides = []
    for side in pair:
        if isinstance(side, list):
            sides.append(f"a list of {len(side)}")
            continue
        shapes = [f"{'/'.join(map(str, path))} {list(np.shape(leaf))}".strip() for path, leaf in _leaves(side)]
        sides.append(", ".join(shapes[:_SHOWN]) + (", ..." if len(shapes) > _SHOWN else ""))
    return "; ".join(sides)


_SHOWN = 3


def _leaves(side: Any) -> Iterator[tuple[tuple[Any, ...], Any]]:
    if isinstance(side, Mapping):
        for key, value in side.items():
            for path, leaf in _leaves(value):
                yield (key, *path), leaf
    else:
        yield (), np.zeros(len(side)) if isinstance(side, list) else side
