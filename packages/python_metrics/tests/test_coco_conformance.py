"""The COCO evaluator under the conformance suite, with both sources of groundtruth."""

import functools
import json

import numpy as np
import pytest
from assay.conformance import Subject, check
from assay.python_metrics import COCOEvaluator

from packages.python_metrics.tests.coco_scenes import answer, batch, dataset, found, numbers, random_images


def well_found(image):
    """The image with a detection of each object but the last, a little off, and the detections that it had."""
    kept = slice(0, max(0, len(image["classes"]) - 1))
    moved = image["boxes"][kept] + [0, 2, 0, 2]
    scores = 0.9 - 0.1 * np.arange(len(moved))
    return {
        **image,
        "found_boxes": np.concatenate([moved, image["found_boxes"][:2]]),
        "found_classes": np.concatenate([image["classes"][kept], image["found_classes"][:2]]),
        "scores": np.concatenate([scores, image["scores"][:2]]),
    }


SCENES = [well_found(image) for image in random_images(22, images=8, classes=2, crowded=0.1, own_areas=True)]
SAMPLE = [batch(SCENES[start : start + 3]) for start in range(0, len(SCENES), 3)]
TRAITS = {"duplicates": "counted_once", "no_data": "undefined"}
make = functools.partial(COCOEvaluator, need_rescale_bboxes=False, progress=None)


def images_of(batches):
    """The images of batches of arrays, which may be cut and exchanged, each once."""
    images = {}
    for truth, predictions in batches:
        for row, identity in enumerate(truth["source_id"].tolist()):
            objects, guesses = truth["num_detections"][row], predictions["num_detections"][row]
            columns = {"boxes": "boxes", "classes": "classes", "crowd": "is_crowds", "areas": "areas"}
            image = {name: truth[field][row][:objects] for name, field in columns.items()}
            columns = {"found_boxes": "boxes", "found_classes": "classes", "scores": "scores"}
            image |= {name: predictions[f"detection_{field}"][row][:guesses] for name, field in columns.items()}
            images.setdefault(identity, {"id": identity, **image})
    return list(images.values())


def reference(batches):
    images = images_of(batches)
    return numbers(answer(dataset(images), found(images)))


def reference_of_file(batches):
    images = images_of(batches)
    truth = dataset(SCENES)
    seen = {image["id"] for image in images}
    truth["images"] = [image for image in truth["images"] if image["id"] in seen]
    truth["annotations"] = [one for one in truth["annotations"] if one["image_id"] in seen]
    return numbers(answer(truth, found(images)))


def assert_conformant(subject):
    report = check(subject)

    assert report.conformant, [failure.message for failure in report.failures]
    assert report.verdict.complete
    return {result.rule for result in report.results if result.outcome == "pass"}


@pytest.mark.slow
def test_evaluator_is_conformant():
    passed = assert_conformant(Subject(make, sample=SAMPLE, traits={**TRAITS, "reference": reference}))

    assert {"H202", "H203", "H204", "H205", "H206", "H207"} <= passed


@pytest.mark.slow
def test_evaluator_with_an_annotation_file_is_conformant(tmp_path):
    path = tmp_path / "annotations.json"
    path.write_text(json.dumps(dataset(SCENES)))

    passed = assert_conformant(
        Subject(functools.partial(make, path), sample=SAMPLE, traits={**TRAITS, "reference": reference_of_file})
    )

    assert {"H202", "H203", "H204", "H205", "H206"} <= passed


def padded(rows, slots=5):
    array = np.zeros((len(rows), slots, *np.shape(rows[0])[1:]))
    for place, row in zip(array, rows, strict=True):
        place[: len(row)] = row
    return array


def people(seed, images=8, size=24, keypoints=3):
    """Batches of 3 images: rectangles with masks and keypoints; all but the last are found, a little off."""
    random = np.random.default_rng(seed)
    made = []
    for image in range(images):
        count = int(random.integers(1, 5))
        corners = random.integers(0, 8, (count, 2))
        boxes = np.concatenate([corners, corners + random.integers(6, 14, (count, 2))], axis=1)
        place = np.arange(size)
        rows = (place >= boxes[:, None, 0]) & (place < boxes[:, None, 2])
        columns = (place >= boxes[:, None, 1]) & (place < boxes[:, None, 3])
        points = corners[:, None] + 0.1 + random.random((count, keypoints, 2)) * 8
        kept = slice(0, max(1, count - 1))
        made.append(
            {
                "id": 3 * image + 2,
                "boxes": boxes,
                "classes": random.integers(1, 3, count),
                "masks": rows[:, :, None] & columns[:, None],
                "keypoints": points,
                "scores": random.random(count)[kept],
                "kept": kept,
            }
        )
    batches = []
    for start in range(0, images, 3):
        part = made[start : start + 3]
        found = [
            {name: image[name][image["kept"]] for name in ("boxes", "classes", "masks", "keypoints")} for image in part
        ]
        common = {"source_id": np.array([image["id"] for image in part])}
        groundtruths = {
            **common,
            **dict.fromkeys(("height", "width"), np.full(len(part), size)),
            "num_detections": np.array([len(image["boxes"]) for image in part]),
            **{name: padded([image[name] for image in part]) for name in ("boxes", "masks", "keypoints")},
            "classes": padded([image["classes"] for image in part]).astype(int),
        }
        predictions = {
            **common,
            "num_detections": np.array([len(image["scores"]) for image in part]),
            "detection_boxes": padded([image["boxes"] + [0, 1, 0, 1] for image in found]),
            "detection_classes": padded([image["classes"] for image in found]).astype(int),
            "detection_scores": padded([image["scores"] for image in part]).astype(np.float32),
            "detection_masks": padded([np.roll(image["masks"], 1, axis=2) for image in found]),
            "detection_keypoints": padded([image["keypoints"] + 0.2 for image in found]),
        }
        batches.append((groundtruths, predictions))
    return batches


@pytest.mark.slow
def test_evaluator_of_masks_and_keypoints_is_conformant():
    options = {"include_mask": True, "include_keypoint": True, "kpt_oks_sigmas": [0.1] * 3}

    passed = assert_conformant(Subject(functools.partial(make, **options), sample=people(4), traits=TRAITS))

    assert {"H202", "H203", "H205", "H206", "H207"} <= passed
