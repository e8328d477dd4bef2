"""Detection scores over other layouts: flat rows with an image id, and lists of one dict an image."""

import collections

import numpy as np
from assay.conformance.model import Kind, Subject

from conformance.tests.subjects.verdicts import case


def iou(box, others):
    top_left = np.maximum(box[:2], others[:, :2])
    bottom_right = np.minimum(box[2:], others[:, 2:])
    inner = np.prod(np.clip(bottom_right - top_left, 0, None), axis=-1)
    areas = np.prod(others[:, 2:] - others[:, :2], axis=-1) + np.prod(box[2:] - box[:2])
    return inner / np.maximum(areas - inner, 1e-9)


class FlatVocAp:
    """PASCAL VOC average precision at IoU 0.5, from rows of (image_id, label, bbox[, score]) of any number."""

    def __init__(self):
        self.reset_state()

    def reset_state(self):
        self.truth, self.found = [], []

    def update_state(self, groundtruths, predictions):
        truth = self.columns("groundtruths", groundtruths, ("image_id", "label", "bbox"))
        found = self.columns("predictions", predictions, ("image_id", "label", "bbox", "score"))
        self.truth += list(zip(*truth, strict=True))
        self.found += list(zip(*found, strict=True))

    def columns(self, side, received, names):
        missing = [name for name in names if name not in received]
        if missing:
            raise KeyError(f"{side}: missing {', '.join(missing)}; received {', '.join(map(str, received))}")
        columns = []
        for name in names:
            value = received[name]
            columns.append(
                np.concatenate([np.asarray(part) for part in value]) if isinstance(value, tuple) else np.array(value)
            )
        return columns

    def result(self):
        labels = sorted({int(row[1]) for row in self.truth})
        scores = {f"AP/{label}": self.average_precision(label) for label in labels}
        scores["mAP"] = float(np.mean(list(scores.values()))) if scores else -1.0
        return scores

    def average_precision(self, label):
        boxes = collections.defaultdict(list)
        for image, of, box in self.truth:
            if of == label:
                boxes[image.item()].append(box)
        total = sum(map(len, boxes.values()))
        free = {image: np.ones(len(rows), bool) for image, rows in boxes.items()}
        hits = []
        for image, of, box, _ in sorted(self.found, key=lambda row: -row[3]):
            if of != label:
                continue
            rows = np.array(boxes.get(image.item(), np.zeros((0, 4)))).reshape(-1, 4)
            overlap = iou(box, rows) if len(rows) else np.zeros(0)
            best = int(np.argmax(overlap)) if len(rows) else -1
            hit = best >= 0 and overlap[best] >= 0.5 and free[image.item()][best]
            if hit:
                free[image.item()][best] = False
            hits.append(hit)
        if not hits:
            return 0.0
        hits = np.cumsum(hits)
        recall, precision = hits / total, hits / np.arange(1, len(hits) + 1)
        return float(np.mean([max(precision[recall >= level], default=0.0) for level in np.linspace(0, 1, 11)]))


class BatchMeanVocAp(FlatVocAp):
    """Averages the score of each batch, as a training loop that calls an offline scorer does."""

    def reset_state(self):
        super().reset_state()
        self.scores = []

    def update_state(self, groundtruths, predictions):
        self.truth, self.found = [], []
        super().update_state(groundtruths, predictions)
        self.scores.append(super().result()["mAP"])

    def result(self):
        return {"mAP": float(np.mean(self.scores)) if self.scores else -1.0}


class ListedRecall:
    """Recall of lists of one dict an image, each `{"boxes": [n, 4], "labels": [n]}`, at IoU 0.5."""

    def __init__(self):
        self.reset_state()

    def reset_state(self):
        self.hits = self.total = 0

    def update_state(self, targets, preds):
        if len(targets) != len(preds):
            raise ValueError(f"{len(targets)} targets and {len(preds)} predictions")
        for target, pred in zip(targets, preds, strict=True):
            for side, received in (("targets", target), ("preds", pred)):
                for key in ("boxes", "labels"):
                    if key not in received:
                        raise ValueError(f"each of {side} needs {key!r}, got {list(received)}")
            self.count(target, pred)

    def count(self, target, pred):
        boxes, labels = np.asarray(target["boxes"]), np.asarray(target["labels"])
        found, found_labels = np.asarray(pred["boxes"]), np.asarray(pred["labels"])
        for box, label in zip(boxes, labels, strict=True):
            same = found[found_labels == label]
            self.hits += bool(len(same)) and bool((iou(box, same) >= 0.5).any())
        self.total += len(boxes)

    def result(self):
        return {"recall": self.hits / self.total if self.total else -1.0}


class ForgetsTheUndetected(ListedRecall):
    """Skips an image in which nothing was detected, to save itself the empty arrays."""

    def count(self, target, pred):
        if len(pred["boxes"]) == 0:
            return
        super().count(target, pred)


def images(count=6, seed=5):
    """One (boxes, labels, found boxes, found labels, scores) an image."""
    random = np.random.default_rng(seed)
    for _ in range(count):
        objects = int(random.integers(1, 4))
        corners = random.uniform(0, 50, size=(objects, 2))
        boxes = np.concatenate([corners, corners + random.uniform(10, 40, size=(objects, 2))], axis=-1)
        labels = random.integers(0, 2, size=objects)
        seen = random.uniform(size=objects) < 0.8
        found = np.concatenate([boxes[seen] + random.normal(size=(int(seen.sum()), 4)), [[70.0, 70.0, 80.0, 90.0]]])
        yield boxes, labels, found, np.concatenate([labels[seen], [0]]), random.uniform(size=len(found))


def flat_sample(batch_size=2):
    batches, rows = [], list(images())
    for start in range(0, len(rows), batch_size):
        truth, predictions = collections.defaultdict(list), collections.defaultdict(list)
        for image, (boxes, labels, found, found_labels, scores) in enumerate(rows[start : start + batch_size], start):
            truth["image_id"] += [image] * len(boxes)
            truth["label"] += list(labels)
            truth["bbox"] += list(boxes)
            predictions["image_id"] += [image] * len(found)
            predictions["label"] += list(found_labels)
            predictions["bbox"] += list(found)
            predictions["score"] += list(scores)
        batches.append(
            tuple({name: np.array(column) for name, column in side.items()} for side in (truth, predictions))
        )
    return batches


def listed_sample(batch_size=2):
    rows = list(images(seed=6))
    targets = [{"boxes": boxes, "labels": labels} for boxes, labels, *_ in rows]
    predictions = [{"boxes": found, "labels": labels, "scores": scores} for _, _, found, labels, scores in rows]
    starts = range(0, len(rows), batch_size)
    return [(targets[at : at + batch_size], predictions[at : at + batch_size]) for at in starts]


CASES = [
    case(Subject(FlatVocAp, flat_sample(), kind=Kind.PYTHON_METRIC, name="voc, flat rows")),
    case(
        Subject(BatchMeanVocAp, flat_sample(), kind=Kind.PYTHON_METRIC, name="voc, mean of batches"),
        fails="H201",
        may_fail="H205",  # a mean of batches also depends on how many examples a batch has
    ),
    case(Subject(ListedRecall, listed_sample(), kind=Kind.PYTHON_METRIC, name="recall, lists of dicts")),
    case(
        Subject(ForgetsTheUndetected, listed_sample(), kind=Kind.PYTHON_METRIC, name="recall, skips the undetected"),
        fails="H207",
    ),
]
