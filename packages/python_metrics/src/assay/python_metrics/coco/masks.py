"""Masks of a batch as runs, in whatever form they came."""

import importlib
import io
from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
from assay.python_metrics.coco import rle
from assay.python_metrics.coco.paste import paste
from assay.python_metrics.coco.runs import Runs, joined, of_images

MaskFormat = Literal["auto", "box", "image"]


def listed(value: Any) -> Any:
    """Make one array `[batch, slots]` of objects of a list of lists of masks, which may differ in number and form."""
    if isinstance(value, tuple):
        return tuple(listed(part) for part in value)
    if not isinstance(value, list):
        return value
    array = np.full((len(value), max((len(row) for row in value), default=0)), None, object)
    for index, row in enumerate(value):
        for slot, mask in enumerate(row):
            array[index, slot] = mask.numpy() if hasattr(mask, "numpy") else mask
    return array


def to_runs(masks: np.ndarray, sizes: np.ndarray, boxes: np.ndarray | None, mask_format: MaskFormat) -> Runs:
    """Read the masks of the used slots.

    Args:
        masks: `[n, rows, columns]` numbers, or `[n]` objects: run-length encodings, the bytes of PNG files, or arrays.
        sizes: `[n, 2]` height and width of the image of each.
        boxes: `[n, 4]` x, y, width, height, for masks that are for their box; None where they cannot be.
        mask_format: "box", "image", or "auto": images where masks are as large as their image or larger.

    Raises:
        ValueError: If a mask cannot be read.
    """
    if not len(masks):
        return joined([])
    if masks.dtype.kind not in "OSU":
        return _of_arrays(masks, sizes, boxes, mask_format)
    first = masks[0]
    if isinstance(first, bytes):
        return _of_each([_png(one) for one in masks], sizes, None, "image")
    if isinstance(first, np.ndarray | list):
        return _of_each([np.asarray(one) for one in masks], sizes, boxes, mask_format)
    return rle.decode(list(masks), sizes)


def _of_each(masks: Sequence[np.ndarray], sizes: np.ndarray, boxes: np.ndarray | None, form: MaskFormat) -> Runs:
    return joined(
        [
            _of_arrays(mask[None], sizes[index : index + 1], None if boxes is None else boxes[index : index + 1], form)
            for index, mask in enumerate(masks)
        ]
    )


def _of_arrays(masks: np.ndarray, sizes: np.ndarray, boxes: np.ndarray | None, mask_format: MaskFormat) -> Runs:
    if masks.ndim != 3 or 0 in masks.shape[1:]:
        raise ValueError(f"Masks must be arrays [rows, columns] each. Received shape {list(masks.shape[1:])}.")
    if masks.dtype.kind not in "biuf" and masks.dtype.name != "bfloat16":
        raise ValueError(f"Masks must hold numbers. Received dtype {masks.dtype.name}.")
    large = bool((sizes <= masks.shape[1:]).all())
    if mask_format == "box" or (mask_format == "auto" and not large and boxes is not None):
        if boxes is None:
            raise ValueError("Masks of groundtruths must be as large as their image.")
        return paste(masks, boxes, sizes[:, 0], sizes[:, 1])
    if not large:
        raise ValueError(
            f"Masks must be as large as their image, {sizes.max(axis=0).tolist()} (height, width), or larger where "
            f"they are padded. Received {list(masks.shape[1:])}."
        )
    return joined(
        [of_images(mask[None, :height, :width] > 0.5) for mask, (height, width) in zip(masks, sizes, strict=True)]
    )


def _png(content: bytes) -> np.ndarray:
    try:
        image = importlib.import_module("PIL.Image")
    except ImportError as error:
        raise ImportError('PNG masks need Pillow: pip install "assay-python-metrics[coco]".') from error
    try:
        return np.asarray(image.open(io.BytesIO(content)))
    except OSError as error:
        raise ValueError(f"A mask is bytes that are no image file: {content[:8]!r}...") from error


def read_segmentation(segmentation: Any, height: int, width: int) -> Runs:
    """Read the mask of one object of an annotation file; polygons are drawn by pycocotools.

    Args:
        segmentation: A list of polygons, each `[x, y, x, y, ...]` in pixels, or a run-length encoding with `counts`.
        height: Height of the image, in pixels.
        width: Its width.

    Returns:
        The runs of one mask.

    Raises:
        ImportError: If it is polygons, and pycocotools is not installed.
        ValueError: If it is a run-length encoding of another size, or none.
    """
    return rle.decode([of_annotation(segmentation, height, width)], np.array([[height, width]]))


def of_annotation(segmentation: Any, height: int, width: int) -> Any:
    """Turn the `segmentation` of an annotation file into a run-length encoding; polygons are drawn by pycocotools.

    Raises:
        ImportError: If it is polygons, and pycocotools is not installed.
    """
    if not isinstance(segmentation, list):
        return segmentation
    if not segmentation:
        return {"size": [height, width], "counts": [height * width]}
    try:
        drawing = importlib.import_module("pycocotools.mask")
    except ImportError as error:
        raise ImportError('Polygons need pycocotools: pip install "assay-python-metrics[coco]".') from error
    return drawing.merge(drawing.frPyObjects(segmentation, height, width))
