"""Compose digit scenes: TFRecord shards with Model Garden's keys, COCO annotations and their provenance beside them.

Run from the root of the repository, with scikit-learn and pycocotools installed:

```
python -m tools.make_digit_scenes                                             # what the repository holds
python -m tools.make_digit_scenes --train_scenes 20000 --output /tmp/scenes   # more; the first ones are the same
```

The output is the same, byte for byte, each time; a test holds the shards in the repository to that.
"""

import argparse
import dataclasses
import functools
import hashlib
import json
import multiprocessing
import os
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import tensorflow as tf
from assay.core.quiet import start_tensorflow_quietly

from tools import make_digits
from tools.digit_scenes.contact_sheet import contact_sheet
from tools.digit_scenes.pixels import load_photos
from tools.digit_scenes.provenance import COCO_INFO, COCO_LICENSES, provenance
from tools.digit_scenes.records import (
    CATEGORIES,
    FIRST_IDS,
    coco_annotations,
    coco_image,
    encode_image,
    encode_mask,
    file_name,
    make_record,
)
from tools.digit_scenes.scene import SPLITS, Composer, Scene

ROOT = Path(__file__).resolve().parent.parent
OUTPUT = ROOT / "reference_tasks/src/assay/reference_tasks/vision/data/digit_scenes"

SCENES = {"train": 1200, "validation": 200}
SCENES_PER_SHARD = 100  # 0.6 MB
CONTACT_SHEET_SCENES = 36
SCENES_TOLD = 1000
SCENES_PER_TASK = 500  # what a process composes at a time; so many are done before a process has begun


@dataclasses.dataclass(frozen=True)
class Composed:
    """A scene as it is written down.

    Attributes:
        record: The serialized `tf.train.Example`.
        annotations: Its COCO annotations, numbered from 0.
        scene: The scene itself, of those that are shown.
    """

    record: bytes
    annotations: list[dict[str, Any]]
    scene: Scene | None


@functools.cache
def composers() -> dict[str, Composer]:
    """Return the composer of each split; none has a digit, or a part of a photograph, of the other."""
    from sklearn import datasets

    digits = datasets.load_digits()
    photos = load_photos()
    rows = dict(zip(SPLITS, make_digits.split(digits.target), strict=True))
    return {split: Composer(split, photos, digits.images[rows[split]], digits.target[rows[split]]) for split in SPLITS}


def compose(split: str, numbers: range, folder: Path, *, images: bool = False) -> list[Composed]:
    """Compose some scenes of a split, each from its number alone.

    Args:
        split: `train` or `validation`.
        numbers: Which.
        folder: Where to write images, if they are asked for.
        images: Whether to write `images/<split>` (JPEG files) and `label_maps/<split>` (PNG files) too.
    """
    composed = []
    for number in numbers:
        scene = composers()[split].scene(number)
        annotations = coco_annotations(scene, FIRST_IDS[split] + number)
        shown = scene if number < CONTACT_SHEET_SCENES else None
        composed.append(Composed(make_record(scene, split, number), annotations, shown))
        if images:
            write_images(scene, split, number, folder)
    return composed


def compose_all(
    split: str, count: int, folder: Path, *, images: bool = False, progress: bool = False
) -> Iterator[Composed]:
    """Yield the scenes of a split in their order; see `make_split`."""
    tasks = [range(first, min(first + SCENES_PER_TASK, count)) for first in range(0, count, SCENES_PER_TASK)]
    compose_some = functools.partial(compose, split, folder=folder, images=images)
    done = 0
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(os.cpu_count(), spawn, initializer=start_tensorflow_quietly) as processes:
        for composed in (processes.map if len(tasks) > 1 else map)(compose_some, tasks):
            yield from composed
            done += len(composed)
            if progress and (done % SCENES_TOLD == 0 or done == count):
                print(f"  {done:,} of {count:,} scenes of {split}", flush=True)


def make_split(
    split: str, count: int, folder: Path, *, images: bool = False, progress: bool = False
) -> tuple[list[Path], list[Scene]]:
    """Write the shards and the COCO file of a split. Many scenes are composed in as many processes as there are cores.

    Args:
        split: `train` or `validation`.
        count: Number of scenes.
        folder: Where to.
        images: Whether to write `images/<split>` (JPEG files) and `label_maps/<split>` (PNG files) too.
        progress: Whether to say now and then how far it is.

    Returns:
        The paths of the shards and of the COCO file, and the first scenes.
    """
    records, kept = [], []
    coco: dict[str, Any] = {"info": COCO_INFO, "licenses": COCO_LICENSES, "images": [], "annotations": []}
    for number, composed in enumerate(compose_all(split, count, folder, images=images, progress=progress)):
        records.append(composed.record)
        coco["images"].append(coco_image(split, number))
        first_id = FIRST_IDS[split] + len(coco["annotations"])
        coco["annotations"] += [{**one, "id": first_id + one["id"]} for one in composed.annotations]
        kept += [composed.scene] if composed.scene else []
    coco["categories"] = CATEGORIES
    paths = make_digits.write_shards(folder, split, records, max(1, -(-count // SCENES_PER_SHARD)))
    annotations = folder / f"instances_{split}.json"
    annotations.write_text(json.dumps(coco, separators=(",", ":")) + "\n", encoding="utf-8")
    return [*paths, annotations], kept


def write_images(scene: Scene, split: str, number: int, folder: Path) -> None:
    """Write the image and the label map of a scene as files of their own."""
    image = folder / "images" / split / file_name(split, number)
    label_map = folder / "label_maps" / split / Path(file_name(split, number)).with_suffix(".png").name
    for path, content in ((image, encode_image(scene)), (label_map, encode_mask(scene.label_map))):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)


def make(
    folder: Path,
    scenes: dict[str, int] | None = None,
    *,
    images: bool = False,
    sheet: Path | None = None,
    progress: bool = False,
) -> list[Path]:
    """Write all files to a folder, and return their paths.

    Args:
        folder: Where to; it is made.
        scenes: Number of scenes of each split; `SCENES` when None.
        images: Whether to write images and label maps as files, too.
        sheet: Where to write a PNG file that shows the first scenes of each split, if anywhere.
        progress: Whether to say now and then how far it is.
    """
    folder.mkdir(parents=True, exist_ok=True)
    counts = scenes or SCENES
    written: list[Path] = []
    shown: list[Scene] = []
    for split in SPLITS:
        if not counts[split]:
            continue
        paths, first = make_split(split, counts[split], folder, images=images, progress=progress)
        written += paths
        shown += first[: CONTACT_SHEET_SCENES // len(SPLITS)]
    digests = {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in written}
    (folder / "PROVENANCE.md").write_text(provenance(counts, digests), encoding="utf-8")
    if sheet is not None:
        sheet.write_bytes(tf.io.encode_png(contact_sheet(shown)).numpy())
    return [*written, folder / "PROVENANCE.md"]


def main() -> None:
    """Write the files and say which."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", type=Path, default=OUTPUT, help="the folder for the files")
    for split, count in SCENES.items():
        parser.add_argument(f"--{split}_scenes", type=int, default=count, help=f"scenes of {split} (default {count})")
    parser.add_argument("--images", action="store_true", help="write images and label maps as files, too")
    parser.add_argument("--contact_sheet", type=Path, metavar="PNG", help="show the first scenes in this file")
    args = parser.parse_args()
    counts = {split: getattr(args, f"{split}_scenes") for split in SPLITS}
    for path in make(args.output, counts, images=args.images, sheet=args.contact_sheet, progress=True):
        print(f"{path} ({path.stat().st_size} bytes)")


if __name__ == "__main__":
    main()
