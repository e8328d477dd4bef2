"""A failure of a rule about input pipelines names the tensor, the operation or the number, and the cause."""

import numpy as np
import pytest
import tensorflow as tf
from assay.conformance import Kind, Subject
from assay.conformance.model import Outcome
from assay.conformance.registry import find_rule
from assay.conformance.runner import run_rule
from assay.conformance.session import Session

NUMBERS = np.arange(20, dtype=np.float32)


def result_of(rule, function, sample=None, **traits):
    subject = Subject(function, sample, kind=Kind.INPUT_PIPELINE, traits=traits)
    return run_rule(find_rule(rule), Session(subject), kind=Kind.INPUT_PIPELINE)


def finding_of(rule, function, sample=None, **traits):
    result = result_of(rule, function, sample, **traits)
    assert result.outcome is Outcome.FAIL, result.message
    return result.finding


def numbers(params, change=lambda x: x):
    """Twenty numbers as features and labels."""
    dataset = tf.data.Dataset.from_tensor_slices((NUMBERS, NUMBERS.astype(np.int32)))
    if params.is_training:
        dataset = dataset.shuffle(20, seed=params.seed).repeat()
    dataset = dataset.map(lambda features, label: (change(features), label))
    return dataset.batch(params.global_batch_size, drop_remainder=params.drop_remainder)


def test_i000_says_what_comes_instead_of_a_dataset():
    finding = finding_of("I000", lambda params: (NUMBERS, NUMBERS))

    assert finding.observed == "the training data is a tuple, and a tf.data.Dataset is expected"


def test_i101_names_the_tensor_or_both_shapes():
    def state(features):
        pair = tf.numpy_function(lambda x: np.full(3, x, np.float32), [features], tf.float32)
        pair.set_shape([2])
        return pair

    finding = finding_of("I101", lambda params: numbers(params, state))

    assert finding.observed.replace(" ", "") == "training:featureshastheshape[8,3],and[8,2]isdeclared"


@pytest.mark.parametrize(
    ("change", "traits", "observed"),
    [
        (lambda x: tf.math.log(x), {}, "values of features are infinite"),
        (
            lambda x: x,
            {"value_ranges": {"features": (0, 10)}},
            "to 19, and 0 to 10 is declared",
        ),
    ],
)
def test_i102_names_the_tensor_and_the_range(change, traits, observed):
    assert observed in finding_of("I102", lambda params: numbers(params, change), **traits).observed


def test_i102_asks_nothing_of_tensors_that_are_declared_free():
    result = result_of("I102", lambda params: numbers(params, tf.math.log), value_ranges={"features": None})

    assert result.outcome is Outcome.PASS, result.message


def test_i102_refuses_a_range_of_nothing():
    result = result_of("I102", lambda params: numbers(params), value_ranges={"image": (0, 1)})

    assert result.outcome is Outcome.NOT_RUN
    assert "'value_ranges' names 'image'" in result.message


@pytest.mark.parametrize(("box_format", "outcome"), [("yxyx", Outcome.FAIL), ("xywh", Outcome.PASS)])
def test_i102_reads_boxes_in_the_declared_format(box_format, outcome):
    def make(params):
        boxes = np.tile(np.array([[[0.6, 0.1, 0.3, 0.2]]], np.float32), (20, 1, 1))
        dataset = tf.data.Dataset.from_tensor_slices((NUMBERS, {"boxes": boxes}))
        return dataset.repeat(20 if params.is_training else 1).batch(params.global_batch_size)

    assert result_of("I102", make, box_format=box_format).outcome is outcome


def test_i202_tells_the_seed_that_is_not_used_from_order_that_nothing_decides():
    def unused(params):
        params.seed = None
        return numbers(params)

    def drawn_anew(params):
        params.seed = int(np.random.default_rng().integers(1 << 30))
        return numbers(params)

    assert "params.seed is not used" in finding_of("I202", unused).cause
    assert "that no seed decides" in finding_of("I202", drawn_anew).cause


@pytest.mark.parametrize(
    ("make", "cause"),
    [
        (lambda dataset: dataset, "not shuffled"),
        (lambda dataset: dataset.shuffle(20, seed=1, reshuffle_each_iteration=False), "reshuffle_each_iteration=False"),
    ],
)
def test_i202_tells_why_epochs_are_alike(make, cause):
    def pipeline(params):
        dataset = tf.data.Dataset.from_tensor_slices((NUMBERS, NUMBERS))
        dataset = make(dataset).repeat() if params.is_training else dataset
        return dataset.batch(params.global_batch_size, drop_remainder=params.drop_remainder)

    finding = finding_of("I202", pipeline)

    assert "epochs of 20 examples all come in the same order" in finding.observed
    assert result_of("I202", pipeline, train_order="fixed").outcome is Outcome.PASS
    if cause == "not shuffled":
        assert cause in finding.cause


