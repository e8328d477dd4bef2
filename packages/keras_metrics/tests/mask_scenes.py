"""Scenes of masks, in pycocotools' format too, and masks laid into an image in float64."""

import numpy as np
from pycocotools import mask as api

SIZE = (70, 50)  # more than a band of rows


def ellipses(random, count, height, width):
    """Ellipses, some with holes, some empty or full: bool `[count, height, width]`."""
    down, across = np.mgrid[:height, :width] + 0.5
    centre, radius = random.random((2, count, 2, 1, 1)) * [[[height]], [[width]]]
    made = ((down - centre[:, 0]) / (2 + radius[:, 0])) ** 2 + ((across - centre[:, 1]) / (2 + radius[:, 1])) ** 2 < 1
    made &= (random.random(made.shape) < 0.8) | (random.random((count, 1, 1)) < 0.7)
    special = random.random((count, 1, 1))
    return np.where(special < 0.1, special < 0.05, made)


def random_images(seed, images=3):
    """Images of one size: detections are objects, moved, or anything."""
    random = np.random.default_rng(seed)
    made = []
    for number in range(images):
        objects, count = random.integers(0, 5), random.integers(0, 9)
        masks, guesses = ellipses(random, objects, *SIZE), ellipses(random, count, *SIZE)
        for index in range(count if objects else 0):
            if random.random() < 0.7:
                guesses[index] = np.roll(masks[random.integers(objects)], random.integers(0, 4), axis=1)
        made.append(
            {
                "id": 10 * number + 3,
                "masks": masks,
                "classes": random.integers(1, 3, objects),
                "crowd": random.random(objects) < 0.2,
                "found_masks": guesses,
                "found_classes": random.integers(1, 3, count),
                "scores": random.integers(1, 6, count) / 8,
            }
        )
    return made


def batch(images):
    """Whole masks, padded to five objects and nine detections, and to a larger size."""
    larger = [(0, 0), (0, 7), (0, 3)]
    truth = {
        "source_id": [image["id"] for image in images],
        "classes": _padded([image["classes"] for image in images], 5),
        "is_crowds": _padded([image["crowd"] for image in images], 5),
        "masks": _padded([np.pad(image["masks"], larger) for image in images], 5),
    }
    found = {
        "detection_classes": _padded([image["found_classes"] for image in images], 9),
        "detection_scores": _padded([image["scores"] for image in images], 9),
        "detection_masks": _padded([np.pad(image["found_masks"], larger) for image in images], 9),
    }
    return truth, found


def _padded(rows, slots):
    array = np.zeros((len(rows), slots, *rows[0].shape[1:]), rows[0].dtype)
    for place, row in zip(array, rows, strict=True):
        place[: len(row)] = row
    return array


def in_coco_format(images):
    """Groundtruth and detections for pycocotools."""
    truth, found = [], []
    for image in images:
        for side, prefix in ((truth, ""), (found, "found_")):
            for index, mask in enumerate(image[f"{prefix}masks"]):
                encoded = api.encode(np.asfortranarray(mask, np.uint8))
                one = {"id": len(side) + 1, "image_id": image["id"], "segmentation": encoded}
                one |= {"category_id": int(image[f"{prefix}classes"][index]), "area": float(api.area(encoded))}
                extra = {"score": float(image["scores"][index])} if prefix else {"iscrowd": int(image["crowd"][index])}
                side.append({**one, **extra})
    images = [{"id": image["id"], "height": SIZE[0], "width": SIZE[1]} for image in images]
    categories = [{"id": category} for category in sorted({one["category_id"] for one in truth})]
    return {"images": images, "annotations": truth, "categories": categories}, found


def painted(values, box, height, width):
    """Values of a mask at the pixels of an image by interpolation along one axis after the other; 0 out of its box."""
    corners, half = np.asarray(box, float).reshape(2, 2), np.diff(np.asarray(box, float).reshape(2, 2), axis=0)[0] / 2
    cells = np.array(values.shape) + 2
    grown = half * max(cells / values.shape)
    low, high = ((corners[0] + half + sign * grown).astype(int) for sign in (-1, 1))
    pixels = np.maximum(high - low + 1, 1)
    framed = np.pad(values.astype(float), 1)
    places = [np.arange(size) - first for size, first in zip((height, width), low, strict=True)]
    inside = [(place >= 0) & (place < count) for place, count in zip(places, pixels, strict=True)]
    cell = [(place + 0.5) * count / most - 0.5 for place, count, most in zip(places, cells, pixels, strict=True)]
    wide = np.stack([np.interp(cell[1], np.arange(cells[1]), row) for row in framed])
    full = np.stack([np.interp(cell[0], np.arange(cells[0]), column) for column in wide.T], axis=1)
    return np.where(inside[0][:, None] & inside[1], full, 0.0)
