"""Cases that the rules draw: batch sizes, weights and magnitudes, each small enough to be read in a message."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np
from assay.conformance.context import Context
from assay.conformance.harness.searching import search
from assay.conformance.model.errors import SubjectError, Violation

EXAMPLES = 10
"""How many cases are drawn beside the plain ones; a call takes milliseconds, and some thirty rules draw."""
SHRINKING = 30
"""How many, once a plain case has failed and a smaller one is looked for."""
BUDGET = 0.3
"""Processor seconds after which no more cases are drawn, unless the run says how many: few losses take a tenth of it,
and one that loops in Python would take minutes."""
WEIGHTS = (1.0, 0.0, 0.5, 2.0, 0.25)
"""Weights in the order in which they are preferred; all are exact in float32."""
_SEEDS = 4


@dataclasses.dataclass(frozen=True)
class Weighting:
    """Weights in a form that can be read.

    Attributes:
      numbers: The weights, one after another.
      elementwise: Whether they are given to the elements in turn, or one to each example.
    """

    numbers: tuple[float, ...]
    elementwise: bool = False

    def array(self, shape: Sequence[int]) -> np.ndarray:
        """Return the weights for unreduced values `[batch, ...]` as float32, repeated where there are too few."""
        if self.elementwise:
            return np.resize(np.asarray(self.numbers, np.float32), tuple(shape))
        rows = np.resize(np.asarray(self.numbers, np.float32), shape[0])
        return np.broadcast_to(rows.reshape((shape[0],) + (1,) * (len(shape) - 1)), tuple(shape)).copy()

    def __str__(self) -> str:
        said = "weights [" + ", ".join(f"{number:g}" for number in self.numbers) + "]"
        return f"{said} for the elements in turn" if self.elementwise else said


def explore(
    ctx: Context,
    plain: Iterable[Any],
    cases: Callable[[], Any],
    examine: Callable[[Any], None],
    *,
    examples: int = EXAMPLES,
) -> None:
    """Examine plain cases, then drawn ones; raise what the smallest that breaks the rule raises.

    A drawn case that the loss refuses by an exception is passed over, a plain one is not. L101 and L214 say that a
    batch of one must do, and a loss that couples its examples may need an even number of them.

    Args:
      ctx: The check's context.
      plain: Cases that are always looked at: those that tell most.
      cases: Returns a Hypothesis strategy of such cases.
      examine: Looks at one case; raises `Violation` where it breaks the rule.
      examples: How many cases to draw, unless the run says how many.
    """
    end = time.process_time() + BUDGET
    failing = False

    def drawn(case: Any) -> None:
        nonlocal failing
        if not (failing or ctx.session.max_examples) and time.process_time() > end:
            return
        try:
            examine(case)
        except SubjectError:
            return
        except Violation:
            failing = True  # from here on cases are shrunk, and each has to be looked at
            raise

    for case in plain:
        try:
            examine(case)
        except Violation:
            end = time.process_time() + 10 * BUDGET
            search(ctx, cases, drawn, examples=max(examples, SHRINKING))  # raises the same of a smaller case
            raise
    search(ctx, cases, drawn, examples=examples)


def grown(low: int = 1, high: int = 6) -> Any:
    """A strategy of `(size, seed)`, for `Sample.grow`."""
    from hypothesis import strategies

    return strategies.tuples(strategies.integers(low, high), strategies.integers(0, _SEEDS))


def seeds() -> Any:
    """A strategy of seeds for `Sample.grow`."""
    from hypothesis import strategies

    return strategies.integers(0, _SEEDS)


def example_weights(low: int = 1, high: int = 6, *, choices: Sequence[float] = WEIGHTS) -> Any:
    """A strategy of tuples of weights, one an example."""
    from hypothesis import strategies

    return strategies.lists(strategies.sampled_from(choices), min_size=low, max_size=high).map(tuple)


def some_zero(high: int = 6) -> Any:
    """A strategy of tuples of weights, one an example, of which at least one is 0 and one is not."""
    return example_weights(2, high).filter(lambda weights: 0.0 in weights and any(weights))


def weightings() -> Any:
    """A strategy of `Weighting`, an example's or an element's."""
    from hypothesis import strategies

    return strategies.builds(Weighting, example_weights(), strategies.booleans())


def counted(size: int) -> str:
    """Return `1 example`, `3 examples`."""
    return f"{size} example" + ("" if size == 1 else "s")
