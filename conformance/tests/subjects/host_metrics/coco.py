"""A COCO evaluator around pycocotools, written as evaluators of detection libraries are."""

import contextlib
import importlib.util
import io

import numpy as np
from assay.conformance.model import Kind, Subject

from conformance.tests.subjects.verdicts import case

GROUNDTRUTHS = ("source_id", "height", "width", "num_detections", "boxes", "classes")
PREDICTIONS = ("source_id", "num_detections", "detection_boxes", "detection_classes", "detection_scores")
NAMES = ("AP", "AP50", "AP75", "APs", "APm", "APl", "ARmax1", "ARmax10", "ARmax100", "ARs", "ARm", "ARl")


class CocoEvaluator:
    """Collects batches, writes them in COCO's format in memory, and lets COCOeval score them; `result` also resets."""

    name = "coco_metric"

    def __init__(self):
        self.reset_states()

    def reset_states(self):
        self._groundtruths, self._predictions = {}, {}

    def update_state(self, groundtruths, predictions):
        for key in GROUNDTRUTHS:
            if key not in groundtruths:
                raise ValueError(f"Missing the required key `{key}` in groundtruths!")
        for key in PREDICTIONS:
            if key not in predictions:
                raise ValueError(f"Missing the required key `{key}` in predictions!")
        for store, batch in ((self._groundtruths, groundtruths), (self._predictions, predictions)):
            for key, value in batch.items():
                store.setdefault(key, []).append(self._to_numpy(value))

    def result(self):
        metrics = self.evaluate()
        self.reset_states()
        return metrics

    def evaluate(self):
        from pycocotools.coco import COCO
        from pycocotools.cocoeval import COCOeval

        with contextlib.redirect_stdout(io.StringIO()):
            groundtruth = COCO()
            groundtruth.dataset = self._dataset()
            groundtruth.createIndex()
            detections = self._detections()
            scorer = COCOeval(groundtruth, groundtruth.loadRes(detections), "bbox")
            scorer.params.imgIds = self.image_ids(groundtruth, detections)
            scorer.evaluate()
            scorer.accumulate()
            scorer.summarize()
        return dict(zip(NAMES, scorer.stats.astype(np.float32), strict=True))

    def image_ids(self, groundtruth, detections):
        return sorted(groundtruth.imgs)

    def _dataset(self):
        images, annotations = [], []
        store = self._groundtruths
        for ids, heights, widths, counts, boxes, classes in zip(*(store[key] for key in GROUNDTRUTHS), strict=True):
            for row in range(len(ids)):
                images.append({"id": int(ids[row]), "height": int(heights[row]), "width": int(widths[row])})
                for slot in range(int(counts[row])):
                    y_min, x_min, y_max, x_max = (float(edge) for edge in boxes[row, slot])
                    annotations.append(
                        {
                            "id": len(annotations) + 1,
                            "image_id": int(ids[row]),
                            "category_id": int(classes[row, slot]),
                            "bbox": [x_min, y_min, x_max - x_min, y_max - y_min],
                            "area": (x_max - x_min) * (y_max - y_min),
                            "iscrowd": 0,
                        }
                    )
        categories = sorted({annotation["category_id"] for annotation in annotations})
        return {
            "images": images,
            "annotations": annotations,
            "categories": [{"id": category} for category in categories],
        }

    def _detections(self):
        found = []
        store = self._predictions
        for ids, boxes, classes, scores in zip(
            *(store[key] for key in ("source_id", "detection_boxes", "detection_classes", "detection_scores")),
            strict=True,
        ):
            for row in range(len(ids)):
                for slot in range(boxes.shape[1]):  # every slot, whatever num_detections says
                    y_min, x_min, y_max, x_max = (float(edge) for edge in boxes[row, slot])
                    found.append(
                        {
                            "image_id": int(ids[row]),
                            "category_id": int(classes[row, slot]),
                            "bbox": [x_min, y_min, x_max - x_min, y_max - y_min],
                            "score": float(scores[row, slot]),
                        }
                    )
        return found

    @staticmethod
    def _to_numpy(value):
        if isinstance(value, tuple):
            return np.concatenate([np.asarray(part) for part in value])
        return np.asarray(value)


