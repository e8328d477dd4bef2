"""The value of `training` as each layer receives it."""

import numpy as np
import pytest
import tensorflow as tf
from assay.conformance.harness.tasks import watching_layers

pytestmark = pytest.mark.flavour

INPUTS = np.ones((2, 4), np.float32)


def sequential():
    return tf.keras.Sequential(
        [tf.keras.layers.Input((4,)), tf.keras.layers.Dense(3), tf.keras.layers.Dropout(0.5, name="drop")]
    )


def flags(calls, name):
    return [call.training for call in calls if call.layer.startswith(name)]


@pytest.mark.parametrize("training", [True, False])
def test_flag_reaches_the_model_and_its_layers(training):
    model = sequential()

    with watching_layers(model) as calls:
        model(INPUTS, training=training)

    assert flags(calls, model.name) == [training]
    assert flags(calls, "drop") == [training]
    assert [call.layer for call in calls if call.outermost] == [f"{model.name} (Sequential)"]
    assert [call.by_task for call in calls if call.layer.startswith("drop")] == [False]


def test_flag_that_is_left_out_is_not_training():
    model = sequential()

    with watching_layers(model) as calls:
        model(INPUTS)

    assert not any(call.training for call in calls)


def test_flag_may_be_positional_or_a_tensor():
    class Net(tf.keras.Model):
        def call(self, inputs, training=None):
            return inputs

    model = Net()

    with watching_layers(model) as calls:
        model(INPUTS, training=tf.constant(True))
        model.call(INPUTS, False)

    assert flags(calls, model.name) == [True, False]


def test_flag_passes_through_a_model_that_does_not_take_it():
    class Net(tf.keras.Model):
        def __init__(self):
            super().__init__()
            self.drop = tf.keras.layers.Dropout(0.5, name="drop")

        def call(self, inputs):
            return self.drop(inputs)

    model = Net()
    with watching_layers(model) as calls:
        model(INPUTS, training=True)

    assert flags(calls, "drop") == [True]
    assert [(call.outermost, call.by_task) for call in calls] == [(True, False)]


def test_module_with_a_flag_of_its_own_name_is_watched():
    class Net(tf.Module):
        def __call__(self, x, is_training):
            return x

    model = Net()
    with watching_layers(model) as calls:
        model(INPUTS, is_training=True)
        model(INPUTS, False)

    assert [call.training for call in calls] == [True, False]
    assert type(model) is Net


def test_model_is_left_as_it_was():
    model = sequential()
    before = dict(vars(model))

    with pytest.raises(ZeroDivisionError), watching_layers(model) as calls:
        raise ZeroDivisionError
    model(INPUTS, training=True)

    assert calls == []
    assert vars(model).keys() == before.keys()
    assert "call" not in vars(model)
