import numpy as np
import pytest
from assay.conformance.context import Context
from assay.conformance.harness import host_metrics
from assay.conformance.model import Kind, Subject
from assay.conformance.session import Session
from assay.conformance.specimens import DETECTION_METRIC, TOKEN_METRIC
from hypothesis import given
from hypothesis import strategies as st

SIDES = host_metrics.SIDES


def sample_of(sample, **traits):
    subject = Subject(object, sample, kind=Kind.PYTHON_METRIC, traits=traits)
    return host_metrics.sample_of(Context("H201", Session(subject)))


def equal(one, other):
    return all(
        np.array_equal(a, b) and np.asarray(a).dtype == np.asarray(b).dtype
        for left, right in zip(one, other, strict=True)
        for a, b in zip(host_metrics.flatten(left).values(), host_metrics.flatten(right).values(), strict=True)
    )


def test_detection_fields_are_recognised():
    text = str(sample_of(DETECTION_METRIC.sample))

    assert "groundtruths: id 'source_id', count 'num_boxes', slots 'boxes', 'classes'" in text
    assert "predictions: id 'source_id', count 'num_detections', slots 'detection_boxes'" in text


def test_as_wide_as_a_masked_sequence_is_a_sequence_too():
    layout = sample_of(TOKEN_METRIC.sample).layout

    assert layout.sides["groundtruths"].mask == ("mask",)
    assert layout.sides["predictions"].sequence == (("tokens",),)
    assert not layout.may_be_empty("predictions")


@pytest.mark.parametrize(
    "name", ["class_id", "label_id", "category_ids", "track_id", "token_ids", "identity", "scores"]
)
def test_ids_of_something_else_are_no_example_ids(name):
    layout = sample_of([({name: np.array([3, 1, 2])}, {"x": np.zeros(3)})]).layout

    assert layout.id_sides == ()


@pytest.mark.parametrize("name", ["id", "ids", "image_id", "image/source_id", "example_ids", "key", "filename"])
def test_names_of_example_ids(name):
    layout = sample_of([({name: np.array([3, 1, 2])}, {"x": np.zeros(3)})]).layout

    assert layout.id_sides == ("groundtruths",)


def test_an_id_that_repeats_is_none():
    layout = sample_of([({"image_id": np.array([3, 3, 2])}, {"x": np.zeros(3)})]).layout

    assert layout.id_sides == ()


def test_rows_that_share_an_id_are_one_example():
    truth = {"image_id": np.array([1, 1, 2]), "boxes": np.arange(12).reshape(3, 4)}
    found = {"image_id": np.array([2, 3]), "boxes": np.arange(8).reshape(2, 4), "scores": np.array([0.5, 0.7])}

    sample = sample_of([(truth, found)])

    assert sample.layout.form is host_metrics.Form.FLAT
    assert [[host_metrics.objects(sample.layout, one, side) for side in SIDES] for one in sample.examples] == [
        [2, 0],
        [1, 1],
        [0, 1],
    ]
    assert equal(host_metrics.join(sample.layout, sample.examples)[0], (truth, found))


def test_a_list_of_dicts_is_one_example_each():
    pairs = [([{"boxes": np.zeros((2, 4))}, {"boxes": np.zeros((0, 4))}], [{"boxes": np.ones((1, 4))}] * 2)]

    sample = sample_of(pairs)

    assert sample.layout.form is host_metrics.Form.LISTED
    assert host_metrics.objects(sample.layout, sample.examples[1], "groundtruths") == 0


def test_predictions_in_another_order_are_matched_by_id():
    truth = {"image_id": np.array([1, 2]), "label": np.array([10, 20])}
    found = {"image_id": np.array([2, 1]), "label": np.array([200, 100])}

    examples = sample_of([(truth, found)]).examples

    assert [one.sides["predictions"][("label",)] for one in examples] == [100, 200]


def test_tied_scores_are_moved_apart_and_stay_in_their_range():
    scores = np.array([[1.0, 1.0, 0.5], [0.5, 1.0, 0.0]], np.float32)

    sample = sample_of([(np.array([0, 1]), scores)])

    moved = np.concatenate([one.sides["predictions"][()] for one in sample.examples])
    assert sample.nudged == 3
    assert len(set(moved.tolist())) == 6
    assert moved.max() <= 1.0
    np.testing.assert_allclose(moved, scores.ravel(), atol=1e-5)


def test_batches_come_apart_and_together_again():
    sample = sample_of(DETECTION_METRIC.sample)
    widths = {"groundtruths": 5, "predictions": 6}

    joined = host_metrics.join(sample.layout, sample.examples[:3], slots=widths)

    assert len(joined) == 1
    assert equal(joined[0], DETECTION_METRIC.sample[0])


@given(order=st.permutations(range(7)), slots=st.integers(0, 9))
def test_no_object_is_lost_on_the_way(order, slots):
    sample = sample_of(DETECTION_METRIC.sample)
    examples = [sample.examples[index] for index in order]

    (truth, found), *rest = host_metrics.join(sample.layout, examples, slots=dict.fromkeys(SIDES, slots))

    assert not rest
    assert truth["boxes"].shape[1] >= slots
    for row, one in enumerate(examples):
        count = truth["num_boxes"][row]
        np.testing.assert_array_equal(truth["boxes"][row, :count], one.sides["groundtruths"][("boxes",)])
        assert truth["source_id"][row] == found["source_id"][row] == host_metrics.identity(sample.layout, one)
        assert (truth["classes"][row, count:] == -1).all()  # what the sample's own padding holds


def test_a_new_id_is_new_and_of_the_same_type():
    sample = sample_of([({"image_id": np.array([b"a", b"bcd"])}, {"x": np.zeros(2)})])

    new = host_metrics.new_id(sample.layout, sample.examples)

    assert isinstance(new, bytes)
    assert new not in (b"a", b"bcd")
    changed = host_metrics.with_id(sample.layout, sample.examples[0], new)
    assert host_metrics.identity(sample.layout, changed) == new
