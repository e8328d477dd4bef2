"""Input pipelines of their own are called as they want to be, with parameters of theirs or with simple ones."""

import dataclasses
from types import SimpleNamespace

import pytest
import tensorflow as tf
from assay.conformance import Kind, Subject
from assay.conformance.harness.pipelines import build_dataset, data_params
from assay.conformance.harness.pipelines.pipeline import Pipeline, pipeline_of
from assay.conformance.model import NotApplicable, NotRun


@dataclasses.dataclass(frozen=True)
class Config:
    is_training: bool = True
    batch_size: int = 5
    path: str = "a"


def called_with(pipeline, *, training=True, replicas=None, **overrides):
    return build_dataset(pipeline, data_params(pipeline, training=training, **overrides), num_replicas_in_sync=replicas)


def test_function_of_params_and_context_gets_both():
    pipeline = Pipeline(lambda params, input_context=None: (params, input_context))

    params, context = called_with(pipeline, training=False, seed=4)
    _, given = called_with(pipeline, replicas=2)

    assert (params.is_training, params.global_batch_size, params.drop_remainder, params.seed) == (False, 8, False, 4)
    assert context is None
    assert given.num_replicas_in_sync == 2


def test_context_that_is_required_is_that_of_one_pipeline():
    pipeline = Pipeline(lambda params, input_context: input_context)

    assert called_with(pipeline).num_input_pipelines == 1


def test_function_of_params_only_cannot_be_sharded():
    pipeline = Pipeline(lambda params: params.is_training, name="make")

    assert called_with(pipeline, training=False) is False
    with pytest.raises(NotApplicable, match="make takes no input_context"):
        called_with(pipeline, replicas=2)


def test_function_of_the_context_only_makes_training_data():
    pipeline = Pipeline(lambda input_context=None: input_context)

    assert called_with(pipeline, replicas=4).num_replicas_in_sync == 4
    with pytest.raises(NotApplicable, match="makes no validation data"):
        called_with(pipeline, training=False)


def test_function_of_the_context_only_makes_what_its_sample_says():
    pipeline = Pipeline(lambda input_context=None: 3, {"validation": None})

    assert called_with(pipeline, training=False) == 3
    with pytest.raises(NotApplicable, match="makes no training data"):
        called_with(pipeline)


def test_fields_may_be_arguments_of_their_own():
    def make(is_training, batch_size, seed=None, cache=False, input_context=None):
        return is_training, batch_size, seed, cache, input_context

    assert called_with(Pipeline(make), training=False, global_batch_size=3, seed=9) == (False, 3, 9, False, None)


def test_other_arguments_are_refused_with_the_remedy():
    with pytest.raises(NotRun, match=r"make needs the arguments params, num_classes\. Give a function of \(params"):
        Pipeline(lambda params, num_classes: None, name="make")


@pytest.mark.parametrize(
    "sample",
    [
        {"training": Config(), "validation": Config(is_training=False, path="b")},
        (Config(), Config(is_training=False, path="b")),
        SimpleNamespace(train_data=Config(), validation_data=Config(is_training=False, path="b")),
    ],
)
def test_sample_gives_the_parameters_of_each_role(sample):
    pipeline = Pipeline(lambda params: params, sample)

    training, validation = (called_with(pipeline, training=role, global_batch_size=2) for role in (True, False))

    assert training == Config(batch_size=2)
    assert validation == Config(is_training=False, batch_size=2, path="b")


def test_one_object_stands_for_both_roles():
    pipeline = Pipeline(lambda params: params, Config())

    assert called_with(pipeline, training=False) == Config(is_training=False)


def test_mapping_may_be_the_parameters():
    pipeline = Pipeline(lambda params: params, {"is_training": True, "batch_size": 6})

    assert called_with(pipeline, training=False) == {"is_training": False, "batch_size": 6}


def test_parameters_that_do_not_say_their_role_are_refused():
    with pytest.raises(NotRun, match="Let the sample say what each is called with"):
        Pipeline(lambda params: params, SimpleNamespace(path="a"))


def test_class_is_made_and_called():
    class Reader:
        def build_inputs(self, params, input_context=None):
            return params.global_batch_size

    def params():
        return {"training": Config(batch_size=7)}

    subject = Subject(Reader, params, kind=Kind.INPUT_PIPELINE)

    assert called_with(Pipeline(Reader().build_inputs)) == called_with(pipeline_of(Subject(Reader))) == 8
    assert pipeline_of(subject).roles == {"training"}


def test_batches_come_from_a_partial():
    import functools

    def make(params, input_context=None, *, size):
        return tf.data.Dataset.range(size).batch(params.global_batch_size)

    (batch,) = called_with(Pipeline(functools.partial(make, size=3)))

    assert batch.numpy().tolist() == [0, 1, 2]
