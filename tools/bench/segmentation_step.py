"""Training and validation steps of the segmentation task beside Model Garden's, on one architecture and one batch.

Model Garden needs an environment of its own (`tf-models-official`, `TF_USE_LEGACY_KERAS=1`); there, with the packages
of this repository on the path, both run in one process in interleaved rounds, on the CPU clock. Elsewhere ours runs
alone. Tracing is timed once, and the operations of the traced step are counted.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from tools.bench.losses import on_cpu_clock
from tools.bench.paired import report

BATCH, SIDE, CLASSES, FILTERS = 4, 128, 21, 64
IGNORED = 255
CASES = {
    "ResNet-18, feature pyramid": {
        "model_id": 18,
        "decoder": {"type": "fpn", "fpn": {"num_filters": FILTERS}},
        "head": {"level": 2, "num_convs": 2, "num_filters": FILTERS, "feature_fusion": None},
    },
    "DeepLabV3+ on ResNet-50, output stride 16": {
        "model_id": 50,
        "decoder": {"type": "aspp", "aspp": {"level": 4, "dilation_rates": [6, 12, 18], "num_filters": FILTERS}},
        "head": {"level": 4, "num_convs": 2, "num_filters": FILTERS, "feature_fusion": "deeplabv3plus"},
    },
}


@dataclass(frozen=True)
class Traced:
    """Steps of one task: calls that have finished when they return, and what tracing the training step cost."""

    train: Callable[[], object]
    validate: Callable[[], object]
    trace_seconds: float
    operations: int
    parameters: int


def our_task(case: dict[str, Any]) -> Any:
    """The task of this repository."""
    from assay.reference_tasks.segmentation import SegmentationConfig, SegmentationTask

    resnet: dict[str, Any] = {"model_id": case["model_id"], "stem": "imagenet"}
    if case["decoder"]["type"] == "aspp":
        resnet |= {"output_stride": 16, "multigrid": [1, 2, 4]}
    model = {
        "num_classes": CLASSES,
        "input_size": [SIDE, SIDE, 3],
        "backbone": {"resnet": resnet},
        "decoder": case["decoder"],
        "head": case["head"],
    }
    changes = {"model": model, "losses": {"l2_weight_decay": 1e-4}, "evaluation": {"most_wrong_images": 0}}
    return SegmentationTask(SegmentationConfig().replace(**changes))


def garden_task(case: dict[str, Any]) -> Any:
    """The task of Model Garden, None where it is not installed."""
    try:
        from official.vision.configs import semantic_segmentation as configs
        from official.vision.tasks.semantic_segmentation import SemanticSegmentationTask
    except ImportError:
        return None
    backbone: dict[str, Any] = {"type": "resnet", "resnet": {"model_id": case["model_id"]}}
    if case["decoder"]["type"] == "aspp":
        dilated = {"model_id": case["model_id"], "output_stride": 16, "multigrid": [1, 2, 4]}
        backbone = {"type": "dilated_resnet", "dilated_resnet": dilated}
    config = configs.SemanticSegmentationTask()
    config.override(
        {
            "model": {
                "num_classes": CLASSES,
                "input_size": [SIDE, SIDE, 3],
                "min_level": 2,
                "max_level": 5,
                "backbone": backbone,
                "decoder": case["decoder"],
                "head": case["head"],
            },
            "losses": {"l2_weight_decay": 1e-4},
            "allow_image_summary": False,
        }
    )
    return SemanticSegmentationTask(config)


def batch(mask_dtype: Any) -> tuple[Any, dict[str, Any]]:
    """Images and labels; a tenth of the pixels is ignored."""
    import tensorflow as tf

    random = np.random.default_rng(0)
    masks = random.integers(0, CLASSES, [BATCH, SIDE, SIDE, 1])
    masks[random.random(masks.shape) < 0.1] = IGNORED
    info = np.tile([[[SIDE, SIDE], [SIDE, SIDE], [1, 1], [0, 0]]], [BATCH, 1, 1])
    labels = {
        "masks": tf.constant(masks, mask_dtype),
        "valid_masks": tf.constant(masks != IGNORED),
        "image_info": tf.constant(info, tf.float32),
    }
    return tf.constant(random.normal(size=[BATCH, SIDE, SIDE, 3]), tf.float32), labels


def traced(task: Any, mask_dtype: Any) -> Traced:
    """Build a task's model and trace its steps."""
    import tensorflow as tf

    model = task.build_model()
    optimizer = tf.keras.optimizers.SGD(0.01, momentum=0.9)
    optimizer.build(model.trainable_variables)
    metrics, validation_metrics = task.build_metrics(training=True), task.build_metrics(training=False)
    inputs = batch(mask_dtype)
    train = tf.function(lambda inputs: task.train_step(inputs, model, optimizer, metrics)["loss"])
    validate = tf.function(lambda inputs: task.validation_step(inputs, model, validation_metrics)["loss"])
    started = time.process_time()
    operations = len(train.get_concrete_function(inputs).graph.get_operations())
    seconds = time.process_time() - started
    return Traced(
        train=lambda: float(train(inputs)),
        validate=lambda: float(validate(inputs)),
        trace_seconds=seconds,
        operations=operations,
        parameters=model.count_params(),
    )


def main() -> None:
    """Print, for each architecture, the steps beside each other."""
    import tensorflow as tf

    for name, case in CASES.items():
        garden = garden_task(case)
        steps = {} if garden is None else {"Model Garden SemanticSegmentationTask": traced(garden, tf.float32)}
        steps["SegmentationTask"] = traced(our_task(case), tf.int32)
        for what in ("train", "validate"):
            calls = {label: getattr(each, what) for label, each in steps.items()}
            print(report(f"{name}, batch {BATCH} of {SIDE}x{SIDE}: {what}, CPU time", on_cpu_clock(calls)))
        for label, each in steps.items():
            print(
                f"  {label}: {each.parameters:,} parameters; tracing the training step {each.trace_seconds:.1f} s, "
                f"{each.operations:,} operations"
            )


if __name__ == "__main__":
    main()
