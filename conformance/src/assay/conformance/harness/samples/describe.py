"""What was inferred of a sample, in one short line a side, for the report."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from assay.conformance.context import Context
from assay.conformance.harness.samples.batch import Leaf
from assay.conformance.harness.samples.domains import Domain
from assay.conformance.harness.samples.sample import sample_of
from assay.conformance.model.errors import NotRun, SubjectError

_TRAIT = "domain"

_SEEN: dict[Domain, str] = {
    Domain.CLASS_IDS: "whole numbers",
    Domain.ONE_HOT: "rows of zeros with a single one",
    Domain.BINARY: "zeros and ones",
    Domain.SIGNS: "minus one and one",
    Domain.SIMPLEX: "rows in [0, 1] that add up to one",
    Domain.PROBABILITIES: "values in [0, 1]",
    Domain.LOGITS: "values outside [0, 1] for labels that are classes",
    Domain.UNIT_VECTORS: "rows of length one",
    Domain.PAIRS: "as many columns as examples",
    Domain.BOXES: "rows of four, the last two at least the first two",
    Domain.POSITIVE: "no negative values",
    Domain.REAL: "negative and positive values",
    Domain.FIXED: "left as they are",
}
"""What in the values makes them be taken for a domain."""


def describe(ctx: Context) -> tuple[str, ...]:
    """Return what the suite takes the sample for: one line for the labels, one for the predictions.

    `y_pred: float32 [8, 10], logits (values outside [0, 1] for labels that are classes); inferred, the trait 'domain'
    overrides it`. A nested side lists its arrays. Nothing is said of a sample that cannot be read: the gate says it.

    Args:
      ctx: The check's context, of a loss or a Keras metric.
    """
    try:
        sample = sample_of(ctx)
    except (NotRun, SubjectError):
        return ()
    declared = ctx.trait(_TRAIT)
    batch = sample.batch
    return (
        _line("y_true", sample.layout.truth, batch.truth, declared),
        _line("y_pred", sample.layout.predictions, batch.predictions, declared),
    )


def _line(side: str, leaves: Sequence[Leaf], arrays: Sequence[np.ndarray], declared: object) -> str:
    said = "; ".join(_array(leaf, array) for leaf, array in zip(leaves, arrays, strict=True))
    whole = isinstance(declared, str) and side == "y_pred"
    parts = isinstance(declared, dict) and any(str(name).split("/")[0] == side for name in declared)
    return f"{side}: {said}; " + (
        f"as the trait {_TRAIT!r} declares" if whole or parts else f"inferred, the trait {_TRAIT!r} overrides it"
    )


def _array(leaf: Leaf, array: np.ndarray) -> str:
    words = str(leaf.domain).replace("_", " ")
    if leaf.domain is Domain.CLASS_IDS and leaf.classes:
        words += f" of {leaf.classes}"
    alone = "" if leaf.batched else ", the same for every batch"
    named = f"{leaf.path} " if leaf.path else ""
    return f"{named}{array.dtype.name} {list(array.shape)}, {words} ({_SEEN[leaf.domain]}){alone}"
