"""H105 inputs-untouched: the caller's arrays, dicts and lists are as they were."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from assay.conformance.context import Context
from assay.conformance.harness import host_metrics
from assay.conformance.harness.calls import calling
from assay.conformance.harness.host_metrics import Handed
from assay.conformance.model import Level, Mode, Rule, SubjectError, Violation
from assay.conformance.specimens import DETECTION_METRIC, SoundDetectionMetric

RULE = Rule(
    id="H105",
    slug="inputs-untouched",
    level=Level.MUST,
    requirement="`update_state` and `result` leave the caller's arrays, dicts and lists as they were.",
    checks=(
        "Keeps a copy of each batch, calls `update_state` with all batches and then `result()`, and compares every "
        "array bit for bit, every dict key by key, and every entry by identity; and once more with every array in a "
        "tuple, as one replica hands it over."
    ),
    why=(
        "The same batch goes to several metrics, to the image summary and to the next callback. A metric that rescales "
        "boxes in place, or pops the fields it has used, makes the next one wrong by a factor or makes it fail on a "
        "missing key, and the one at fault reports the right number."
    ),
    bad="""
def update_state(self, groundtruths, predictions):
    info = predictions.pop("image_info")  # gone for the next metric
    predictions["boxes"] /= info[:, 2:3]  # in the caller's array
""",
    good="""
def update_state(self, groundtruths, predictions):
    boxes = predictions["boxes"] / predictions["image_info"][:, 2:3]
