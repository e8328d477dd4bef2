"""The tolerances of every numeric comparison, in one table keyed by rule and target, with the reason for each.

A check never holds a number of its own: it asks `ctx.tolerance("weights")`. The most specific row wins: rule, quantity
and target; then rule and quantity on any target; then the quantity's default.
"""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
from assay.conformance.model.vocabulary import Target


@dataclasses.dataclass(frozen=True)
class Tolerance:
    """How far two values may be apart: `|a - b| <= absolute + relative * |b|`.

    Attributes:
      relative: The part in proportion to the expected value.
      absolute: The part that does not depend on it.
      because: Why it is what it is.
    """

    relative: float
    absolute: float
    because: str

    def allows(self, actual: Any, expected: Any) -> bool:
        """Whether every element of `actual` is near its element of `expected`; NaN equals NaN."""
        return bool(np.allclose(actual, expected, rtol=self.relative, atol=self.absolute, equal_nan=True))


EXACT = Tolerance(0.0, 0.0, "bit for bit")

_ANY = None
_TABLE: dict[tuple[str | None, str, Target | None], Tolerance] = {
    (_ANY, "exact", _ANY): EXACT,
    (_ANY, "loss", _ANY): Tolerance(1e-5, 1e-6, "float32 sums of a few thousand terms, in any order"),
    (_ANY, "loss", Target.GPU): Tolerance(1e-3, 1e-4, "TensorFloat-32 products keep 10 bits of mantissa"),
    ("T105", "half_updates", _ANY): Tolerance(
        0.25, 1e-6, "norm of the whole update; float16 keeps 11 bits, and each layer rounds"
    ),
    ("T501", "loss", _ANY): Tolerance(
        1e-3, 1e-5, "losses of weights that agree but for rounding; a wrong one is off twofold"
    ),
    ("T402", "loss", _ANY): Tolerance(
        1e-3, 1e-5, "logs of weights that agree but for rounding; what XLA computes otherwise is far off"
    ),
    ("T501", "mixing", _ANY): Tolerance(
        2e-3, 0.0, "what rounding leaves of an update that is made up of two others; mixing leaves a tenth and more"
    ),
    (_ANY, "weights", _ANY): Tolerance(1e-5, 1e-6, "float32 updates of a few steps, sums in any order"),
    (_ANY, "weights", Target.GPU): Tolerance(1e-3, 1e-4, "TensorFloat-32 products keep 10 bits of mantissa"),
    (_ANY, "updates", _ANY): Tolerance(
        1e-4, 1e-6, "relative to an array's own movement; rounding reaches 2e-5 in a ResNet"
    ),
    (_ANY, "updates", Target.GPU): Tolerance(1e-2, 1e-4, "TensorFloat-32 products keep 10 bits of mantissa"),
    (_ANY, "factor", _ANY): Tolerance(1e-2, 0.0, "a cause is named by a factor such as 2, which needs no more digits"),
    (_ANY, "statistics", _ANY): Tolerance(1e-3, 1e-6, "moving means of what deep layers compute, of a few examples"),
    (_ANY, "metrics", _ANY): Tolerance(1e-5, 1e-6, "float32 means, sums in any order"),
    ("T203", "metrics", _ANY): Tolerance(
        1e-4, 1e-5, "sums of the same examples in other batches; one example in 23 is 4e-2"
    ),
    ("T502", "metrics", _ANY): Tolerance(1e-4, 1e-5, "sums of the same examples in other parts"),
    (_ANY, "half metrics", _ANY): Tolerance(5e-3, 1e-3, "sums of float16 values; a frozen count is far off"),
    (_ANY, "metrics", Target.GPU): Tolerance(1e-3, 1e-4, "TensorFloat-32 products keep 10 bits of mantissa"),
    (_ANY, "coupling", _ANY): Tolerance(1e-4, 1e-5, "sums of other examples in float32; coupling is far above"),
    (_ANY, "additive", _ANY): Tolerance(2e-5, 2e-6, "four float32 sums of the same terms; no coupling is so small"),
    (_ANY, "half loss", _ANY): Tolerance(6e-2, 2e-2, "bfloat16 predictions keep 8 bits; logits of a few units"),
    ("L301", "differences", _ANY): Tolerance(
        2e-2, 1e-3, "steps of 1e-2 and 5e-3: the second differs where the loss is smooth by the third derivative only"
    ),
    ("L301", "gradient", _ANY): Tolerance(2e-2, 3e-3, "float32 values rounded at 6e-8, divided by a step of 1e-2"),
    ("L211", "forms", _ANY): Tolerance(1e-3, 1e-4, "a logarithm of float32 probabilities of 0.02 and more, and a clip"),
    ("L213", "continuous", _ANY): Tolerance(5e-3, 5e-3, "labels that differ by 4e-4, logits of a few units"),
    (_ANY, "replica statistics", _ANY): Tolerance(
        1e-5, 1e-6, "replicas round their own; a checkpoint holds the mean, and gives it to each"
    ),
    ("T606", "answers", _ANY): Tolerance(
        1e-4, 1e-5, "the exported graph fuses and reorders; a wrong answer is far off"
    ),
    ("T109", "aux factor", _ANY): Tolerance(1e-2, 1e-2, "a wrong factor is far off; rounding of the loss is 1e-6"),
    ("T109", "regulariser", _ANY): Tolerance(5e-2, 5e-2, "what is left of the difference of two float32 gradients"),
    ("T109", "added", _ANY): Tolerance(
        1e-2, 1e-4, "beside a gradient of the data; what is left of a difference of two such gradients is 1e-6 of one"
    ),
    ("T107", "graph loss", _ANY): Tolerance(1e-3, 1e-5, "dropout or batch statistics change a loss by far more"),
    ("T104", "named factor", _ANY): Tolerance(2e-2, 2e-2, "decides between the words for a factor, not the outcome"),
    ("T104", "factor", _ANY): Tolerance(1e-2, 0.0, "a wrong factor is a whole number or its inverse; rounding is less"),
    ("T110", "loss", _ANY): Tolerance(1e-3, 1e-5, "the same examples in another mode; a scale in the loss is far off"),
    ("T103", "average", _ANY): Tolerance(2e-2, 0.0, "a step towards another weight, of a hundredth of what is between"),
    ("T110", "no factor", _ANY): Tolerance(0.2, 0.0, "random numbers move a loss by so much; replicas are 2 and more"),
    ("T110", "half factor", _ANY): Tolerance(1.0, 0.0, "up to twice and half: deep models round, and scales are 2^10"),
    ("T112", "same", _ANY): Tolerance(1e-4, 1e-7, "eager against traced steps, relative to the largest of an array"),
    ("T112", "repeated", _ANY): Tolerance(1e-5, 1e-9, "one computation repeated; noise and schedules are far larger"),
    ("I102", "range", _ANY): Tolerance(1e-3, 1e-3, "interpolation and bfloat16 overshoot a range by less than this"),
    ("I102", "boxes", _ANY): Tolerance(
        1e-3, 2e-3, "edges in shares of the side, rounded as bfloat16 or to whole pixels"
    ),
    ("I102", "scale", _ANY): Tolerance(19.0, 0.0, "0..1 beside 0..255 is 255-fold; brightness jitter is below 20-fold"),
    ("I103", "boxes", _ANY): Tolerance(2e-3, 1.0, "pixels: edges rounded to whole pixels at either end"),
    ("S110", "pixels", _ANY): Tolerance(0.0, 1.0, "floats in [0, 1] are rounded to one of 256 levels"),
}


def tolerance(rule: str, quantity: str, target: Target) -> Tolerance:
    """Return the tolerance of a quantity in a rule on a target.

    Args:
      rule: The rule's id.
      quantity: What is compared: `weights`, `loss`, `metrics`, `exact`, or a name that the rule has rows for.
      target: The device the comparison ran on.

    Raises:
      KeyError: If the table has no row for the quantity; it is a defect of the rule.
    """
    for key in ((rule, quantity, target), (rule, quantity, _ANY), (_ANY, quantity, target), (_ANY, quantity, _ANY)):
        if key in _TABLE:
            return _TABLE[key]
    raise KeyError(f"The tolerance table has no row for {quantity!r} (rule {rule}, target {target}).")
