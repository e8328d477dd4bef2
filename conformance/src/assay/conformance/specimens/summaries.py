"""Sound summary managers, as plain objects: the models for twins, and the bases of mutants.

Each step is a method of its own, so that a mutant overrides the one line that it gets wrong.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from assay.conformance.harness.summaries.reader_process import records_of
from assay.conformance.lazy import tf

Group = tuple[str, ...]
Leaf = tuple[Group, str, Any]


class SoundSummaryManager:
    """Writes nested mappings of scalars as event files: a group is a subdirectory, a key is a tag.

    Args:
      summary_dir: Directory of the event files; None writes nothing.
      global_step: The step of each write, read when it happens: a number or a variable; None takes the step of
        `tf.summary.experimental.set_step`.
    """

    def __init__(self, summary_dir: str | None, global_step: Any = None) -> None:
        self.summary_dir = summary_dir
        self.global_step = global_step
        self.writers: dict[Group, Any] = {}
        self.written: dict[Group, set[tuple[str, int]]] = {}

    def write_summaries(self, summary_dict: Mapping[str, Any]) -> None:
        """Write every value at the current step, or nothing when one is refused."""
        if not self.enabled():
            return
        leaves = list(self.leaves(summary_dict, ()))
        values = [self.value("/".join((*group, key)), key, value) for group, key, value in leaves]
        if not leaves:
            return
        step = self.step()
        for (group, key, _), value in zip(leaves, values, strict=True):
            with self.writer(group).as_default():
                if self.recording() and self.admits(group, key, step):
                    self.emit(group, key, value, step)

    def summary_writer(self, relative_path: str = "") -> Any:
        """Return the writer of a subdirectory, the same one each time."""
        if not self.enabled():
            return tf.summary.create_noop_writer()
        group = tuple(relative_path.split("/")) if relative_path else ()
        for key in group:
            self.check_group(key, relative_path)
        return self.writer(group)

    def flush(self) -> None:
        """Hand everything to the operating system."""
        for writer in self.writers.values():
            writer.flush()

    def close(self) -> None:
        """Flush and close the files; again, it does nothing."""
        for writer in self.writers.values():
            writer.close()
        self.writers = {}

    # The parts, for mutants to override.

    def enabled(self) -> bool:
        """Return whether anything is written."""
        return self.summary_dir is not None

    def leaves(self, group: Mapping[str, Any], path: Group) -> Iterator[Leaf]:
        """Yield the group, the key and the value of each leaf; refuse keys that name no file or tag."""
        for key, value in group.items():
            where = "/".join((*path, str(key)))
            if not isinstance(key, str) or not key:
                raise ValueError(f"The key {key!r} of {where!r} must be a text.")
            if self.is_group(value):
                self.check_group(key, where)
                yield from self.leaves(value, (*path, key))
            else:
                yield path, key, value

    def is_group(self, value: Any) -> bool:
        """Return whether a value is a group."""
        return isinstance(value, Mapping)

    def check_group(self, key: str, where: str) -> None:
        """Refuse a group that would be another directory than a subdirectory of its parent."""
        if key in (".", "..") or set(key) & set("/\\"):
            raise ValueError(f"The group {where!r} cannot be a subdirectory.")

    def value(self, where: str, key: str, value: Any) -> Any:
        """Return a leaf as a number, or refuse it by its path."""
        plain = value.numpy() if hasattr(value, "numpy") else value
        if plain is None or isinstance(plain, str | bytes) or np.ndim(plain) != 0:
            raise ValueError(f"The summary {where!r} must be one number; received {value!r}.")
        return float(plain)

    def step(self) -> int:
        """Return the step of this moment."""
        step = tf.summary.experimental.get_step() if self.global_step is None else self.global_step
        if step is None:
            raise ValueError("There is no step: pass global_step, or call tf.summary.experimental.set_step.")
        return int(step)

    def directory(self, group: Group) -> Path:
        """Return the directory of a group."""
        return Path(str(self.summary_dir), *group)

    def writer(self, group: Group) -> Any:
        """Return the writer of a group, made when it is first needed."""
        if group not in self.writers:
            if group not in self.written:
                self.written[group] = self.history(group)
            self.writers[group] = tf.summary.create_file_writer(str(self.directory(group)))
        return self.writers[group]

    def history(self, group: Group) -> set[tuple[str, int]]:
        """Return the tags and steps that the event files of a directory hold already."""
        files = self.directory(group).glob("*tfevents*")
        events = (tf.compat.v1.Event.FromString(record) for file in files for record in records_of(str(file)))
        return {(value.tag, int(event.step)) for event in events for value in event.summary.value}

    def recording(self) -> bool:
        """Return whether `tf.summary.record_if` lets anything be written now."""
        return bool(tf.summary.should_record_summaries())

    def admits(self, group: Group, key: str, step: int) -> bool:
        """Return whether a tag may be written at a step: once, and never before one that is written already."""
        written = self.written[group]
        if (key, step) in written or step < max((known for _, known in written), default=step):
            return False
        written.add((key, step))
        return True

    def emit(self, group: Group, tag: str, value: Any, step: int) -> None:
        """Write one value with the default writer, which is that of its group."""
        tf.summary.scalar(tag, value, step=step)


class SoundImageManager(SoundSummaryManager):
    """The same, and keys that begin with `image/` are images `[n, h, w, c]`, uint8 or float in [0, 1].

    Args:
      summary_dir: As above.
      global_step: As above.
      max_outputs: At most so many images of each are kept.
    """

    prefix = "image/"

    def __init__(self, summary_dir: str | None, global_step: Any = None, max_outputs: int = 4) -> None:
        super().__init__(summary_dir, global_step)
        self.max_outputs = max_outputs

    def value(self, where: str, key: str, value: Any) -> Any:
        """Return an image as an array, anything else as a number."""
        if not key.startswith(self.prefix):
            return super().value(where, key, value)
        return self.image(where, np.asarray(value))

    def image(self, where: str, image: np.ndarray) -> np.ndarray:
        """Return an image, or refuse it by its path."""
        if image.ndim != 4 or image.shape[-1] not in (1, 3, 4) or image.dtype.kind not in "uf":
            raise ValueError(f"The image {where!r} must be [n, h, w, c]; received {image.dtype} {image.shape}.")
        return image

    def emit(self, group: Group, tag: str, value: Any, step: int) -> None:
        """Write one value with the default writer, which is that of its group."""
        if isinstance(value, np.ndarray):
            self.emit_image(tag, value, step)
        else:
            super().emit(group, tag, value, step)

    def emit_image(self, tag: str, image: np.ndarray, step: int) -> None:
        """Write images with the default writer."""
        tf.summary.image(tag, image, step=step, max_outputs=self.max_outputs)
