"""Panoptic segmentations in COCO's format: a JSON file, and a folder with one PNG an image.

A pixel's segment id is `red + 256 * green + 65536 * blue`; 0 is void. The JSON file has `annotations`, each with
`image_id`, `file_name` and `segments_info` (`id`, `category_id`, and in the groundtruth `iscrowd`); that of the
groundtruth also has `categories` (`id`, `name`, `isthing`).

```
results = evaluate_panoptic_files("panoptic_val2017.json", "predictions.json")
```
"""

import json
import os
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from assay.python_metrics._progress import Progress, Report, to_stderr
from assay.python_metrics.panoptic.evaluator import (
    CATEGORY_MASK,
    CROWD_MASK,
    INSTANCE_MASK,
    SOURCE_ID,
    PanopticQualityEvaluator,
)
from assay.python_metrics.panoptic.segments import runs_of

VOID_ID = 0
VOID_LABEL = -1
Path = str | os.PathLike[str]


def evaluate_panoptic_files(
    groundtruth_file: Path,
    prediction_file: Path,
    *,
    groundtruth_folder: Path | None = None,
    prediction_folder: Path | None = None,
    progress: Report | None = to_stderr,
) -> dict[str, float]:
    """Compute the panoptic quality of predictions in files.

    Every image of the groundtruth must have a prediction; predictions for other images are not looked at.

    Args:
        groundtruth_file: The JSON file of the groundtruth.
        prediction_file: That of the predictions.
        groundtruth_folder: Where the PNG files of the groundtruth are; by default beside the JSON file, in a folder of
            its name without `.json`.
        prediction_folder: Likewise for the predictions.
        progress: Is told what is being done, and the share of it, when it takes longer than a few seconds. By default
            that goes to the standard error; None is silent.

    Returns:
        What `PanopticQualityEvaluator.result` gives, with the categories' names.

    Raises:
        FileNotFoundError: If a file is not there.
        ValueError: If an image has no prediction or another size there, if the segments of a PNG file are not those of
            its annotation, or if a category is unknown.
    """
    groundtruth = _load(groundtruth_file)
    found = {str(one["image_id"]): one for one in _load(prediction_file)["annotations"]}
    without = [str(one["image_id"]) for one in groundtruth["annotations"] if str(one["image_id"]) not in found]
    if without:
        raise ValueError(
            f"{os.fspath(prediction_file)} has no prediction for {len(without)} of {len(groundtruth['annotations'])} "
            f"images of the groundtruth; the first is {without[0]!r}."
        )
    categories = {int(one["id"]): one for one in groundtruth["categories"]}
    count = max(categories, default=0) + 1
    metric = PanopticQualityEvaluator(
        count,
        ignored_label=VOID_LABEL,
        is_thing=[bool(categories.get(category, {}).get("isthing", True)) for category in range(count)],
        merge_stuff=False,
        category_names=_names(categories),
        duplicates="error",
    )
    folders = [
        _folder(file, folder)
        for file, folder in ((groundtruth_file, groundtruth_folder), (prediction_file, prediction_folder))
    ]
    tell = Progress(progress).of("panoptic_quality: comparing images")
    for done, annotation in enumerate(groundtruth["annotations"]):
        tell(done / len(groundtruth["annotations"]))
        identity = str(annotation["image_id"])
        truth = _read(annotation, folders[0], categories)
        metric.update_state({SOURCE_ID: [identity], **truth}, _read(found[identity], folders[1], categories))
    return metric.result()


def read_panoptic_files(file: Path, folder: Path | None = None) -> Iterator[tuple[str, dict[str, np.ndarray]]]:
    """Read a file with its folder, an image at a time.

    Args:
        file: The JSON file.
        folder: Where the PNG files are; by default beside the JSON file, in a folder of its name without `.json`.

    Yields:
        The image id as text, and batches of one for `PanopticQualityEvaluator(ignored_label=-1)`: `category_mask`
        (-1 in void), `instance_mask` and `crowd_mask`, `[1, height, width]` int64.

    Raises:
        FileNotFoundError: If a file is not there.
        ValueError: If the segments of a PNG file are not those of its annotation.
    """
    for annotation in _load(file)["annotations"]:
        yield str(annotation["image_id"]), _read(annotation, _folder(file, folder), None)


def _load(file: Path) -> dict[str, Any]:
    with open(file, encoding="utf-8") as opened:
        return dict(json.load(opened))


def _folder(file: Path, folder: Path | None) -> str:
    return os.path.splitext(os.fspath(file))[0] if folder is None else os.fspath(folder)


def _names(categories: Mapping[int, Mapping[str, Any]]) -> dict[int, str]:
    """A name for each category; where two have the same, the id says which is which."""
    names = {category: str(one.get("name", category)) for category, one in categories.items()}
    shared = {name for name in names.values() if list(names.values()).count(name) > 1}
    return {category: f"{name} ({category})" if name in shared else name for category, name in names.items()}


def _read(annotation: Mapping[str, Any], folder: str, categories: Mapping[int, Any] | None) -> dict[str, np.ndarray]:
    try:
        from PIL import Image
    except ImportError as error:
        raise ImportError('Panoptic PNG files need Pillow: pip install "assay-python-metrics[coco]".') from error
    path = os.path.join(folder, str(annotation["file_name"]))
    with Image.open(path) as image:
        red, green, blue = (np.asarray(band, np.int32) for band in image.convert("RGB").split())
    segments = red + 256 * green + 65536 * blue
    starts, _ = runs_of([segments.reshape(1, -1)])
    present, numbers = np.unique(segments.ravel()[starts], return_inverse=True)
    infos = {int(one["id"]): one for one in annotation["segments_info"]}
    drawn = set(present.tolist()) - {VOID_ID}
    if drawn != set(infos):
        raise ValueError(
            f"The segments of {path} are not those of its annotation: only the image has "
            f"{sorted(drawn - set(infos))[:5]}, only the annotation has {sorted(set(infos) - drawn)[:5]}."
        )
    used = {int(one["category_id"]) for one in infos.values()}
    unknown = [] if categories is None else sorted(used - set(categories))
    if unknown:
        raise ValueError(f"The annotation of {path} has the category {unknown[0]!r}, which the groundtruth has not.")
    of_segment = [infos.get(int(segment)) for segment in present]
    category = np.array([VOID_LABEL if one is None else int(one["category_id"]) for one in of_segment])
    crowd = np.array([one is not None and bool(one.get("iscrowd", 0)) for one in of_segment], np.int64)
    lengths = np.diff(starts, append=segments.size)
    of_pixel = {CATEGORY_MASK: category[numbers], INSTANCE_MASK: numbers, CROWD_MASK: crowd[numbers]}
    return {name: np.repeat(values, lengths).reshape(1, *segments.shape) for name, values in of_pixel.items()}
