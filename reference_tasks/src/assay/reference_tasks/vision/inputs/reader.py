"""What a reader is: the source of undecoded records, and the way to decode them."""

import dataclasses
from typing import Any, Protocol

import tensorflow as tf

SOURCE = "source"
"""Key of a record's origin: a string scalar for error messages, such as `train-00000.tfrecord, record 12`."""
IMAGE = "image"
"""Key of a decoded image: uint8 `[height, width, channels]`."""

Record = dict[str, Any]


@dataclasses.dataclass(frozen=True)
class Shard:
    """One of several disjoint parts of the data, which together are all of it.

    Attributes:
        index: Which part, from 0.
        count: How many parts there are.
    """

    index: int = 0
    count: int = 1


WHOLE = Shard()
"""The only part: everything."""


class Reader(Protocol):
    """A source of records, each an image and what is known about it.

    `records` must be in the same order each time when `seed` is None, must end after one epoch, and must give an
    iterator that can be saved: no stateful random operation, no Python function inside.
    """

    @property
    def num_units(self) -> int:
        """How many units (files, or single examples) can be dealt to shards without reading the others."""

    def records(self, shard: Shard = WHOLE, *, seed: int | None = None) -> tf.data.Dataset:
        """Return the records of the units that belong to a shard, undecoded, for one epoch.

        Args:
            shard: Which units to read: those whose number is `shard.index` modulo `shard.count`.
            seed: When given, the order of the units is drawn anew in each epoch. What remains in order (the records
                of a file) is left to a shuffle buffer.
        """

    def decode(self, records: tf.data.Dataset) -> tf.data.Dataset:
        """Return the decoded form of each of what `records` gave, in the same order: `source`, `image` and more.

        Must fail, at a broken record, with an error that names its source and the key that is broken.
        """
