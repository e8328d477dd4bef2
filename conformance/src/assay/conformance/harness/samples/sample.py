"""The sample of a loss or a Keras metric: read, its domains inferred, and grown into batches of any size."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from assay.conformance.context import Context
from assay.conformance.harness.calls import calling
from assay.conformance.harness.samples.batch import Batch, Layout, Leaf
from assay.conformance.harness.samples.domains import (
    Domain,
    declared_domain,
    domain_of_prediction,
    domain_of_truth,
)
from assay.conformance.harness.samples.growing import varied
from assay.conformance.model.errors import NotRun
from assay.conformance.model.kinds import Kind
from assay.conformance.model.subject import Subject
from assay.conformance.suggestions import did_you_mean

_REMEDY = "Give the subject a sample (y_true, y_pred): NumPy arrays or tensors, nested if need be, `[batch, ...]`."


@dataclasses.dataclass(frozen=True, eq=False)
class Sample:
    """What the subject's sample holds.

    Attributes:
      batch: The sample itself.
      layout: What its arrays are.
    """

    batch: Batch

    @property
    def layout(self) -> Layout:
        """What its arrays are."""
        return self.batch.layout

    def __str__(self) -> str:
        """What was inferred, for the report."""
        return f"{self.batch.size} examples: {self.batch.describe()}"

    def has_truth(self, *domains: Domain) -> bool:
        """Whether all arrays of labels are of one of these domains."""
        return all(leaf.domain in domains for leaf in self.layout.truth)

    def has_predictions(self, *domains: Domain) -> bool:
        """Whether all arrays of predictions are of one of these domains."""
        return all(leaf.domain in domains for leaf in self.layout.predictions)

    def grow(self, size: int, *, seed: int = 0) -> Batch:
        """Return a batch of any size: rows of the sample in turn, their predictions varied within their domains.

        Args:
          size: How many examples; 0 is allowed.
          seed: Other seeds give other rows and other predictions.
        """
        random = np.random.default_rng([seed, size, self.batch.size])
        start = int(random.integers(self.batch.size)) if seed else 0
        if any(leaf.domain is Domain.PAIRS for leaf in (*self.layout.truth, *self.layout.predictions)):
            return self.batch.take([row % self.batch.size for row in range(start, start + size)])
        rows = self.batch.take([row % self.batch.size for row in range(start, start + size)])
        return rows.map_predictions(lambda leaf, array: varied(leaf, array, random))


def sample_of(ctx: Context) -> Sample:
    """Return the subject's sample; shared by all rules.

    Raises:
      NotRun: If there is none, or it is no pair of batches.
    """
    return ctx.share("sample", lambda: _read(ctx.subject))


def _read(subject: Subject) -> Sample:
    import tensorflow as tf

    sample, traits = subject.sample, subject.traits
    if callable(sample):
        with calling("the function that makes the sample"):
            sample = sample()
    if not isinstance(sample, tuple | list) or len(sample) not in (2, 3):
        length = f" of {len(sample)}" if isinstance(sample, tuple | list) else ""
        said = "has none" if sample is None else f"has a {type(sample).__name__}{length} as one"
        what = "Keras metric" if subject.kind is Kind.KERAS_METRIC else "loss"
        raise NotRun(f"A {what} is checked on a sample (y_true, y_pred), and this subject {said}.", remedy=_REMEDY)
    sides = [tf.nest.map_structure(_as_array, side) for side in sample[:2]]
    truth, predictions = (tf.nest.flatten(side) for side in sides)
    paths = [_paths(side) for side in sides]
    size = _batch_size([*truth, *predictions])
    _refuse_other_sizes(truth, predictions, size)
    pairs = [_partner(array, path, predictions, paths[1]) for array, path in zip(truth, paths[0], strict=True)]
    mixes, declared = bool(traits.get("mixes_examples")), traits.get("domain")
    _refuse_unknown(declared, paths)
    truth_leaves: list[Leaf] = []
    for array, path, partner in zip(truth, paths[0], pairs, strict=True):
        other = None if partner is None else predictions[partner]
        domain = declared_domain(declared, "y_true", path) or domain_of_truth(array, other, mixes_examples=mixes)
        classes = _classes(array, other, domain)
        truth_leaves.append(Leaf("y_true", path, domain, _is_batched(array, size), classes, partner))
    prediction_leaves: list[Leaf] = []
    for index, (array, path) in enumerate(zip(predictions, paths[1], strict=True)):
        owner = next((number for number, partner in enumerate(pairs) if partner == index), None)
        label = None if owner is None else truth_leaves[owner].domain
        domain = declared_domain(declared, "y_pred", path) or domain_of_prediction(array, label, mixes_examples=mixes)
        classes = array.shape[-1] if array.ndim > 1 else 0
        prediction_leaves.append(Leaf("y_pred", path, domain, _is_batched(array, size), classes, owner))
    layout = Layout(tuple(truth_leaves), tuple(prediction_leaves), sides[0], sides[1])
    return Sample(Batch(layout, tuple(truth), tuple(predictions), size))


def _as_array(value: Any) -> np.ndarray:
    numpy = getattr(value, "numpy", None)
    array = np.asarray(numpy() if callable(numpy) else value)
    # A model gives float32, and NumPy's own default is not what the component will see in training.
    return array.astype(np.float32) if array.dtype == np.float64 else array


def _paths(side: Any) -> list[str]:
    import tensorflow as tf

    if not tf.nest.is_nested(side):
        return [""]
    return _joined(side, "")


def _joined(node: Any, prefix: str) -> list[str]:
    if isinstance(node, Mapping):
        entries: Sequence[tuple[Any, Any]] = [(key, node[key]) for key in sorted(node)]
    elif isinstance(node, list | tuple):
        entries = list(enumerate(node))
    else:
        return [prefix]
    return [path for key, value in entries for path in _joined(value, f"{prefix}/{key}" if prefix else str(key))]


def _batch_size(arrays: Sequence[np.ndarray]) -> int:
    sizes = Counter(array.shape[0] for array in arrays if array.ndim)
    if not sizes or max(sizes) == 0:
        raise NotRun("The sample has no examples: no array has a first dimension above 0.", remedy=_REMEDY)
    return int(sizes.most_common(1)[0][0])


def _refuse_other_sizes(truth: Sequence[np.ndarray], predictions: Sequence[np.ndarray], size: int) -> None:
    """Some array of either side is the batch; others may be the same for every batch."""
    if any(_is_batched(array, size) for array in truth) and any(_is_batched(array, size) for array in predictions):
        return
    shapes = [" and ".join(str(list(array.shape)) for array in side) for side in (truth, predictions)]
    raise NotRun(
        f"The two sides of the sample have no batch size in common: y_true is {shapes[0]}, y_pred {shapes[1]}.",
        remedy=_REMEDY,
    )


def _is_batched(array: np.ndarray, size: int) -> bool:
    return array.ndim > 0 and array.shape[0] == size


def _partner(array: np.ndarray, path: str, others: Sequence[np.ndarray], paths: Sequence[str]) -> int | None:
    """The predictions that belong to an array of labels: of the same path, or the only ones, or of a fitting shape."""
    if path in paths:
        return paths.index(path)
    if len(others) == 1:
        fits = array.shape[: array.ndim - (array.shape[-1:] == (1,))] == others[0].shape[: max(others[0].ndim - 1, 1)]
        return 0 if fits or array.shape == others[0].shape or array.ndim == others[0].ndim else None
    return next((index for index, other in enumerate(others) if other.shape == array.shape), None)


def _classes(array: np.ndarray, prediction: np.ndarray | None, domain: Domain) -> int:
    if domain is Domain.CLASS_IDS:
        return int(prediction.shape[-1]) if prediction is not None and prediction.ndim > 1 else int(array.max()) + 1
    return int(array.shape[-1]) if array.ndim > 1 else 0


def _refuse_unknown(declared: Any, paths: Sequence[Sequence[str]]) -> None:
    sides = zip(("y_true", "y_pred"), paths, strict=True)
    names = [side + (f"/{path}" if path else "") for side, group in sides for path in group]
    known = [*names, "y_true", "y_pred"]
    entries = declared.items() if isinstance(declared, Mapping) else [("y_pred", declared)] if declared else []
    for name, domain in entries:
        if name not in known:
            raise NotRun(f"The trait 'domain' names {name!r}; {did_you_mean(name, known)}.", remedy="Correct it.")
        known_domains = [one.value for one in Domain]
        if domain not in known_domains:
            near = did_you_mean(str(domain), known_domains)
            raise NotRun(f"The trait 'domain' says {domain!r}; {near}.", remedy="Correct it.")
