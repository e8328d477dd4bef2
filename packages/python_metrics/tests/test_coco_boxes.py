"""Boxes against pycocotools, on scenes full of ties, crowds and edges."""

import json

import numpy as np
import pytest
from assay.python_metrics import UNDEFINED, COCOEvaluator
from hypothesis import example, given, settings
from hypothesis import strategies as st

from packages.python_metrics.tests.coco_scenes import answer, batch, dataset, found, numbers, random_images

SEEDS = st.integers(0, 2**32 - 1)
LIMITS = st.sampled_from([1, 2, 5, 10, 100])


def evaluator(**options):
    return COCOEvaluator(**{"need_rescale_bboxes": False, "progress": None, **options})


def fed(images, size=3, **options):
    metric = evaluator(**options)
    for start in range(0, len(images), size):
        metric.update_state(*batch(images[start : start + size]))
    return metric


def limits_of(most):
    return (1, min(10, most), most)


def assert_same(curves, answered):
    if answered is None:
        assert curves.precision.size == curves.recall.size == 0
        return
    np.testing.assert_allclose(curves.precision, answered["precision"], rtol=0, atol=1e-9)
    np.testing.assert_allclose(curves.recall, answered["recall"], rtol=0, atol=1e-9)


@pytest.mark.parametrize("engine", ["vectorized", "pycocotools"])
@settings(max_examples=60)
@given(
    seed=SEEDS,
    shape=st.sampled_from([(4, 3, 5, 8), (6, 1, 3, 20), (2, 2, 9, 30), (5, 12, 6, 8)]),
    most=LIMITS,
    clustered=st.booleans(),
)
def test_all_precisions_and_recalls_equal_pycocotools(engine, seed, shape, most, clustered):
    images = random_images(seed, *shape, own_areas=True, clustered=clustered)

    curves = fed(images, engine=engine, max_num_eval_detections=most).curves()

    assert_same(curves, answer(dataset(images), found(images), limits=limits_of(most)))


@settings(max_examples=30)
@given(seed=SEEDS, images=st.integers(0, 6), crowded=st.sampled_from([0.0, 0.3, 1.0]), ids=st.sampled_from([int, str]))
@example(seed=0, images=0, crowded=0.0, ids=int)
def test_the_numbers_equal_pycocotools(seed, images, crowded, ids):
    images = random_images(seed, images, crowded=crowded)
    metric = evaluator(per_category_metrics=True)
    for start in range(0, len(images), 2):
        metric.update_state(*batch(images[start : start + 2], slots=start, ids=ids, areas=start % 4 == 0))
    expected = answer(dataset(images), found(images))

    results = metric.result()

    if ids is int:  # text is sorted otherwise, which shows in ties between images
        assert {name: results[name] for name in numbers(expected)} == pytest.approx(numbers(expected), abs=1e-9)
        for index, category in enumerate(dataset(images)["categories"]):
            alone = numbers(expected, index)
            assert results[f"Precision mAP ByCategory/{category['id']}"] == pytest.approx(alone["AP"], abs=1e-9)
            assert results[f"Recall AR (small) ByCategory/{category['id']}"] == pytest.approx(alone["ARs"], abs=1e-9)
    json.dumps(results, allow_nan=False)


@settings(max_examples=30)
@given(seed=SEEDS, data=st.data())
def test_order_split_and_merge_do_not_matter(seed, data):
    images = random_images(seed, 6)
    expected = fed(images).result()
    order = data.draw(st.permutations(range(6)))
    cut = data.draw(st.integers(0, 6))
    shuffled = [images[index] for index in order]

    merged = fed(shuffled[:cut], size=data.draw(st.integers(1, 4)))
    merged.merge_state(fed(shuffled[cut:], size=data.draw(st.integers(1, 4))))

    assert merged.result() == expected


