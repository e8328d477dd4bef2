"""Texts, histograms, and kinds of leaf that a user adds without a class of their own."""

import numpy as np
import pytest
import tensorflow as tf
from assay.summaries import (
    ImageScalarSummaryManager,
    LeafKind,
    SummaryManager,
    UnwritableSummaryError,
    standard_kinds,
)
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator


@pytest.fixture
def manager(tmp_path):
    with SummaryManager(tmp_path, global_step=7, kinds=standard_kinds()) as manager:
        yield manager


def tensor(directory, tag):
    accumulator = EventAccumulator(str(directory)).Reload()
    [event] = accumulator.Tensors(tag)
    return tf.make_ndarray(event.tensor_proto), accumulator.SummaryMetadata(tag).plugin_data.plugin_name


@pytest.mark.parametrize(
    ("value", "written"),
    [
        ("**bold** ü", "**bold** ü"),
        (b"bytes", "bytes"),
        ("tensor of texts", "tensor of texts"),
        (["a", "b"], ["a", "b"]),
        (np.array([["a", "b"], ["c", "d"]]), [["a", "b"], ["c", "d"]]),
    ],
)
@pytest.mark.parametrize("make", [lambda value: value, tf.constant], ids=["as it is", "tensor"])
def test_texts_are_written(tmp_path, manager, value, written, make):
    value = make(value)

    manager.write_summaries({"group": {"text/note": value}})
    manager.flush()

    found, plugin = tensor(tmp_path / "group", "text/note")
    assert plugin == "text"
    assert np.vectorize(bytes.decode)(found).tolist() == written


@pytest.mark.parametrize("value", [3, None, [1, 2], [["a"], ["b", "c"]], [[["deep"]]], b"\xff", "\ud800"])
def test_what_is_no_text_is_refused_by_its_path(tmp_path, manager, value):
    with pytest.raises(UnwritableSummaryError, match="'group/text/note'"):
        manager.write_summaries({"group": {"text/note": value}})

    assert list(tmp_path.iterdir()) == []


def test_histograms_are_written(tmp_path, manager):
    manager.write_summaries({"histogram/weights": tf.constant([[0.0, 1.0], [1.0, 4.0]], tf.bfloat16)})
    manager.flush()

    buckets, plugin = tensor(tmp_path, "histogram/weights")
    assert plugin == "histograms"
    assert (buckets[0, 0], buckets[-1, 1]) == (0.0, 4.0)
    assert buckets[:, 2].sum() == 4


@pytest.mark.parametrize("value", ["text", None, [1.0, np.nan], np.array([np.inf]), [[1.0], [2.0, 3.0]], [None]])
def test_what_is_no_histogram_is_refused_by_its_path(tmp_path, manager, value):
    with pytest.raises(UnwritableSummaryError, match="'group/histogram/weights'"):
        manager.write_summaries({"loss": 1.0, "group": {"histogram/weights": value}})

    assert list(tmp_path.iterdir()) == []


def test_own_kind_is_checked_before_and_written_with_the_writer_of_its_directory(tmp_path, read_events):
    def half(path, value):
        if value > 10:
            raise UnwritableSummaryError(f"The summary {path!r} is too large.")
        return value / 2

    kinds = {"half/": LeafKind(tf.summary.scalar, check=half)}
    with SummaryManager(tmp_path, global_step=3, kinds=kinds) as manager:
        with pytest.raises(UnwritableSummaryError, match="'group/half/b' is too large"):
            manager.write_summaries({"half/a": 1.0, "group": {"half/b": 11.0}})
        manager.write_summaries({"loss": 1.0, "group": {"half/a": 5.0}})

    assert read_events(tmp_path) == [("loss", 3, 1.0)]
    assert read_events(tmp_path / "group") == [("half/a", 3, 2.5)]


def test_plain_function_is_a_kind_and_is_not_given_none(tmp_path, read_events):
    def write_length(tag, value, step):
        tf.summary.scalar(tag, len(value), step=step)

    with ImageScalarSummaryManager(tmp_path, global_step=3, kinds={"length/": write_length}) as manager:
        with pytest.raises(UnwritableSummaryError, match="'length/a' is None"):
            manager.write_summaries({"length/a": None})
        manager.write_summaries({"length/a": "four"})

    assert read_events(tmp_path) == [("length/a", 3, 4.0)]


def test_longest_prefix_decides(tmp_path):
    calls = []
    kinds = {prefix: (lambda tag, value, step, prefix=prefix: calls.append(prefix)) for prefix in ("a", "a/b/", "a/")}

    with SummaryManager(tmp_path, global_step=1, kinds=kinds) as manager:
        manager.write_summaries({"a/b/c": 1, "a/c": 1, "ab": 1})

    assert calls == ["a/b/", "a/", "a"]


def test_own_kinds_replace_standard_ones(tmp_path):
    calls = []

    def write(tag, value, step):
        calls.append((tag, value))

    with ImageScalarSummaryManager(tmp_path, global_step=1, kinds={"image/": write}) as manager:
        manager.write_summaries({"image/first": "anything"})

    assert calls == [("image/first", "anything")]


def test_own_kind_writes_each_step_once(tmp_path):
    calls = []
    with SummaryManager(
        tmp_path, global_step=1, kinds={"own/": lambda tag, value, step: calls.append(value)}
    ) as manager:
        manager.write_summaries({"own/a": 1})
        with pytest.warns(UserWarning, match="dropped"):
            manager.write_summaries({"own/a": 2})

    assert calls == [1]


@pytest.mark.parametrize(
    ("kinds", "said"), [({"": print}, "Received ''"), ({3: print}, "Received 3"), ({"a/": 3}, "'a/'.*Received a int")]
)
def test_what_is_no_table_of_kinds_is_refused(kinds, said):
    with pytest.raises(TypeError, match=said):
        SummaryManager(None, kinds=kinds)
