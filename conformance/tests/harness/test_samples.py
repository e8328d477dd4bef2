"""What is inferred from a sample, and that what is grown stays within it."""

import numpy as np
import pytest
from assay.conformance import Subject
from assay.conformance.context import Context
from assay.conformance.harness.samples import Domain, describe, opposed, perfect, sample_of, saturated, wrong
from assay.conformance.model import NotRun, SubjectError
from assay.conformance.session import Session

RANDOM = np.random.default_rng(0)
LOGITS = RANDOM.normal(size=(4, 3))
SOFTMAX = np.exp(LOGITS) / np.exp(LOGITS).sum(axis=-1, keepdims=True)
SIGMOID = 1 / (1 + np.exp(-LOGITS))
UNIT = LOGITS / np.linalg.norm(LOGITS, axis=-1, keepdims=True)
IDS = np.array([0, 2, 1, 2])
BITS = np.array([[1, 0, 1], [0, 0, 0], [1, 1, 1], [0, 1, 0]])


def read(sample, **traits):
    subject = Subject(lambda: None, sample, kind="loss", traits=traits)
    return sample_of(Context(rule_id="L000", session=Session(subject)))


@pytest.mark.parametrize(
    ("y_true", "y_pred", "truth", "prediction"),
    [
        (IDS, LOGITS, Domain.CLASS_IDS, Domain.LOGITS),
        (IDS[:, None], SOFTMAX, Domain.CLASS_IDS, Domain.SIMPLEX),
        (IDS.astype(np.float32), SOFTMAX, Domain.CLASS_IDS, Domain.SIMPLEX),
        (np.array([0, 1, 1, 0]), LOGITS[:, :2], Domain.CLASS_IDS, Domain.LOGITS),
        (np.eye(3)[IDS], SOFTMAX, Domain.ONE_HOT, Domain.SIMPLEX),
        (np.eye(3)[IDS], LOGITS, Domain.ONE_HOT, Domain.LOGITS),
        (BITS, SIGMOID, Domain.BINARY, Domain.PROBABILITIES),
        (BITS[:, :1], LOGITS[:, :1], Domain.BINARY, Domain.LOGITS),
        (BITS.astype(bool), LOGITS, Domain.BINARY, Domain.LOGITS),
        (BITS, np.abs(LOGITS) + 0.5, Domain.BINARY, Domain.POSITIVE),  # distances
        (np.sign(LOGITS), LOGITS, Domain.SIGNS, Domain.REAL),
        (SOFTMAX[::-1], SOFTMAX, Domain.SIMPLEX, Domain.SIMPLEX),
        (SIGMOID[::-1], LOGITS, Domain.PROBABILITIES, Domain.LOGITS),
        (UNIT[::-1], UNIT, Domain.UNIT_VECTORS, Domain.UNIT_VECTORS),
        (LOGITS[::-1], LOGITS, Domain.REAL, Domain.REAL),
        (np.exp(LOGITS[::-1]) + 1, np.exp(LOGITS) + 1, Domain.POSITIVE, Domain.POSITIVE),
    ],
)
def test_domains_are_inferred_from_values(y_true, y_pred, truth, prediction):
    layout = read((y_true, y_pred)).layout

    assert (layout.truth[0].domain, layout.predictions[0].domain) == (truth, prediction)


def test_a_trait_overrides_what_is_inferred():
    layout = read((LOGITS, SIGMOID), domain={"y_true": "positive", "y_pred": "probabilities"}).layout

    assert (layout.truth[0].domain, layout.predictions[0].domain) == (Domain.POSITIVE, Domain.PROBABILITIES)


def test_an_unknown_domain_suggests_the_nearest():
    with pytest.raises(NotRun, match="nearest is 'logits'"):
        read((IDS, LOGITS), domain="logit")


def test_a_square_matrix_is_pairs_only_when_examples_are_coupled():
    square = (np.eye(3), RANDOM.normal(size=(3, 3)))

    assert read(square).layout.truth[0].domain is Domain.ONE_HOT
    assert read(square, mixes_examples=True).layout.truth[0].domain is Domain.PAIRS
    assert read(square, mixes_examples=True).batch.take([2, 0]).predictions[0].shape == (2, 2)


@pytest.mark.parametrize("size", [0, 1, 3, 9])
@pytest.mark.parametrize(
    ("y_true", "y_pred", "within"),
    [
        (IDS, SOFTMAX, lambda p: np.allclose(p.sum(axis=-1), 1, atol=1e-5) and (p >= 0).all()),
        (BITS, SIGMOID, lambda p: (p >= 0).all() and (p <= 1).all()),
        (UNIT, UNIT, lambda p: np.allclose(np.linalg.norm(p, axis=-1), 1, atol=1e-5)),
        (np.exp(LOGITS) + 1, np.exp(LOGITS) + 1, lambda p: (p >= 0).all()),
    ],
)
def test_grown_predictions_stay_in_their_domain(y_true, y_pred, within, size):
    for seed in range(3):
        batch = read((y_true, y_pred)).grow(size, seed=seed)

        assert batch.size == len(batch.predictions[0]) == len(batch.truth[0]) == size
        assert within(batch.predictions[0])