@settings(max_examples=20)
@given(seed=SEEDS)
def test_annotation_file_gives_what_the_data_gives(seed, tmp_path_factory):
    images = random_images(seed, 6, own_areas=True)
    seen, truth = images[:4], dataset(images)
    path = tmp_path_factory.mktemp("coco") / "annotations.json"
    path.write_text(json.dumps(truth))
    metric = evaluator(annotation_file=path)

    metric.update_state(None, batch(seen)[1])
    in_file = {**truth, "images": [image for image in truth["images"] if image["id"] in {one["id"] for one in seen}]}
    in_file["annotations"] = [
        one for one in truth["annotations"] if one["image_id"] in {image["id"] for image in in_file["images"]}
    ]

    assert_same(metric.curves(), answer(in_file, found(seen)))


@settings(max_examples=40)
@given(seed=SEEDS)
def test_objects_that_overlap_a_detection_by_the_same_are_taken_as_pycocotools_does(seed):
    images = random_images(seed, 3, 1, 5, 6, crowded=0.1, clustered=True)

    assert_same(fed(images).curves(), answer(dataset(images), found(images)))


def test_many_categories_and_images_equal_pycocotools():
    images = random_images(5, images=40, classes=50, most_objects=12, most_found=60)

    assert_same(fed(images, size=7).curves(), answer(dataset(images), found(images)))


def test_blocks_of_categories_equal_pycocotools(monkeypatch):
    """Some blocks have many categories, some one that is larger than a block, some none with a detection."""
    monkeypatch.setattr("assay.python_metrics.coco.vectorized.DETECTIONS_AT_ONCE", 25)
    images = random_images(6, images=12, classes=9, most_objects=6, most_found=30)
    for image in images:
        image["found_classes"] = np.where(image["found_classes"] % 4 == 1, 3, image["found_classes"])

    assert_same(fed(images, size=7).curves(), answer(dataset(images), found(images)))


def test_crowded_group_equals_pycocotools():
    """One image and category with more detections than the limit, and dozens of overlapping objects."""
    images = random_images(9, images=2, classes=1, most_objects=60, most_found=250)

    assert_same(fed(images).curves(), answer(dataset(images), found(images)))


def test_no_data_is_undefined():
    assert set(evaluator().result().values()) == {UNDEFINED}


def test_images_without_objects_are_undefined():
    images = [{**image, "boxes": image["boxes"][:0]} for image in random_images(1)]
    images = [{**image, **{name: image[name][:0] for name in ("classes", "crowd", "areas")}} for image in images]

    assert set(fed(images).result().values()) == {UNDEFINED}


def test_objects_without_detections_score_zero():
    images = random_images(2, crowded=0)
    for image in images:
        image |= {name: image[name][:0] for name in ("found_boxes", "found_classes", "scores")}
    metric = fed(images)

    assert metric.result()["AP"] == metric.result()["ARmax100"] == 0.0


def test_padding_is_not_looked_at():
    images = random_images(3)
    padded = evaluator()

    padded.update_state(*batch(images, slots=40))

    assert padded.result() == fed(images).result()


def test_boxes_are_rescaled_by_image_info():
    images = random_images(4)
    groundtruths, predictions = batch(images)
    scale = np.array([[0.5, 2.0]] * len(images))
    info = np.stack([np.full_like(scale, 300), np.full_like(scale, 300), scale, np.zeros_like(scale)], axis=1)
    metric = evaluator(need_rescale_bboxes=True)

    predictions["detection_boxes"] = predictions["detection_boxes"] * np.tile(scale, 2)[:, None]
    metric.update_state(groundtruths, {**predictions, "image_info": info})

    assert metric.result() == fed(images).result()


def test_results_carry_the_limit_in_their_name():
    results = fed(random_images(6), max_num_eval_detections=5, per_category_metrics=True).result()

    assert "ARmax5" in results
    assert "Recall AR@5 ByCategory/1" in results
    assert "ARmax100" not in results


def test_categories_are_named():
    results = fed(random_images(6), per_category_metrics=True, category_names={1: "cat", 2: "cat"}).result()

    names = {key.partition("/")[2] for key in results if "ByCategory" in key}
    assert names == {"cat (1)", "cat (2)", "3"}
