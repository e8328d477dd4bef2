"""Small federated scenes in LVIS's format, and what its definition says of them, one detection after the other."""

import numpy as np

from packages.python_metrics.tests.coco_scenes import batch, dataset, found, random_images

THRESHOLDS = np.linspace(0.5, 0.95, 10)
RECALLS = np.linspace(0, 1, 101)
AREAS = {"": (0, 1e10), "s": (0, 32**2), "m": (32**2, 96**2), "l": (96**2, 1e10)}


def random_scene(seed, images=5, classes=6, most_objects=5, most_found=14):
    """Images, LVIS's groundtruth and the detections; some categories are absent, some not exhaustive, most unknown."""
    made = random_images(seed, images, classes, most_objects, most_found, crowded=0, own_areas=True)
    random = np.random.default_rng([seed, 1])
    truth = dataset(made)
    for image in truth["images"]:
        present = {one["category_id"] for one in truth["annotations"] if one["image_id"] == image["id"]}
        others = [category for category in range(1, classes + 2) if category not in present]
        image["neg_category_ids"] = [category for category in others if random.random() < 0.5]
        image["not_exhaustive_category_ids"] = [category for category in sorted(present) if random.random() < 0.4]
    for annotation in truth["annotations"]:
        del annotation["iscrowd"]
    truth["categories"] = [
        {"id": category, "name": f"thing {category}", "frequency": "rcf"[category % 3]}
        for category in range(1, classes + 2)
    ]
    return made, truth, found(made)


def federated_batch(images, truth):
    """A batch of some images of a scene, with the two fields that LVIS adds."""
    groundtruths, predictions = batch(images)
    known = {image["id"]: image for image in truth["images"]}
    for field in ("neg_category_ids", "not_exhaustive_category_ids"):
        rows = [known[image["id"]][field] for image in images]
        groundtruths[field] = np.full((len(rows), max(map(len, rows)) + 1), -1)
        for row, values in zip(groundtruths[field], rows, strict=True):
            row[: len(values)] = values
    return groundtruths, predictions


def numbers(truth, detections, limit=300):
    """The 13 numbers by the definition, in plain loops."""
    frequency = {category["id"]: category["frequency"] for category in truth["categories"]}
    detections = [one for one in _best(detections, limit) if one["area"] > 0]
    truth = {**truth, "annotations": [one for one in truth["annotations"] if one["area"] > 0]}
    precision = {area: {one: _category(truth, detections, one, AREAS[area]) for one in frequency} for area in AREAS}

    def mean(values):
        values = [value for value in values if value is not None]
        return float(np.mean(values)) if values else -1.0

    def average(area, chosen=frequency, threshold=slice(None)):
        answers = [precision[area][one] for one in chosen if precision[area][one] is not None]
        return mean(list(np.ravel([answer[0][threshold] for answer in answers])))

    result = {"AP": average(""), "AP50": average("", threshold=0), "AP75": average("", threshold=5)}
    result |= {f"AP{area}": average(area) for area in "sml"}
    result |= {f"AP{kind}": average("", [one for one in frequency if frequency[one] == kind]) for kind in "rcf"}
    for area in AREAS:
        recalls = [answer[1] for answer in precision[area].values() if answer is not None]
        result[f"AR{area}@{limit}"] = mean(list(np.ravel(recalls)))
    return result


def _best(detections, limit):
    kept = []
    for image in {one["image_id"] for one in detections}:
        of_image = [one for one in detections if one["image_id"] == image]
        kept += sorted(of_image, key=lambda one: -one["score"])[:limit]
    return kept


def _category(truth, detections, category, bounds):
    """Precision `[10, 101]` and recall `[10]` of one category; None when it has no object in the range."""
    rows, total = [], 0
    for image in sorted(truth["images"], key=lambda one: one["id"]):
        objects = [
            one for one in truth["annotations"] if (one["image_id"], one["category_id"]) == (image["id"], category)
        ]
        total += sum(bounds[0] <= one["area"] <= bounds[1] for one in objects)
        if objects or category in image["neg_category_ids"]:
            mine = [one for one in detections if (one["image_id"], one["category_id"]) == (image["id"], category)]
            rows += _matched(objects, mine, bounds, category in image["not_exhaustive_category_ids"])
    if not total:
        return None
    rows.sort(key=lambda row: -row[0])
    right = np.array([row[1] for row in rows], bool).reshape(-1, 10)
    ignored = np.array([row[2] for row in rows], bool).reshape(-1, 10)
    hits, misses = np.cumsum(right & ~ignored, axis=0), np.cumsum(~right & ~ignored, axis=0)
    precision = np.zeros((10, 101))
    for threshold in range(10):
        for index, recall in enumerate(RECALLS):
            reached = hits[:, threshold] / total >= recall
            shares = hits[:, threshold] / np.maximum(hits[:, threshold] + misses[:, threshold], 1)
            precision[threshold, index] = shares[reached].max(initial=0.0)
    return precision, (hits[-1] if len(rows) else np.zeros(10)) / total


def _matched(objects, detections, bounds, excused):
    """Of each detection of an image and category, best first: score, whether it matches, whether it is ignored."""
    rows = []
    taken = [set() for _ in THRESHOLDS]
    for one in sorted(detections, key=lambda one: -one["score"]):
        outside = not bounds[0] <= one["area"] <= bounds[1]
        right, ignored = [], []
        for threshold, used in zip(THRESHOLDS, taken, strict=True):
            free = [index for index in range(len(objects)) if index not in used]
            enough = [index for index in free if iou(one["bbox"], objects[index]["bbox"]) >= threshold]
            counting = [index for index in enough if bounds[0] <= objects[index]["area"] <= bounds[1]]
            choices = counting or enough
            if choices:
                best = max(choices, key=lambda index: (iou(one["bbox"], objects[index]["bbox"]), index))
                used.add(best)
            right.append(bool(choices))
            ignored.append(not counting if choices else outside or excused)
        rows.append((one["score"], right, ignored))
    return rows


def iou(one, other):
    """Intersection over union of two boxes x, y, width, height."""
    width = min(one[0] + one[2], other[0] + other[2]) - max(one[0], other[0])
    height = min(one[1] + one[3], other[1] + other[3]) - max(one[1], other[1])
    if width <= 0 or height <= 0:
        return 0.0
    return width * height / (one[2] * one[3] + other[2] * other[3] - width * height)