def test_growing_is_deterministic_and_differs_by_seed():
    sample = read((IDS, LOGITS))

    np.testing.assert_array_equal(sample.grow(5).predictions[0], sample.grow(5).predictions[0])
    assert not np.array_equal(sample.grow(5).predictions[0], sample.grow(5, seed=1).predictions[0])


def test_perfect_and_wrong_predictions_name_the_right_and_another_class():
    batch = read((IDS, LOGITS)).batch

    np.testing.assert_array_equal(perfect(batch).predictions[0].argmax(axis=-1), IDS)
    np.testing.assert_array_equal(wrong(batch).predictions[0].argmax(axis=-1), (IDS + 1) % 3)


def test_saturated_probabilities_are_still_rows_that_add_up_to_one():
    extreme = saturated(read((IDS, SOFTMAX)).batch, 1000.0).predictions[0]

    assert set(np.unique(extreme)) == {0.0, 1.0}
    np.testing.assert_array_equal(extreme.sum(axis=-1), 1.0)


def test_no_perfect_prediction_is_invented_for_labels_that_do_not_say_it():
    assert perfect(read((IDS, UNIT)).batch) is None


def test_nested_samples_are_paired_by_their_path():
    sample = read(({"a": IDS, "b": LOGITS}, {"a": SOFTMAX, "b": LOGITS[::-1]}))

    assert [leaf.name for leaf in sample.layout.predictions] == ["y_pred/a", "y_pred/b"]
    assert [leaf.domain for leaf in sample.layout.predictions] == [Domain.SIMPLEX, Domain.REAL]
    assert set(sample.grow(2).y_pred) == {"a", "b"}


@pytest.mark.parametrize("sample", [None, 5, (np.zeros((0, 2)), np.zeros((0, 2)))])
def test_a_missing_or_empty_sample_says_what_to_give(sample):
    with pytest.raises(NotRun, match="y_true, y_pred"):
        read(sample)


def described(sample, **traits):
    subject = Subject(lambda: abs, sample, kind="loss", traits=traits)
    return describe(Context(rule_id="L000", session=Session(subject)))


def test_what_was_inferred_is_said_in_a_line_a_side_that_names_the_trait():
    truth, prediction = described((IDS, LOGITS))

    assert truth == "y_true: int64 [4], class ids of 3 (whole numbers); inferred, the trait 'domain' overrides it"
    assert prediction.startswith("y_pred: float32 [4, 3], logits (values outside [0, 1] for labels that are classes)")
    assert prediction.endswith("inferred, the trait 'domain' overrides it")


def test_what_was_declared_is_not_said_to_be_inferred():
    lines = described((LOGITS, {"a": LOGITS, "b": SIGMOID}), domain={"y_pred/a": "real"})

    assert "inferred" in lines[0]
    assert lines[1].startswith("y_pred: a float32 [4, 3], real")
    assert lines[1].endswith("as the trait 'domain' declares")


def test_nothing_is_said_of_a_sample_that_cannot_be_read():
    assert described(None) == ()


@pytest.mark.parametrize(("y_true", "y_pred"), [(IDS, LOGITS), (IDS, SOFTMAX), (BITS, SIGMOID), (UNIT[::-1], UNIT)])
def test_opposed_predictions_are_others_within_the_domain(y_true, y_pred):
    batch = read((y_true, y_pred)).batch

    turned = batch.map_predictions(opposed)

    assert not np.any(np.all(np.isclose(turned.predictions[0], batch.predictions[0]), axis=-1))
    assert read((y_true, turned.predictions[0])).layout.predictions[0].domain is batch.layout.predictions[0].domain


@pytest.mark.parametrize(
    ("sample", "said"),
    [
        (None, "this subject has none"),
        ((LOGITS,), "has a tuple of 1 as one"),
        (LOGITS, "has a ndarray as one"),
        ((LOGITS, LOGITS[:2]), r"no batch size in common: y_true is \[4, 3\], y_pred \[2, 3\]"),
        ((LOGITS[:0], LOGITS[:0]), "has no examples"),
    ],
)
def test_a_wrong_sample_is_named_with_the_remedy(sample, said):
    with pytest.raises(NotRun, match=said) as caught:
        read(sample)

    assert "(y_true, y_pred)" in caught.value.remedy


def test_a_sample_function_that_raises_is_the_subjects_failure():
    def broken():
        raise ValueError("no data")

    with pytest.raises(SubjectError, match="sample"):
        read(broken)