""",
    modes=(Mode.EAGER,),
    references=("scikit-learn/scikit-learn: check_estimators_overwrite_params",),
)


def check(ctx: Context) -> None:
    """Compare each batch with a copy of it, after the updates and after the result."""
    kinds = host_metrics.takes(ctx)
    kind = Handed.ARRAYS if Handed.ARRAYS in kinds else kinds[0]  # an array can be changed, a tensor cannot
    batches = [host_metrics.hand_over(batch, kind) for batch in host_metrics.sample_batches(ctx)]
    _check_batches(ctx, batches)
    if host_metrics.sample_of(ctx).layout.form is not host_metrics.Form.LISTED:
        # What a metric does to join the values of replicas, it may do in the caller's dict.
        with contextlib.suppress(SubjectError):
            _check_batches(ctx, [tuple(_as_replicas(side) for side in batch) for batch in batches])


def _check_batches(ctx: Context, batches: Sequence[Any]) -> None:
    before = [_snapshot(batch) for batch in batches]
    metric = host_metrics.make_metric(ctx)
    with host_metrics.seeded(ctx.seed):
        for number, batch in enumerate(batches, start=1):
            with calling(f"update_state with batch {number} of the sample"), host_metrics.quietly():
                metric.update_state(*batch)
            _compare(batch, before[number - 1], f"update_state changed batch {number}")
        host_metrics.result(metric)
    for number, batch in enumerate(batches, start=1):
        _compare(batch, before[number - 1], f"result() changed batch {number}")


def _as_replicas(side: Any) -> Any:
    """A side with every array as the tuple that one replica makes."""
    return host_metrics.map_leaves(lambda array: (array,), side)


Snapshot = dict[str, tuple[Any, Any]]
"""Each node by where it stands: the object itself, and a copy of what it holds."""


def _snapshot(batch: Any) -> Snapshot:
    return {where: (node, _contents(node)) for where, node in _nodes(batch)}


def _nodes(batch: Any) -> Iterator[tuple[str, Any]]:
    for side, value in zip(host_metrics.SIDES, batch, strict=True):
        yield from _walk(value, side)


def _walk(value: Any, where: str) -> Iterator[tuple[str, Any]]:
    yield where, value
    if isinstance(value, list | tuple):
        value = dict(enumerate(value))
    if isinstance(value, Mapping):
        for key, entry in value.items():
            yield from _walk(entry, f"{where}[{key!r}]")


def _contents(node: Any) -> Any:
    if isinstance(node, Mapping):
        return {key: id(entry) for key, entry in node.items()}
    if isinstance(node, list | tuple):
        return [id(entry) for entry in node]
    return np.copy(node) if isinstance(node, np.ndarray) else None


def _compare(batch: Any, before: Snapshot, what: str) -> None:
    for where, (node, contents) in before.items():
        now = _contents(node)
        if isinstance(node, np.ndarray):
            if now.shape == contents.shape and _bits(now) == _bits(contents):
                continue
            changed = int(np.sum(now != contents)) if now.shape == contents.shape else now.size
            observed = f"{what}: {changed} of {contents.size} values of {where} are others than before"
        elif now == contents:
            continue
        elif isinstance(node, Mapping):
            gone, added = sorted(map(str, set(contents) - set(now))), sorted(map(str, set(now) - set(contents)))
            replaced = sorted(str(key) for key in set(now) & set(contents) if now[key] != contents[key])
            said = [
                f"{word} {', '.join(keys)}"
                for word, keys in (("lost", gone), ("got", added), ("has other values for", replaced))
                if keys
            ]
            observed = f"{what}: {where} {' and '.join(said)}"
        else:
            observed = f"{what}: the list {where} has {len(now)} entries, of which some are others than before"
        raise Violation(
            observed,
            cause="the metric works in the caller's objects, with an assignment, `+=`, `out=` or `pop`",
            fix="Write results into new arrays and new dicts: `boxes = boxes / scale` instead of `boxes /= scale`.",
        )


def _bits(array: np.ndarray) -> Any:
    return array.tolist() if array.dtype.kind == "O" else array.tobytes()


class _RescalesInPlace(SoundDetectionMetric):
    def take(self, side: str, received: Mapping[str, Any], fields: Any) -> dict[str, np.ndarray]:
        arrays = super().take(side, received, fields)
        for field in ("boxes", "detection_boxes"):
            if field in arrays:
                arrays[field] *= 0.5
        return arrays


class _PopsFields(SoundDetectionMetric):
    def take(self, side: str, received: Mapping[str, Any], fields: Any) -> dict[str, np.ndarray]:
        arrays = super().take(side, received, fields)
        received.pop("source_id")  # type: ignore[attr-defined]
        return arrays


class _ReplacesValues(SoundDetectionMetric):
    def take(self, side: str, received: Mapping[str, Any], fields: Any) -> dict[str, np.ndarray]:
        for field in fields:
            if field in received:
                received[field] = np.array(received[field])  # type: ignore[index]
        return super().take(side, received, fields)


class _JoinsInPlace(SoundDetectionMetric):
    """Puts the joined values of the replicas where the tuple was."""

    def take(self, side: str, received: Mapping[str, Any], fields: Any) -> dict[str, np.ndarray]:
        for field, value in received.items():
            if isinstance(value, tuple):
                received[field] = np.concatenate(value)  # type: ignore[index]
        return super().take(side, received, fields)


class _SortsWhenAsked(SoundDetectionMetric):
    """Keeps the caller's arrays, and sorts them in `result`."""

    def update_state(self, groundtruths: Mapping[str, Any], predictions: Mapping[str, Any]) -> None:
        super().update_state(groundtruths, predictions)
        self.kept = predictions["detection_scores"]

    def result(self) -> dict[str, Any]:
        numbers = super().result()
        if hasattr(self, "kept"):
            np.asarray(self.kept).sort()
        return numbers


MUTANTS = (
    DETECTION_METRIC.replace(factory=_RescalesInPlace, name="rescales boxes in place"),
    DETECTION_METRIC.replace(factory=_PopsFields, name="pops the id"),
    DETECTION_METRIC.replace(factory=_ReplacesValues, name="replaces values in the dict"),
    DETECTION_METRIC.replace(factory=_JoinsInPlace, name="joins replicas in the caller's dict"),
    DETECTION_METRIC.replace(factory=_SortsWhenAsked, name="sorts a kept array in result"),
)
TWIN = DETECTION_METRIC