class TensorCocoEvaluator(CocoEvaluator):
    """Takes what the evaluation step returns, which is tensors, and scores the images that have a prediction."""

    def image_ids(self, groundtruth, detections):
        return sorted({detection["image_id"] for detection in detections})

    @staticmethod
    def _to_numpy(value):
        if isinstance(value, tuple):
            return np.concatenate([part.numpy() for part in value])
        return value.numpy()


class MendedCocoEvaluator(CocoEvaluator):
    """The same around the same tool, with the traps mended."""

    def reset_state(self):
        self._scenes = {}

    reset_states = reset_state

    def update_state(self, groundtruths, predictions):
        for side, received, required in (
            ("groundtruths", groundtruths, GROUNDTRUTHS),
            ("predictions", predictions, PREDICTIONS),
        ):
            for key in required:
                if key not in received:
                    raise ValueError(f"The {side} lack {key!r}; received {sorted(received)}.")
        groundtruths = {key: self._to_numpy(groundtruths[key]) for key in GROUNDTRUTHS}
        predictions = {key: self._to_numpy(predictions[key]) for key in PREDICTIONS}
        for row, source_id in enumerate(groundtruths["source_id"]):
            objects = int(groundtruths["num_detections"][row])
            found = int(predictions["num_detections"][row])
            self._scenes.setdefault(
                int(source_id),
                (
                    {
                        key: np.array(value[row][:objects] if key in ("boxes", "classes") else value[row])
                        for key, value in groundtruths.items()
                    },
                    {key: np.array(value[row][:found]) for key, value in predictions.items() if value.ndim > 1},
                ),
            )

    def result(self):
        if not any(len(scene["boxes"]) for scene, _ in self._scenes.values()):
            return dict.fromkeys(NAMES, -1.0)
        if not any(len(found["detection_boxes"]) for _, found in self._scenes.values()):
            return dict.fromkeys(NAMES, 0.0)
        return {name: float(value) for name, value in self.evaluate().items()}

    def evaluate(self):
        ids = sorted(self._scenes)
        scenes, found = zip(*(self._scenes[source_id] for source_id in ids), strict=True)
        self._groundtruths = {
            "source_id": [[source_id] for source_id in ids],
            "height": [[scene["height"]] for scene in scenes],
            "width": [[scene["width"]] for scene in scenes],
            "num_detections": [[len(scene["boxes"])] for scene in scenes],
            "boxes": [scene["boxes"][None] for scene in scenes],
            "classes": [scene["classes"][None] for scene in scenes],
        }
        self._predictions = {
            "source_id": [[source_id] for source_id in ids],
            **{key: [entry[key][None] for entry in found] for key in PREDICTIONS[2:]},
        }
        return super().evaluate()


class ClassAgnosticCocoEvaluator(MendedCocoEvaluator):
    """Loses the classes on the way, so that a box of any class finds any object."""

    def _dataset(self):
        dataset = super()._dataset()
        for annotation in dataset["annotations"]:
            annotation["category_id"] = 1
        return {**dataset, "categories": [{"id": 1}]}

    def _detections(self):
        return [{**detection, "category_id": 1} for detection in super()._detections()]


def reference(batches):
    """What pycocotools says, from arrays that are put in its format here and nowhere else."""
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

    images, objects, found = {}, [], []
    for truth, predictions in batches:
        for row, image in enumerate(truth["source_id"].tolist()):
            if image in images:
                continue
            images[image] = {"id": image, "height": int(truth["height"][row]), "width": int(truth["width"][row])}
            for y0, x0, y1, x1 in truth["boxes"][row][: truth["num_detections"][row]].tolist():
                place = {"image_id": image, "bbox": [x0, y0, x1 - x0, y1 - y0]}
                objects.append({**place, "id": len(objects) + 1, "area": (x1 - x0) * (y1 - y0), "iscrowd": 0})
            for slot in range(truth["num_detections"][row]):
                objects[slot - truth["num_detections"][row]]["category_id"] = int(truth["classes"][row, slot])
            for slot in range(predictions["num_detections"][row]):
                y0, x0, y1, x1 = predictions["detection_boxes"][row, slot].tolist()
                found.append(
                    {
                        "image_id": image,
                        "bbox": [x0, y0, x1 - x0, y1 - y0],
                        "category_id": int(predictions["detection_classes"][row, slot]),
                        "score": float(predictions["detection_scores"][row, slot]),
                    }
                )
    if not objects or not found:
        return dict.fromkeys(NAMES, float("nan") if not objects else 0.0)
    with contextlib.redirect_stdout(io.StringIO()):
        tool = COCO()
        categories = [{"id": one} for one in sorted({entry["category_id"] for entry in objects})]
        tool.dataset = {"images": list(images.values()), "annotations": objects, "categories": categories}
        tool.createIndex()
        scorer = COCOeval(tool, tool.loadRes(found), "bbox")
        scorer.evaluate()
        scorer.accumulate()
        scorer.summarize()
    return dict(zip(NAMES, scorer.stats.tolist(), strict=True))


