"""What SummaryManager writes and where, read back with readers that are not ours."""

import collections
import types
from collections.abc import Mapping

import numpy as np
import pytest
import tensorflow as tf
from assay.summaries import SummaryManager, SummaryManagerInterface, UnwritableSummaryError


class CustomMapping(Mapping):
    def __init__(self, **items):
        self._items = items

    def __getitem__(self, key):
        return self._items[key]

    def __iter__(self):
        return iter(self._items)

    def __len__(self):
        return len(self._items)


def test_nested_mappings_become_subdirectories(tmp_path, manager, read_events):
    manager.write_summaries({"loss": 0.5, "iou": {"road": 0.25, "small": {"car": -1.0}}})
    manager.flush()

    assert read_events(tmp_path / "train") == [("loss", 7, 0.5)]
    assert read_events(tmp_path / "train" / "iou") == [("road", 7, 0.25)]
    assert read_events(tmp_path / "train" / "iou" / "small") == [("car", 7, -1.0)]


@pytest.mark.parametrize(
    "make", [dict, collections.OrderedDict, lambda **items: types.MappingProxyType(items), CustomMapping]
)
def test_every_mapping_is_a_group(tmp_path, manager, read_events, make):
    manager.write_summaries(make(group=make(value=1.0), empty=make()))
    manager.flush()

    assert read_events(tmp_path / "train" / "group") == [("value", 7, 1.0)]


def test_empty_mappings_make_no_file(tmp_path, manager, event_files):
    manager.write_summaries({})
    manager.write_summaries({"group": {"empty": {}}})
    manager.flush()

    assert event_files(tmp_path) == []
    assert not (tmp_path / "train").exists()


def test_one_event_file_per_directory_for_life(tmp_path, event_files):
    with SummaryManager(tmp_path, global_step=iter(range(10)).__next__) as manager:
        for _ in range(10):
            manager.write_summaries({"loss": 1.0, "group": {"value": 1.0}})
            manager.flush()
            manager.summary_writer("group")

    assert [path.rpartition("/")[0] for path in event_files(tmp_path)] == ["", "group"]


def test_summary_writer_is_the_one_that_scalars_use(tmp_path, manager, event_files, read_events):
    writer = manager.summary_writer("images")
    with writer.as_default():
        tf.summary.scalar("direct", 2.0, step=7)
    manager.write_summaries({"images": {"value": 1.0}})
    manager.flush()

    assert writer is manager.summary_writer("images")
    assert len(event_files(tmp_path)) == 1
    assert read_events(tmp_path / "train" / "images") == [("direct", 7, 2.0), ("value", 7, 1.0)]


def test_train_and_eval_do_not_mix(tmp_path, read_events):
    with (
        SummaryManager(tmp_path / "train", global_step=3) as train,
        SummaryManager(tmp_path / "validation", global_step=2) as validation,
    ):
        train.write_summaries({"loss": 1.0})
        validation.write_summaries({"loss": 2.0})

    assert read_events(tmp_path / "train") == [("loss", 3, 1.0)]
    assert read_events(tmp_path / "validation") == [("loss", 2, 2.0)]


def test_own_summary_fn_writes_each_leaf(tmp_path, read_events):
    def write_twice_the_value(tag, value, step):
        tf.summary.scalar(tag, 2 * value, step=step)

    with SummaryManager(tmp_path, write_twice_the_value, global_step=3) as manager:
        manager.write_summaries({"loss": 1.0, "group": {"value": 2.0}})

    assert read_events(tmp_path) == [("loss", 3, 2.0)]
    assert read_events(tmp_path / "group") == [("value", 3, 4.0)]


def test_own_summary_fn_is_not_given_none(tmp_path):
    with (
        SummaryManager(tmp_path, tf.summary.histogram, global_step=3) as manager,
        pytest.raises(UnwritableSummaryError, match="'group/value' is None"),
    ):
        manager.write_summaries({"group": {"value": None}})


def test_tf_summary_scalar_as_summary_fn_checks_like_none(tmp_path):
    with (
        SummaryManager(tmp_path, tf.summary.scalar, global_step=3) as manager,
        pytest.raises(UnwritableSummaryError, match="'vector' must be one number"),
    ):
        manager.write_summaries({"vector": [1.0, 2.0]})


def test_inputs_stay_as_they_are(manager):
    summaries = {"loss": 1.0, "group": {"value": np.array(2.0)}}

    manager.write_summaries(summaries)

    assert summaries == {"loss": 1.0, "group": {"value": np.array(2.0)}}


def test_directory_that_cannot_be_made_leaves_nothing_written(tmp_path, manager, read_events):
    (tmp_path / "train").mkdir()
    (tmp_path / "train" / "group").write_text("a file in the way")

    with pytest.raises(tf.errors.OpError):
        manager.write_summaries({"loss": 1.0, "group": {"value": 1.0}})
    manager.flush()

    assert read_events(tmp_path / "train") == []


def test_closing_twice_is_safe_and_writing_afterwards_is_an_error(tmp_path, read_events):
    manager = SummaryManager(tmp_path, global_step=1)
    manager.write_summaries({"loss": 1.0})

    manager.close()
    manager.close()
    manager.flush()

    with pytest.raises(RuntimeError, match="is closed"):
        manager.write_summaries({"loss": 2.0})
    with pytest.raises(RuntimeError, match="is closed"):
        manager.summary_writer()
    assert read_events(tmp_path) == [("loss", 1, 1.0)]


def test_leaving_the_context_closes_also_on_an_error(tmp_path, read_events):
    def fail():
        with SummaryManager(tmp_path, global_step=1) as manager:
            manager.write_summaries({"loss": 1.0})
            raise KeyError

    with pytest.raises(KeyError):
        fail()

    assert read_events(tmp_path) == [("loss", 1, 1.0)]


def test_empty_directory_name_is_refused():
    with pytest.raises(ValueError, match="`summary_dir` is empty"):
        SummaryManager("")


def test_is_a_summary_manager(manager):
    assert isinstance(manager, SummaryManagerInterface)
