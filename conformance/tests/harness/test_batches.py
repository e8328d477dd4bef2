import numpy as np
import pytest
import tensorflow as tf
from assay.conformance import Subject, Violation
from assay.conformance.context import Context
from assay.conformance.harness.tasks import split_batch, training_batches, validation_batches
from assay.conformance.session import Session
from assay.conformance.specimens import CONFIGURED_TASK, SOUND_TASK, SoundTask


def context(subject):
    return Context("T900", Session(subject))


def rows(batches):
    return [int(tf.nest.flatten(batch)[-1].shape[0]) for batch in batches]


def test_training_batches_have_the_tasks_own_size():
    assert rows(training_batches(context(SOUND_TASK), 3)) == [8, 8, 8]
    assert rows(training_batches(context(CONFIGURED_TASK), 3)) == [6, 6, 6]


def test_training_batches_are_read_once():
    ctx = context(SOUND_TASK)

    assert training_batches(ctx, 2) is training_batches(ctx, 2)


def test_odd_batch_size_is_made_even_for_two_replicas():
    class Odd(SoundTask):
        def __init__(self):
            super().__init__()
            from types import SimpleNamespace

            data = SimpleNamespace(is_training=True, global_batch_size=5, drop_remainder=True, seed=0)
            self.task_config = SimpleNamespace(train_data=data, validation_data=None)

    assert rows(training_batches(context(Subject(Odd)), 1)) == [6]


def test_validation_batches_include_the_partial_one():
    assert rows(validation_batches(context(SOUND_TASK))) == [8, 8, 7]
    assert rows(validation_batches(context(SOUND_TASK), global_batch_size=3)) == [3] * 7 + [2]
    assert rows(validation_batches(context(SOUND_TASK), at_most=2)) == [8, 8]


def test_training_data_that_ends_is_a_violation():
    class Ends(SoundTask):
        def build_inputs(self, params, input_context=None):
            return super().build_inputs(params, input_context).take(1)

    with pytest.raises(Violation, match="ended after 1 batches of 8, and 2 were asked for"):
        training_batches(context(Subject(Ends)), 2)


@pytest.mark.parametrize(("size", "expected"), [(8, [4, 4]), (7, [4, 3]), (1, [1, 0]), (0, [0, 0])])
def test_batch_is_split_as_a_distributed_dataset_splits_it(size, expected):
    batch = {"x": tf.reshape(tf.range(size * 2), [size, 2]), "scalar": tf.constant(3)}

    parts = split_batch(batch)

    assert [int(part["x"].shape[0]) for part in parts] == expected
    np.testing.assert_array_equal(np.concatenate([part["x"] for part in parts]), batch["x"])
    assert all(int(part["scalar"]) == 3 for part in parts)
