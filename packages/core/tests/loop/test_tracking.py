"""Every weight of a model is in its checkpoint, wherever the model keeps its layers."""

import numpy as np
import pytest
import tensorflow as tf
from assay.core.checkpoints import load_checkpoint, restore_run
from assay.core.tracking import UntrackedWeightsError, require_tracked, track_collections
from line_task import LineTask, experiment, make_trainer, train

pytestmark = pytest.mark.flavour


class Block(tf.keras.layers.Layer):
    def __init__(self):
        super().__init__()
        self.parts = [tf.keras.layers.Dense(3), tf.keras.layers.BatchNormalization()]

    def call(self, inputs, training=False):
        return self.parts[1](self.parts[0](inputs), training=training)


class Collections(tf.keras.Model):
    """Layers in a list, under a private name, in a dict of lists, in a tuple and in a layer's own list."""

    def __init__(self):
        super().__init__()
        self.blocks = [Block(), Block()]
        self._private = [tf.keras.layers.Dense(2)]
        self.heads = {"box": [tf.keras.layers.Dense(2)], "empty": []}
        self.pair = (tf.keras.layers.Dense(1), 7)
        self.plain = tf.keras.layers.Dense(1)

    def call(self, inputs, training=False):
        for block in self.blocks:
            inputs = block(inputs, training=training)
        return self.plain(self.pair[0](self.heads["box"][0](self._private[0](inputs))))


def built(model=None):
    model = model or Collections()
    for _ in range(3):
        model(tf.random.normal([8, 1]), training=True)
    return model


class CollectionsTask(LineTask):
    def build_model(self):
        return built()


def assert_same(model, other):
    for expected, got in zip(model.get_weights(), other.get_weights(), strict=True):
        np.testing.assert_array_equal(expected, got)


def test_checkpoint_of_a_model_with_collections_restores_every_weight(tmp_path):
    model, other = built(), built()
    for one in (model, other):
        track_collections(one)
        require_tracked(one)

    path = tf.train.Checkpoint(model=model).save(str(tmp_path / "ckpt"))
    tf.train.Checkpoint(model=other).restore(path).assert_consumed()

    assert_same(model, other)


def test_weights_are_loaded_into_a_model_with_collections(tmp_path):
    model, other = built(), built()
    track_collections(model)

    load_checkpoint(tf.train.Checkpoint(model=model).save(str(tmp_path / "ckpt")), {"model": other})

    assert_same(model, other)


def test_run_of_a_model_with_collections_resumes(tmp_path, strategy):
    first, second = (make_trainer(experiment(), strategy=strategy, task_cls=CollectionsTask) for _ in range(2))
    train(first, 2)

    restore_run(second.checkpoint, first.checkpoint.save(str(tmp_path / "ckpt")))

    assert_same(first.model, second.model)


def test_tracking_twice_changes_nothing():
    model = built()
    track_collections(model)
    before = len(tf.train.TrackableView(model).descendants())
    track_collections(model)

    assert len(tf.train.TrackableView(model).descendants()) == before


def test_functional_model_is_left_alone():
    inputs = tf.keras.layers.Input([2])
    model = tf.keras.Model(inputs, tf.keras.layers.Dense(1)(inputs))
    before = len(tf.train.TrackableView(model).descendants())
    track_collections(model)

    assert len(tf.train.TrackableView(model).descendants()) == before
    require_tracked(model)


def test_weight_that_no_checkpoint_would_hold_is_named():
    elsewhere = tf.Variable(1.0, name="elsewhere")

    class Forgetful(tf.Module):
        @property
        def weights(self):
            return [elsewhere]

    with pytest.raises(UntrackedWeightsError, match=r"Forgetful would not hold elsewhere.*1 of 1 weights"):
        require_tracked(Forgetful())
