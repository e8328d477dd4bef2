"""Forward and backward passes of the losses, beside Keras' nearest built-in and, where it is installed, Model Garden's.

Each runs in a `tf.function` on the same tensors: focal loss on [2, 49104, 90] (RetinaNet at 512 pixels), segmentation
on [4, 256, 256, 19]. Times are CPU time, which a busy machine distorts least, in interleaved rounds. `losses_memory`
measures the peak memory of the same alternatives.
"""

import time
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from tools.bench.paired import ROUNDS, Timing, report

ANCHORS, CLASSES = 49104, 90
POSITIVE_SHARE = 0.01
LABEL_MAP, LABELS = (4, 256, 256), 19
IGNORED, IGNORED_SHARE = 255, 0.1
HARDEST = 0.2
Alternatives = Mapping[str, Callable[[], object]]


def differentiated(
    loss: Callable[[Any, Any], Any], labels: Any, logits: Any, *, jit_compile: bool = False
) -> Callable[[], object]:
    """A call that computes value and gradient and has finished when it returns."""
    import tensorflow as tf

    @tf.function(jit_compile=jit_compile)
    def run(labels: Any, logits: Any) -> Any:
        with tf.GradientTape() as tape:
            tape.watch(logits)
            value = tf.reduce_sum(loss(labels, logits))
        return value, tape.gradient(value, logits)

    def call() -> object:
        return float(run(labels, logits)[0])

    return call


def outputs_first(loss: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
    """A loss of Model Garden, which takes logits first and labels with an axis of layers."""
    return lambda labels, logits: loss(logits, labels[..., None])


def focal(*, jit_compile: bool = False) -> dict[str, Callable[[], object]]:
    """Focal losses; one anchor in a hundred has an object."""
    import tensorflow as tf
    from assay.losses import SigmoidFocalLoss

    generator = tf.random.Generator.from_seed(0)
    logits = generator.normal([2, ANCHORS, CLASSES], -4.0, 2.0)
    ids = generator.uniform([2, ANCHORS], maxval=CLASSES, dtype=tf.int32)
    ids = tf.where(generator.uniform([2, ANCHORS]) < POSITIVE_SHARE, ids, -1)
    one_hot = tf.one_hot(ids, CLASSES)
    keras = tf.keras.losses.BinaryFocalCrossentropy(apply_class_balancing=True, from_logits=True)
    ours = SigmoidFocalLoss(background_label=-1, reduction="sum")
    measured = partial(differentiated, jit_compile=jit_compile)
    found = {
        "Keras BinaryFocalCrossentropy": measured(keras, one_hot, logits),
        "SigmoidFocalLoss, one-hot labels": measured(ours, one_hot, logits),
        "SigmoidFocalLoss, sparse ids": measured(ours, ids, logits),
    }
    try:
        from official.vision.losses.focal_loss import FocalLoss
    except ImportError:
        return found
    garden = FocalLoss(0.25, 2.0, reduction="sum")
    return {"Model Garden FocalLoss": measured(garden, one_hot, logits), **found}


def segmentation(*, hardest: float = 1.0) -> dict[str, Callable[[], object]]:
    """Segmentation losses of all pixels, or of a share of them; a tenth of the pixels is ignored."""
    import tensorflow as tf
    from assay.losses import SegmentationLoss

    generator = tf.random.Generator.from_seed(0)
    logits = generator.normal([*LABEL_MAP, LABELS])
    ids = generator.uniform(LABEL_MAP, maxval=LABELS, dtype=tf.int32)
    ids = tf.where(generator.uniform(LABEL_MAP) < IGNORED_SHARE, IGNORED, ids)
    ours = SegmentationLoss(ignore_label=IGNORED, top_k_percent_pixels=hardest)
    keras = tf.keras.losses.SparseCategoricalCrossentropy(from_logits=True, ignore_class=IGNORED)
    found = {
        "Keras SparseCategoricalCrossentropy": differentiated(keras, ids, logits),
        "SegmentationLoss": differentiated(ours, ids, logits),
    }
    try:
        from official.vision.losses.segmentation_losses import SegmentationLoss as GardenLoss
    except ImportError:
        return found
    garden = GardenLoss(0.0, [], IGNORED, True, top_k_percent_pixels=hardest)
    return {"Model Garden SegmentationLoss": differentiated(outputs_first(garden), ids, logits), **found}


CASES: dict[str, Callable[[], dict[str, Callable[[], object]]]] = {
    "focal": focal,
    "focal compiled with XLA": partial(focal, jit_compile=True),
    "segmentation": segmentation,
    "segmentation, hardest 20% of the pixels (Keras: all)": partial(segmentation, hardest=HARDEST),
}


def on_cpu_clock(alternatives: Alternatives) -> list[Timing]:
    """CPU times of the alternatives in interleaved rounds; the first is the baseline."""
    names = list(alternatives)
    for name in names:
        alternatives[name]()
    seconds: dict[str, list[float]] = {name: [] for name in names}
    for number in range(ROUNDS):
        for name in names if number % 2 == 0 else reversed(names):
            started = time.process_time()
            alternatives[name]()
            seconds[name].append(time.process_time() - started)
    baseline = tuple(seconds[names[0]])
    return [Timing(name, tuple(times), baseline) for name, times in seconds.items()]


def main() -> None:
    """Print one table a case."""
    for case, make in CASES.items():
        print(report(f"Value and gradient, {case}, CPU time", on_cpu_clock(make())))


if __name__ == "__main__":
    main()
