"""Keypoints against pycocotools."""

import json

import numpy as np
import pytest
from assay.python_metrics import COCOEvaluator, MissingFieldError
from assay.python_metrics.coco.keypoints import COCO_SIGMAS
from hypothesis import given, settings
from hypothesis import strategies as st

from packages.python_metrics.tests.coco_scenes import answer

SEEDS = st.integers(0, 2**32 - 1)
COUNT = len(COCO_SIGMAS)
NAMES = ("AP", "AP50", "AP75", "APm", "APl", "AR", "AR50", "AR75", "ARm", "ARl")


def random_images(seed, images=4, count=COUNT):
    """Images of people: keypoints (yx) in or around boxes, some unlabelled, some people without any; some crowds."""
    random = np.random.default_rng(seed)
    made = []
    for image in range(images):
        objects, found = random.integers(0, 5), random.integers(0, 26)
        corners, sizes = random.integers(1, 100, (objects, 2)), random.choice([20, 60, 120], (objects, 2))
        points = (corners[:, None] + random.random((objects, count, 2)) * sizes[:, None]).round(1)
        points[random.random((objects, count)) < 0.3] = 0.0
        points[random.random(objects) < 0.2] = 0.0
        guesses = random.integers(1, 200, (found, count, 2)).astype(float)
        for index in range(found if objects else 0):
            if random.random() < 0.8:
                chosen = random.integers(objects)
                place = np.where(points[chosen] > 0, points[chosen], corners[chosen] + sizes[chosen] / 2)
                guesses[index] = place + random.normal(scale=random.choice([0.5, 4.0]), size=(count, 2)).round(1)
        made.append(
            {
                "id": image,
                "boxes": np.concatenate([corners, corners + sizes], axis=1).astype(float),
                "points": points,
                "crowd": random.random(objects) < 0.15,
                "found": guesses,
                "scores": random.integers(1, 9, found) / 8,
            }
        )
    return made


def batch(image):
    objects, found = len(image["boxes"]), len(image["scores"])
    extents = np.concatenate([image["found"].min(axis=1, initial=999), image["found"].max(axis=1, initial=0)], axis=1)
    return (
        {
            "source_id": [image["id"]],
            "num_detections": [objects],
            "boxes": image["boxes"][None],
            "classes": np.ones((1, objects), int),
            "is_crowds": image["crowd"][None],
            "keypoints": image["points"][None],
        },
        {
            "source_id": [image["id"]],
            "num_detections": [found],
            "detection_boxes": extents[None],
            "detection_classes": np.ones((1, found), int),
            "detection_scores": image["scores"][None],
            "detection_keypoints": image["found"][None],
        },
    )


def evaluator(**options):
    return COCOEvaluator(**{"include_keypoint": True, "need_rescale_bboxes": False, "progress": None, **options})


def fed(images, **options):
    metric = evaluator(**options)
    for image in images:
        metric.update_state(*batch(image))
    return metric


def in_coco_format(images):
    truth, found = [], []
    for image in images:
        for (top, left, bottom, right), points, crowd in zip(
            image["boxes"], image["points"], image["crowd"], strict=True
        ):
            labelled = (points != 0).any(axis=1)
            triples = np.stack([points[:, 1], points[:, 0], 2 * labelled], axis=1)
            truth.append(
                {
                    "id": len(truth) + 1,
                    "image_id": image["id"],
                    "category_id": 1,
                    "bbox": [left, top, right - left, bottom - top],
                    "area": (right - left) * (bottom - top),
                    "iscrowd": int(crowd),
                    "keypoints": triples.ravel().tolist(),
                    "num_keypoints": int(labelled.sum()),
                }
            )
        for points, score in zip(image["found"], image["scores"].tolist(), strict=True):
            height, width = points.max(axis=0) - points.min(axis=0)
            found.append(
                {
                    "id": len(found) + 1,
                    "image_id": image["id"],
                    "category_id": 1,
                    "score": score,
                    "area": height * width,
                    "keypoints": np.stack([points[:, 1], points[:, 0], np.ones(len(points))], axis=1).ravel().tolist(),
                }
            )
    categories = [{"id": 1}] if truth else []
    return {"images": [{"id": image["id"]} for image in images], "annotations": truth, "categories": categories}, found


