"""What SummaryManager writes, read back with readers that are not ours."""

import collections
import fractions
import threading
import types
from collections.abc import Mapping

import numpy as np
import pytest
import tensorflow as tf
from assay.summaries import SummaryManager, SummaryManagerInterface, UnwritableSummaryError
from assay.summaries._scalars import write_scalars
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator


class CustomMapping(Mapping):
    def __init__(self, **items):
        self._items = items

    def __getitem__(self, key):
        return self._items[key]

    def __iter__(self):
        return iter(self._items)

    def __len__(self):
        return len(self._items)


@pytest.fixture
def manager(tmp_path):
    with SummaryManager(tmp_path / "train", global_step=7) as manager:
        yield manager


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


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (0, 0.0),
        (0.0, 0.0),
        (False, 0.0),
        (True, 1.0),
        (-3, -3.0),
        (2**70, 2.0**70),
        (1e300, np.inf),
        (float("inf"), np.inf),
        (fractions.Fraction(1, 4), 0.25),
        (np.float16(0.5), 0.5),
        (np.float64(0.1), np.float32(0.1)),
        (np.int64(-5), -5.0),
        (np.uint8(255), 255.0),
        (np.bool_(True), 1.0),
        (np.array(2.5), 2.5),
        (lambda: tf.constant(1.5), 1.5),
        (lambda: tf.constant(1.5, tf.bfloat16), 1.5),
        (lambda: tf.constant(3, tf.int64), 3.0),
        (lambda: tf.constant(True), 1.0),
        (lambda: tf.Variable(0.75), 0.75),
        (lambda: tf.keras.Variable(0.75) if hasattr(tf.keras, "Variable") else 0.75, 0.75),
    ],
)
def test_every_scalar_is_written_with_its_value(tmp_path, manager, read_events, value, expected):
    manager.write_summaries({"value": value() if callable(value) else value})
    manager.flush()

    assert read_events(tmp_path / "train") == [("value", 7, expected)]


def test_nan_is_written(tmp_path, manager, read_events):
    manager.write_summaries({"loss": float("nan")})
    manager.flush()

    [(_, _, value)] = read_events(tmp_path / "train")
    assert np.isnan(value)


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


def test_scalars_are_what_tf_summary_scalar_writes(tmp_path, manager):
    writer = tf.summary.create_file_writer(str(tmp_path / "reference"))
    with writer.as_default():
        tf.summary.scalar("loss", 0.1, step=7)
    writer.close()
    manager.write_summaries({"loss": 0.1})
    manager.flush()

    def value(directory):
        [path] = (tmp_path / directory).glob("*tfevents*")
        [event] = [event for event in tf.compat.v1.train.summary_iterator(str(path)) if event.summary.value]
        return event.step, event.summary

    assert value("train") == value("reference")


def test_writer_without_a_known_resource_writes_the_same(tmp_path, read_events):
    class OtherWriter:
        def __init__(self):
            self._writer = tf.summary.create_file_writer(str(tmp_path))
            self.as_default, self.close = self._writer.as_default, self._writer.close

    writer = OtherWriter()
    write_scalars(writer, {"loss": 0.5, "accuracy": 0.25}, tf.constant(3, tf.int64))
    writer.close()

    assert read_events(tmp_path) == [("loss", 3, 0.5), ("accuracy", 3, 0.25)]


def test_tensorboard_reads_every_scalar(tmp_path):
    with SummaryManager(tmp_path, global_step=iter(range(100)).__next__) as manager:
        for step in range(100):
            manager.write_summaries({f"metric_{index}": step + index for index in range(50)})

    accumulator = EventAccumulator(str(tmp_path), size_guidance={"tensors": 0})
    accumulator.Reload()

    assert len(accumulator.Tags()["tensors"]) == 50
    for index in (0, 49):
        tensors = accumulator.Tensors(f"metric_{index}")
        assert [event.step for event in tensors] == list(range(100))
        assert [tf.make_ndarray(event.tensor_proto).item() for event in tensors] == [
            step + index for step in range(100)
        ]
        assert accumulator.SummaryMetadata(f"metric_{index}").plugin_data.plugin_name == "scalars"


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


