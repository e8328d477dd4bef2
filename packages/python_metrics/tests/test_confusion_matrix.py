"""The confusion matrix against scikit-learn and against loops over elements."""

import json

import numpy as np
import pytest
from assay.python_metrics import UNDEFINED, ConfusionMatrix
from hypothesis import given
from hypothesis import strategies as st
from sklearn import metrics as reference

NUM_CLASSES = 4


def fed(truth, predicted, **options):
    metric = ConfusionMatrix(NUM_CLASSES, **options)
    metric.update_state({"labels": truth}, {"labels": predicted})
    return metric


@st.composite
def label_maps(draw, *, ignore=False):
    shape = draw(st.sampled_from([(0,), (1,), (9,), (2, 3, 3), (2, 3, 3, 1)]))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    present = draw(st.integers(1, NUM_CLASSES))  # the other classes are absent
    truth, predicted = rng.integers(0, present, shape), rng.integers(0, NUM_CLASSES, shape)
    if ignore:
        truth[rng.uniform(size=shape) < 0.4] = 255
    dtype = draw(st.sampled_from([np.uint8, np.int32, np.int64, np.float32]))
    return truth.astype(dtype), predicted.astype(dtype)


@given(label_maps())
def test_counts_equal_scikit_learn(maps):
    truth, predicted = maps
    expected = (
        reference.confusion_matrix(truth.ravel(), predicted.ravel(), labels=range(NUM_CLASSES)) if truth.size else 0
    )

    np.testing.assert_array_equal(fed(truth, predicted).matrix, np.zeros((NUM_CLASSES, NUM_CLASSES)) + expected)


@given(label_maps(ignore=True))
def test_results_equal_a_loop_over_classes(maps):
    truth, predicted = maps
    results = fed(truth, predicted, ignore_label=255).result()
    keep = truth != 255
    truth, predicted = truth[keep], predicted[keep]
    ious, accuracies, weighted = [], [], 0.0
    for label in range(NUM_CLASSES):
        intersection, union = (
            ((truth == label) & (predicted == label)).sum(),
            ((truth == label) | (predicted == label)).sum(),
        )
        iou = intersection / union if union else UNDEFINED
        accuracy = intersection / (truth == label).sum() if (truth == label).any() else UNDEFINED
        assert results[f"iou/{label}"] == pytest.approx(iou)
        assert results[f"accuracy/{label}"] == pytest.approx(accuracy)
        ious += [iou] if union else []
        accuracies += [accuracy] if accuracy != UNDEFINED else []
        weighted += (truth == label).mean() * iou if (truth == label).any() else 0.0

    assert results["mean_iou"] == pytest.approx(np.mean(ious) if ious else UNDEFINED)
    assert results["mean_accuracy"] == pytest.approx(np.mean(accuracies) if accuracies else UNDEFINED)
    assert results["frequency_weighted_iou"] == pytest.approx(weighted if truth.size else UNDEFINED)
    assert results["accuracy"] == pytest.approx((truth == predicted).mean() if truth.size else UNDEFINED)


@given(label_maps(ignore=True), st.data())
def test_any_split_and_order_give_the_same_results(maps, data):
    truth, predicted = (array.ravel() for array in maps)
    order = np.array(data.draw(st.permutations(range(truth.size))), int)
    cuts = sorted(data.draw(st.lists(st.integers(0, truth.size), max_size=3)))
    metric = ConfusionMatrix(NUM_CLASSES, ignore_label=255)

    for part in np.split(order, cuts):
        metric.update_state({"labels": truth[part]}, {"labels": predicted[part]})

    assert metric.result() == fed(truth, predicted, ignore_label=255).result()


@given(label_maps(), label_maps())
def test_merge_equals_one_metric_that_saw_all(first, second):
    merged, other = fed(*first), fed(*second)
    once = fed(*first)
    once.update_state({"labels": second[0]}, {"labels": second[1]})

    merged.merge_state(other)

    np.testing.assert_array_equal(merged.matrix, once.matrix)
    np.testing.assert_array_equal(other.matrix, fed(*second).matrix)


