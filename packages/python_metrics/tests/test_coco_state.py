"""What the COCO evaluator takes and refuses, and what it keeps."""

import json
import re
import subprocess
import sys

import numpy as np
import pytest
from assay.python_metrics import COCOEvaluator, MissingFieldError
from assay.python_metrics.coco import DuplicateImageError, evaluator

from packages.python_metrics.tests.coco_scenes import batch, dataset, random_images

INFINITE = np.full(4, np.inf)
GROUNDTRUTHS, PREDICTIONS = batch(random_images(11, crowded=0))


@pytest.fixture
def metric():
    metric = COCOEvaluator(need_rescale_bboxes=False, progress=None)
    metric.update_state(GROUNDTRUTHS, PREDICTIONS)
    return metric


def changed(side, **fields):
    return {**side, **fields}


def test_repeated_images_are_counted_once(metric):
    before = metric.result()

    metric.update_state(GROUNDTRUTHS, changed(PREDICTIONS, num_detections=PREDICTIONS["num_detections"] * 0))

    assert metric.result() == before


def test_repeated_image_in_a_batch_is_counted_once(metric):
    twice = [
        {key: np.concatenate([value, value]) for key, value in side.items()} for side in (GROUNDTRUTHS, PREDICTIONS)
    ]
    other = COCOEvaluator(need_rescale_bboxes=False)

    other.update_state(*twice)

    assert other.result() == metric.result()


def test_merging_with_the_same_images_changes_nothing(metric):
    other = COCOEvaluator(need_rescale_bboxes=False)
    other.update_state(GROUNDTRUTHS, PREDICTIONS)
    before = metric.result()

    metric.merge_state(other)

    assert metric.result() == other.result() == before


def test_repeated_images_are_refused_when_asked():
    metric = COCOEvaluator(need_rescale_bboxes=False, duplicates="error")
    metric.update_state(GROUNDTRUTHS, PREDICTIONS)
    before = metric.result()

    with pytest.raises(DuplicateImageError, match="were added before"):
        metric.update_state(GROUNDTRUTHS, PREDICTIONS)

    assert metric.result() == before


def test_predictions_may_come_in_another_order(metric):
    other = COCOEvaluator(need_rescale_bboxes=False)

    other.update_state(GROUNDTRUTHS, {key: value[::-1] for key, value in PREDICTIONS.items()})

    assert other.result() == metric.result()


def test_replicas_are_joined(metric):
    other = COCOEvaluator(need_rescale_bboxes=False)

    other.update_state(
        *({key: (value[:1], value[1:]) for key, value in side.items()} for side in (GROUNDTRUTHS, PREDICTIONS))
    )

    assert other.result() == metric.result()


def test_ids_may_be_bytes(metric):
    ids = np.array([str(identity).encode() for identity in GROUNDTRUTHS["source_id"]], object)
    other = COCOEvaluator(need_rescale_bboxes=False)

    other.update_state(changed(GROUNDTRUTHS, source_id=ids), changed(PREDICTIONS, source_id=ids.astype("U")))

    assert other.result()["ARmax100"] == metric.result()["ARmax100"]


