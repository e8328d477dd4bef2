"""Updates of `MeanIoU` beside Keras' own: [8, 512, 512] labels, 19 classes, in `tf.function`.

From label maps, from logits, and from logits compiled by XLA. Ratios of wall time and of CPU time (which is what to
look at where the machine is shared) in interleaved rounds; the peak memory of each is that of a process of its own,
above what the process held before the first update.
"""

import multiprocessing
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from tools.bench.paired import ROUNDS, interleave, report

BATCH, SIZE, CLASSES = 8, 512, 19
LABELS, LOGITS, COMPILED = "from labels", "from logits", "from logits, jit_compile"
KERAS, ASSAY = "Keras MeanIoU", "assay MeanIoU"


def metric_of(name: str, case: str) -> Any:
    """Return a new metric."""
    import tensorflow as tf
    from assay.keras_metrics import MeanIoU

    return MeanIoU(CLASSES) if name == ASSAY else tf.keras.metrics.MeanIoU(CLASSES, sparse_y_pred=case == LABELS)


def update_of(name: str, case: str) -> Callable[[], Any]:
    """Return a function that updates a metric once with the same batch and waits for it."""
    import tensorflow as tf

    metric, random = metric_of(name, case), np.random.default_rng(0)
    labels = tf.constant(random.integers(0, CLASSES, (BATCH, SIZE, SIZE)), tf.int32)
    predictions = tf.constant(random.integers(0, CLASSES, labels.shape), tf.int32)
    if case != LABELS:
        predictions = tf.constant(random.standard_normal((*labels.shape, CLASSES), np.float32))

    # Keras' own metric does not compile: it is measured in a plain graph beside both.
    @tf.function(jit_compile=(case == COMPILED and name == ASSAY) or None)
    def update() -> None:
        metric.update_state(labels, predictions)

    def run() -> Any:
        update()
        return metric.variables[0].numpy()

    return run


def on_cpu_clock(alternatives: dict[str, Callable[[], Any]]) -> dict[str, float]:
    """Median CPU seconds of each alternative, in interleaved rounds."""
    seconds: dict[str, list[float]] = {name: [] for name in alternatives}
    for _ in range(ROUNDS):
        for name, run in alternatives.items():
            started = time.process_time()
            run()
            seconds[name].append(time.process_time() - started)
    return {name: float(np.median(taken)) for name, taken in seconds.items()}


def peak_memory(name: str, case: str) -> float:
    """Return the MiB that three updates add to the peak of a process of their own."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(_added_to_the_peak, (name, case))


def _added_to_the_peak(name: str, case: str) -> float:
    update = update_of(name, case)
    Path("/proc/self/clear_refs").write_text("5")  # the peak starts again from what is held now
    before = _memory("VmRSS")
    for _ in range(3):
        update()
    return (_memory("VmHWM") - before) / 1024


def _memory(field: str) -> float:
    """A field of this process' status in KiB: `VmRSS`, what it holds, or `VmHWM`, the peak of that."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return float(next(line.split()[1] for line in lines if line.startswith(f"{field}:")))


def main() -> None:
    """Print the three comparisons."""
    for case in (LABELS, LOGITS, COMPILED):
        alternatives = {name: update_of(name, case) for name in (KERAS, ASSAY)}
        print(report(f"update {case}, [{BATCH}, {SIZE}, {SIZE}], {CLASSES} classes", interleave(alternatives)))
        cpu = on_cpu_clock(alternatives)
        print(
            f"  CPU time {cpu[KERAS] * 1e3:.1f} and {cpu[ASSAY] * 1e3:.1f} ms: "
            f"{cpu[KERAS] / cpu[ASSAY]:.1f} times faster; peak memory added "
            f"{peak_memory(KERAS, case):.0f} and {peak_memory(ASSAY, case):.0f} MiB"
        )