def steps_of_every_kind():
    variable = tf.Variable(0, dtype=tf.int64)

    def from_variable(step):
        variable.assign(step)
        return variable

    with tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"]).scope():
        mirrored = tf.Variable(0, dtype=tf.int64, aggregation=tf.VariableAggregation.ONLY_FIRST_REPLICA)

    def from_mirrored(step):
        mirrored.assign(step)
        return mirrored

    return from_variable, from_mirrored


@pytest.mark.parametrize("kind", [0, 1])
def test_step_is_read_at_each_write(tmp_path, read_events, kind):
    move_to = steps_of_every_kind()[kind]
    with SummaryManager(tmp_path, global_step=move_to(0)) as manager:
        for step in (0, 5, 6):
            move_to(step)
            manager.write_summaries({"loss": float(step)})

    assert read_events(tmp_path) == [("loss", 0, 0.0), ("loss", 5, 5.0), ("loss", 6, 6.0)]


def test_step_may_be_that_of_tf_summary(tmp_path, read_events):
    with SummaryManager(tmp_path) as manager:
        tf.summary.experimental.set_step(12)
        manager.write_summaries({"loss": 1.0})
        tf.summary.experimental.set_step(None)

    assert read_events(tmp_path) == [("loss", 12, 1.0)]


def test_no_step_is_an_error(tmp_path, event_files):
    with SummaryManager(tmp_path) as manager, pytest.raises(ValueError, match="There is no step"):
        manager.write_summaries({"loss": 1.0})

    assert event_files(tmp_path) == []


@pytest.mark.parametrize("step", [1.5, [1, 2], "3"])
def test_step_that_is_no_integer_is_an_error(tmp_path, step):
    with SummaryManager(tmp_path, global_step=step) as manager, pytest.raises(ValueError, match="must be one integer"):
        manager.write_summaries({"loss": 1.0})


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


def test_record_if_decides_and_skipped_steps_can_still_be_written(tmp_path, read_events):
    step = tf.Variable(0, dtype=tf.int64)
    with SummaryManager(tmp_path, global_step=step) as manager, tf.summary.record_if(lambda: step % 3 == 0):
        for _ in range(10):
            step.assign_add(1)
            manager.write_summaries({"loss": 1.0})
        with tf.summary.record_if(True):
            manager.write_summaries({"loss": 2.0})

    assert [(step, value) for _, step, value in read_events(tmp_path)] == [(3, 1.0), (6, 1.0), (9, 1.0), (10, 2.0)]


def test_other_default_graph_does_not_matter(tmp_path, read_events):
    step = tf.Variable(4, dtype=tf.int64)
    manager = SummaryManager(tmp_path, global_step=step)
    with tf.Graph().as_default():
        manager.write_summaries({"loss": 1.0})
        with pytest.raises(UnwritableSummaryError, match="'bad'"):
            manager.write_summaries({"bad": None})
        manager.flush()
        manager.close()

    assert read_events(tmp_path) == [("loss", 4, 1.0)]


def test_use_while_a_function_is_traced_is_refused(manager):
    @tf.function
    def step(value):
        manager.write_summaries({"loss": value})
        return value

    with pytest.raises(RuntimeError, match=r"while a tf\.function was traced"):
        step(tf.constant(1.0))


def test_threads_share_a_manager(tmp_path, read_events):
    with SummaryManager(tmp_path, global_step=1) as manager:
        threads = [
            threading.Thread(target=manager.write_summaries, args=({f"tag_{index}": float(index)},))
            for index in range(20)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    assert sorted(read_events(tmp_path)) == sorted((f"tag_{index}", 1, float(index)) for index in range(20))


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
