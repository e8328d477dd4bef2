"""Encoded box targets of anchors, as the regression heads of detectors learn them, decoded to boxes."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import numpy as np
from assay.conformance.harness.values import as_numpy

_TARGETS = re.compile(r"(^|/)box_targets(/|$)")
_ANCHORS = re.compile(r"(^|/)(anchor_boxes|anchors)(/|$)")
_WEIGHTS = re.compile(r"(^|/)box_weights$")
_CORNERS = 4
_HALF = 0.5
_MOST_LOG_RATIO = np.log(1000.0 / 16.0)  # what the usual decoders clip to


def decoded_targets(leaves: Mapping[str, Any]) -> list[np.ndarray] | None:
    """Return the boxes of the positive anchors of each example, yxyx in pixels of the network's input.

    Targets are `(ty, tx, th, tw)`: centre offsets as shares of the anchor, and log ratios of the sides (Ren et al.,
    Faster R-CNN, 2015). They, and the yxyx anchors, are `[batch, anchors, 4]`, or by level
    `[batch, height, width, 4 x anchors]`.

    Args:
      leaves: The tensors of a batch by name.

    Returns:
      `[boxes, 4]` for each example; None where the batch has no targets, anchors and `box_weights` that fit each other.
    """
    targets, anchors = _rows(leaves, _TARGETS), _rows(leaves, _ANCHORS)
    weights = next((as_numpy(leaf) for name, leaf in leaves.items() if _WEIGHTS.search(name)), None)
    if targets is None or anchors is None or weights is None:
        return None
    weights = weights.reshape(len(weights), -1)
    if targets.shape != anchors.shape or targets.shape[:2] != weights.shape:
        return None
    boxes = _decoded(targets, anchors)
    return [one[positive] for one, positive in zip(boxes, weights > 0, strict=True)]


def _rows(leaves: Mapping[str, Any], pattern: re.Pattern[str]) -> np.ndarray | None:
    """All tensors of a name, one a level, as `[batch, anchors, 4]`."""
    named = [(name, leaf) for name, leaf in leaves.items() if pattern.search(name)]
    parts = [as_numpy(leaf).astype(np.float64) for _, leaf in sorted(named, key=lambda pair: _level(pair[0]))]
    if not parts or any(part.ndim < len("ba4") or part.shape[-1] % _CORNERS for part in parts):
        return None
    return np.concatenate([part.reshape(part.shape[0], -1, _CORNERS) for part in parts], axis=1)


def _level(name: str) -> tuple[int, str]:
    last = name.rsplit("/", 1)[-1]
    return (int(last), last) if last.isdigit() else (0, last)


def _decoded(targets: np.ndarray, anchors: np.ndarray) -> np.ndarray:
    sides = anchors[..., 2:] - anchors[..., :2]
    centres = anchors[..., :2] + _HALF * sides
    centres = centres + targets[..., :2] * sides
    sides = sides * np.exp(np.minimum(targets[..., 2:], _MOST_LOG_RATIO))
    return np.concatenate([centres - _HALF * sides, centres + _HALF * sides], axis=-1)
