"""Time to write and flush summaries, beside `tf.summary` and, where it is importable, orbit's manager.

Scalars: a nested dict of 50 (five groups of nine, and five at the top), one write and one flush a step. Images: 8 of
64 x 64 and 20 of 256 x 256 RGB uint8 pixels. To have orbit in the table, put tf-models-official on PYTHONPATH; it is no
dependency of this project.
"""

import contextlib
import importlib
import tempfile
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from tools.bench.paired import interleave, report

GROUPS, TAGS = 5, 9
WRITES = 50
IMAGE_SIZES = ((8, 64), (20, 256))


def scalars() -> dict[str, Any]:
    """The nested dict of 50 scalars: NumPy float32, as the loop has them."""
    generator = np.random.default_rng(0)

    def numbers(count: int, prefix: str) -> dict[str, Any]:
        return {f"{prefix}_{number}": np.float32(generator.random()) for number in range(count)}

    return numbers(GROUPS, "loss") | {f"group_{group}": numbers(TAGS, "class") for group in range(GROUPS)}


def images(count: int, size: int) -> np.ndarray:
    """Pictures `[count, size, size, 3]` uint8 that compress about as photographs do: coarse blocks and some noise."""
    generator = np.random.default_rng(0)
    blocks = generator.integers(0, 250, size=(count, size // 4, size // 4, 3))
    coarse = np.kron(blocks, np.ones((1, 4, 4, 1), int))
    return (coarse + generator.integers(0, 6, size=coarse.shape)).astype(np.uint8)


def writing(make: Callable[[str, Any], Any], values: dict[str, Any], directory: str, writes: int) -> Callable[[], None]:
    """Return a function that moves the step, writes and flushes, `writes` times over."""
    import tensorflow as tf

    step = tf.Variable(0, dtype=tf.int64)
    manager = make(tempfile.mkdtemp(dir=directory), step)

    def write() -> None:
        for _ in range(writes):
            step.assign_add(1)
            manager.write_summaries(values)
            manager.flush()

    return write


class BareTensorFlow:
    """The plainest thing that does the same: one writer a directory, one `tf.summary` call a value."""

    def __init__(self, directory: str, step: Any) -> None:
        self._directory, self._step = directory, step
        self._writers: dict[str, Any] = {}

    def write_summaries(self, values: dict[str, Any], group: str = "") -> None:
        """Write what is not a group with the writer of this group."""
        import tensorflow as tf

        for key, value in values.items():
            if isinstance(value, dict):
                self.write_summaries(value, f"{group}/{key}")
                continue
            if group not in self._writers:
                self._writers[group] = tf.summary.create_file_writer(self._directory + group)
            with self._writers[group].as_default():
                if np.ndim(value):
                    tf.summary.image(key, value, step=self._step, max_outputs=len(value))
                else:
                    tf.summary.scalar(key, value, step=self._step)

    def flush(self) -> None:
        """Flush every writer."""
        for writer in self._writers.values():
            writer.flush()


def makers() -> dict[str, Callable[[str, Any], Any]]:
    """What writes scalars, the baseline first; orbit where it can be imported."""
    import tensorflow as tf
    from assay.summaries import ImageScalarSummaryManager, JSONLinesSummaryManager, SummaryManager

    found: dict[str, Callable[[str, Any], Any]] = {}
    with contextlib.suppress(ImportError):
        orbit = importlib.import_module("orbit")
        found["orbit.utils.SummaryManager"] = lambda directory, step: orbit.utils.SummaryManager(
            directory, tf.summary.scalar, global_step=step
        )
    return found | {
        "tf.summary.scalar": BareTensorFlow,
        "assay SummaryManager": lambda directory, step: SummaryManager(directory, global_step=step),
        "assay ImageScalarSummaryManager": lambda directory, step: ImageScalarSummaryManager(
            directory, global_step=step
        ),
        "assay JSONLinesSummaryManager": lambda directory, step: JSONLinesSummaryManager(directory, global_step=step),
    }


def tables(directory: str) -> Iterator[str]:
    """Measure, and yield each table."""
    from assay.summaries import ImageScalarSummaryManager

    values = scalars()
    alternatives = {name: writing(make, values, directory, WRITES) for name, make in makers().items()}
    yield report("A nested dict of 50 scalars, flushed", interleave(alternatives), per=WRITES)
    for count, size in IMAGE_SIZES:
        pictures: dict[str, Any] = {"image/pictures": images(count, size)}
        makes: dict[str, Callable[[str, Any], Any]] = {
            "tf.summary.image": BareTensorFlow,
            "assay ImageScalarSummaryManager": lambda place, step: ImageScalarSummaryManager(place, global_step=step),
        }
        writes = max(1, 400_000 // (count * size * size))
        alternatives = {name: writing(make, pictures, directory, writes) for name, make in makes.items()}
        yield report(f"{count} images of {size} x {size}, flushed", interleave(alternatives), per=writes)


def main() -> None:
    """Print the tables."""
    with tempfile.TemporaryDirectory() as directory:
        for table in tables(directory):
            print(table, flush=True)


if __name__ == "__main__":
    main()
