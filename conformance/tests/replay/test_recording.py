"""Recording: the calls of a rule depend neither on the rules before it, nor on how many cases there is time for."""

import numpy as np
import pytest
import tensorflow as tf
from assay.conformance import Subject
from assay.conformance.bundles.recording import Recorder, active_recorder, unrecorded
from assay.conformance.harness.compiling import recorded
from assay.conformance.session import Session
from replay_builders import LOSS


@pytest.fixture
def recorder():
    return Recorder()


def called(recorder, rule):
    """What the calls of a rule were given."""
    return [float(recorder.arrays[recorder.calls[one].inputs[0].digest]) for one in recorder.rules[rule]]


def double():
    return recorded(tf.function(lambda x: x + x), lambda x: x + x, name="double")


def test_calls_belong_to_the_rule_that_makes_them(recorder):
    for rule, given in (("L101", 1.0), ("L102", 2.0)):
        with recorder.rule(rule):
            double()(tf.constant(given))

    assert called(recorder, "L101") == [1.0]
    assert called(recorder, "L102") == [2.0]
    assert active_recorder() is None


def test_rule_that_reads_what_another_computed_is_given_its_calls(recorder):
    session = Session(LOSS, recorder=recorder)

    def shared():
        return session.share("inner", lambda: double()(tf.constant(1.0)))

    for rule in ("L101", "L102"):
        with recorder.rule(rule):
            session.share("outer", shared)

    assert called(recorder, "L101") == called(recorder, "L102") == [1.0]


def test_what_was_shared_before_any_rule_is_given_too(recorder):
    session = Session(LOSS, recorder=recorder)
    with recorder.rule("L101"), unrecorded():
        session.share("key", lambda: double()(tf.constant(1.0)))
    with recorder.rule("L102"):
        session.share("key", lambda: double()(tf.constant(1.0)))

    assert called(recorder, "L101") == []
    assert called(recorder, "L102") == [1.0]


def test_what_is_drawn_is_not_recorded(recorder):
    with recorder.rule("L101"):
        function = double()
        with unrecorded():
            function(tf.constant(1.0))
        function(tf.constant(2.0))

    assert called(recorder, "L101") == [2.0]


def test_variables_are_recorded_before_and_after_a_call(recorder):
    counter = tf.Variable(3.0)

    def count(x):
        return counter.assign_add(x)

    with recorder.rule("K402"):
        recorded(tf.function(count), count, name="count")(tf.constant(2.0))

    (call,) = recorder.calls
    arrays = {port.role: float(recorder.arrays[port.digest]) for port in call.inputs}
    assert arrays == {"data": 2.0, "state": 3.0}
    assert [float(recorder.arrays[port.digest]) for port in call.after.values()] == [5.0]


def test_variable_that_only_its_handle_names_is_recorded_too(recorder):
    counter = tf.Variable([1.0, 2.0])

    def count(x):
        tf.raw_ops.ResourceScatterAdd(resource=counter.handle, indices=[1], updates=x)
        return 2 * x

    with recorder.rule("L101"):
        recorded(tf.function(count), count, name="count")(tf.constant([3.0]))
    (call,) = recorder.calls
    before, after = (recorder.arrays[port.digest] for port in (call.inputs[-1], *call.after.values()))

    assert not call.refusal
    np.testing.assert_array_equal(before, [1.0, 2.0])
    np.testing.assert_array_equal(after, [1.0, 5.0])


def test_arrays_are_kept_once(recorder):
    with recorder.rule("L101"):
        for _ in range(3):
            double()(tf.constant(np.float32(7.0)))

    assert len(recorder.calls) == 3
    assert len(recorder.arrays) == 2


def test_text_is_no_number(recorder):
    def length(x):
        return tf.strings.length(x)

    with recorder.rule("T402"):
        recorded(tf.function(length), length, name="length")(tf.constant("four"))

    assert recorder.calls[0].refusal == "it is given string, which is no number"


def test_table_is_no_variable(recorder):
    initialiser = tf.lookup.KeyValueTensorInitializer([1, 2], [3, 4], tf.int64, tf.int64)
    table = tf.lookup.StaticHashTable(initialiser, -1)

    with recorder.rule("T402"):
        found = recorded(tf.function(table.lookup), table.lookup, name="look up")(tf.constant([2], tf.int64))

    assert found.numpy().tolist() == [4]
    assert "a resource that is no variable" in recorder.calls[0].refusal


def test_session_without_a_recorder_records_nothing():
    with Session(Subject(object, kind="loss", sample=())).recording("L101"):
        assert active_recorder() is None
