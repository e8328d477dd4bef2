"""Average precision of boxes inside TensorFlow: `InstanceMetrics` beside pycocotools and Model Garden's.

500 images of the boxes benchmark, 80 classes, 100 detections each, in batches of 8 and `tf.function`. Each runs in
processes of its own, in turns; functions are traced before, and pycocotools is given ready lists. Model Garden's metric
sorts scores into 1,000 bins, so that its number is near; with its own default it has one IoU threshold of the ten.
"""

import argparse
import json
from collections.abc import Callable
from typing import Any

from tools.bench import coco_boxes

IMAGES = 500
CLASSES = coco_boxes.CLASSES + 1  # with the background
THRESHOLDS = tuple(0.5 + 0.05 * step for step in range(10))


def updated(metric: Any, images: int) -> Callable[[], None]:
    """Return what updates a metric with all batches; one update has been traced and forgotten."""
    import numpy as np
    import tensorflow as tf

    fields = ("boxes", "classes", "is_crowds", "areas", "source_id")
    data = []
    for truth, found in coco_boxes.batches(images):
        counted = np.arange(coco_boxes.MOST_OBJECTS) < truth.pop("num_detections")[:, np.newaxis]
        truth["classes"] = np.where(counted, truth["classes"], 0)
        found = {name: field for name, field in found.items() if name.startswith("detection_")}
        truth = {name: truth[name] for name in fields} | {"image_info": np.ones((len(counted), 4, 2), np.float32)}
        truth["image_info"][:, 3] = 0
        data.append(tf.nest.map_structure(tf.constant, (truth, found)))

    @tf.function
    def update(truth: Any, found: Any) -> None:
        metric.update_state(truth, found)  # what Model Garden's returns may not leave the function

    for batch in (data[0], data[-1]):
        update(*batch)
    metric.result()
    metric.reset_state()

    def run() -> None:
        for batch in data:
            update(*batch)

    return run


def assay_metric() -> Any:
    """Return this repository's metric."""
    from assay.keras_metrics import InstanceMetrics

    return InstanceMetrics(CLASSES)


def with_assay(images: int) -> Callable[[], dict[str, float]]:
    """Updates and result."""
    metric = assay_metric()
    update = updated(metric, images)

    def run() -> dict[str, float]:
        update()
        return {"AP": float(metric.result()["AP"])}

    return run


def with_assay_result(images: int) -> Callable[[], dict[str, float]]:
    """The result alone."""
    metric = assay_metric()
    updated(metric, images)()
    return lambda: {"AP": float(metric.result()["AP"])}


def model_garden(thresholds: tuple[float, ...]) -> coco_boxes.Make:
    """Return what makes a run of Model Garden's metric."""

    def make(images: int) -> Callable[[], dict[str, float]]:
        from official.vision.evaluation.instance_metrics import InstanceMetrics

        metric = InstanceMetrics(num_classes=CLASSES, iou_thresholds=thresholds)
        update = updated(metric, images)

        def run() -> dict[str, float]:
            update()
            results = metric.result()
            precision, known = results["ap"].numpy(), results["valid_classes"].numpy()
            return {"AP": float(precision[:, known].mean())}

        return run

    return make


EVALUATORS: coco_boxes.Evaluators = {
    "assay": ("assay.keras_metrics", with_assay),
    "assay, result": ("assay.keras_metrics", with_assay_result),
    "pycocotools": ("pycocotools", coco_boxes.with_pycocotools),
    "Model Garden": ("official", model_garden(THRESHOLDS)),
    "Model Garden, 1": ("official", model_garden(THRESHOLDS[:1])),
}


def main() -> None:
    """Print the comparison."""
    title = f"Boxes in TensorFlow, {IMAGES} images, {IMAGES * coco_boxes.DETECTIONS_AN_IMAGE} detections"
    coco_boxes.compare("tools.bench.keras_metrics_instances", title, EVALUATORS, IMAGES)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--run", choices=[*EVALUATORS], help="measure one in this process, and print JSON")
    parser.add_argument("--images", type=int, default=IMAGES)
    arguments = parser.parse_args()
    if arguments.run:
        print(json.dumps(coco_boxes.measure(EVALUATORS[arguments.run][1], arguments.images)))
    else:
        main()
