"""Keys and values that cannot be written are refused by their path, before anything is written."""

import types

import numpy as np
import pytest
import tensorflow as tf
from assay.summaries import SummaryManager, UnwritableSummaryError
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st


class Hostile:
    """Looks like a tensor and has no value to give."""

    def numpy(self):
        raise RuntimeError("no value")


@pytest.mark.parametrize(
    ("value", "received"),
    [
        (None, r"None \(NoneType\)"),
        ("0.5", r"'0.5' \(str\)"),
        (b"1", r"b'1' \(bytes\)"),
        ([1.0, 2.0], r"list of shape \(2,\)"),
        ((1.0,), r"tuple of shape \(1,\)"),
        (np.zeros((2, 3)), r"ndarray of shape \(2, 3\)"),
        (np.zeros([0]), r"ndarray of shape \(0,\)"),
        (lambda: tf.constant([1.0]), r"EagerTensor of shape \(1,\)"),
        (lambda: tf.constant("text"), "EagerTensor of dtype bytes32"),
        (np.complex64(1), "complex64 of dtype complex64"),
        (1j, "complex of dtype complex128"),
        (np.datetime64("2020-01-01"), "datetime64 of dtype datetime64"),
        (10**400, "a number that no float can hold"),
        ({1, 2}, "set of dtype object"),
        (object(), "object of dtype object"),
        ([[1.0], [1.0, 2.0]], "list without a value here"),
        (Hostile(), r"Hostile without a value here \(no value\)"),
    ],
)
def test_bad_leaf_is_refused_by_its_path_before_anything_is_written(tmp_path, manager, event_files, value, received):
    value = value() if isinstance(value, types.FunctionType) else value

    with pytest.raises(UnwritableSummaryError, match=f"The summary 'eval/boxes/AP' must be one number.*{received}"):
        manager.write_summaries({"loss": 1.0, "eval": {"boxes": {"AP": value}}})

    assert event_files(tmp_path) == []


@pytest.mark.parametrize("key", [3, None, ("a",), b"bytes", "", "\ud800"])
def test_bad_key_is_refused_before_anything_is_written(tmp_path, manager, event_files, key):
    with pytest.raises(UnwritableSummaryError, match="A key in the group 'eval' must be a text"):
        manager.write_summaries({"loss": 1.0, "eval": {key: 1.0}})
    with pytest.raises(UnwritableSummaryError, match="A key at the top of the summary dict"):
        manager.write_summaries({"loss": 1.0, key: {"value": 1.0}})

    assert event_files(tmp_path) == []


ESCAPES = [
    "..",
    "../up",
    "a/../../up",
    "/absolute",
    "a//b",
    "a/",
    ".",
    "a/./b",
    "..\\up",
    "C:",
    "gs://b",
    "a\0b",
    "a\nb",
]


@pytest.mark.parametrize("key", ESCAPES)
def test_group_key_cannot_leave_the_directory(tmp_path, manager, event_files, key):
    with pytest.raises(UnwritableSummaryError, match="cannot name a subdirectory"):
        manager.write_summaries({"loss": 1.0, "group": {key: {"value": 1.0}}})

    assert event_files(tmp_path) == []


@pytest.mark.parametrize("path", ESCAPES)
def test_relative_path_cannot_leave_the_directory(tmp_path, manager, event_files, path):
    with pytest.raises(UnwritableSummaryError, match="cannot name a subdirectory"):
        manager.summary_writer(path)

    assert event_files(tmp_path) == []


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=50)
@given(key=st.text(st.sampled_from("a./\\:~*? \0"), min_size=1, max_size=6))
def test_no_key_makes_a_file_outside(tmp_path, key):
    inside = tmp_path / "run" / "train"
    with SummaryManager(inside, global_step=1) as manager:
        for summaries in ({key: 1.0}, {key: {"value": 1.0}}):
            try:
                manager.write_summaries(summaries)
            except UnwritableSummaryError:
                continue

    assert all(inside in path.parents for path in tmp_path.rglob("*tfevents*"))


def test_tag_may_hold_slashes(tmp_path, manager, read_events):
    manager.write_summaries({"AP/../person": 0.5})
    manager.flush()

    assert read_events(tmp_path / "train") == [("AP/../person", 7, 0.5)]


def test_two_values_for_one_tag_are_refused(manager):
    with pytest.raises(UnwritableSummaryError, match="two values for 'a/b/c'"):
        manager.write_summaries({"a": {"b": {"c": 1.0}}, "a/b": {"c": 2.0}})


def test_argument_that_is_no_mapping_is_refused(manager):
    with pytest.raises(UnwritableSummaryError, match=r"must be a mapping.*Received list"):
        manager.write_summaries([("loss", 1.0)])
