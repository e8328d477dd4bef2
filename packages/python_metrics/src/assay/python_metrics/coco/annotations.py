"""Groundtruth from a file in COCO's JSON format."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
from assay.python_metrics.coco.fields import Columns, ImageId, image_id


@dataclass(frozen=True, eq=False)
class Annotations:
    """What a file holds.

    Attributes:
        index: Image id to the index of the image in the file.
        categories: Sorted category ids.
        names: Category id to name; the id as text where the file has no name.
        objects: Columns row (the index of the image), category, box (x, y, width, height), area, crowd, in the order of
            the file.
    """

    index: dict[ImageId, int]
    categories: tuple[int, ...]
    names: dict[int, str]
    objects: Columns

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


def load(path: str | PathLike[str]) -> Annotations:
    """Read a file.

    Args:
        path: JSON with `images`, `annotations` and `categories`.

    Raises:
        ValueError: If a section or a required key is missing.
    """
    content = json.loads(Path(path).read_text())
    try:
        return parse(content)
    except KeyError as error:
        raise ValueError(f"The annotation file {str(path)!r} lacks {error.args[0]!r}.") from error


def parse(content: Mapping[str, Any]) -> Annotations:
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
        "crowd": np.array([bool(one.get("iscrowd", 0)) for one in annotations], bool),
    }
    names = {identity: str(category.get("name", identity)) for identity, category in categories.items()}
    return Annotations(index, tuple(sorted(categories)), names, objects)


def _number(identity: ImageId) -> ImageId:
    return int(identity) if isinstance(identity, str) and identity.isdecimal() else identity