@pytest.mark.parametrize(
    "other", [ConfusionMatrix(3), ConfusionMatrix(4, ignore_label=0), ConfusionMatrix(4, class_names="abcd")]
)
def test_merge_of_other_options_is_refused(other):
    with pytest.raises(ValueError, match="same class and options"):
        ConfusionMatrix(NUM_CLASSES).merge_state(other)


def test_valid_masks_leave_elements_out():
    metric = ConfusionMatrix(NUM_CLASSES)

    metric.update_state(
        {"labels": [[0, 99], [1, 2]], "valid_masks": [[[True], [False]], [[True], [True]]]},
        {"labels": [[0, 77], [1, 1]]},
    )

    assert metric.matrix.sum() == 3
    assert metric.result()["accuracy"] == pytest.approx(2 / 3)


def test_predictions_under_ignored_labels_may_be_anything():
    assert fed([0, 255], [0, 9999], ignore_label=255).result()["accuracy"] == 1.0


def test_negative_ignore_label_fits_unsigned_labels():
    assert fed(np.array([0, 1], np.uint8), [0, 1], ignore_label=-1).matrix.sum() == 2


@pytest.mark.parametrize(
    ("truth", "predicted", "message"),
    [
        ([4], [0], r"of the groundtruths .* holds \[4\], which are no class ids in \[0, 4\)"),
        ([0], [-1], r"of the predictions .* holds \[-1\]"),
        ([0.5], [0], r"of the groundtruths .* holds \[0.5\]"),
        ([0], [np.nan], r"of the predictions .* holds \[nan\]"),
        (["a"], [0], "must hold class ids"),
        ([0, 1], [[0, 1]], r"predicted labels have shape \(1, 2\), the groundtruth labels \(2,\)"),
        ([0, 1], [0], "must be alike"),
    ],
)
def test_wrong_labels_are_refused_and_leave_the_state(truth, predicted, message):
    metric = fed([0], [0])

    with pytest.raises(ValueError, match=message):
        metric.update_state({"labels": truth}, {"labels": predicted})

    assert metric.matrix.sum() == 1


def test_inputs_stay_as_they_are():
    truth, predicted = np.array([0, 255, 3]), np.array([1, 2, 3])

    fed(truth, predicted, ignore_label=255)

    assert truth.tolist() == [0, 255, 3]
    assert predicted.tolist() == [1, 2, 3]


def test_no_data_is_undefined():
    assert set(ConfusionMatrix(2).result().values()) == {UNDEFINED}


def test_class_that_is_only_predicted_has_iou_zero():
    results = fed([0, 0], [0, 3]).result()

    assert (results["iou/3"], results["accuracy/3"], results["iou/1"]) == (0.0, UNDEFINED, UNDEFINED)
    assert results["mean_iou"] == pytest.approx((1 / 2 + 0) / 2)


def test_results_are_plain_floats():
    results = fed([0, 1], [0, 2]).result()

    assert {type(value) for value in results.values()} == {float}
    json.dumps(results, allow_nan=False)


def test_class_names_name_the_results():
    results = fed([0], [0], class_names=["road", "car", "sky", "tree"]).result()

    assert {key for key in results if "/" in key} == {
        f"{kind}/{name}" for kind in ("iou", "accuracy") for name in ("road", "car", "sky", "tree")
    }


def test_counts_continue_past_the_limit_of_32_bits():
    metric = fed([0], [0])
    metric._matrix[0, 0] = 2**40

    metric.update_state({"labels": [0]}, {"labels": [0]})

    assert metric.matrix[0, 0] == 2**40 + 1


def test_matrix_is_a_copy():
    metric = fed([0], [0])

    metric.matrix[0, 0] = 99

    assert metric.matrix[0, 0] == 1


@pytest.mark.parametrize("num_classes", [0, -1, True, 10**6])
def test_number_of_classes_out_of_range_is_refused(num_classes):
    with pytest.raises(ValueError, match="num_classes"):
        ConfusionMatrix(num_classes)


@pytest.mark.parametrize("names", [["a"], ["a", "a", "b", "c"], ["a", "b", "c", "d", "e"]])
def test_class_names_that_do_not_fit_are_refused(names):
    with pytest.raises(ValueError, match="4 different names"):
        ConfusionMatrix(NUM_CLASSES, class_names=names)
