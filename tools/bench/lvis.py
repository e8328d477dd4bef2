"""Federated boxes at LVIS's proportions: `LVISEvaluator` beside the package lvis, where it is installed.

1,000 images, 1,203 categories, 12 objects and 300 detections an image, in batches of 8. Each evaluator runs in
processes of its own, in turns; compared are CPU seconds and the memory that a run adds. The package lvis is given ready
lists.
"""

import argparse
import importlib
import json
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from tools.bench import coco_boxes

IMAGES, VALIDATION_IMAGES = 1_000, 20_000
CATEGORIES, OBJECTS, DETECTIONS, ABSENT, PARTIAL = 1_203, 12, 300, 10, 2
BATCH = 8
FREQUENCIES: dict[int, Any] = {category: "rcf"[category % 3] for category in range(1, CATEGORIES + 1)}


def batches(images: int) -> list[coco_boxes.Batch]:
    """Batches of padded arrays: each object is found twice, a little off; the other detections are anywhere."""
    random = np.random.default_rng(0)
    made = []
    for start in range(0, images, BATCH):
        size = min(BATCH, images - start)
        corners = random.random((size, DETECTIONS, 2)) * 400
        boxes = np.concatenate([corners, corners + random.uniform(8, 200, corners.shape)], axis=-1).astype(np.float32)
        classes = random.integers(1, CATEGORIES + 1, (size, DETECTIONS))
        boxes[:, OBJECTS : 2 * OBJECTS], classes[:, OBJECTS : 2 * OBJECTS] = boxes[:, :OBJECTS], classes[:, :OBJECTS]
        truth = {
            "source_id": np.arange(start, start + size),
            "num_detections": np.full(size, OBJECTS),
            "boxes": boxes[:, :OBJECTS],
            "classes": classes[:, :OBJECTS],
            "neg_category_ids": random.integers(1, CATEGORIES + 1, (size, ABSENT)),
            "not_exhaustive_category_ids": classes[:, :PARTIAL],
        }
        found = {
            "source_id": truth["source_id"],
            "num_detections": np.full(size, DETECTIONS),
            "detection_boxes": boxes + random.normal(0, 2, boxes.shape).astype(np.float32),
            "detection_classes": classes,
            "detection_scores": random.random((size, DETECTIONS), np.float32),
        }
        made.append((truth, found))
    return made


def with_assay(images: int) -> Callable[[], dict[str, float]]:
    """Updates and result of this repository's evaluator."""
    from assay.python_metrics import LVISEvaluator

    data = batches(images)

    def run() -> dict[str, float]:
        metric = LVISEvaluator(need_rescale_bboxes=False, category_frequencies=FREQUENCIES, progress=None)
        for groundtruths, predictions in data:
            metric.update_state(groundtruths, predictions)
        return metric.result()

    return run


def with_lvis(images: int) -> Callable[[], dict[str, float]]:
    """The package lvis on ready lists."""
    if not hasattr(np, "float"):
        setattr(np, "float", float)  # noqa: B010 (lvis 0.5.3 needs the name, which NumPy 1.24 took away)
    lvis = importlib.import_module("lvis")
    truth, found = lists(images)
    with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
        json.dump(truth, file)
        file.flush()
        index = lvis.LVIS(str(Path(file.name)))

    def run() -> dict[str, float]:
        evaluation = lvis.LVISEval(index, lvis.LVISResults(index, found), "bbox")
        evaluation.run()
        return dict(evaluation.get_results())

    return run


def lists(images: int) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """The same data in LVIS's format."""
    annotations: list[dict[str, Any]] = []
    found: list[dict[str, Any]] = []
    shown: list[dict[str, Any]] = []
    for truth, predictions in batches(images):
        for row, image in enumerate(truth["source_id"].tolist()):
            known = {name: truth[name][row].tolist() for name in ("neg_category_ids", "not_exhaustive_category_ids")}
            shown.append({"id": image, **known})
            for box, category in zip(truth["boxes"][row], truth["classes"][row].tolist(), strict=True):
                place = coco_boxes.xywh(box)
                one = {"id": len(annotations) + 1, "image_id": image, "category_id": category, "bbox": place}
                annotations.append({**one, "area": place[2] * place[3]})
            columns = (predictions[f"detection_{name}"][row].tolist() for name in ("boxes", "classes", "scores"))
            for box, category, score in zip(*columns, strict=True):
                found.append({"image_id": image, "category_id": category, "bbox": coco_boxes.xywh(box), "score": score})
    categories = [{"id": category, "frequency": frequency} for category, frequency in FREQUENCIES.items()]
    return {"images": shown, "annotations": annotations, "categories": categories}, found


EVALUATORS: coco_boxes.Evaluators = {
    "assay": ("assay.python_metrics", with_assay),
    "lvis": ("lvis", with_lvis),
}


def main() -> None:
    """Print the comparison, and the cost of as many images as the validation split has."""
    module = "tools.bench.lvis"
    coco_boxes.compare(module, f"LVIS boxes, {IMAGES} images, {IMAGES * DETECTIONS} detections", EVALUATORS, IMAGES)
    one = coco_boxes.in_a_process(module, "assay", VALIDATION_IMAGES)
    print(f"  assay, {VALIDATION_IMAGES} images: {one['seconds']:.1f} s, {one['MiB']:.0f} MiB")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--run", choices=[*EVALUATORS], help="measure one evaluator in this process, and print JSON")
    parser.add_argument("--images", type=int, default=IMAGES)
    arguments = parser.parse_args()
    if arguments.run:
        print(json.dumps(coco_boxes.measure(EVALUATORS[arguments.run][1], arguments.images)))
    else:
        main()
