"""The options of an input pipeline: `DataConfig`."""

import dataclasses
from collections.abc import Iterable
from typing import Any, Literal

from assay.core.config.base import Config
from assay.core.config.errors import Problem


@dataclasses.dataclass
class DataConfig(Config):
    """Where the examples come from and how they are batched; a task adds what its reader needs.

    Attributes:
        input_path: A file, a glob, several separated by commas, a list of these, or a dict of named sources
            (see `weights`).
        weights: With a dict of sources, how often each is drawn from, by the same names.
        global_batch_size: Examples in a step over all replicas; each gets its share.
        is_training: Whether to shuffle, repeat and augment. None is not a choice: it must be set.
        drop_remainder: Whether a last batch that is not full is dropped. None means when training only, so that an
            evaluation counts every example.
        shuffle_buffer_size: Examples held to draw from when training.
        cache: Whether decoded examples are kept in memory.
        cycle_length: Files read at once; None leaves it to the task that reads them.
        block_length: Records read from a file before the next one.
        deterministic: Whether the order is the same each time; None lets tf.data decide.
        sharding: Whether each input pipeline reads only its own part of the files.
        seed: Seed of shuffling and augmentation; None for another order each time.
        prefetch_buffer_size: Batches made ahead; None lets tf.data choose.
        file_type: `tfrecord`, or `tfrecord_compressed` for GZIP.
    """

    input_path: str | list[str] | dict[str, Any] = ""
    weights: dict[str, float] | None = None
    global_batch_size: int = 0
    is_training: bool | None = None
    drop_remainder: bool | None = None
    shuffle_buffer_size: int = 100
    cache: bool = False
    cycle_length: int | None = None
    block_length: int = 1
    deterministic: bool | None = None
    sharding: bool = True
    seed: int | None = None
    prefetch_buffer_size: int | None = None
    file_type: Literal["tfrecord", "tfrecord_compressed"] = "tfrecord"

    @property
    def drops_remainder(self) -> bool:
        """Whether a last batch that is not full is dropped: `drop_remainder`, or when training if that is None."""
        return bool(self.is_training) if self.drop_remainder is None else self.drop_remainder

    def problems(self) -> Iterable[Problem | str]:
        """Yield a problem when training is left open, a size is negative or `weights` do not fit the sources."""
        if self.is_training is None:
            yield Problem("is_training", "must be true or false.")
        if self.global_batch_size < 0 or (self.input_path and self.global_batch_size == 0):
            yield Problem("global_batch_size", f"must be above 0; received {self.global_batch_size}.")
        for name in ("shuffle_buffer_size", "block_length", "cycle_length", "prefetch_buffer_size"):
            value = getattr(self, name)
            if value is not None and value < 1:
                yield Problem(name, f"must be above 0; received {value}.")
        if self.weights is not None:
            sources = set(self.input_path) if isinstance(self.input_path, dict) else set()
            if sources != set(self.weights):
                yield Problem(
                    "weights", f"must name the sources of `input_path` ({sorted(sources)}); received {self.weights}."
                )
