"""Writes scenes as TFRecords with Model Garden's keys, into the folder `examples`: `python -m starter.data`.

Change what `scenes` yields, or write records with these keys in any other way.
"""

from collections.abc import Iterable
from pathlib import Path

import tensorflow as tf
from assay.reference_tasks.templates.starters.scenes.scenes import EXAMPLES, SIDE, Scene, scenes

FOLDER = Path(__file__).parent / "examples"
PATH = "package://starter/examples"
"""The folder, as configurations name it: the same on any machine."""
SHARDS = 2
"""Files of each split; with several, input pipelines on several hosts read files of their own."""


def record_of(scene: Scene) -> bytes:
    """Return the serialized `tf.train.Example` of a scene."""
    boxes = scene.boxes / SIDE
    features = {
        "image/encoded": _bytes(tf.io.encode_png(scene.image).numpy()),
        "image/format": _bytes(b"png"),
        "image/height": _integers([SIDE]),
        "image/width": _integers([SIDE]),
        "image/source_id": _bytes(str(scene.number).encode()),
        "image/segmentation/class/encoded": _bytes(tf.io.encode_png(scene.label_map[..., tf.newaxis]).numpy()),
        "image/segmentation/class/format": _bytes(b"png"),
        "image/object/bbox/ymin": _floats(boxes[:, 0]),
        "image/object/bbox/xmin": _floats(boxes[:, 1]),
        "image/object/bbox/ymax": _floats(boxes[:, 2]),
        "image/object/bbox/xmax": _floats(boxes[:, 3]),
        "image/object/class/label": _integers(scene.classes),
    }
    example = tf.train.Example(features=tf.train.Features(feature=features))
    return example.SerializeToString(deterministic=True)


def write(folder: Path = FOLDER) -> None:
    """Write all splits into a folder; files of these names are replaced."""
    folder.mkdir(exist_ok=True)
    for split in EXAMPLES:
        records = [record_of(scene) for scene in scenes(split)]
        for shard in range(SHARDS):
            with tf.io.TFRecordWriter(str(folder / f"{split}-{shard:05d}-of-{SHARDS:05d}.tfrecord")) as writer:
                for record in records[shard::SHARDS]:
                    writer.write(record)


def _bytes(value: bytes) -> tf.train.Feature:
    return tf.train.Feature(bytes_list=tf.train.BytesList(value=[value]))


def _integers(values: Iterable[int]) -> tf.train.Feature:
    return tf.train.Feature(int64_list=tf.train.Int64List(value=values))


def _floats(values: Iterable[float]) -> tf.train.Feature:
    return tf.train.Feature(float_list=tf.train.FloatList(value=values))


if __name__ == "__main__":
    write()
