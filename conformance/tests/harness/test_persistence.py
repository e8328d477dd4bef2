"""The parts that the rules about persistence are made of: damaged checkpoints, poison, pipelines, what is said."""

import dataclasses
import logging
import types
import warnings

import numpy as np
import pytest
import tensorflow as tf
from assay.conformance.harness.tasks.persistence import keys_of, poisoned_batch
from assay.conformance.harness.tasks.persistence.checkpoints import SUFFIX
from assay.conformance.harness.tasks.persistence.damaging import Damage, damage, key_of_value
from assay.conformance.harness.tasks.persistence.initialising import (
    claimed_variables,
    config_with_checkpoint,
    listening,
    says_so,
    set_field,
)
from assay.conformance.harness.tasks.persistence.operations import host_operations, random_operations
from assay.conformance.harness.tasks.persistence.pipelines import digest_of, transformations, why_unsaved


def model():
    inputs = tf.keras.Input((3,))
    hidden = tf.keras.layers.Dense(2, name="hidden")(inputs)
    return tf.keras.Model(inputs, tf.keras.layers.Dense(1, name="head")(hidden))


def saved(tmp_path, one):
    return tf.train.Checkpoint(model=one).write(str(tmp_path / "sound"))


@pytest.mark.flavour
@pytest.mark.parametrize("how", list(Damage))
def test_strict_reader_refuses_a_damaged_checkpoint(tmp_path, how):
    donor, reader = model(), model()
    path = saved(tmp_path, donor)
    key = key_of_value(path, donor.get_weights()[0])

    damaged = damage(path, key, how, str(tmp_path / "damaged"))

    tf.train.Checkpoint(model=reader).read(path).assert_existing_objects_matched()
    with pytest.raises((AssertionError, ValueError, tf.errors.InvalidArgumentError)):
        tf.train.Checkpoint(model=reader).read(damaged.path).assert_existing_objects_matched()


@pytest.mark.flavour
def test_damage_is_in_one_place(tmp_path):
    donor = model()
    path = saved(tmp_path, donor)
    kernel, bias = (key_of_value(path, value) for value in (donor.get_weights()[0], np.zeros(2, np.float32)))

    renamed = damage(path, kernel, Damage.RENAMED, str(tmp_path / "renamed"))
    missing = damage(path, kernel, Damage.MISSING, str(tmp_path / "missing"))
    reshaped = damage(path, kernel, Damage.RESHAPED, str(tmp_path / "reshaped"))

    assert set(renamed.keys) == {kernel, bias}
    assert keys_of(path) - keys_of(missing.path) == {kernel.removesuffix(SUFFIX)}
    assert dict(tf.train.list_variables(reshaped.path))[kernel] == [3, 3]
    assert keys_of(reshaped.path) == keys_of(path)


def test_poison_is_in_the_first_example_of_floating_point_features_only():
    features = {"image": tf.ones((3, 2)), "id": tf.constant([1, 2, 3]), "scale": tf.constant(1.0)}
    labels = tf.ones((3,))

    poisoned, same = poisoned_batch((features, labels))

    assert np.isnan(poisoned["image"].numpy()).any(axis=1).tolist() == [True, False, False]
    assert poisoned["id"].numpy().tolist() == [1, 2, 3]
    assert poisoned["scale"].numpy() == 1.0
    assert same is labels
    assert np.isnan(poisoned_batch(tf.ones((2, 1))).numpy()).tolist() == [[True], [False]]
    assert poisoned_batch((tf.constant([[1, 2]]), labels)) is None


@pytest.mark.parametrize(
    ("change", "operation"),
    [
        (lambda data: data.map(lambda x: tf.random.uniform([])), "RandomUniform"),
        (lambda data: data.map(lambda x: tf.random.normal([], seed=1)).prefetch(1), "RandomStandardNormal"),
        (lambda data: data.map(lambda x: tf.numpy_function(lambda y: y, [x], tf.int64)).batch(2), "PyFunc"),
    ],
)
def test_operation_that_keeps_a_pipeline_from_being_saved_is_named_with_its_line(change, operation):
    dataset = change(tf.data.Dataset.range(6))

    name, sentence = why_unsaved(dataset, iter(dataset))

    assert name == operation
    assert f"operation {operation} " in sentence
    assert "Map: test_persistence.py:" in sentence


