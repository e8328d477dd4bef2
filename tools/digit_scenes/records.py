"""Writes scenes down: as `tf.train.Example` records with Model Garden's keys, and as COCO annotations."""

import hashlib
from typing import Any

import numpy as np
import tensorflow as tf
from pycocotools import mask as coco_mask

from tools.digit_scenes.scene import SIZE, Scene

CLASS_NAMES = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
"""Names of the classes 1 to 10; 0 is the background."""

JPEG_QUALITY = 70
FIRST_IDS = {"train": 1, "validation": 1_000_001}
"""The first `source_id` of each split, so that no image of one has the id of one of the other."""

CATEGORIES = [
    {"id": number, "name": name, "supercategory": "digit"} for number, name in enumerate(CLASS_NAMES, start=1)
]


def file_name(split: str, number: int) -> str:
    """Return the name of a scene's image file."""
    return f"{split}-{number:06d}.jpg"


def encode_image(scene: Scene) -> bytes:
    """Return the image as a JPEG file."""
    return tf.io.encode_jpeg(scene.image, quality=JPEG_QUALITY, optimize_size=True).numpy()


def encode_mask(mask: np.ndarray) -> bytes:
    """Return a mask or a label map `[height, width]` as a PNG file of one channel."""
    return tf.io.encode_png(mask.astype(np.uint8)[..., None], compression=9).numpy()


def make_record(scene: Scene, split: str, number: int) -> bytes:
    """Return the serialized `tf.train.Example` of a scene, its objects from the back to the front."""
    encoded = encode_image(scene)
    boxes = np.array([instance.box for instance in scene.instances], np.float64).reshape([-1, 4]) / SIZE
    features: dict[str, bytes | int | list[Any]] = {
        "image/encoded": encoded,
        "image/format": b"jpeg",
        "image/height": SIZE,
        "image/width": SIZE,
        "image/filename": file_name(split, number).encode(),
        "image/source_id": b"%d" % (FIRST_IDS[split] + number),
        "image/key/sha256": hashlib.sha256(encoded).hexdigest().encode(),
        "image/segmentation/class/encoded": encode_mask(scene.label_map),
        "image/segmentation/class/format": b"png",
        "image/object/bbox/ymin": boxes[:, 0].tolist(),
        "image/object/bbox/xmin": boxes[:, 1].tolist(),
        "image/object/bbox/ymax": boxes[:, 2].tolist(),
        "image/object/bbox/xmax": boxes[:, 3].tolist(),
        "image/object/class/label": [instance.digit + 1 for instance in scene.instances],
        "image/object/class/text": [CLASS_NAMES[instance.digit].encode() for instance in scene.instances],
        "image/object/area": [float(instance.area) for instance in scene.instances],
        "image/object/is_crowd": [int(instance.is_crowd) for instance in scene.instances],
        "image/object/mask": [encode_mask(instance.mask) for instance in scene.instances],
    }
    example = tf.train.Example()
    for key, value in features.items():
        values = value if isinstance(value, list) else [value]
        feature = example.features.feature[key]
        kinds = {bytes: feature.bytes_list, int: feature.int64_list, float: feature.float_list}
        for one in values:
            kinds[type(one)].value.append(one)
    return example.SerializeToString(deterministic=True)


def coco_image(split: str, number: int) -> dict[str, Any]:
    """Return the entry of a scene in the `images` of a COCO file."""
    licence = 1
    return {
        "id": FIRST_IDS[split] + number,
        "file_name": file_name(split, number),
        "height": SIZE,
        "width": SIZE,
        "license": licence,
    }


def coco_annotations(scene: Scene, image_id: int) -> list[dict[str, Any]]:
    """Return the `annotations` of a scene: masks as run-length encodings, as text or, of crowds, as plain counts.

    Their ids are 0, 1, 2 and so on; a file has to number on.
    """
    annotations = []
    for number, instance in enumerate(scene.instances):
        ymin, xmin, ymax, xmax = instance.box
        annotations.append(
            {
                "id": number,
                "image_id": image_id,
                "category_id": instance.digit + 1,
                "bbox": [xmin, ymin, xmax - xmin, ymax - ymin],
                "area": instance.area,
                "iscrowd": int(instance.is_crowd),
                "segmentation": _plain_counts(instance.mask) if instance.is_crowd else _text_counts(instance.mask),
            }
        )
    return annotations


def _text_counts(mask: np.ndarray) -> dict[str, Any]:
    encoding = coco_mask.encode(np.asfortranarray(mask.astype(np.uint8)))
    return {"size": [SIZE, SIZE], "counts": encoding["counts"].decode("ascii")}


def _plain_counts(mask: np.ndarray) -> dict[str, Any]:
    column_by_column = mask.T.ravel()
    edges = np.flatnonzero(np.diff(column_by_column.astype(np.int8), prepend=0)).tolist()
    counts = np.diff([0, *edges, mask.size]).tolist()
    return {"size": [SIZE, SIZE], "counts": counts}
