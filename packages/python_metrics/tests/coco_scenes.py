"""Small scenes full of edge cases, and pycocotools' answer to them, from arrays put in its format here alone."""

import contextlib
import io

import numpy as np

NAMES = ("AP", "AP50", "AP75", "APs", "APm", "APl", "ARmax1", "ARmax10", "ARmax100", "ARs", "ARm", "ARl")
AREAS = ("all", "small", "medium", "large")
EDGES = (16, 32, 48, 64, 96, 128)  # sides whose squares lie on the edges of the area ranges, and between


def random_images(
    seed, images=4, classes=3, most_objects=5, most_found=8, crowded=0.2, own_areas=False, clustered=False
):
    """A list of dicts, one an image, without padding: boxes on a coarse grid and few scores, so that ties are common.

    Boxes are yxyx; some have no height or width; detections are copies of objects, moved, or anywhere. With
    `clustered`, objects overlap each other, and detections overlap several by the same.
    """
    random = np.random.default_rng(seed)
    made = []
    for image in random.permutation(images).tolist():
        objects, found = random.integers(0, most_objects + 1), random.integers(0, most_found + 1)
        boxes = _boxes(random, objects)
        if clustered and objects and random.random() < 0.7:
            # Equal boxes in a row: a detection between two of them overlaps both by the same, one outside only one.
            boxes = boxes[:1] + 8 * random.integers(0, 3, (objects, 1)) * [[0, 1, 0, 1]]
        guesses = _boxes(random, found)
        if objects and found:
            copied = boxes[random.integers(0, objects, found)]
            shift = random.choice([-4, 0, 4, 4] if clustered else [0, 0, 4, 8, 16], (found, 1)) * [[0, 1, 0, 1]]
            guesses = np.where(random.random((found, 1)) < 0.7, copied + shift, guesses)
        sizes = boxes[:, 2:] - boxes[:, :2]
        areas = sizes.prod(axis=1)
        made.append(
            {
                "id": 100 - 7 * image,
                "boxes": boxes,
                "classes": random.integers(1, classes + 1, objects),
                "crowd": random.random(objects) < crowded,
                "areas": areas * random.choice([0.5, 1.0, 1.0], objects) if own_areas else areas,
                "found_boxes": guesses,
                "found_classes": random.integers(1, classes + 2, found),  # one category without an object
                "scores": random.integers(1, 6, found) / 8,
            }
        )
    return made


def _boxes(random, count):
    corners = random.integers(0, 6, (count, 2)) * 16.0
    sizes = random.choice([0.0, *EDGES], (count, 2), p=[0.06, 0.2, 0.24, 0.1, 0.2, 0.15, 0.05])
    return np.concatenate([corners, corners + sizes], axis=1)


def batch(images, *, slots=0, ids=None, dtype=np.float64, areas=True):
    """Images as one padded batch; what is in the padding would be noticed."""
    most = max([slots, *(len(image["boxes"]) for image in images)])
    most_found = max([slots, *(len(image["scores"]) for image in images)])
    source_id = np.array([image["id"] if ids is None else ids(image["id"]) for image in images])

    def padded(name, width, junk, kind):
        rows = [image[name] for image in images]
        shape = (len(rows), width, *np.shape(rows[0])[1:])
        array = np.full(shape, junk, kind)
        for row, values in enumerate(rows):
            array[row, : len(values)] = values
        return array

    groundtruths = {
        "source_id": source_id,
        "height": np.full(len(images), 300),
        "width": np.full(len(images), 300),
        "num_detections": np.array([len(image["boxes"]) for image in images], np.int32),
        "boxes": padded("boxes", most, -1, dtype),
        "classes": padded("classes", most, 1, np.int32),
        "is_crowds": padded("crowd", most, 0, np.int32),
    }
    if areas:
        groundtruths["areas"] = padded("areas", most, -1, dtype)
    predictions = {
        "source_id": source_id,
        "num_detections": np.array([len(image["scores"]) for image in images], np.int32),
        "detection_boxes": padded("found_boxes", most_found, 64, dtype),
        "detection_classes": padded("found_classes", most_found, 1, np.int64),
        "detection_scores": padded("scores", most_found, 0.99, np.float32),
    }
    return groundtruths, predictions


def dataset(images):
    """The groundtruth of images in COCO's format."""
    annotations = []
    for image in images:
        rows = zip(image["boxes"].tolist(), image["classes"].tolist(), image["areas"], image["crowd"], strict=True)
        for (top, left, bottom, right), category, area, crowd in rows:
            annotations.append(
                {
                    "id": len(annotations) + 1,
                    "image_id": image["id"],
                    "category_id": category,
                    "bbox": [left, top, right - left, bottom - top],
                    "area": float(area),
                    "iscrowd": int(crowd),
                }
            )
    categories = sorted({annotation["category_id"] for annotation in annotations})
    return {
        "images": [{"id": image["id"], "height": 300, "width": 300} for image in images],
        "annotations": annotations,
        "categories": [{"id": category} for category in categories],
    }


def found(images):
    """The detections of images in COCO's format."""
    made = []
    for image in images:
        rows = zip(
            image["found_boxes"].tolist(), image["found_classes"].tolist(), image["scores"].tolist(), strict=True
        )
        for (top, left, bottom, right), category, score in rows:
            box = [left, top, right - left, bottom - top]
            made.append(
                {
                    "id": len(made) + 1,
                    "image_id": image["id"],
                    "category_id": category,
                    "bbox": box,
                    "area": box[2] * box[3],
                    "score": score,
                }
            )
    return made


def answer(truth, detections, kind="bbox", limits=(1, 10, 100)):
    """Pycocotools' precision `[T, R, K, A, M]` and recall `[T, K, A, M]`, or None when there is nothing to ask."""
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

    if not truth["images"] or not truth["categories"]:
        return None
    with contextlib.redirect_stdout(io.StringIO()):
        tools = []
        for annotations in (truth["annotations"], detections):
            tool = COCO()
            tool.dataset = {**truth, "annotations": [dict(annotation) for annotation in annotations]}
            tool.createIndex()
            tools.append(tool)
        scorer = COCOeval(*tools, kind)
        scorer.params.maxDets = list(limits)
        scorer.evaluate()
        scorer.accumulate()
    return scorer.eval


def numbers(answered, category=slice(None)):
    """The 12 numbers of an answer, as pycocotools' summary defines them, of all categories or of one."""
    if answered is None:
        return dict.fromkeys(NAMES, -1.0)

    def mean(values):
        return values[values > -1].mean() if (values > -1).any() else -1.0

    precision, recall = answered["precision"], answered["recall"]
    values = [mean(precision[:, :, category, 0, 2]), *(mean(precision[t, :, category, 0, 2]) for t in (0, 5))]
    values += [mean(precision[:, :, category, area, 2]) for area in (1, 2, 3)]
    values += [mean(recall[:, category, 0, limit]) for limit in (0, 1, 2)]
    values += [mean(recall[:, category, area, 2]) for area in (1, 2, 3)]
    return dict(zip(NAMES, values, strict=True))
