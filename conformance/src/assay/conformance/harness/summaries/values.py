"""The values that a summary manager is given: the subject's sample, and what has to come back of it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import numpy as np
from assay.conformance.context import Context
from assay.conformance.harness.summaries.records import Record
from assay.conformance.model.errors import NotRun

DEFAULT_SAMPLE: Mapping[str, Any] = {
    "loss": 0.5,
    "learning_rate": 1e-3,
    "accuracy/top_1": 0.75,
    "iou": {"road": 0.9, "sky": 0.8, "loss": 0.25},
    "detection": {"large": {"AP": 0.125}},
}
"""What is written when the subject brings no sample: groups in groups, a tag with a slash, a tag in two groups."""

Ledger = dict[tuple[str, str, int], float]
"""Values by directory, tag and step."""


def sample_values(ctx: Context) -> dict[str, Any]:
    """Return the scalars of the subject's sample, nested as they are.

    Raises:
      NotRun: If the sample is no mapping, or holds no scalar.
    """
    sample = _sample(ctx)
    scalars = _scalars(sample)
    if not scalars:
        raise NotRun(
            f"The sample of a summary manager is a nested dict of values; this {type(sample).__name__} holds none.",
            remedy="Give one like {'loss': 0.5, 'iou': {'road': 0.9}}, or none: there is a default one.",
        )
    return scalars


def sample_images(ctx: Context) -> dict[str, np.ndarray]:
    """Return the images at the top of the subject's sample: arrays `[n, h, w, c]`, by key."""
    sample = _sample(ctx)
    arrays = {key: value for key, value in sample.items() if np.ndim(value) == 4} if isinstance(sample, Mapping) else {}
    return {key: np.asarray(value) for key, value in arrays.items()}


def scaled(values: Mapping[str, Any], factor: float) -> dict[str, Any]:
    """Return nested values, each times a factor: what another step has."""
    return {
        key: scaled(value, factor) if isinstance(value, Mapping) else float(value) * factor
        for key, value in values.items()
    }


def ledger_of(values: Mapping[str, Any], step: int) -> Ledger:
    """Return what has to be read back of nested values: groups are directories, keys are tags."""
    return {
        ("/".join(path), str(key), step): float(np.float32(_as_float(value)))
        for path, key, value in _leaves(values, ())
    }


def as_ledger(records: Iterable[Record]) -> Ledger:
    """Return scalar records as a ledger; of several with one key, the last."""
    return {
        (record.directory, record.tag, record.step): float(np.float32(np.ravel(record.value)[0]))
        for record in records
        if record.value is not None and not isinstance(record.value, list) and np.size(record.value) == 1
    }


def missing(actual: Ledger, expected: Ledger) -> list[str]:
    """Return `iou/road at step 3 (0.9) is absent` for each entry that is not there, or has another value."""
    found = []
    for key, value in expected.items():
        name = name_of(key)
        if key not in actual:
            found.append(f"{name} ({value:g}) is absent")
        elif not _equal(actual[key], value):
            found.append(f"{name} is {actual[key]:g} instead of {value:g}")
    return found


def by_path(records: Iterable[Record]) -> dict[str, list[float]]:
    """Return the scalars by directory and tag, joined, in the order of writing; steps and nesting are not looked at."""
    found: dict[str, list[float]] = {}
    for record in records:
        for (directory, tag, _), value in as_ledger([record]).items():
            found.setdefault(f"{directory}/{tag}" if directory else tag, []).append(value)
    return found


def unwritten(records: Iterable[Record], *groups: Mapping[str, Any]) -> list[str]:
    """Return `iou/road (0.9) is absent` for each value of some nested values that is not under its path."""
    found = by_path(records)
    wanted = [(key, value) for group in groups for key, value in ledger_of(group, 0).items()]
    paths = [(f"{directory}/{tag}" if directory else tag, value) for (directory, tag, _), value in wanted]
    return [
        f"{path} ({value:g}) is absent"
        for path, value in paths
        if not any(_equal(one, value) for one in found.get(path, ()))
    ]


def name_of(key: tuple[str, str, int]) -> str:
    """Return `iou/road at step 3`."""
    directory, tag, step = key
    return f"{directory}/{tag} at step {step}" if directory else f"{tag} at step {step}"


def listed(entries: list[str], most: int = 3) -> str:
    """Return the first entries and the number of the others."""
    return "; ".join(entries[:most]) + (f"; and {len(entries) - most} more" if len(entries) > most else "")


def _sample(ctx: Context) -> Any:
    sample = ctx.subject.sample
    sample = sample() if callable(sample) else sample
    return DEFAULT_SAMPLE if sample is None else sample


def _scalars(group: Any) -> dict[str, Any]:
    """The numbers of a nested mapping; groups without any are left out."""
    if not isinstance(group, Mapping):
        return {}
    kept: dict[str, Any] = {}
    for key, value in group.items():
        if isinstance(value, Mapping):
            inner = _scalars(value)
            if inner:
                kept[key] = inner
        elif value is not None and not isinstance(value, str | bytes) and np.ndim(value) == 0:
            kept[key] = _as_float(value)
    return kept


def _leaves(group: Mapping[str, Any], path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], Any, Any]]:
    for key, value in group.items():
        if isinstance(value, Mapping):
            yield from _leaves(value, (*path, str(key)))
        else:
            yield path, key, value


def _as_float(value: Any) -> float:
    return float(np.asarray(value.numpy() if hasattr(value, "numpy") else value))


def _equal(actual: float, expected: float) -> bool:
    return actual == expected or (np.isnan(actual) and np.isnan(expected))
