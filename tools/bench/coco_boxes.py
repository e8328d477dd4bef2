"""Boxes at the size of COCO's val2017: `COCOEvaluator` beside pycocotools and others that are installed.

5,000 images, 80 classes, 36,000 objects of which 1 % are crowds, 100 detections an image, in batches of 8. Each
evaluator runs in processes of its own, in turns; compared are CPU seconds (the machine may be shared) and the memory
that a run adds. pycocotools and faster-coco-eval are given ready lists, which is not timed.
"""

import argparse
import contextlib
import importlib
import importlib.util
import io
import json
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np

IMAGES, CLASSES, OBJECTS_AN_IMAGE, CROWDS, DETECTIONS_AN_IMAGE = 5_000, 80, 7.2, 0.01, 100
BATCH = 8
ROUNDS = 3
HEIGHT, WIDTH = 480.0, 640.0
MOST_OBJECTS = 60

Batch = tuple[dict[str, np.ndarray], dict[str, np.ndarray]]

Make = Callable[[int], Callable[[], dict[str, float]]]
"""Makes what is measured, for so many images; what it does itself is not measured."""

Evaluators = dict[str, tuple[str, Make]]
"""Name to the module that it needs, and to what makes it."""


def batches(images: int) -> list[Batch]:
    """Batches as a model and an input pipeline give them, padded, float32; the same ones every time."""
    random = np.random.default_rng(0)
    counts = np.minimum(random.geometric(1 / OBJECTS_AN_IMAGE, images), MOST_OBJECTS)
    made = []
    for start in range(0, images, BATCH):
        size = min(BATCH, images - start)
        boxes = _boxes(random, (size, MOST_OBJECTS))
        classes = random.integers(1, CLASSES + 1, (size, MOST_OBJECTS))
        truth = {
            "source_id": np.arange(start, start + size),
            "height": np.full(size, HEIGHT),
            "width": np.full(size, WIDTH),
            "num_detections": counts[start : start + size],
            "boxes": boxes,
            "classes": classes,
            "is_crowds": random.random((size, MOST_OBJECTS)) < CROWDS,
            "areas": (boxes[..., 2] - boxes[..., 0]) * (boxes[..., 3] - boxes[..., 1]) * np.float32(0.7),
        }
        made.append((truth, _predictions(random, truth)))
    return made


