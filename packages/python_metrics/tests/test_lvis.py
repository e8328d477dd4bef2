"""Federated average precision, against its definition in plain loops and against the answers of LVIS's own package."""

import functools
import json
from pathlib import Path

import numpy as np
import pytest
from assay.conformance import Subject, check
from assay.python_metrics import COCOEvaluator, LVISEvaluator, MissingFieldError
from hypothesis import given, settings
from hypothesis import strategies as st

from packages.python_metrics.tests.coco_scenes import dataset, found
from packages.python_metrics.tests.lvis_scenes import federated_batch, numbers, random_scene

# Scenes, and what `LVISEval` of the package lvis 0.5.3 gives for them.
ANSWERS = json.loads((Path(__file__).parent / "data" / "lvis_answers.json").read_text())


def evaluator(**options):
    return LVISEvaluator(**{"need_rescale_bboxes": False, "progress": None, **options})


def fed(images, truth, size=2, **options):
    frequencies = {category["id"]: category["frequency"] for category in truth["categories"]}
    metric = evaluator(category_frequencies=frequencies, **options)
    for start in range(0, len(images), size):
        metric.update_state(*federated_batch(images[start : start + size], truth))
    return metric


@settings(max_examples=25)
@given(seed=st.integers(0, 2**32 - 1), limit=st.sampled_from([1, 3, 8, 300]), size=st.integers(1, 5))
def test_the_numbers_are_those_of_the_definition(seed, limit, size):
    images, truth, detections = random_scene(seed)

    results = fed(images, truth, size, max_num_eval_detections=limit).result()

    assert results == pytest.approx(numbers(truth, detections, limit), abs=1e-12)


@pytest.mark.parametrize("case", ANSWERS, ids=lambda case: f"{case['kind']}-{case['limit']}")
def test_the_numbers_are_those_of_the_lvis_package(case, tmp_path):
    path = tmp_path / "lvis.json"
    path.write_text(json.dumps(case["groundtruth"]))
    masks = case["kind"] == "segm"
    metric = evaluator(annotation_file=path, include_mask=masks, max_num_eval_detections=case["limit"])

    for image in case["groundtruth"]["images"]:
        mine = [one for one in case["detections"] if one["image_id"] == image["id"]]
        boxes = np.array([one["bbox"] for one in mine], float).reshape(-1, 4)
        fields = {
            "source_id": [image["id"]],
            "num_detections": [len(mine)],
            "detection_boxes": np.stack([*boxes.T[[1, 0]], *(boxes[:, :2] + boxes[:, 2:]).T[::-1]], axis=1)[None],
            "detection_classes": [[one["category_id"] for one in mine]],
            "detection_scores": [[one["score"] for one in mine]],
        }
        if masks:
            fields["detection_masks"] = [[one["segmentation"] for one in mine]]
        metric.update_state(None, fields)

    prefix = "mask_" if masks else ""
    results = metric.result()
    assert {name: results[prefix + name] for name in case["expected"]} == pytest.approx(case["expected"], abs=1e-9)


@settings(max_examples=15)
@given(seed=st.integers(0, 2**32 - 1), data=st.data())
def test_order_split_and_merge_do_not_matter(seed, data):
    images, truth, _ = random_scene(seed, images=6)
    expected = fed(images, truth).result()
    order = data.draw(st.permutations(range(6)))
    cut = data.draw(st.integers(0, 6))
    shuffled = [images[index] for index in order]

    merged = fed(shuffled[:cut], truth, size=data.draw(st.integers(1, 4)))
    merged.merge_state(fed(shuffled[cut:], truth, size=data.draw(st.integers(1, 4))))

    assert merged.result() == expected


def scene_of_one(**known):
    box = [[[0.0, 0, 20, 20], [50, 50, 80, 80]]]
    truth = {"source_id": [1], "num_detections": [1], "boxes": box, "classes": [[1, 0]]}
    truth |= {"neg_category_ids": [[-1]], "not_exhaustive_category_ids": [[-1]]}
    found = {"source_id": [1], "num_detections": [2], "detection_boxes": box, "detection_scores": [[0.5, 0.9]]}
    return {**truth, **known}, found


@pytest.mark.parametrize(
    ("category", "known", "expected"),
    [
        (2, {}, 1.0),  # nothing is known of the category of the other detection
        (2, {"neg_category_ids": [[2]]}, 1.0),  # it is wrong, in a category without objects
        (1, {}, 0.5),
        (1, {"not_exhaustive_category_ids": [[1]]}, 1.0),  # it may be right
    ],
)
def test_what_is_known_of_a_category_decides(category, known, expected):
    truth, found = scene_of_one(**known)
    metric = evaluator()

    metric.update_state(truth, {**found, "detection_classes": [[1, category]]})

    assert metric.result()["AP"] == pytest.approx(expected)


