"""Training step, validation step and target assignment of RetinaNet, beside Model Garden's where it is installed.

The same architecture (ResNet-18, feature pyramid and heads of 256 channels, levels 3 to 7, 91 classes), the same batch
of four images of 128x128 pixels with ten objects each, float32, in one process under tf_keras. Times are CPU time,
which a busy machine distorts least, in interleaved rounds; trace time and graph size are told once. To have Model
Garden in the table, run it where tf-models-official is installed, with `TF_USE_LEGACY_KERAS=1` and the `src` folders
of the packages on `PYTHONPATH`.
"""

import time
from collections.abc import Callable, Mapping
from typing import Any

from tools.bench.losses import on_cpu_clock
from tools.bench.paired import report

SIDE, BATCH, OBJECTS, CLASSES = 128, 4, 10, 91
ASSIGNMENTS = 20  # in a round
OURS, GARDEN = "RetinaNetTask", "Model Garden RetinaNetTask"
Steps = dict[str, Callable[[], object]]


def our_task() -> Any:
    """The reference task in this architecture."""
    from assay.reference_tasks.retinanet import RetinaNetConfig, RetinaNetTask

    model = {"num_classes": CLASSES, "input_size": [SIDE, SIDE, 3], "backbone": {"resnet": {"model_id": 18}}}
    return RetinaNetTask(RetinaNetConfig().replace(model=model, losses={"l2_weight_decay": 1e-4}))


def garden_task() -> Any:
    """Model Garden's, None where it is not installed."""
    try:
        from official.vision.configs import retinanet as configs
        from official.vision.tasks.retinanet import RetinaNetTask
    except ImportError:
        return None
    config = configs.RetinaNetTask()
    config.model.num_classes = CLASSES
    config.model.input_size = [SIDE, SIDE, 3]
    config.model.backbone.resnet.model_id = 18
    config.losses.l2_weight_decay = 1e-4
    return RetinaNetTask(config)


def objects() -> tuple[Any, Any]:
    """Boxes `[OBJECTS, 4]` in pixels, and classes `[OBJECTS]`."""
    import tensorflow as tf

    generator = tf.random.Generator.from_seed(0)
    corners = generator.uniform([OBJECTS, 2], 0, 80)
    boxes = tf.concat([corners, corners + generator.uniform([OBJECTS, 2], 12, 48)], axis=1)
    return boxes, generator.uniform([OBJECTS], 1, CLASSES, tf.int64)


def batch(labeler: Any) -> tuple[Any, Any]:
    """Images, and labels in the form that both tasks take."""
    import tensorflow as tf

    boxes, classes = objects()
    labels = labeler.label(boxes, classes)
    labels["image_info"] = tf.constant([[SIDE, SIDE], [SIDE, SIDE], [1, 1], [0, 0]], tf.float32)
    labels["groundtruths"] = {
        "source_id": tf.constant(1, tf.int64),
        "height": tf.constant(SIDE),
        "width": tf.constant(SIDE),
        "num_detections": tf.constant(OBJECTS),
        "image_info": labels["image_info"],
        "boxes": boxes,
        "classes": tf.cast(classes, tf.int32),
        "areas": tf.ones([OBJECTS]),
        "is_crowds": tf.zeros([OBJECTS], tf.int32),
    }
    labels = tf.nest.map_structure(lambda value: tf.stack([value] * BATCH), labels)
    return tf.random.Generator.from_seed(1).normal([BATCH, SIDE, SIDE, 3]), labels


def steps_of(task: Any, images: Any, labels: Any) -> tuple[Steps, str]:
    """A training and a validation step that have finished when they return, and what tracing them cost."""
    import tensorflow as tf

    model = task.build_model()
    model(images, training=False) if not hasattr(model, "checkpoint_items") else None
    optimizer = tf.keras.optimizers.SGD(1e-4, momentum=0.9)
    metrics, validation_metrics = task.build_metrics(training=True), task.build_metrics(training=False)
    train = tf.function(lambda: task.train_step((images, labels), model, optimizer, metrics)["loss"])
    validate = tf.function(lambda: task.validation_step((images, labels), model, validation_metrics))
    costs = []
    for name, function in (("training step", train), ("validation step", validate)):
        started = time.process_time()
        graph = function.get_concrete_function().graph.as_graph_def()
        nodes = len(graph.node) + sum(len(one.node_def) for one in graph.library.function)
        costs.append(f"{name} {time.process_time() - started:.1f} s CPU, {nodes} nodes")
    calls: Steps = {"training step": lambda: float(train()), "validation step": lambda: float(validate()["loss"])}
    return calls, "; ".join(costs)


def assignments(labeler: Any) -> Steps:
    """The targets of one image, `ASSIGNMENTS` times."""
    import tensorflow as tf

    boxes, classes = objects()

    def repeated(assign: Callable[..., Any]) -> Callable[[], object]:
        shapes = (tf.TensorSpec([None, 4]), tf.TensorSpec([None], tf.int64))
        function = tf.function(assign, input_signature=shapes)
        return lambda: [function(boxes, classes) for _ in range(ASSIGNMENTS)][-1]

    found = {"AnchorLabeler": repeated(lambda boxes, classes: labeler.label(boxes, classes))}
    try:
        from official.vision.ops import anchor
    except ImportError:
        return found
    theirs = anchor.AnchorLabeler()

    def assign(boxes: Any, classes: Any) -> Any:
        every = anchor.Anchor(3, 7, 3, [0.5, 1.0, 2.0], 4.0, [SIDE, SIDE]).multilevel_boxes
        return theirs.label_anchors(every, boxes, classes[:, None]), every

    return {"Model Garden AnchorLabeler": repeated(assign), **found}


def main() -> None:
    """Print a table for each step, and one for target assignment."""
    from assay.reference_tasks.retinanet.anchors import AnchorGenerator
    from assay.reference_tasks.retinanet.labeler import AnchorLabeler

    labeler = AnchorLabeler(AnchorGenerator(3, 7, 3, (0.5, 1.0, 2.0), 4.0, (SIDE, SIDE)))
    images, labels = batch(labeler)
    tasks: Mapping[str, Any] = {GARDEN: garden_task(), OURS: our_task()}
    steps, costs = {}, {}
    for name, task in tasks.items():
        if task is not None:
            steps[name], costs[name] = steps_of(task, images, labels)
    for step in ("training step", "validation step"):
        timings = on_cpu_clock({name: calls[step] for name, calls in steps.items()})
        print(report(f"{step}, ResNet-18, {SIDE}x{SIDE}, batch {BATCH}, CPU time", timings))
    for name, cost in costs.items():
        print(f"  tracing {name}: {cost}")
    timings = on_cpu_clock(assignments(labeler))
    print(report(f"Target assignment, {OBJECTS} objects, CPU time an image", timings, per=ASSIGNMENTS))


if __name__ == "__main__":
    main()
