"""A step repeated on one batch from the same weights, and whole runs from a seed."""

import numpy as np
import pytest
import tensorflow as tf
from assay.conformance.context import Context
from assay.conformance.harness.tasks import op_determinism, repeat_step, seeded_run
from assay.conformance.model import Kind, Mode, Subject
from assay.conformance.session import Session
from assay.conformance.specimens import DROPOUT_TASK, SOUND_TASK, SoundTask
from assay.conformance.tolerances import EXACT, Tolerance


def context(subject):
    return Context("T112", Session(subject))


class Counts(SoundTask):
    """A Python counter and a variable that both weigh the step."""

    def __init__(self):
        super().__init__()
        self.steps, self.counter = 0, tf.Variable(0.0)

    def train_logs(self, loss):
        self.steps += 1
        self.counter.assign_add(1.0)
        return {"loss": loss, "python": tf.constant(float(self.steps)), "variable": tf.identity(self.counter)}


@pytest.mark.parametrize(("mode", "python"), [(Mode.EAGER, [1, 2, 3, 4]), (Mode.GRAPH, [1, 1, 1, 1])])
def test_python_is_frozen_in_a_trace_and_variables_are_not(mode, python):
    seen = repeat_step(context(Subject(Counts, kind=Kind.TASK)), mode, training=True)

    assert [float(one["logs['python']"]) for one in seen.results] == python
    assert [float(one["logs['variable']"]) for one in seen.results] == [1, 2, 3, 4]
    assert seen.attributes[0]["the Task's steps"] == "0"
    assert seen.attributes[-1]["the Task's steps"] == str(python[-1])


def test_every_call_starts_from_the_same_weights():
    seen = repeat_step(context(SOUND_TASK), Mode.EAGER, training=True)

    assert seen.varying(EXACT) == []
    assert any(np.any(moved) for name, moved in seen.results[0].items() if not name.startswith("logs["))


def test_variation_is_relative_to_the_largest_of_an_array():
    class Wobbles(Counts):
        def train_logs(self, loss):
            logs = super().train_logs(loss)
            return {"a": tf.stack([1e3, 1e-3 * logs["variable"]])}

    seen = repeat_step(context(Subject(Wobbles, kind=Kind.TASK)), Mode.EAGER, training=True)

    assert "logs['a']" not in seen.varying(Tolerance(1e-5, 0.0, ""))
    assert "logs['a']" in seen.varying(EXACT)


def test_seeded_runs_are_equal_and_not_those_of_another_seed():
    first, second = seeded_run(context(DROPOUT_TASK)), seeded_run(context(DROPOUT_TASK))
    other = seeded_run(Context("T202", Session(DROPOUT_TASK, seed=1)))

    assert first.losses == second.losses
    assert first.losses != other.losses
    starts, equals, others = (list(run.start.values()) for run in (first, second, other))
    assert all(np.array_equal(one, same) for one, same in zip(starts, equals, strict=True))
    assert any(not np.array_equal(one, another) for one, another in zip(starts, others, strict=True))


def test_op_determinism_is_put_back():
    from tensorflow.python.framework import config

    before = config.is_op_determinism_enabled()
    with op_determinism():
        assert config.is_op_determinism_enabled()

    assert config.is_op_determinism_enabled() is before
