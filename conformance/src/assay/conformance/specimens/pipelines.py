"""Sound input pipelines of their own: the models for twins, and the bases of mutants.

Each step is a method, so that a mutant overrides the one line that it gets wrong.
"""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
from assay.conformance.lazy import tf
from assay.conformance.specimens.records import DETECTION_SIDE, MOST_OBJECTS, detection_files

IMAGE_SIDE = 6
TRAIN_IMAGES = 26
VALIDATION_IMAGES = 23  # not divisible by 2, 3 or 8: the last batch is always partial
NUM_CLASSES = 3


class SoundImages:
    """Small labelled images in memory, flipped and brightened in training by stateless operations."""

    def __call__(self, params: Any, input_context: Any = None) -> Any:
        """Return batches of `({"image": [batch, 6, 6, 3] float32 in 0..1, "id": [batch]}, labels [batch] int32)`."""
        dataset = self.read(params)
        batch_size = params.global_batch_size
        first, step = 0, 1
        if input_context is not None:
            first, step = input_context.input_pipeline_id, input_context.num_input_pipelines
            dataset = dataset.shard(step, first)
            batch_size = input_context.get_per_replica_batch_size(batch_size)
        if params.is_training:
            dataset = self.repeated(self.shuffled(dataset, params))
            seed = np.random.SeedSequence(params.seed).generate_state(1)[0].astype(np.int64)
            dataset = self.augmented(dataset, seed, first, step)
        return self.batched(dataset.map(self.finished), batch_size, params)

    def read(self, params: Any) -> Any:
        """Return the examples, in a fixed order."""
        count = TRAIN_IMAGES if params.is_training else VALIDATION_IMAGES
        random = np.random.default_rng(3 if params.is_training else 4)
        images = random.integers(0, 256, size=(count, IMAGE_SIDE, IMAGE_SIDE, 3)).astype(np.uint8)
        labels = random.integers(0, NUM_CLASSES, size=count).astype(np.int32)
        return tf.data.Dataset.from_tensor_slices(({"image": images, "id": np.arange(count)}, labels))

    def shuffled(self, dataset: Any, params: Any) -> Any:
        """Return the examples in another order in each epoch."""
        return dataset.shuffle(TRAIN_IMAGES, seed=params.seed)

    def repeated(self, dataset: Any) -> Any:
        """Return the examples over and over."""
        return dataset.repeat()

    def augmented(self, dataset: Any, seed: int, first: int, step: int) -> Any:
        """Augment each example by its seed and its position in the stream."""

        def augment(position: Any, example: Any) -> Any:
            features, label = example
            return {
                **features,
                "image": self.augment(features["image"], tf.stack([seed, position * step + first])),
            }, label

        return dataset.enumerate().map(augment, num_parallel_calls=2)

    def augment(self, image: Any, key: Any) -> Any:
        """Return an image flipped or not, and a little brighter or darker."""
        image = tf.image.stateless_random_flip_left_right(tf.cast(image, tf.float32), key)
        return tf.clip_by_value(image + tf.random.stateless_uniform([], key + 1, -9.0, 9.0), 0.0, 255.0)

    def finished(self, features: Any, label: Any) -> Any:
        """Return an example as the model takes it."""
        return {**features, "image": self.scaled(features["image"])}, label

    def scaled(self, image: Any) -> Any:
        """Return pixels from 0 to 1."""
        return tf.cast(image, tf.float32) / 255.0

    def batched(self, dataset: Any, batch_size: int, params: Any) -> Any:
        """Return batches."""
        return dataset.batch(batch_size, drop_remainder=params.drop_remainder)


@dataclasses.dataclass(frozen=True)
class DetectionParams:
    """What `SoundDetection` is called with."""

    input_path: str
    is_training: bool
    global_batch_size: int = 4
    drop_remainder: bool = False
    seed: int | None = 5


def detection_params() -> dict[str, DetectionParams]:
    """Return the parameters of both roles; the TFRecord files are written when first asked for."""
    folder = detection_files()
    return {
        "training": DetectionParams(f"{folder}/train-*.tfrecord", is_training=True, drop_remainder=True),
        "validation": DetectionParams(f"{folder}/validation-*.tfrecord", is_training=False),
    }


