"""What the base class of host metrics promises, shown on the smallest metric."""

import math
import pickle
import subprocess
import sys

import numpy as np
import pytest
from assay.python_metrics import UNDEFINED, BaseHostMetric, ConfusionMatrix, HostMetric, MissingFieldError


class MeanDistance(BaseHostMetric):
    """The fake: mean absolute error, with an optional field."""

    required_groundtruths = ("value",)
    required_predictions = ("value",)
    optional_groundtruths = ("offset",)

    def reset_state(self):
        self.total, self.count = 0.0, 0

    def update(self, groundtruths, predictions):
        truth = groundtruths["value"] + groundtruths.get("offset", 0.0)
        errors = np.abs(truth - predictions["value"])
        self.total, self.count = self.total + float(errors.sum()), self.count + errors.size

    def merge(self, other):
        self.total, self.count = self.total + other.total, self.count + other.count

    def result(self):
        return {self.name: self.total / self.count if self.count else UNDEFINED}


class Tensor:
    """Something with `numpy()`, as the tensors of TensorFlow and PyTorch have."""

    def __init__(self, array):
        self._array = np.asarray(array)

    def numpy(self):
        return self._array


class ArrayLike:
    """Something with `__array__`."""

    def __init__(self, array):
        self._array = np.asarray(array)

    def __array__(self, dtype=None, copy=None):
        return self._array


class PerReplica:
    """What a `tf.distribute` strategy returns: an object whose `values` are a tuple."""

    def __init__(self, *values):
        self.values = values


@pytest.fixture
def metric():
    return MeanDistance(name="mae")


TRUTH, PREDICTED = np.array([1.0, 2.0, 3.0]), np.array([1.0, 1.0, 5.0])


@pytest.mark.parametrize(
    "convert",
    [
        np.asarray,
        list,
        Tensor,
        ArrayLike,
        lambda array: (array[:1], array[1:]),
        lambda array: (Tensor(array[:2]), Tensor(array[2:])),
        lambda array: PerReplica(array[:2], Tensor(array[2:])),
        lambda array: (array, array[:0]),
    ],
)
def test_inputs_of_every_kind_count_alike(metric, convert):
    metric.update_state({"value": convert(TRUTH)}, {"value": convert(PREDICTED)})

    assert metric.result() == {"mae": 1.0}


def test_tensorflow_tensors_count_alike(metric):
    import tensorflow as tf

    metric.update_state({"value": tf.constant(TRUTH)}, {"value": (tf.constant(PREDICTED[:1]), PREDICTED[1:])})

    assert metric.result() == {"mae": 1.0}


def test_importing_the_package_does_not_import_tensorflow():
    code = "import sys, assay.python_metrics; sys.exit('tensorflow' in sys.modules or 'keras' in sys.modules)"

    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_inputs_cannot_be_modified():
    class Careless(MeanDistance):
        def update(self, groundtruths, predictions):
            groundtruths["value"] -= predictions["value"]

    truth = TRUTH.copy()

    with pytest.raises(ValueError, match="read-only"):
        Careless(name="careless").update_state({"value": truth}, {"value": PREDICTED})

    np.testing.assert_array_equal(truth, TRUTH)
    assert truth.flags.writeable


@pytest.mark.parametrize(
    ("groundtruths", "predictions", "message"),
    [
        (
            {"values": TRUTH, "id": 1},
            {"value": PREDICTED},
            "The metric 'mae' needs the field 'value' of the groundtruths. Received: 'values', 'id'.",
        ),
        (
            {"value": TRUTH},
            {},
            "The metric 'mae' needs the field 'value' of the predictions. Received: no field at all.",
        ),
    ],
)
def test_missing_field_is_named_with_those_received(metric, groundtruths, predictions, message):
    metric.update_state({"value": TRUTH}, {"value": PREDICTED})

    with pytest.raises(MissingFieldError) as raised:
        metric.update_state(groundtruths, predictions)

    assert str(raised.value) == message
    assert str(pickle.loads(pickle.dumps(raised.value))) == message
    assert metric.result() == {"mae": 1.0}


def test_missing_field_is_a_key_error():
    assert issubclass(MissingFieldError, KeyError)


def test_optional_field_may_come_or_not(metric):
    metric.update_state({"value": TRUTH, "offset": np.ones(3)}, {"value": TRUTH})
    metric.update_state({"value": TRUTH}, {"value": TRUTH})

    assert metric.result() == {"mae": 0.5}


def test_unknown_fields_are_not_looked_at(metric):
    class Untouchable:
        def numpy(self):
            raise AssertionError("looked at")

    metric.update_state({"value": TRUTH, "image": Untouchable()}, {"value": PREDICTED})

    assert metric.result() == {"mae": 1.0}


def test_arguments_that_are_no_mappings_are_refused(metric):
    with pytest.raises(TypeError, match="must be a mapping with the fields"):
        metric.update_state(TRUTH, {"value": PREDICTED})


@pytest.mark.parametrize("value", [(), (np.ones(2), np.ones((2, 2))), (1.0, 2.0)])
def test_replicas_that_cannot_be_concatenated_are_refused(metric, value):
    with pytest.raises(ValueError, match="The field 'value' is a"):
        metric.update_state({"value": value}, {"value": PREDICTED})


def test_ragged_list_is_refused(metric):
    with pytest.raises(ValueError, match="'value' cannot become one array"):
        metric.update_state({"value": [[1.0], [1.0, 2.0]]}, {"value": PREDICTED})


def test_no_data_is_undefined(metric):
    assert metric.result() == {"mae": UNDEFINED}
    assert not math.isnan(UNDEFINED)


def test_result_is_repeatable_and_reset_is_explicit(metric):
    metric.update_state({"value": TRUTH}, {"value": PREDICTED})

    assert metric.result() == metric.result() == {"mae": 1.0}

    metric.reset_states()
    assert metric.result() == {"mae": UNDEFINED}


def test_merge_equals_one_metric_that_saw_all(metric):
    other = MeanDistance(name="other")
    metric.update_state({"value": TRUTH}, {"value": PREDICTED})
    other.update_state({"value": [4.0]}, {"value": [1.0]})

    metric.merge_state(other)

    assert metric.result() == {"mae": 6 / 4}
    assert other.result() == {"other": 3.0}


def test_merge_of_another_class_is_refused(metric):
    with pytest.raises(ValueError, match="needs a metric of the same class"):
        metric.merge_state(ConfusionMatrix(2))


@pytest.mark.parametrize("subject", [MeanDistance(name="mae"), ConfusionMatrix(2)])
def test_subclasses_fulfil_the_protocol(subject):
    assert isinstance(subject, HostMetric)


def test_other_objects_do_not_fulfil_the_protocol():
    assert not isinstance(object(), HostMetric)