def numbers(answered):
    if answered is None:
        return dict.fromkeys(NAMES, -1.0)
    values = []
    for array in (answered["precision"], answered["recall"]):
        values += [array[..., 0, 0], array[:1, ..., 0, 0], array[5:6, ..., 0, 0], array[..., 1, 0], array[..., 2, 0]]
    return {
        name: value[value > -1].mean() if (value > -1).any() else -1.0
        for name, value in zip(NAMES, values, strict=True)
    }


@pytest.mark.parametrize("engine", ["vectorized", "pycocotools"])
@settings(max_examples=25)
@given(seed=SEEDS)
def test_all_numbers_precisions_and_recalls_equal_pycocotools(engine, seed):
    images = random_images(seed)
    metric = fed(images, engine=engine)
    answered = answer(*in_coco_format(images), "keypoints", limits=(20,))

    curves, results = metric.curves("keypoints"), metric.result()

    if answered is not None:
        np.testing.assert_allclose(curves.precision, answered["precision"], rtol=0, atol=1e-9)
        np.testing.assert_allclose(curves.recall, answered["recall"], rtol=0, atol=1e-9)
    assert {name: results[f"keypoint_{name}"] for name in NAMES} == pytest.approx(numbers(answered), abs=1e-9)
    assert len(results) == 22


def test_annotation_file_gives_what_the_data_gives(tmp_path):
    images = random_images(3)
    path = tmp_path / "annotations.json"
    path.write_text(json.dumps(in_coco_format(images)[0]))

    assert fed(images, annotation_file=path).result() == fed(images).result()


def test_keypoints_that_are_nan_are_not_labelled():
    images = random_images(4)
    unlabelled = [{**image, "points": np.where(image["points"] == 0, np.nan, image["points"])} for image in images]

    assert fed(unlabelled).result() == fed(images).result()


def test_sigmas_of_other_keypoints():
    images = random_images(5, count=3)

    strict = fed(images, kpt_oks_sigmas=[0.01] * 3).result()
    lenient = fed(images, kpt_oks_sigmas=[0.5] * 3).result()

    assert strict["keypoint_AP"] < lenient["keypoint_AP"]


def test_keypoints_are_rescaled_by_image_info():
    images = [image for image in random_images(6) if len(image["scores"])]
    metric = evaluator(need_rescale_bboxes=True, need_rescale_keypoints=True)
    scale = np.array([0.5, 2.0])
    info = np.stack([[300, 300], [300, 300], scale, [0, 0]])[None]

    for image in images:
        groundtruths, predictions = batch(image)
        predictions["detection_keypoints"] = predictions["detection_keypoints"] * scale
        predictions["detection_boxes"] = predictions["detection_boxes"] * np.tile(scale, 2)
        metric.update_state(groundtruths, {**predictions, "image_info": info})

    assert metric.result() == pytest.approx(fed(images).result(), abs=1e-9)


def test_merge_keeps_keypoints_beside_their_objects():
    images = random_images(7, images=6)
    merged = fed(images[3:])

    merged.merge_state(fed(images[:4]))

    assert merged.result() == fed(images).result()


def test_missing_keypoints_are_named():
    groundtruths, predictions = batch(random_images(8)[0])

    with pytest.raises(MissingFieldError, match="'keypoints' of the groundtruths"):
        evaluator().update_state({key: value for key, value in groundtruths.items() if key != "keypoints"}, predictions)


@pytest.mark.parametrize("broken", [np.nan, np.inf])
def test_detection_with_a_broken_keypoint_is_refused(broken):
    groundtruths, predictions = next(batch(image) for image in random_images(8) if len(image["scores"]))
    predictions["detection_keypoints"][0, -1, 0] = broken

    with pytest.raises(ValueError, match="'detection_keypoints' of the predictions needs finite numbers"):
        evaluator().update_state(groundtruths, predictions)


def test_wrong_number_of_keypoints_is_refused():
    with pytest.raises(ValueError, match=r"'keypoints' of the groundtruths needs shape \[1, .*, 17, 2\]"):
        fed(random_images(3, count=5))