@pytest.mark.parametrize(
    ("side", "field", "value", "message"),
    [
        ("groundtruths", "boxes", np.zeros((4, 3, 5)), r"'boxes' of the groundtruths needs shape \[4, .*, 4\]"),
        ("groundtruths", "classes", GROUNDTRUTHS["classes"] + 0.5, "'classes' .* needs whole numbers"),
        ("groundtruths", "source_id", np.arange(4), "must have the same 'source_id'"),
        (
            "groundtruths",
            "source_id",
            np.arange(4) + 0.5,
            "'source_id' of the groundtruths needs whole numbers or text",
        ),
        ("groundtruths", "source_id", np.zeros((2, 2)), r"needs shape \[batch\]"),
        ("predictions", "num_detections", np.array([-1, 0, 0, 0]), "'num_detections' of the predictions needs counts"),
        ("predictions", "num_detections", np.array([99, 0, 0, 0]), "'num_detections' of the predictions needs counts"),
        ("predictions", "num_detections", np.zeros(3, int), "a number for each 'source_id'"),
        ("predictions", "detection_scores", PREDICTIONS["detection_scores"] * np.nan, "needs finite numbers"),
        (
            "predictions",
            "detection_boxes",
            PREDICTIONS["detection_boxes"] + INFINITE,
            "needs finite numbers",
        ),
        ("predictions", "detection_classes", np.zeros(4), r"needs shape \[batch, slots"),
        ("predictions", "detection_scores", np.full(PREDICTIONS["detection_scores"].shape, "a"), "needs numbers"),
        ("predictions", "num_detections", np.full(4, np.inf), "'num_detections' .* needs whole numbers"),
        ("predictions", "detection_classes", PREDICTIONS["detection_classes"] + np.inf, "needs whole numbers"),
        (
            "predictions",
            "detection_classes",
            np.full_like(PREDICTIONS["detection_classes"], 2**63, np.uint64),
            "needs whole numbers",
        ),
        ("predictions", "detection_boxes", PREDICTIONS["detection_boxes"] * 1e300, "needs coordinates within 1e.100"),
        ("groundtruths", "is_crowds", GROUNDTRUTHS["is_crowds"] * np.nan, "'is_crowds' .* needs whole numbers"),
    ],
)
def test_wrong_fields_are_refused_and_leave_the_state(metric, side, field, value, message):
    before = metric.result()
    sides = {"groundtruths": GROUNDTRUTHS, "predictions": PREDICTIONS}
    # The ids differ from those of the state, so that a batch that was taken would show.
    sides = {name: changed(fields, source_id=fields["source_id"] + 1000) for name, fields in sides.items()}
    sides[side] = changed(sides[side], **{field: value})

    with pytest.raises(ValueError, match=message):
        metric.update_state(**sides)

    assert metric.result() == before


@pytest.mark.parametrize("field", ["source_id", "num_detections", "boxes", "classes"])
def test_missing_groundtruth_field_is_named(metric, field):
    with pytest.raises(MissingFieldError, match=f"needs the field '{field}' of the groundtruths. Received: '"):
        metric.update_state({key: value for key, value in GROUNDTRUTHS.items() if key != field}, PREDICTIONS)


def test_image_info_is_needed_to_rescale():
    with pytest.raises(MissingFieldError, match="image_info"):
        COCOEvaluator().update_state(GROUNDTRUTHS, PREDICTIONS)


@pytest.mark.parametrize("info", [np.ones((4, 2, 2)), np.zeros((4, 4, 2))])
def test_wrong_image_info_is_refused(info):
    with pytest.raises(ValueError, match="image_info"):
        COCOEvaluator().update_state(GROUNDTRUTHS, changed(PREDICTIONS, image_info=info))


def test_objects_beyond_the_slots_are_left_out(metric):
    other = COCOEvaluator(need_rescale_bboxes=False)
    counts = np.where(np.arange(4) == np.argmax(GROUNDTRUTHS["num_detections"]), 99, GROUNDTRUTHS["num_detections"])

    other.update_state(changed(GROUNDTRUTHS, num_detections=counts), PREDICTIONS)

    assert other.result() == metric.result()


def test_inputs_stay_as_they_are(metric):
    sides = [{key: value.copy() for key, value in side.items()} for side in (GROUNDTRUTHS, PREDICTIONS)]

    COCOEvaluator(need_rescale_bboxes=False).update_state(*sides)

    for side, expected in zip(sides, (GROUNDTRUTHS, PREDICTIONS), strict=True):
        for key, value in side.items():
            np.testing.assert_array_equal(value, expected[key])


