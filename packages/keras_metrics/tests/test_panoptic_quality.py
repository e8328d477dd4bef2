"""Panoptic quality against the published matching written with dicts of segments, one image at a time."""

import numpy as np
import pytest
import tensorflow as tf
from assay.keras_metrics import PanopticQuality
from hypothesis import given, settings
from hypothesis import strategies as st

CLASSES, THINGS, VOID = 4, (1, 2), 255
SMALL = {"max_instances_per_class": 8, "max_segments_per_image": 16}


def segments(categories, instances):
    """Masks of the segments of an image, by class and instance."""
    found = {}
    for one in range(CLASSES):
        for instance in np.unique(instances) if one in THINGS else [None]:
            mask = (categories == one) & (True if instance is None else instances == instance)
            if mask.any():
                found[one, instance] = mask
    return found


def oracle(labels, predictions, counted, weights):
    """IoU sums, true positives, false positives and false negatives of each class."""
    iou, hits, extra, missed = np.zeros((4, CLASSES))
    for image, weight in enumerate(weights):
        void = ~counted[image]
        truth = segments(np.where(void, VOID, labels["category_mask"][image]), labels["instance_mask"][image])
        found = segments(predictions["category_mask"][image], predictions["instance_mask"][image])
        used, right = set(), set()
        for key, mask in truth.items():
            for other, area in found.items():
                both = (mask & area).sum()
                share = both / (mask.sum() + (area & ~void).sum() - both)
                if key[0] == other[0] and share > 0.5:
                    iou[key[0]] += weight * share
                    hits[key[0]] += weight
                    used.add(other)
                    right.add(key)
        for key in truth.keys() - right:
            missed[key[0]] += weight
        for key in found.keys() - used:
            if (found[key] & void).sum() <= 0.5 * found[key].sum():
                extra[key[0]] += weight
    return iou, hits, extra, missed


def expected(iou, hits, extra, missed):
    whole = hits + (extra + missed) / 2
    with np.errstate(invalid="ignore", divide="ignore"):
        by_class = {"pq": iou / whole, "sq": iou / hits, "rq": hits / whole}
    by_class = {name: np.nan_to_num(values) for name, values in by_class.items()}
    present = whole > 0
    groups = {"": np.arange(CLASSES), "_things": np.array(THINGS), "_stuff": np.array([0, 3])}
    results = {f"{name}_per_class": values for name, values in by_class.items()}
    for group, ids in groups.items():
        for name, values in by_class.items():
            chosen = values[ids][present[ids]]
            results[name + group] = chosen.mean() if chosen.size else 0.0
    return results


def scene(rng, *, void):
    """Labels of blocks, and predictions that are the labels moved, merged and relabelled here and there."""
    shape = (2, 6, 8)
    categories = rng.integers(0, CLASSES, (2, 2, 2)).repeat(3, axis=1).repeat(4, axis=2)
    instances = rng.integers(0, 3, (2, 2, 4)).repeat(3, axis=1).repeat(2, axis=2)
    noise = rng.random(shape) < rng.choice([0.0, 0.2])
    found = {
        "category_mask": np.where(noise, rng.integers(-1, CLASSES + 1, shape), np.roll(categories, 1, axis=2)),
        "instance_mask": np.roll(instances, 1, axis=2),
    }
    if void:
        categories = np.where(rng.random(shape) < 0.3, VOID, categories)
        categories[0, :, :4] = VOID
    return {"category_mask": categories, "instance_mask": instances}, found


def measured(metric, *arguments):
    metric.update_state(*arguments)
    return {name: value.numpy() for name, value in metric.result().items()}


def assert_same(found, wanted):
    assert found.keys() == wanted.keys()
    for name, value in wanted.items():
        np.testing.assert_allclose(found[name], value, atol=1e-6, err_msg=name)


@settings(max_examples=25)
@given(st.integers(0, 2**32 - 1), st.booleans(), st.booleans())
def test_equal_to_the_published_matching(seed, void, weighted):
    rng = np.random.default_rng(seed)
    labels, found = scene(rng, void=void)
    weights = rng.uniform(0, 2, 2).astype(np.float32) if weighted else None

    metric = PanopticQuality(CLASSES, thing_class_ids=THINGS, ignore_label=VOID, **SMALL)
    results = measured(metric, labels, found, weights)

    counted = labels["category_mask"] != VOID
    assert_same(results, expected(*oracle(labels, found, counted, [1, 1] if weights is None else weights)))


