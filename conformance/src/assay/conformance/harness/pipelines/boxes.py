"""Boxes, images and `image_info` among the tensors of a batch: found by name and shape, and brought to yxyx."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import numpy as np
from assay.conformance.harness.values import as_numpy

_BOXES = re.compile(r"(^|_)b?box(es)?$")
_NOT_BOXES = re.compile(r"anchor|target|weight|output|delta|encoded|offset|num_|_area")
_IMAGE = re.compile(r"(^|_)(images?|inputs?|pixels|pixel_values)$")
_TRUTH = re.compile(r"groundtruth|ground_truth|(^|/|_)gt(_|/)|original")
_COLOURS = (1, 3, 4)
_IMAGE_RANK = 4
_INFO_SHAPE = (4, 2)
_CORNERS = 4


def is_boxes(name: str, leaf: Any) -> bool:
    """Whether a tensor holds boxes `[batch, slots, 4]`, by its name and its shape."""
    shape = getattr(leaf, "shape", None)
    last = name.rsplit("/", 1)[-1]
    named = _BOXES.search(last) and not _NOT_BOXES.search(last)
    return bool(named) and shape is not None and shape.rank == len("bsc") and shape[-1] == _CORNERS


def is_image(name: str, leaf: Any) -> bool:
    """Whether a tensor holds images `[batch, height, width, channels]`, by its shape, or any rank by its name."""
    shape, dtype = getattr(leaf, "shape", None), getattr(leaf, "dtype", None)
    if shape is None or dtype is None or shape.rank is None or name.startswith(("labels", "weights")):
        return False
    if not (dtype.is_floating or dtype.is_integer):
        return False
    if shape.rank == _IMAGE_RANK and shape[-1] in _COLOURS:
        return True
    return bool(_IMAGE.search(name.rsplit("/", 1)[-1])) and shape.rank > 1


def is_truth(name: str) -> bool:
    """Whether a tensor is named as ground truth in the original image's pixels."""
    return bool(_TRUTH.search(name))


def as_yxyx(boxes: np.ndarray, box_format: str) -> np.ndarray:
    """Return boxes `[..., 4]` as ymin, xmin, ymax, xmax, in float64."""
    a, b, c, d = np.moveaxis(boxes.astype(np.float64), -1, 0)
    if box_format == "xyxy":
        edges = (b, a, d, c)
    elif box_format == "xywh":
        edges = (b, a, b + d, a + c)
    elif box_format == "cxcywh":
        edges = (b - d / 2, a - c / 2, b + d / 2, a + c / 2)
    else:
        edges = (a, b, c, d)
    return np.stack(edges, axis=-1)


def rows_in_use(boxes: Any) -> np.ndarray:
    """Return which rows of boxes `[batch, slots, 4]` hold one: rows of four equal numbers are padding."""
    array = dense(boxes).astype(np.float64)
    return ~np.all(array == array[..., :1], axis=-1)


def dense(leaf: Any) -> np.ndarray:
    """Return a tensor as an array; a ragged one is padded with zeros."""
    return as_numpy(leaf.to_tensor() if hasattr(leaf, "to_tensor") else leaf)


def find_image_info(leaves: Mapping[str, Any], near: str = "") -> np.ndarray | None:
    """Return the `image_info` `[batch, 4, 2]` of a batch, the one beside the tensor `near` first."""
    named = [name for name, leaf in leaves.items() if name.endswith("image_info") and _is_info(leaf)]
    folder = near.rpartition("/")[0]
    named.sort(key=lambda name: name.rpartition("/")[0] != folder)
    return as_numpy(leaves[named[0]]).astype(np.float64) if named else None


def find_sizes(leaves: Mapping[str, Any], near: str) -> list[np.ndarray]:
    """Return every (height, width) `[batch, 2]` that boxes of a batch may lie in: beside them, of originals, of images.

    Args:
      leaves: The tensors of a batch by name.
      near: The name of the boxes.
    """
    folder = near.rpartition("/")[0]
    prefix = f"{folder}/" if folder else ""
    sides = [leaves.get(f"{prefix}{side}") for side in ("height", "width")]
    if all(side is not None and side.shape.rank == 1 for side in sides):
        return [np.stack([as_numpy(side).astype(np.float64) for side in sides], axis=-1)]
    found = [
        np.tile(np.array(leaf.shape.as_list()[1:3], np.float64), (int(leaf.shape[0]), 1))
        for name, leaf in leaves.items()
        if is_image(name, leaf) and leaf.shape.rank == _IMAGE_RANK and leaf.shape.is_fully_defined()
    ]
    info = find_image_info(leaves, near)
    return [*found, info[:, 0], info[:, 1]] if info is not None else found


def to_original(boxes: np.ndarray, info: np.ndarray) -> np.ndarray:
    """Return yxyx boxes `[slots, 4]` of the network's input in pixels of the original image.

    Args:
      boxes: Pixels of the resized and cropped image.
      info: `[4, 2]`: original size, desired size, scale, offset, each (y, x).
    """
    return (boxes + np.tile(info[3], 2)) / np.tile(info[2], 2)


def _is_info(leaf: Any) -> bool:
    return leaf.shape.rank == len("bnc") and tuple(leaf.shape.as_list()[1:]) == _INFO_SHAPE
