"""Reads the scalars that a run wrote for TensorBoard."""

import dataclasses
import os

import tensorflow as tf


@dataclasses.dataclass(frozen=True)
class Curve:
    """The values of one scalar, by rising step.

    Attributes:
        steps: The steps; at least one.
        values: The value at each step.
    """

    steps: tuple[int, ...]
    values: tuple[float, ...]

    @property
    def last(self) -> float:
        """The value at the last step."""
        return self.values[-1]


def read_curves(folder: str | os.PathLike[str]) -> dict[str, Curve]:
    """Return every scalar that a folder of event files tells of, by name.

    Where a step was written twice, because a run went on from a checkpoint, what was written last counts. A file whose
    end is cut off, by a process that died, is read up to there.

    Args:
        folder: A directory that holds `events.out.tfevents.*` files; without any, the result is empty.
    """
    found: dict[str, dict[int, float]] = {}
    files = sorted(tf.io.gfile.glob(os.path.join(os.fspath(folder), "events.out.tfevents.*")))
    for record in tf.data.TFRecordDataset(files).ignore_errors() if files else ():
        event = tf.compat.v1.Event.FromString(record.numpy())
        for value in event.summary.value:
            if value.metadata.plugin_data.plugin_name in ("", "scalars") and value.HasField("tensor"):
                found.setdefault(value.tag, {})[event.step] = float(tf.make_ndarray(value.tensor))
    curves = {}
    for tag, by_step in found.items():
        steps = tuple(sorted(by_step))
        curves[tag] = Curve(steps, tuple(by_step[step] for step in steps))
    return curves