def test_state_does_not_see_later_changes_of_the_input():
    sides = [{key: value.copy() for key, value in side.items()} for side in (GROUNDTRUTHS, PREDICTIONS)]
    metric = COCOEvaluator(need_rescale_bboxes=False)
    metric.update_state(*sides)
    before = metric.result()

    for side in sides:
        for value in side.values():
            value[...] = 0

    assert metric.result() == before


def test_reset_forgets_and_result_does_not(metric):
    before = metric.result()
    assert metric.result() == before

    metric.reset_states()
    metric.update_state(GROUNDTRUTHS, PREDICTIONS)

    assert metric.result() == before


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"max_num_eval_detections": 0}, "at least 1"),
        ({"max_num_eval_detections": 10.0}, "must be an integer"),
        ({"engine": "fast"}, "`engine` must be one of"),
        ({"duplicates": "last"}, "`duplicates` must be one of"),
    ],
)
def test_options_out_of_range_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        COCOEvaluator(**options)


def test_merge_of_other_options_is_refused(metric):
    with pytest.raises(ValueError, match="same class and options"):
        metric.merge_state(COCOEvaluator(need_rescale_bboxes=True))


def test_annotation_file_takes_ids_as_text_and_names(tmp_path):
    images = random_images(12)
    truth = dataset(images)
    truth["categories"] = [{**category, "name": f"thing {category['id']}"} for category in truth["categories"]]
    path = tmp_path / "annotations.json"
    path.write_text(json.dumps(truth))
    metric = COCOEvaluator(path, need_rescale_bboxes=False, per_category_metrics=True)

    metric.update_state(None, batch(images, ids=str)[1])

    results = metric.result()
    assert results["AP"] > 0
    assert "Precision mAP ByCategory@50IoU/thing 1" in results


def test_image_that_the_annotation_file_lacks_is_refused(tmp_path):
    path = tmp_path / "annotations.json"
    path.write_text(json.dumps(dataset(random_images(12))))
    metric = COCOEvaluator(path, need_rescale_bboxes=False)

    with pytest.raises(ValueError, match="is not in the annotation file"):
        metric.update_state(None, changed(PREDICTIONS, source_id=np.arange(4)))


def test_incomplete_annotation_file_is_refused(tmp_path):
    path = tmp_path / "annotations.json"
    path.write_text('{"images": []}')

    with pytest.raises(ValueError, match="lacks 'categories'"):
        COCOEvaluator(path)


def test_snippet_of_the_docstring_runs():
    (snippet,) = re.findall(r"^```python\n(.*?)^```", evaluator.__doc__, re.MULTILINE | re.DOTALL)
    names = {}

    exec(compile(snippet, "snippet", "exec"), names)

    assert names["metric"].result()["AP"] == pytest.approx(1.0)


def test_default_engine_needs_numpy_alone():
    code = """
import sys
sys.modules["pycocotools"] = None
from assay.python_metrics import COCOEvaluator
metric = COCOEvaluator(need_rescale_bboxes=False)
metric.result()
try:
    found = {"source_id": [1], "num_detections": [0], "detection_boxes": [[]], "detection_classes": [[]]}
    metric = COCOEvaluator(need_rescale_bboxes=False, engine="pycocotools")
    metric.update_state(
        {"source_id": [1], "num_detections": [1], "boxes": [[[0, 0, 9, 9]]], "classes": [[1]]},
        {**found, "detection_scores": [[]]},
    )
    metric.result()
except ImportError as error:
    assert "[coco]" in str(error)
else:
    sys.exit("not refused")
sys.exit(any(name.startswith(("tensorflow", "pycocotools.")) for name in sys.modules))
"""

    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize("nothing", [None, ""])
def test_without_an_annotation_file_groundtruth_comes_with_the_data(metric, nothing):
    other = COCOEvaluator(nothing, need_rescale_bboxes=False, progress=None)

    other.update_state(GROUNDTRUTHS, PREDICTIONS)

    assert other.result() == metric.result()
    other.merge_state(metric)