def test_pipeline_that_can_be_saved_and_one_that_is_no_dataset():
    shuffled = tf.data.Dataset.range(6).shuffle(3).repeat().batch(2)

    assert why_unsaved(shuffled, iter(shuffled)) is None
    assert transformations(shuffled) == ["Batch", "Repeat", "Shuffle", "Range"]
    assert why_unsaved([1, 2], iter([1, 2]))[0] == "list"


def test_digests_tell_batches_apart_by_value_dtype_and_shape():
    batches = [
        {"x": tf.constant([1, 2])},
        {"x": tf.constant([1, 3])},
        {"x": tf.constant([[1, 2]])},
        {"x": tf.constant([1.0, 2.0])},
        {"x": tf.ragged.constant([[1], [2]])},
        {"x": tf.constant(["a", "b"])},
    ]

    assert len({digest_of(batch) for batch in batches}) == len(batches)
    assert digest_of(batches[-1]) == digest_of({"x": tf.constant(["a", "b"])})


def test_operations_are_named_with_their_lines_in_branches_too():
    @tf.function
    def step(x):
        if tf.reduce_sum(x) > 0:
            x += tf.random.uniform([2])
        return tf.numpy_function(np.negative, [x + tf.random.stateless_normal([2], [1, 2])], tf.float32)

    graph = step.get_concrete_function(tf.TensorSpec([2])).graph

    (drawn,), (called,) = random_operations(graph), host_operations(graph)
    assert drawn.startswith("RandomUniform (")
    assert " at test_persistence.py:" in drawn
    assert called.startswith("PyFunc (PyFunc) at test_persistence.py:")


@dataclasses.dataclass(frozen=True)
class Frozen:
    init_checkpoint: str = ""


class Locked:
    init_checkpoint = ""

    def __setattr__(self, name, value):
        raise ValueError("locked")


@pytest.mark.parametrize(
    "config", [{"init_checkpoint": None}, types.SimpleNamespace(init_checkpoint=""), Frozen(), Locked()]
)
def test_field_of_any_configuration_can_be_set(config):
    assert config_with_checkpoint(types.SimpleNamespace(task_config=config)) is config
    assert set_field(config, "init_checkpoint", "there")
    assert (config if isinstance(config, dict) else vars(config))["init_checkpoint"] == "there"


def test_claim_is_what_the_modules_name():
    one = model()
    one.checkpoint_items = {"backbone": one.get_layer("hidden")}

    def claimed(**fields):
        found = claimed_variables(types.SimpleNamespace(**fields), one)
        return None if found is None else len(found)

    assert claimed() is None
    assert claimed(init_checkpoint_modules="all") == 4
    assert claimed(init_checkpoint_modules=["backbone"]) == 2
    assert claimed(init_checkpoint_modules="decoder") is None


def test_warnings_and_records_are_heard_although_loggers_are_quiet():
    logger = logging.getLogger("tensorflow")
    before, level = list(logger.handlers), logger.level
    logger.setLevel(logging.ERROR)
    try:
        with listening() as said:
            logger.warning("Skipping %s", "dense")
            logging.getLogger("a.module").info("not heard")
            warnings.warn("the head is left at random", stacklevel=1)
            print("printed too")
        assert said == ["Skipping dense", "the head is left at random", "printed too"]
        assert (logger.handlers, logger.level) == (before, logging.ERROR)
    finally:
        logger.setLevel(level)


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        (["5 tracings of a function"], False),
        (["Skipping a layer"], True),
        (["hidden_1 has another shape"], True),
        ([], False),
    ],
)
def test_only_what_speaks_of_it_counts_as_a_word(said, expected):
    assert says_so(said, ["hidden_1"]) is expected
