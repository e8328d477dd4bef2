"""Groundtruth from a file in COCO's JSON format."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
from assay.python_metrics.coco import rle
from assay.python_metrics.coco.fields import ABSENT, NOT_EXHAUSTIVE, Columns, ImageId, image_id
from assay.python_metrics.coco.masks import of_annotation
from assay.python_metrics.coco.runs import Runs, joined


@dataclass(frozen=True, eq=False)
class Annotations:
    """What a file holds.

    Attributes:
        index: Image id to the index of the image in the file.
        categories: Sorted category ids.
        names: Category id to name; the id as text where the file has no name.
        sizes: `[images, 2]` height and width of the images, int64; 0 where the file does not say.
        objects: Columns row (the index of the image), category, box (x, y, width, height), area, crowd, in the order of
            the file; with keypoints points (x, y) and labelled.
        masks: Masks of the objects, when they were asked for.
        judged: Columns row, category and exhaustive, of a federated file: see `Batch`.
        frequencies: Category id to `frequency` ("r", "c" or "f"), of a federated file.
    """

    index: dict[ImageId, int]
    categories: tuple[int, ...]
    names: dict[int, str]
    sizes: np.ndarray
    objects: Columns
    masks: Runs
    judged: Columns | None = None
    frequencies: Mapping[int, str] = field(default_factory=dict)

    def known_as(self, identity: ImageId) -> ImageId:
        """The id that the file has for an image; what is given may be the text of a number, or the reverse.

        Raises:
            ValueError: If the file does not have it.
        """
        for form in (identity, str(identity), _number(identity)):
            if form in self.index:
                return form
        known = list(self.index)[:3]
        raise ValueError(f"The image {identity!r} is not in the annotation file, which has {known} and others.")


def load(
    path: str | PathLike[str], *, with_masks: bool = False, num_keypoints: int = 0, federated: bool = False
) -> Annotations:
    """Read a file.

    Args:
        path: JSON with `images`, `annotations` and `categories`.
        with_masks: Whether to read `segmentation`.
        num_keypoints: How many `keypoints` each annotation has; 0 not to read them.
        federated: Whether to read what LVIS adds: `neg_category_ids` and `not_exhaustive_category_ids` of images, and
            `frequency` of categories.

    Raises:
        ValueError: If a section or a required key is missing.
    """
    content = json.loads(Path(path).read_text())
    try:
        return parse(content, with_masks=with_masks, num_keypoints=num_keypoints, federated=federated)
    except KeyError as error:
        raise ValueError(f"The annotation file {str(path)!r} lacks {error.args[0]!r}.") from error


def parse(content: Mapping[str, Any], *, with_masks: bool, num_keypoints: int, federated: bool = False) -> Annotations:
    """Turn the content of a file into columns."""
    index = {image_id(image["id"], "'id' of an image"): number for number, image in enumerate(content["images"])}
    categories = {int(category["id"]): category for category in content["categories"]}
    annotations = [one for one in content.get("annotations", ()) if one["image_id"] in index]
    boxes = np.array([one["bbox"] for one in annotations], np.float64).reshape(-1, 4)
    areas = boxes[:, 2] * boxes[:, 3]
    objects = {
        "row": np.array([index[one["image_id"]] for one in annotations], np.int64),
        "category": np.array([one["category_id"] for one in annotations], np.int64),
        "box": boxes,
        "area": np.array([one.get("area", area) for one, area in zip(annotations, areas, strict=True)], np.float64),
        "crowd": np.array([not federated and bool(one.get("iscrowd", 0)) for one in annotations], bool),
    }
    names = {identity: str(category.get("name", identity)) for identity, category in categories.items()}
    sizes = np.array([[image.get("height", 0), image.get("width", 0)] for image in content["images"]], np.int64)
    sizes = sizes.reshape(-1, 2)
    if num_keypoints:
        objects |= _keypoints(annotations, num_keypoints)
    masks = _masks(annotations, sizes[objects["row"]]) if with_masks else joined([])
    judged, frequencies = None, {}
    if federated:
        judged = _judged(content["images"])
        frequencies = {identity: str(category["frequency"]) for identity, category in categories.items()}
    return Annotations(index, tuple(sorted(categories)), names, sizes, objects, masks, judged, frequencies)


def _judged(images: Sequence[Mapping[str, Any]]) -> Columns:
    entries = [
        (row, category, exhaustive)
        for row, image in enumerate(images)
        for key, exhaustive in ((ABSENT, True), (NOT_EXHAUSTIVE, False))
        for category in image[key]
    ]
    table = np.array(entries, np.int64).reshape(-1, 3)
    return {"row": table[:, 0], "category": table[:, 1], "exhaustive": table[:, 2] != 0}


def _keypoints(annotations: Sequence[Mapping[str, Any]], count: int) -> Columns:
    triples = np.array([one["keypoints"] for one in annotations], np.float64).reshape(len(annotations), -1, 3)
    if triples.shape[1] != count and len(annotations):
        raise ValueError(f"Annotations must have {count} keypoints, one for each sigma. Received: {triples.shape[1]}.")
    triples = triples.reshape(-1, count, 3)
    return {"points": triples[..., :2], "labelled": triples[..., 2] > 0}


def _masks(annotations: Sequence[Mapping[str, Any]], sizes: np.ndarray) -> Runs:
    pairs = zip(annotations, sizes.tolist(), strict=True)
    return rle.decode([of_annotation(one["segmentation"], *size) for one, size in pairs], sizes)


def _number(identity: ImageId) -> ImageId:
    return int(identity) if isinstance(identity, str) and identity.isdecimal() else identity