def test_with_everything_known_it_is_coco():
    images, truth, _ = random_scene(3)
    for image in images:  # LVIS does not look at boxes without an area
        for boxes in (image["boxes"], image["found_boxes"]):
            boxes[:, 2:] = np.maximum(boxes[:, 2:], boxes[:, :2] + 8)
        image["areas"] = (image["boxes"][:, 2:] - image["boxes"][:, :2]).prod(axis=1)
    for image in truth["images"]:
        image |= {"neg_category_ids": list(range(1, 8)), "not_exhaustive_category_ids": []}
    coco = COCOEvaluator(need_rescale_bboxes=False, progress=None)
    coco.update_state(*federated_batch(images, truth))

    results = fed(images, truth).result()

    for name in ("AP", "AP50", "AP75", "APs", "APm", "APl"):
        assert results[name] == coco.result()[name]


def test_crowds_are_not_looked_at():
    images, truth, _ = random_scene(4)
    groundtruths, predictions = federated_batch(images, truth)
    metric = evaluator()

    metric.update_state({**groundtruths, "is_crowds": np.ones_like(groundtruths["is_crowds"])}, predictions)

    assert metric.result()["AP"] == fed(images, truth).result()["AP"]


def test_categories_have_numbers_of_their_own():
    images, truth, detections = random_scene(5)
    for category in truth["categories"]:
        category["frequency"] = "r" if category["id"] == 1 else "f"

    results = fed(images, truth, per_category_metrics=True, category_names={1: "cat"}).result()

    assert results["Precision mAP ByCategory/cat"] == results["APr"]
    assert results["APr"] == pytest.approx(numbers(truth, detections)["APr"])
    assert "Recall AR@300 ByCategory/cat" in results
    assert not [name for name in results if name.startswith("/")]


def test_without_frequencies_or_data_numbers_are_undefined():
    images, truth, _ = random_scene(6)
    metric = evaluator()
    assert set(metric.result().values()) == {-1.0}

    metric.update_state(*federated_batch(images, truth))

    assert metric.result()["AP"] > -1
    assert [metric.result()[name] for name in ("APr", "APc", "APf")] == [-1.0] * 3


@pytest.mark.parametrize("field", ["neg_category_ids", "not_exhaustive_category_ids"])
def test_what_is_known_must_be_said(field):
    images, truth, _ = random_scene(7)
    groundtruths, predictions = federated_batch(images, truth)

    with pytest.raises(ValueError, match=f"'{field}' of the groundtruths needs shape"):
        evaluator().update_state({**groundtruths, field: np.zeros(5)}, predictions)
    del groundtruths[field]
    with pytest.raises(MissingFieldError, match=field):
        evaluator().update_state(groundtruths, predictions)


@pytest.mark.parametrize("lacking", ["neg_category_ids", "not_exhaustive_category_ids", "frequency"])
def test_annotation_file_of_another_format_is_refused(lacking, tmp_path):
    _, truth, _ = random_scene(8)
    for one in (*truth["images"], *truth["categories"]):
        one.pop(lacking, None)
    path = tmp_path / "lvis.json"
    path.write_text(json.dumps(truth))

    with pytest.raises(ValueError, match=f"lacks '{lacking}'"):
        evaluator(annotation_file=path)


def test_other_frequencies_are_refused():
    with pytest.raises(ValueError, match=r"must be one of \['r', 'c', 'f'\]"):
        evaluator(category_frequencies={1: "often"})


FREQUENCIES = {category: "rcf"[category % 3] for category in range(9)}


def definition(batches):
    """The numbers by the definition, of batches of arrays that may be cut and exchanged."""
    images, known = {}, {}
    for truth, predictions in batches:
        for row, identity in enumerate(truth["source_id"].tolist()):
            objects, guesses = truth["num_detections"][row], predictions["num_detections"][row]
            image = {name: truth[name][row][:objects] for name in ("boxes", "classes", "areas")}
            columns = {"found_boxes": "boxes", "found_classes": "classes", "scores": "scores"}
            image |= {name: predictions[f"detection_{field}"][row][:guesses] for name, field in columns.items()}
            images.setdefault(identity, {"id": identity, "crowd": np.zeros(objects, bool), **image})
            fields = ("neg_category_ids", "not_exhaustive_category_ids")
            known.setdefault(identity, {name: truth[name][row][truth[name][row] >= 0].tolist() for name in fields})
    whole = dataset(list(images.values()))
    for image in whole["images"]:
        image |= known[image["id"]]
    whole["categories"] = [{"id": one["id"], "frequency": FREQUENCIES[one["id"]]} for one in whole["categories"]]
    return numbers(whole, found(list(images.values())))


@pytest.mark.slow
def test_evaluator_is_conformant():
    images, truth, _ = random_scene(22, images=8, classes=2)
    sample = [federated_batch(images[start : start + 3], truth) for start in range(0, len(images), 3)]
    make = functools.partial(evaluator, category_frequencies=FREQUENCIES)
    traits = {"duplicates": "counted_once", "no_data": "undefined", "reference": definition}

    report = check(Subject(make, sample=sample, traits=traits))

    assert report.conformant, [failure.message for failure in report.failures]
    assert report.verdict.complete
