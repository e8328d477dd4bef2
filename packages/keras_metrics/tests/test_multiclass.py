"""Precision, recall and F-measure of many classes, against scikit-learn and a NumPy oracle for what it cannot say."""

import numpy as np
import pytest
from assay.keras_metrics import MulticlassFBeta, MulticlassPrecision, MulticlassRecall
from class_count_oracle import best, counts, ratio
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import precision_recall_fscore_support

METRICS = (MulticlassPrecision, MulticlassRecall, MulticlassFBeta)


def measured(metric, *arguments):
    metric.update_state(*arguments)
    return metric.result().numpy()


@st.composite
def examples(draw):
    num_classes, size = draw(st.integers(2, 5)), draw(st.integers(1, 12))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    weights = rng.uniform(0.1, 2, size).astype(np.float32) if draw(st.booleans()) else None
    return rng.integers(0, num_classes, size), rng.integers(0, num_classes, size), weights, num_classes


@settings(max_examples=15)
@given(examples(), st.sampled_from([0.5, 1.0, 2.0]))
@pytest.mark.parametrize("average", ["micro", "macro", "weighted", "none"])
def test_equal_to_scikit_learn(average, batch, beta):
    labels, ids, weights, num_classes = batch
    options = {"labels": range(num_classes)} if average == "none" else {}
    wanted = precision_recall_fscore_support(
        labels, ids, beta=beta, average=None if average == "none" else average, sample_weight=weights, zero_division=0,
        **options,
    )  # fmt: skip

    for metric_class, value in zip(METRICS, wanted, strict=False):
        options = {"beta": beta} if metric_class is MulticlassFBeta else {}
        metric = metric_class(num_classes, average=average, **options)

        np.testing.assert_allclose(measured(metric, labels, ids, weights), value, atol=1e-6)


def test_scores_nan_and_ids_out_of_range_equal_the_oracle():
    rng = np.random.default_rng(0)
    labels, scores = rng.integers(-1, 5, 60), rng.normal(size=(60, 4))
    scores[::7, 2] = np.nan
    found, labelled, predicted, total = counts(labels, best(scores), 4)

    assert found.sum() < labelled.sum() < total
    for metric_class, whole in ((MulticlassPrecision, predicted), (MulticlassRecall, labelled)):
        np.testing.assert_allclose(
            measured(metric_class(4, average="none"), labels, scores), ratio(found, whole), atol=1e-6
        )
        assert measured(metric_class(4, average="micro"), labels, scores) == pytest.approx(found.sum() / total)


@pytest.mark.parametrize("metric_class", METRICS)
def test_one_hot_labels_equal_ids(metric_class):
    rng = np.random.default_rng(1)
    ids, scores = rng.integers(0, 3, 20), rng.normal(size=(20, 3))

    assert measured(metric_class(3), np.eye(3)[ids], scores) == measured(metric_class(3), ids, scores)


@pytest.mark.parametrize("metric_class", METRICS)
def test_ignored_label_is_left_out(metric_class):
    assert measured(metric_class(2, ignore_label=255), [0, 255, 1, 255], [0, 0, 1, 1]) == 1.0


@pytest.mark.parametrize("average", ["micro", "macro", "weighted"])
@pytest.mark.parametrize("metric_class", METRICS)
def test_nothing_counted_is_zero(metric_class, average):
    assert metric_class(2, average=average).result().numpy() == 0.0


@pytest.mark.parametrize("options", [{"average": "samples"}, {"beta": 0.0}, {"beta": float("nan")}])
def test_options_out_of_range_are_refused(options):
    with pytest.raises(ValueError, match=f"`{next(iter(options))}` must be"):
        MulticlassFBeta(3, **options)
