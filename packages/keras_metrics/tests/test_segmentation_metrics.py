"""What the metrics of label maps count, against a NumPy oracle that looks at one class at a time."""

import numpy as np
import pytest
import tensorflow as tf
from assay.keras_metrics import (
    FrequencyWeightedIoU,
    MeanIoU,
    MeanPerClassAccuracy,
    PerClassIoU,
    PixelAccuracy,
)
from class_count_oracle import best, counts, mean, ratio
from hypothesis import given, settings
from hypothesis import strategies as st

IGNORED = 255
METRICS = (MeanIoU, PerClassIoU, FrequencyWeightedIoU, PixelAccuracy, MeanPerClassAccuracy)


def expected(metric_class, *arguments, **options):
    """What a metric should give, from the counts of the oracle."""
    found, labelled, predicted, total = counts(*arguments, **options)
    either = labelled + predicted - found
    iou = ratio(found, either)
    if metric_class is MeanIoU:
        return mean(iou, either > 0)
    if metric_class is PerClassIoU:
        return iou
    if metric_class is FrequencyWeightedIoU:
        return float(ratio((labelled * iou).sum(), labelled.sum()))
    if metric_class is PixelAccuracy:
        return float(ratio(found.sum(), total))
    return mean(ratio(found, labelled), labelled > 0)


def measured(metric, *arguments):
    metric.update_state(*arguments)
    return metric.result().numpy()


@st.composite
def label_maps(draw):
    """Labels with ids out of range and ignored ones, scores with ties and now and then a NaN, weights or none."""
    shape = draw(st.sampled_from([(1,), (5,), (2, 3), (2, 3, 4), (0, 2, 2)]))
    num_classes = draw(st.integers(2, 5))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    labels = rng.choice([*range(num_classes), -1, num_classes, IGNORED], size=shape)
    scores = (rng.integers(-2, 3, size=(*shape, num_classes)) / 2).astype(np.float32)
    if draw(st.booleans()):
        scores[rng.random(scores.shape) < 0.1] = np.nan
    weights = {
        "none": None,
        "fractions": rng.uniform(0, 2, shape).astype(np.float32),
        "integers": rng.integers(0, 3, shape),
        "booleans": rng.random(shape) < 0.6,
    }[draw(st.sampled_from(["none", "fractions", "integers", "booleans"]))]
    return labels, scores, weights, num_classes


@settings(max_examples=30)
@given(label_maps(), st.sampled_from([np.int32, np.int64]))
def test_scores_equal_the_oracle(batch, dtype):
    labels, scores, weights, num_classes = batch

    for metric_class in METRICS:
        value = measured(metric_class(num_classes, ignore_label=IGNORED), labels.astype(dtype), scores, weights)

        wanted = expected(metric_class, labels, best(scores), num_classes, weights=weights, ignore_label=IGNORED)
        np.testing.assert_allclose(value, wanted, atol=1e-6)


@settings(max_examples=20)
@given(label_maps(), st.sampled_from([np.int32, np.int64]))
def test_label_maps_equal_the_oracle(batch, dtype):
    labels, scores, weights, num_classes = batch
    ids = best(scores).astype(dtype)

    for metric_class in METRICS:
        value = measured(metric_class(num_classes), labels[..., np.newaxis], ids, weights)

        np.testing.assert_allclose(value, expected(metric_class, labels, ids, num_classes, weights=weights), atol=1e-6)


@pytest.mark.parametrize("weighted", [False, True])
def test_many_classes_are_counted_one_by_one_with_equal_results(weighted):
    rng = np.random.default_rng(0)
    labels, ids = rng.integers(-1, 300, (2, 400)), rng.integers(-1, 300, (2, 400))
    ids[0] = labels[0]
    weights = rng.uniform(0, 2, labels.shape).astype(np.float32) if weighted else None

    value = measured(MeanIoU(299), labels, ids, weights)

    assert value == pytest.approx(expected(MeanIoU, labels, ids, 299, weights=weights), rel=1e-5)


@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.int32, np.int64, np.float32])
def test_labels_of_every_dtype_count_alike(dtype):
    metric = MeanIoU(3, ignore_label=IGNORED)

    assert measured(metric, np.array([[0, 1, 255]], dtype), [[0, 0, 2]]) == 0.25


@pytest.mark.parametrize("dtype", [tf.float16, tf.bfloat16, tf.float32, tf.float64])
def test_scores_of_every_dtype_count_alike(dtype):
    assert measured(PixelAccuracy(2), [[0, 1]], tf.cast([[[0.5, 0.25], [0.5, 0.25]]], dtype)) == 0.5


@pytest.mark.parametrize(("policy", "value"), [("excluded", 0.75), ("zero", 0.5), ("one", 2.5 / 3)])
def test_absent_class_does_what_the_policy_says(policy, value):
    assert measured(MeanIoU(3, absent_class=policy), [0, 0, 1], [0, 0, 0])  # 2/3 and 0
    assert measured(MeanIoU(3, absent_class=policy), [0, 0, 1, 1], [0, 0, 1, 7]) == pytest.approx(value)