def test_valid_masks_are_void():
    rng = np.random.default_rng(1)
    labels, found = scene(rng, void=False)
    valid = rng.random((2, 6, 8)) < 0.7

    results = measured(
        PanopticQuality(CLASSES, thing_class_ids=THINGS, **SMALL), {**labels, "valid_masks": valid}, found
    )

    assert_same(results, expected(*oracle(labels, found, valid, [1, 1])))


def test_perfect_predictions_are_all_found():
    labels, _ = scene(np.random.default_rng(2), void=False)

    results = measured(PanopticQuality(CLASSES, **SMALL), labels, labels)

    assert results["pq"] == results["sq"] == results["rq"] == 1.0
    assert "pq_things" not in results


def test_half_an_overlap_is_no_match():
    row = {"category_mask": [[[0, 0, 0, 1]]], "instance_mask": [[[0, 0, 0, 0]]]}
    other = {"category_mask": [[[0, 0, 1, 0]]], "instance_mask": [[[0, 0, 0, 0]]]}  # 2 of 4 pixels

    assert measured(PanopticQuality(2, **SMALL), row, other)["rq"] == 0.0


def test_predictions_of_another_size_are_resized():
    labels, _ = scene(np.random.default_rng(3), void=False)
    half = {name: values[:, ::3, ::2] for name, values in labels.items()}

    assert measured(PanopticQuality(CLASSES, **SMALL), labels, half)["pq"] == 1.0


def test_only_the_original_image_counts():
    labels, _ = scene(np.random.default_rng(4), void=False)
    found = {name: np.where(np.arange(8) < 4, values, 0) for name, values in labels.items()}
    info = np.tile(np.float32([[[6, 4], [6, 8], [1, 1], [0, 0]]]), (2, 1, 1))

    metric = PanopticQuality(CLASSES, rescale_predictions=True, **SMALL)

    assert measured(metric, {**labels, "image_info": info}, found)["pq"] == 1.0


def test_segments_beyond_the_most_count_as_missed():
    instances = np.arange(6).reshape(1, 1, 6)
    labels = {"category_mask": np.zeros_like(instances), "instance_mask": instances}

    results = measured(PanopticQuality(2, max_instances_per_class=6, max_segments_per_image=4), labels, labels)

    assert results["sq"] == 1.0
    assert results["rq"] == pytest.approx(4 / 6)


@pytest.mark.parametrize("jit_compile", [None, True])
def test_compiled_updates_equal_eager(jit_compile):
    labels, found = tf.nest.map_structure(tf.constant, scene(np.random.default_rng(5), void=True))
    metric, eager = (PanopticQuality(CLASSES, ignore_label=VOID, **SMALL) for _ in range(2))

    tf.function(metric.update_state, jit_compile=jit_compile)(labels, found)

    assert_same({name: value.numpy() for name, value in metric.result().items()}, measured(eager, labels, found))


def test_instance_id_out_of_range_is_refused():
    labels = {"category_mask": [[[0]]], "instance_mask": [[[8]]]}

    with pytest.raises(tf.errors.InvalidArgumentError, match="max_instances_per_class"):
        PanopticQuality(2, **SMALL).update_state(labels, labels)


@pytest.mark.parametrize(
    ("labels", "match"),
    [
        ({"category_mask": [[[0]]]}, "lacks 'instance_mask'. Received"),
        ({"category_mask": [[0]], "instance_mask": [[0]]}, "must have shape"),
        ({"category_mask": [[[0]]], "instance_mask": [[[0, 0]]]}, "differ in shape"),
    ],
)
def test_what_is_wrong_with_the_labels_is_named(labels, match):
    with pytest.raises(ValueError, match=match):
        PanopticQuality(2).update_state(labels, labels)


@pytest.mark.parametrize(
    "options", [{"thing_class_ids": [4]}, {"max_instances_per_class": 0}, {"max_segments_per_image": 1.5}]
)
def test_options_out_of_range_are_refused(options):
    with pytest.raises(ValueError, match=f"`{next(iter(options))}` must be"):
        PanopticQuality(CLASSES, **options)


def test_no_update_is_zero():
    assert all(np.all(value.numpy() == 0) for value in PanopticQuality(CLASSES).result().values())