def test_i203_names_data_that_is_drawn_anew_at_each_build():
    def pipeline(params, input_context=None):
        drawn = np.random.default_rng().uniform(size=20).astype(np.float32)
        dataset = tf.data.Dataset.from_tensor_slices((drawn, 2 * drawn))
        dataset = dataset.shuffle(20, seed=params.seed).repeat() if params.is_training else dataset
        return dataset.batch(params.global_batch_size, drop_remainder=params.drop_remainder)

    assert "build_inputs draws them at random" in finding_of("I203", pipeline).cause


def test_i207_tells_a_fixed_batch_size():
    finding = finding_of("I207", lambda params, input_context=None: numbers(params).unbatch().batch(5))

    assert "with global_batch_size=8 and no input context the first batch has 5 rows" in finding.observed


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (lambda x: x + tf.random.normal([]), "RandomStandardNormal in a lambda of Dataset.map"),
        (lambda x: tf.ensure_shape(tf.py_function(lambda y: y, [x], tf.float32), []), "EagerPyFunc in a lambda"),
    ],
)
def test_i301_names_the_operation_and_its_function(change, named):
    finding = finding_of("I301", lambda params: numbers(params, change))

    assert "training: the iterator cannot be saved after 0 batches" in finding.observed
    assert named in finding.cause


def test_i301_is_lifted_from_training_data_whose_order_varies():
    def make(params):
        params.seed = int(np.random.default_rng().integers(1 << 30))
        return numbers(params)

    assert result_of("I301", make).outcome is Outcome.FAIL
    assert result_of("I301", make, train_order="varies").outcome is Outcome.PASS


def test_i302_tells_what_agrees_and_what_differs():
    def noise(x):
        drawn = tf.numpy_function(lambda y: np.float32(np.random.default_rng().normal()), [x], tf.float32)
        return tf.ensure_shape(drawn, [])

    finding = finding_of("I302", lambda params: numbers(params, noise))

    assert "differ in features for 256 of 256 examples, and agree in labels" in finding.observed
    assert "Python or NumPy" in finding.cause


def scenes(params, *, seed, flip=False):
    """Forty constant images with one-hot labels in floating point, of which the order cannot be read off."""
    images = np.repeat(np.arange(40.0, dtype=np.float32)[:, None], 3, axis=1)
    dataset = tf.data.Dataset.from_tensor_slices((images, np.eye(2, dtype=np.float32)[[0] * 40]))
    if params.is_training:
        dataset = dataset.shuffle(40, seed=seed).repeat()
    if params.is_training and flip:
        keyed = dataset.enumerate()
        dataset = keyed.map(lambda i, xy: (xy[0] + tf.random.stateless_uniform([3], tf.stack([1, i])), xy[1]))
    return dataset.batch(params.global_batch_size, drop_remainder=params.drop_remainder)


@pytest.mark.parametrize("flip", [False, True])
def test_unseeded_shuffle_is_blamed_by_i202_alone_where_labels_do_not_tell_the_order(flip):
    def unseeded(params):
        return scenes(params, seed=None, flip=flip)

    lifted = result_of("I302", unseeded)

    assert lifted.outcome is Outcome.NOT_APPLICABLE, lifted.message
    assert "params.seed is not used" in finding_of("I202", unseeded).cause


@pytest.mark.parametrize("rule", ["I202", "I302"])
def test_seeded_shuffle_and_augmentation_pass_where_labels_do_not_tell_the_order(rule):
    result = result_of(rule, lambda params: scenes(params, seed=params.seed, flip=True))

    assert result.outcome is Outcome.PASS, result.message


def test_rules_about_evaluation_do_not_speak_of_a_pipeline_that_only_trains():
    sample = {"training": None}
    outcomes = {rule: result_of(rule, numbers, sample).outcome for rule in ("I000", "I101", "I204", "I201", "I206")}

    assert outcomes == {
        "I000": Outcome.PASS,
        "I101": Outcome.PASS,
        "I204": Outcome.PASS,
        "I201": Outcome.NOT_APPLICABLE,
        "I206": Outcome.NOT_APPLICABLE,
    }
