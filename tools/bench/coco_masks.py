"""Masks, from 28x28 for each box to average precision at 480x640: `COCOEvaluator` beside others that are installed.

500 images, 100 detections each, the boxes of the boxes benchmark; objects come as masks of their image, in COCO's
run-length encoding. Each evaluator runs in processes of its own, in turns. Model Garden is given the same predictions;
pycocotools and faster-coco-eval are given ready encodings of all masks, so that they only evaluate.
"""

import argparse
import importlib
import importlib.util
import json
from collections.abc import Callable
from typing import Any

import numpy as np

from tools.bench import coco_boxes

IMAGES = 500
MASK = 28


def batches(images: int) -> list[coco_boxes.Batch]:
    """The batches of the boxes benchmark with round masks: of the objects encoded, of the detections 28x28."""
    random = np.random.default_rng(1)
    made = coco_boxes.batches(images)
    for truth, predictions in made:
        shape = predictions["detection_scores"].shape
        predictions["detection_masks"] = _blobs(random, shape)
        predictions["image_info"][:, 0] = coco_boxes.HEIGHT, coco_boxes.WIDTH
        truth["masks"] = _encoded(truth["boxes"], truth["num_detections"])
    return made


def _blobs(random: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    """Round masks that fill about the part of a box that objects do, with soft edges and some noise."""
    place = (np.arange(MASK) + 0.5) / MASK * 2 - 1
    sides = random.uniform(0.8, 1.0, (*shape, 2, 1, 1))
    distance = (place[:, None] / sides[..., 0, :, :]) ** 2 + (place / sides[..., 1, :, :]) ** 2
    noise = random.normal(scale=0.05, size=(*shape, MASK, MASK))
    return (1 / (1 + np.exp((distance - 1) * 8)) + noise).astype(np.float32)


def _encoded(boxes: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """The ellipse inside of each box, encoded: `[batch, K]` mappings; masks without a pixel in unused slots."""
    api = importlib.import_module("pycocotools.mask")
    height, width = int(coco_boxes.HEIGHT), int(coco_boxes.WIDTH)
    masks = np.full(boxes.shape[:2], api.encode(np.zeros((height, width), np.uint8, order="F")), object)
    row, column = np.arange(height)[:, None] + 0.5, np.arange(width) + 0.5
    for index in map(tuple, np.argwhere(np.arange(boxes.shape[1]) < counts[:, None]).tolist()):
        top, left, bottom, right = boxes[index]
        down = (row - (top + bottom) / 2) / ((bottom - top) / 2)
        across = (column - (left + right) / 2) / ((right - left) / 2)
        masks[index] = api.encode(np.asfortranarray(down**2 + across**2 <= 1, np.uint8))
    return masks


def with_assay(images: int) -> Callable[[], dict[str, float]]:
    """Updates and result of this repository's evaluator."""
    from assay.python_metrics import COCOEvaluator

    data = batches(images)

    def run() -> dict[str, float]:
        metric = COCOEvaluator(include_mask=True, progress=None)
        for groundtruths, predictions in data:
            metric.update_state(groundtruths, predictions)
        return {"AP": metric.result()["mask_AP"]}

    return run


def with_assay_evaluation(images: int) -> Callable[[], dict[str, float]]:
    """The result of this repository's evaluator alone, masks only."""
    from assay.python_metrics import COCOEvaluator

    metric = COCOEvaluator(include_mask=True, progress=None)
    for groundtruths, predictions in batches(images):
        metric.update_state(groundtruths, predictions)
    metric._kinds = metric._kinds[1:]  # what the others do: boxes are not asked for
    return lambda: {"AP": metric.result()["mask_AP"]}


def with_pycocotools(images: int) -> Callable[[], dict[str, float]]:
    """Pycocotools on ready encodings."""
    index = importlib.import_module("pycocotools.coco").COCO
    return _on_lists(index, importlib.import_module("pycocotools.cocoeval").COCOeval, images)


def with_faster_coco_eval(images: int) -> Callable[[], dict[str, float]]:
    """faster-coco-eval on ready encodings."""
    module = importlib.import_module("faster_coco_eval")
    return _on_lists(module.COCO, module.COCOeval_faster, images)


def _on_lists(coco: Any, scorer: Any, images: int) -> Callable[[], dict[str, float]]:
    from assay.python_metrics.coco.paste import paste
    from assay.python_metrics.coco.rle import encode

    api = importlib.import_module("pycocotools.mask")
    truth, found = coco_boxes.lists(images)
    data = batches(images)
    masks = [
        mask
        for groundtruths, _ in data
        for row, count in zip(groundtruths["masks"], groundtruths["num_detections"], strict=True)
        for mask in row[:count]
    ]
    for one, mask in zip(truth["annotations"], masks, strict=True):
        one["segmentation"] = mask
    blobs = np.concatenate([predictions["detection_masks"].reshape(-1, MASK, MASK) for _, predictions in data])
    sizes = np.tile([int(coco_boxes.HEIGHT), int(coco_boxes.WIDTH)], (len(found), 1))
    runs = paste(blobs, np.array([one["bbox"] for one in found]), sizes[:, 0], sizes[:, 1])
    for one, mask in zip(found, encode(runs, sizes), strict=True):
        del one["bbox"]
        one["segmentation"] = api.frPyObjects(mask, *mask["size"])
    return coco_boxes.on_lists(coco, scorer, truth, found, "segm")


def with_model_garden(images: int) -> Callable[[], dict[str, float]]:
    """Updates and result of Model Garden's evaluator; it reads the masks of objects from PNG files."""
    import io

    import tensorflow as tf
    from official.vision.evaluation.coco_evaluator import COCOEvaluator

    api, image = importlib.import_module("pycocotools.mask"), importlib.import_module("PIL.Image")

    def png(mask: Any) -> bytes:
        file = io.BytesIO()
        image.fromarray(api.decode(mask)).save(file, "PNG")
        return file.getvalue()

    data = []
    for groundtruths, predictions in batches(images):
        groundtruths["masks"] = np.vectorize(png, otypes=[object])(groundtruths["masks"])
        data.append(tf.nest.map_structure(tf.constant, (groundtruths, predictions)))

    def run() -> dict[str, float]:
        metric = COCOEvaluator(annotation_file=None, include_mask=True)
        for groundtruths, predictions in data:
            metric.update_state(groundtruths, predictions)
        return {"AP": metric.result()["mask_AP"]}

    return run


EVALUATORS: coco_boxes.Evaluators = {
    "assay": ("assay.python_metrics", with_assay),
    "Model Garden": ("official", with_model_garden),
    "assay, evaluation": ("assay.python_metrics", with_assay_evaluation),
    "pycocotools": ("pycocotools", with_pycocotools),
    "faster-coco-eval": ("faster_coco_eval", with_faster_coco_eval),
}


def main() -> None:
    """Print the comparison."""
    title = f"Masks, {IMAGES} images, {IMAGES * coco_boxes.DETECTIONS_AN_IMAGE} detections"
    coco_boxes.compare("tools.bench.coco_masks", title, EVALUATORS, IMAGES)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--run", choices=[*EVALUATORS], help="measure one evaluator in this process, and print JSON")
    parser.add_argument("--images", type=int, default=IMAGES)
    arguments = parser.parse_args()
    if arguments.run:
        print(json.dumps(coco_boxes.measure(EVALUATORS[arguments.run][1], arguments.images)))
    else:
        main()