class SoundDetection:
    """Reads TFRecords with boxes, resizes into the top left corner, and flips half of the training images.

    Boxes are yxyx; `boxes` are pixels of the resized image, padded with -1, and `groundtruths/boxes` pixels of the
    original one.
    """

    def __call__(self, params: Any, input_context: Any = None) -> Any:
        """Return batches of `(images [batch, 16, 16, 3], labels)`."""
        records = self.records(params)
        batch_size = params.global_batch_size
        if input_context is not None:
            records = records.shard(input_context.num_input_pipelines, input_context.input_pipeline_id)
            batch_size = input_context.get_per_replica_batch_size(batch_size)
        if params.is_training:
            records = records.shuffle(100, seed=params.seed).repeat()
        # After sharding, positions may coincide between pipelines: the id of the image keeps their keys apart.
        seed = np.random.SeedSequence(params.seed).generate_state(1)[0].astype(np.int64)
        training = bool(params.is_training)

        def parse(position: Any, record: Any) -> Any:
            path, number, text = record
            return self.parse(path, number, text, tf.stack([seed, position]), training)

        dataset = records.enumerate().map(parse)
        return self.kept(dataset, training).batch(batch_size, drop_remainder=params.drop_remainder)

    def records(self, params: Any) -> Any:
        """Return (file, number, serialized record), in a fixed order."""
        files = tf.data.Dataset.list_files(params.input_path, shuffle=False)
        return files.flat_map(
            lambda path: tf.data.TFRecordDataset(path).enumerate().map(lambda number, text: (path, number, text))
        )

    def kept(self, dataset: Any, training: bool) -> Any:
        """Return the examples to use: all of them."""
        del training
        return dataset

    def parse(self, path: Any, number: Any, text: Any, key: Any, training: bool) -> Any:
        """Return one example."""
        edges = [f"image/object/bbox/{edge}" for edge in ("ymin", "xmin", "ymax", "xmax")]
        features = tf.io.parse_single_example(
            text,
            {
                "image/encoded": tf.io.FixedLenFeature([], tf.string),
                "image/source_id": tf.io.FixedLenFeature([], tf.string),
                "image/object/class/label": tf.io.VarLenFeature(tf.int64),
                **{edge: tf.io.VarLenFeature(tf.float32) for edge in edges},
            },
        )
        image = self.decoded(features["image/encoded"], path, number)
        boxes = tf.stack([tf.sparse.to_dense(features[edge]) for edge in edges], axis=-1)
        classes = tf.sparse.to_dense(features["image/object/class/label"])
        if training:
            flip = tf.random.stateless_uniform([], key) < 0.5
            image, boxes = tf.cond(flip, lambda: self.flipped(image, boxes), lambda: (image, boxes))
        original = tf.cast(tf.shape(image)[:2], tf.float32)
        resized, scale = self.resized(image, original)
        labels = {
            "boxes": self.padded(self.to_network(boxes, original, scale)),
            "classes": self.padded(classes),
            "image_info": self.image_info(original, scale),
        }
        if not training:
            labels["groundtruths"] = {
                "source_id": tf.strings.to_number(features["image/source_id"], tf.int64),
                "height": tf.cast(original[0], tf.int32),
                "width": tf.cast(original[1], tf.int32),
                "boxes": self.padded(boxes * tf.tile(original, [2])),
                "num_detections": tf.shape(boxes)[0],
            }
        return resized, self.with_statistics(labels, boxes)

    def with_statistics(self, labels: Any, boxes: Any) -> Any:
        """Return the labels; mutants add what they compute from the boxes."""
        del boxes
        return labels

    def decoded(self, encoded: Any, path: Any, number: Any) -> Any:
        """Return the image, or fail with the name of the record."""
        is_png = tf.equal(tf.strings.substr(encoded, 0, 4), b"\x89PNG")
        where = tf.strings.join([path, ", record ", tf.strings.as_string(number), ": image/encoded is no PNG image"])
        with tf.control_dependencies([tf.debugging.Assert(is_png, [where])]):
            return tf.io.decode_png(encoded, channels=3)

    def flipped(self, image: Any, boxes: Any) -> Any:
        """Return image and boxes mirrored, left to right."""
        ymin, xmin, ymax, xmax = tf.unstack(boxes, axis=-1)
        return tf.image.flip_left_right(image), tf.stack([ymin, 1.0 - xmax, ymax, 1.0 - xmin], axis=-1)

    def resized(self, image: Any, original: Any) -> Any:
        """Return the image at the top left of a square, from 0 to 1, and its scale (y, x)."""
        sides = tf.round(original * DETECTION_SIDE / tf.reduce_max(original))
        small = tf.image.resize(image, tf.cast(sides, tf.int32)) / 255.0
        square = tf.image.pad_to_bounding_box(small, 0, 0, DETECTION_SIDE, DETECTION_SIDE)
        return tf.ensure_shape(square, [DETECTION_SIDE, DETECTION_SIDE, 3]), sides / original

    def to_network(self, boxes: Any, original: Any, scale: Any) -> Any:
        """Return normalised boxes in pixels of the resized image."""
        return boxes * tf.tile(original * scale, [2])

    def image_info(self, original: Any, scale: Any) -> Any:
        """Return original size, desired size, scale and offset, each (y, x)."""
        return tf.stack([original, tf.constant([DETECTION_SIDE, DETECTION_SIDE], tf.float32), scale, tf.zeros([2])])

    def padded(self, rows: Any) -> Any:
        """Return as many rows for each image, the surplus -1."""
        missing = MOST_OBJECTS - tf.shape(rows)[0]
        paddings = [[0, missing]] + [[0, 0]] * (rows.shape.rank - 1)
        return tf.ensure_shape(tf.pad(rows, paddings, constant_values=-1), [MOST_OBJECTS, *rows.shape[1:]])