def _boxes(random: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    size = np.exp(random.uniform(np.log(8), np.log(400), (*shape, 2))).clip(max=(HEIGHT, WIDTH))
    corner = random.random((*shape, 2)) * ((HEIGHT, WIDTH) - size)
    return np.concatenate([corner, corner + size], axis=-1).astype(np.float32)


def _predictions(random: np.random.Generator, truth: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Half of the detections are objects, moved; four fifths of them with the right class."""
    shape = (len(truth["source_id"]), DETECTIONS_AN_IMAGE)
    chosen = random.integers(0, truth["num_detections"][:, None], shape)
    boxes = np.take_along_axis(truth["boxes"], chosen[..., None], axis=1)
    size = np.tile(boxes[..., 2:] - boxes[..., :2], 2)
    boxes = boxes + (random.normal(scale=0.1, size=boxes.shape) * size).astype(np.float32)
    near = random.random(shape) < 0.5
    right = near & (random.random(shape) < 0.8)
    classes = np.take_along_axis(truth["classes"], chosen, axis=1)
    scores = random.random(shape) * np.where(right, 1.0, 0.6)
    order = np.argsort(-scores, axis=1)
    sides = {
        "detection_boxes": np.where(near[..., None], boxes, _boxes(random, shape)),
        "detection_classes": np.where(right, classes, random.integers(1, CLASSES + 1, shape)),
        "detection_scores": scores.astype(np.float32),
    }
    sides = {
        name: np.take_along_axis(side, order.reshape(*shape, *[1] * (side.ndim - 2)), axis=1)
        for name, side in sides.items()
    }
    return {
        "source_id": truth["source_id"],
        "num_detections": np.full(shape[0], DETECTIONS_AN_IMAGE),
        "image_info": np.ones((shape[0], 4, 2), np.float32),
        **sides,
    }


def with_assay(images: int) -> Callable[[], dict[str, float]]:
    """Updates and result of this repository's evaluator."""
    from assay.python_metrics import COCOEvaluator

    data = batches(images)

    def run() -> dict[str, float]:
        metric = COCOEvaluator(progress=None)
        for groundtruths, predictions in data:
            metric.update_state(groundtruths, predictions)
        return metric.result()

    return run


def with_model_garden(images: int) -> Callable[[], dict[str, float]]:
    """Updates and result of Model Garden's evaluator, which takes tensors."""
    import tensorflow as tf
    from official.vision.evaluation.coco_evaluator import COCOEvaluator

    data = [tf.nest.map_structure(tf.constant, batch) for batch in batches(images)]

    def run() -> dict[str, float]:
        metric = COCOEvaluator(annotation_file=None, include_mask=False)
        for groundtruths, predictions in data:
            metric.update_state(groundtruths, predictions)
        return metric.result()

    return run


def with_pycocotools(images: int) -> Callable[[], dict[str, float]]:
    """Pycocotools on ready lists."""
    index = importlib.import_module("pycocotools.coco").COCO
    return _on_lists(index, importlib.import_module("pycocotools.cocoeval").COCOeval, images)


def with_faster_coco_eval(images: int) -> Callable[[], dict[str, float]]:
    """faster-coco-eval, which does the same in C++, on ready lists."""
    module = importlib.import_module("faster_coco_eval")
    return _on_lists(module.COCO, module.COCOeval_faster, images)


def _on_lists(coco: Any, scorer: Any, images: int) -> Callable[[], dict[str, float]]:
    return on_lists(coco, scorer, *lists(images), "bbox")


def on_lists(
    coco: Any, scorer: Any, truth: dict[str, Any], found: list[dict[str, Any]], kind: str
) -> Callable[[], dict[str, float]]:
    """Evaluation of data in COCO's format with classes that work as pycocotools' do."""

    def run() -> dict[str, float]:
        index = coco()
        index.dataset = truth
        index.createIndex()
        evaluation = scorer(index, index.loadRes(found), kind)
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
        return {"AP": float(evaluation.stats[0])}

    return run


def lists(images: int) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """The same data in COCO's format."""
    annotations: list[dict[str, Any]] = []
    found: list[dict[str, Any]] = []
    for truth, predictions in batches(images):
        for row, image in enumerate(truth["source_id"].tolist()):
            for slot in range(truth["num_detections"][row]):
                annotations.append(
                    {
                        "id": len(annotations) + 1,
                        "image_id": image,
                        "category_id": int(truth["classes"][row, slot]),
                        "bbox": xywh(truth["boxes"][row, slot]),
                        "area": float(truth["areas"][row, slot]),
                        "iscrowd": int(truth["is_crowds"][row, slot]),
                    }
                )
            columns = (predictions[f"detection_{name}"][row].tolist() for name in ("boxes", "classes", "scores"))
            for box, category, score in zip(*columns, strict=True):
                found.append({"image_id": image, "category_id": category, "bbox": xywh(box), "score": score})
    size = {"height": int(HEIGHT), "width": int(WIDTH)}
    dataset = {
        "info": {},
        "images": [{"id": image, **size} for image in range(images)],
        "categories": [{"id": category, "name": str(category)} for category in range(1, CLASSES + 1)],
        "annotations": annotations,
    }
    return dataset, found


def xywh(box: Any) -> list[float]:
    """A box ymin, xmin, ymax, xmax as x, y, width, height."""
    top, left, bottom, right = (float(edge) for edge in box)
    return [left, top, right - left, bottom - top]


EVALUATORS: Evaluators = {
    "assay": ("assay.python_metrics", with_assay),
    "pycocotools": ("pycocotools", with_pycocotools),
    "faster-coco-eval": ("faster_coco_eval", with_faster_coco_eval),
    "Model Garden": ("official", with_model_garden),
}


def measure(make: Make, images: int) -> dict[str, float]:
    """CPU seconds, MiB added and AP of one evaluator, in this process; it should be a fresh one."""
    with contextlib.redirect_stdout(io.StringIO()):
        run = make(images)
        before, started = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.process_time()
        results = run()
        seconds = time.process_time() - started
    added = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    return {"seconds": seconds, "MiB": added / 1024, "AP": float(results["AP"])}


def in_a_process(module: str, name: str, images: int) -> dict[str, float]:
    """The same in a process of its own."""
    command = [sys.executable, "-m", module, "--run", name, "--images", str(images)]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    return json.loads(done.stdout.splitlines()[-1])


def compare(module: str, title: str, evaluators: Evaluators, images: int) -> None:
    """Print CPU seconds, ratios to the first evaluator and memory of those whose modules are installed."""
    names = [name for name, (needed, _) in evaluators.items() if importlib.util.find_spec(needed)]
    rounds: list[dict[str, dict[str, float]]] = []
    for number in range(ROUNDS):
        order = names if number % 2 == 0 else names[::-1]
        rounds.append({name: in_a_process(module, name, images) for name in order})
    print(f"{title}, CPU seconds (median of {ROUNDS})")
    for name in names:
        seconds = [one[name]["seconds"] for one in rounds]
        ratios = [one[name]["seconds"] / one[names[0]]["seconds"] for one in rounds]
        added = statistics.median(one[name]["MiB"] for one in rounds)
        print(
            f"  {name:<17} {statistics.median(seconds):7.2f} s   {statistics.median(ratios):6.1f} x   {added:7.0f} MiB"
            f"   AP {rounds[0][name]['AP']:.12f}   (rounds: {' '.join(f'{ratio:.1f}' for ratio in ratios)})"
        )
    missing = [name for name in evaluators if name not in names]
    if missing:
        print(f"  not installed: {', '.join(missing)}")


def main() -> None:
    """Print the comparison."""
    title = f"Boxes, {IMAGES} images, {IMAGES * DETECTIONS_AN_IMAGE} detections"
    compare("tools.bench.coco_boxes", title, EVALUATORS, IMAGES)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--run", choices=[*EVALUATORS], help="measure one evaluator in this process, and print JSON")
    parser.add_argument("--images", type=int, default=IMAGES)
    arguments = parser.parse_args()
    if arguments.run:
        print(json.dumps(measure(EVALUATORS[arguments.run][1], arguments.images)))
    else:
        main()