def scenes(images=7, slots=9, seed=3):
    """Batches of 3 images: most objects are found, some twice, some not; the rest of the slots is padding."""
    random = np.random.default_rng(seed)
    groundtruths, predictions = [], []
    for image in range(images):
        objects = int(random.integers(1, 5))
        corners = random.uniform(0, 90, size=(objects, 2))
        boxes = np.concatenate([corners, corners + random.uniform(15, 110, size=(objects, 2))], axis=-1)
        classes = random.integers(1, 3, size=objects)
        kept = random.permutation(objects)[: max(1, objects - 1)]
        noise = random.normal(scale=2.0, size=(len(kept), 4))
        wrong = random.uniform(0, 60, size=(1, 2))
        found_boxes = np.concatenate([boxes[kept] + noise, np.concatenate([wrong, wrong + 25], axis=-1)])
        found_classes = np.concatenate([classes[kept], [1]])
        groundtruths.append(
            {
                "source_id": np.int64(100 + image),
                "height": np.int32(200),
                "width": np.int32(220),
                "num_detections": np.int32(objects),
                "boxes": padded(boxes, slots).astype(np.float32),
                "classes": padded(classes, slots).astype(np.int64),
            }
        )
        predictions.append(
            {
                "source_id": np.int64(100 + image),
                "num_detections": np.int32(len(found_boxes)),
                "detection_boxes": padded(found_boxes, slots).astype(np.float32),
                "detection_classes": padded(found_classes, slots).astype(np.int64),
                "detection_scores": padded(random.uniform(0.1, 1, size=len(found_boxes)), slots).astype(np.float32),
            }
        )
    stack = lambda rows: {key: np.stack([row[key] for row in rows]) for key in rows[0]}  # noqa: E731
    return [(stack(groundtruths[at : at + 3]), stack(predictions[at : at + 3])) for at in range(0, images, 3)]


def padded(rows, slots):
    return np.concatenate([rows, np.zeros((slots - len(rows), *np.shape(rows)[1:]))])


CASES = (
    [
        case(
            Subject(
                CocoEvaluator,
                scenes(),
                kind=Kind.PYTHON_METRIC,
                traits={"result_resets": True},
                name="coco evaluator",
            ),
            # The message omits the keys received; no data is a KeyError; float32 results; all slots are scored; an
            # image that comes twice counts twice; no detection at all is an IndexError inside pycocotools.
            fails="H102 H103 H106 H202 H203 H206",
        ),
        case(
            Subject(CocoEvaluator, scenes(), kind=Kind.PYTHON_METRIC, name="coco evaluator, undeclared reset"),
            fails="H102 H103 H104 H106 H202 H203 H206",
        ),
        case(
            Subject(
                TensorCocoEvaluator,
                scenes(),
                kind=Kind.PYTHON_METRIC,
                traits={"result_resets": True},
                name="coco evaluator, tensors only",
            ),
            # As above; arrays have no numpy(), and an image in a batch without any detection is not scored.
            fails="H101 H102 H103 H106 H202 H203 H206 H207",
            may_fail="H205",
        ),
        case(
            Subject(
                MendedCocoEvaluator,
                scenes(),
                kind=Kind.PYTHON_METRIC,
                traits={"reference": reference, "no_data": "undefined", "duplicates": "counted_once"},
                name="coco evaluator, mended",
            )
        ),
        case(
            Subject(
                ClassAgnosticCocoEvaluator,
                scenes(),
                kind=Kind.PYTHON_METRIC,
                traits={"reference": reference},
                name="coco evaluator, without classes",
            ),
            fails="H204",
        ),
    ]
    if importlib.util.find_spec("pycocotools")
    else []
)