@pytest.mark.parametrize(("policy", "value"), [("excluded", 0.75), ("zero", 0.5), ("one", 2.5 / 3)])
def test_class_that_is_not_labelled_does_what_the_policy_says(policy, value):
    metric = MeanPerClassAccuracy(3, absent_class=policy)

    assert measured(metric, [0, 0, 1, 1], [0, 0, 1, 2]) == pytest.approx(value)


@pytest.mark.parametrize(("policy", "value"), [("zero", 0.0), ("one", 1.0), ("nan", np.nan)])
def test_value_of_an_absent_class_is_what_was_asked_for(policy, value):
    np.testing.assert_array_equal(measured(PerClassIoU(2, absent_class=policy), [0], [0]), [1.0, value])


@pytest.mark.parametrize("policy", ["excluded", "zero", "one"])
def test_nothing_counted_is_zero(policy):
    assert MeanIoU(3, absent_class=policy).result().numpy() == 0.0
    assert measured(MeanIoU(3, absent_class=policy, ignore_label=1), [1], [1]) == 0.0


def test_only_target_classes_are_averaged():
    labels, ids = [0, 0, 1, 1, 2], [0, 1, 1, 1, 0]

    assert measured(MeanIoU(3, target_class_ids=[1]), labels, ids) == pytest.approx(2 / 3)
    assert measured(MeanIoU(3, target_class_ids=[1, 2]), labels, ids) == pytest.approx(1 / 3)


def test_scores_that_are_all_nan_are_not_the_first_class():
    scores = np.full([1, 4, 2], np.nan, np.float32)

    assert measured(PixelAccuracy(2), [[0, 0, 0, 0]], scores) == 0.0
    assert measured(MeanIoU(2), [[0, 0, 0, 0]], scores) == 0.0


@pytest.mark.parametrize("metric_class", METRICS)
def test_weight_of_zero_equals_removal_also_of_nan(metric_class):
    labels, scores = np.array([[0, 1], [1, 0]]), np.random.default_rng(1).normal(size=(2, 2, 2))
    poisoned = np.where([[[False]], [[True]]], np.nan, scores)

    value = measured(metric_class(2), labels, poisoned, [1.0, 0.0])

    np.testing.assert_array_equal(value, measured(metric_class(2), labels[:1], scores[:1]))


@pytest.mark.parametrize("metric_class", METRICS)
@pytest.mark.parametrize("weight", [np.nan, np.inf])
def test_weight_that_is_not_finite_shows_until_reset(metric_class, weight):
    metric = metric_class(2)

    shown = measured(metric, [0, 1], [0, 1], [weight, 1.0])
    metric.reset_state()

    assert not np.all(np.isfinite(shown))
    np.testing.assert_array_equal(measured(metric, [0, 1], [0, 1]), np.ones_like(shown))


def test_counts_continue_past_the_limit_of_float32():
    metric = PixelAccuracy(2)
    metric.update_state([0], [0], tf.constant([2**24], tf.int64))

    for _ in range(8):
        metric.update_state([1], [0])

    assert metric.class_counts.total("float64").numpy() == 2**24 + 8


@given(st.lists(st.integers(0, 12), max_size=3), st.randoms(use_true_random=False))
@settings(max_examples=15)
def test_any_split_and_order_give_the_same_bits(cuts, random):
    rng = np.random.default_rng(3)
    labels, ids = rng.integers(0, 3, (12, 5)), rng.integers(0, 3, (12, 5))
    weights = rng.uniform(0, 2, (12, 5)).astype(np.float32).round(4)  # no multiples of 2^-20
    order = list(range(12))
    random.shuffle(order)
    whole, parts = MeanIoU(3), MeanIoU(3)
    whole.update_state(labels, ids, weights)

    for part in np.split(np.array(order), sorted(cuts)):
        parts.update_state(labels[part], ids[part], weights[part])

    assert parts.result().numpy() == pytest.approx(whole.result().numpy(), rel=1e-6)
    np.testing.assert_array_equal(parts.variables[0].numpy(), whole.variables[0].numpy())


@pytest.mark.parametrize(
    ("labels", "predictions"), [((2, 3), (2, 4)), ((1, 3), (2, 3)), ((2, 3), (2, 3, 3)), ((2, 3, 2), (2, 3))]
)
def test_label_maps_that_do_not_fit_are_refused(labels, predictions):
    with pytest.raises(ValueError, match="does not fit"):
        MeanIoU(4).update_state(np.zeros(labels, np.int32), np.zeros(predictions, np.int32))


def test_floats_that_are_no_scores_of_the_classes_are_refused():
    with pytest.raises(ValueError, match="Class ids have an integer dtype"):
        MeanIoU(4).update_state(np.zeros([2, 3], np.int32), np.zeros([2, 3], np.float32))


@pytest.mark.parametrize("num_classes", [1, 0, -3, 2.5, True])
def test_number_of_classes_is_checked(num_classes):
    with pytest.raises(ValueError, match="at least 2"):
        MeanIoU(num_classes)


@pytest.mark.parametrize(
    "options", [{"absent_class": "nothing"}, {"target_class_ids": []}, {"target_class_ids": [3]}, {"input_size": [4]}]
)
def test_options_out_of_range_are_refused(options):
    with pytest.raises(ValueError, match=f"`{next(iter(options))}` must be"):
        MeanIoU(3, **options)
