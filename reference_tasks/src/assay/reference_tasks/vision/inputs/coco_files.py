"""Reads COCO's JSON files: images with boxes and, if asked for, masks (polygons or run-length encodings)."""

import json
import math
from collections import Counter
from collections.abc import Mapping
from typing import Any, Literal

import numpy as np
import tensorflow as tf
from assay.python_metrics.coco import Runs, join_runs, read_segmentation
from assay.reference_tasks.vision.inputs.annotated_images import AnnotatedImages
from assay.reference_tasks.vision.inputs.objects import Boxes
from assay.reference_tasks.vision.inputs.paths import InputFilesError, one_path

CategoryIds = Literal["as_is", "contiguous"]


def load_coco(
    path: str, *, image_folder: str = "", category_ids: CategoryIds = "as_is", include_mask: bool = False
) -> AnnotatedImages:
    """Read a COCO file.

    Boxes without width or height, and boxes that leave the image, are left out and counted, as Model Garden's
    converter does. Images without objects stay.

    Args:
        path: The file; `package://` is resolved.
        image_folder: Where the images are; empty for the folder of the file.
        category_ids: Whether class ids are the file's (`as_is`) or 1, 2, 3 and so on in their order (`contiguous`).
        include_mask: Whether to read `segmentation`. Polygons are drawn by pycocotools.

    Raises:
        InputFilesError: There is no such file, or something in it is missing or wrong; what and where is named.
        ImportError: There are polygons to draw, and pycocotools is not installed.
    """
    path = one_path(path, "`input_path`")
    folder = one_path(image_folder, "`image_folder`") if image_folder else path.rpartition("/")[0]
    images, annotations, categories = _load_json(path)
    names = _class_names(categories, path)
    contiguous = enumerate(sorted(names), start=1)
    new_ids = {known: number for number, known in contiguous} if category_ids == "contiguous" else {k: k for k in names}
    order = {_value(image, "id", f"{path}: images[{i}]", int, str): i for i, image in enumerate(images)}
    if len(order) < len(images):
        twice = Counter(str(image["id"]) for image in images).most_common(1)[0][0]
        raise InputFilesError(f"{path}: images: the id {twice} occurs more than once.")
    sizes = np.array(
        [
            [_value(image, side, f"{path}: images[{i}]", int, above=0) for side in ("height", "width")]
            for i, image in enumerate(images)
        ],
        np.int64,
    ).reshape([-1, 2])
    boxes = Boxes()
    owner: list[int] = []
    masks: list[Runs] = []
    for number, annotation in enumerate(annotations):
        where = f"{path}: annotations[{number}]"
        image = order.get(_value(annotation, "image_id", where, int, str), -1)
        if image < 0:
            raise InputFilesError(f"{where}: image_id {annotation['image_id']!r} is no image of the file.")
        category = _value(annotation, "category_id", where, int)
        if category not in names:
            raise InputFilesError(f"{where}: category_id {category} is no category of the file.")
        size = sizes[image].tolist()
        if boxes.add(
            _yxyx(annotation, where),
            size,
            label=new_ids[category],
            is_crowd=bool(annotation.get("iscrowd", 0)),
            area=_value(annotation, "area", where, int, float) if "area" in annotation else None,
        ):
            owner.append(image)
            masks += [_mask(annotation, where, *size)] if include_mask else []
    by_image = np.argsort(owner, kind="stable").astype(np.int64)
    return AnnotatedImages(
        name=path,
        paths=[
            tf.io.gfile.join(folder, _value(image, "file_name", f"{path}: images[{i}]", str))
            for i, image in enumerate(images)
        ],
        source_ids=[str(image["id"]) for image in images],
        sizes=sizes,
        counts=np.bincount(np.array(owner, np.int64), minlength=len(images)),
        class_names={new_ids[category]: name for category, name in names.items()},
        masks=join_runs(masks).take(by_image) if include_mask else None,
        left_out=boxes.left_out,
        **boxes.columns(by_image),
    )


def _load_json(path: str) -> tuple[list[Any], list[Any], list[Any]]:
    if not tf.io.gfile.exists(path) or tf.io.gfile.isdir(path):
        raise InputFilesError(f"`input_path`: there is no COCO file {path!r}.")
    with tf.io.gfile.GFile(path) as file:
        try:
            content = json.load(file)
        except (json.JSONDecodeError, UnicodeDecodeError) as error:
            raise InputFilesError(f"{path}: is no JSON file: {error}.") from error
    sections = []
    for key in ("images", "annotations", "categories"):
        section = content.get(key) if isinstance(content, Mapping) else None
        if not isinstance(section, list):
            raise InputFilesError(f"{path}: has no list {key!r}, so it is no COCO file of objects.")
        sections.append(section)
    return sections[0], sections[1], sections[2]


def _class_names(categories: list[Any], path: str) -> dict[int, str]:
    names = {}
    for number, category in enumerate(categories):
        where = f"{path}: categories[{number}]"
        identity = _value(category, "id", where, int, above=0)
        names[identity] = str(category.get("name", identity))
    return names


def _value(entry: Any, key: str, where: str, *types: type, above: int | None = None) -> Any:
    """Return a value of an entry, which must have one of these types."""
    value = entry.get(key) if isinstance(entry, Mapping) else None
    good = isinstance(value, types) and not isinstance(value, bool)
    if not good or (above is not None and value is not None and value <= above):
        wanted = " or ".join(one.__name__ for one in types) + ("" if above is None else f" above {above}")
        raise InputFilesError(f"{where}: {key!r} must be {wanted}; received {value!r:.60}.")
    return value


def _yxyx(annotation: Mapping[str, Any], where: str) -> list[float]:
    box = annotation.get("bbox")
    if not isinstance(box, list) or len(box) != 4 or not all(_is_finite(value) for value in box):
        raise InputFilesError(f"{where}: 'bbox' must be [x, y, width, height] in pixels; received {box!r:.60}.")
    x, y, width, height = box
    return [y, x, y + height, x + width]


def _is_finite(value: Any) -> bool:
    return isinstance(value, int | float) and math.isfinite(value)


def _mask(annotation: Mapping[str, Any], where: str, height: int, width: int) -> Runs:
    if "segmentation" not in annotation:
        raise InputFilesError(f"{where}: 'segmentation' is missing, but masks are asked for (`include_mask`).")
    try:
        return read_segmentation(annotation["segmentation"], height, width)
    except ImportError:
        raise
    except Exception as error:  # whatever pycocotools makes of what is no polygon
        raise InputFilesError(f"{where}: 'segmentation' cannot be read: {error}") from error
