"""What a batch holds, and what changed in it: by path, with the values that a change made of it."""

import numpy as np
import pytest
import tensorflow as tf
from assay.conformance.context import Context
from assay.conformance.harness.tasks import changed_contents, contents_of, fresh_containers, train_run
from assay.conformance.model import Kind, Mode, Subject
from assay.conformance.session import Session
from assay.conformance.specimens.nested_task import NestedTask


def batch():
    return ({"x": tf.ones((2, 3)), "parts": [tf.zeros((2,)), tf.ones((2,))]}, {"id": tf.constant(["a", "b"])})


def changes(change):
    ours = batch()
    before = contents_of(ours)
    change(ours)
    return changed_contents(before, contents_of(ours))


def test_nothing_changes_by_itself():
    assert changes(lambda one: None) == []


def test_path_says_where_an_entry_was():
    assert changes(lambda one: one[0].pop("x")) == ["inputs[0]['x'] is gone"]
    assert changes(lambda one: one[1].update(length=tf.zeros(()))) == ["inputs[1]['length'] is new"]


def test_what_is_inside_of_something_gone_or_new_is_not_named_again():
    assert changes(lambda one: one[0].pop("parts")) == ["inputs[0]['parts'] is gone"]
    assert changes(lambda one: one[1].update(more={"a": tf.zeros(()), "b": [tf.ones(())]})) == [
        "inputs[1]['more'] is new"
    ]
    assert changes(lambda one: one[0]["parts"].pop()) == ["inputs[0]['parts'][1] is gone"]


def test_values_dtypes_and_shapes_count_and_identity_does_not():
    def assign(value):
        return changes(lambda one: one[0].update(x=value))

    assert assign(tf.identity(tf.ones((2, 3)))) == []
    assert assign(3.5 * tf.ones((2, 3))) == [
        "inputs[0]['x'] was float32[2, 3] and is float32[2, 3], with values up to 2.5 apart"
    ]
    assert assign(tf.ones((2, 3), tf.float16)) == [
        "inputs[0]['x'] was float32[2, 3] and is float16[2, 3], with values up to 0 apart"
    ]
    assert assign(tf.ones((3, 2))) == ["inputs[0]['x'] was float32[2, 3] and is float32[3, 2]"]
    assert assign([tf.ones((2, 3))])[0].startswith("inputs[0]['x'] was float32[2, 3] and is a list")


def test_strings_and_ragged_tensors_are_compared_by_value():
    ragged = tf.ragged.constant([[1, 2], [3]])
    before = contents_of({"r": ragged, "n": tf.constant([np.nan])})

    assert (
        changed_contents(before, contents_of({"r": tf.ragged.constant([[1, 2], [3]]), "n": tf.constant([np.nan])}))
        == []
    )
    assert changed_contents(before, contents_of({"r": tf.ragged.constant([[1], [2, 3]]), "n": tf.constant([np.nan])}))
    assert changes(lambda one: one[1].update(id=tf.constant(["a", "c"])))


def test_fresh_containers_hold_the_same_tensors():
    ours = batch()
    copy = fresh_containers(ours)
    copy[0].pop("x")

    assert "x" in ours[0]
    assert copy[1]["id"] is ours[1]["id"]


@pytest.mark.parametrize("mode", [Mode.EAGER, Mode.GRAPH, Mode.REPLICAS])
def test_a_step_that_empties_its_batch_leaves_that_of_other_rules_alone(mode):
    class Pops(NestedTask):
        def weights(self, labels):
            return labels["extra"].pop("weight")

    ctx = Context("T900", Session(Subject(Pops, kind=Kind.TASK)))
    run = train_run(ctx, steps=2, mode=mode)

    assert all("weight" in one[1]["extra"] for one in run.batches)
