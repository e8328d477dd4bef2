"""Cuts the digits out of composed scenes, each with what is around it: images of one label, to learn digits from."""

import hashlib
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import tensorflow as tf

from tools.digit_scenes.scene import SIZE

CROP_SIDE = 80
"""Rows and columns of a crop: the largest digits, and room to move them in training."""
JPEG_QUALITY = 90  # a scene went through JPEG already


def crop_records(shards: Sequence[Path]) -> Iterator[bytes]:
    """Yield a `tf.train.Example` for each digit of the scenes in TFRecord files; crowds are left out.

    A crop has the digit's box in its middle; what lies outside of the scene repeats its border. Keys are Model Garden's
    for classification: `image/encoded`, `image/format` (jpeg), `image/height`, `image/width`, `image/class/label` (0 to
    9), `image/source_id` (that of the scene, a dash, and the number of the object).

    Args:
        shards: Files that `python -m tools.make_digit_scenes` wrote.
    """
    for serialized in tf.data.TFRecordDataset([str(path) for path in shards]):
        scene = tf.train.Example.FromString(serialized.numpy()).features.feature
        image = tf.io.decode_jpeg(scene["image/encoded"].bytes_list.value[0], channels=3).numpy()
        padded = np.pad(image, [(CROP_SIDE // 2, CROP_SIDE // 2)] * 2 + [(0, 0)], mode="edge")
        corners = [scene[f"image/object/bbox/{side}"].float_list.value for side in ("ymin", "xmin", "ymax", "xmax")]
        boxes = np.array(corners).T.reshape([-1, 4]) * SIZE
        labels = scene["image/object/class/label"].int64_list.value
        crowds = scene["image/object/is_crowd"].int64_list.value
        scene_id = scene["image/source_id"].bytes_list.value[0]
        for number, (box, label, is_crowd) in enumerate(zip(boxes, labels, crowds, strict=True)):
            if not is_crowd:
                top, left = (int(np.rint((low + high) / 2)) for low, high in (box[[0, 2]], box[[1, 3]]))
                pixels = padded[top : top + CROP_SIDE, left : left + CROP_SIDE]
                yield _record(pixels, label - 1, b"%s-%d" % (scene_id, number))


def _record(pixels: np.ndarray, digit: int, source_id: bytes) -> bytes:
    encoded = tf.io.encode_jpeg(pixels, quality=JPEG_QUALITY).numpy()
    example = tf.train.Example()
    feature = example.features.feature
    for key, value in {
        "image/encoded": encoded,
        "image/format": b"jpeg",
        "image/source_id": source_id,
        "image/key/sha256": hashlib.sha256(encoded).hexdigest().encode(),
    }.items():
        feature[key].bytes_list.value.append(value)
    for key, number in {"image/height": CROP_SIDE, "image/width": CROP_SIDE, "image/class/label": digit}.items():
        feature[key].int64_list.value.append(number)
    return example.SerializeToString(deterministic=True)
