"""A resumed run writes each tag and step once, and its steps never go back."""

import warnings

import pytest
import tensorflow as tf
from assay.summaries import DroppedSummaryWarning, SummaryManager
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st


class Run:
    """A manager at a step that the test moves."""

    def __init__(self, directory):
        self.step = 0
        self.manager = SummaryManager(directory, global_step=lambda: self.step)

    def write(self, steps, **summaries):
        for self.step in steps:
            self.manager.write_summaries(summaries or {"loss": float(self.step)})
        self.manager.flush()


@pytest.fixture
def quiet():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DroppedSummaryWarning)
        yield


@pytest.mark.usefixtures("quiet")
def test_steps_before_the_resume_are_kept_and_not_repeated(tmp_path, read_events):
    Run(tmp_path).write(range(1, 11), loss=1.0)

    Run(tmp_path).write(range(6, 14), loss=2.0)

    assert read_events(tmp_path) == [("loss", step, 1.0 if step <= 10 else 2.0) for step in range(1, 14)]


@pytest.mark.usefixtures("quiet")
def test_subdirectories_resume_too(tmp_path, read_events):
    Run(tmp_path).write([1, 2], group={"value": 1.0})

    Run(tmp_path).write([2, 3], group={"value": 2.0})

    assert read_events(tmp_path / "group") == [("value", 1, 1.0), ("value", 2, 1.0), ("value", 3, 2.0)]


def test_dropping_warns_once_and_names_step_and_directory(tmp_path):
    Run(tmp_path).write([10])
    run = Run(tmp_path)

    with pytest.warns(
        DroppedSummaryWarning, match="Summaries of step 6 were dropped: .* already holds step 10"
    ) as seen:
        run.write([6, 7, 8, 11, 12])

    assert len(seen) == 1
    assert str(tmp_path) in str(seen[0].message)
    assert seen[0].filename == __file__


def test_dropping_again_after_catching_up_warns_again(tmp_path):
    run = Run(tmp_path)

    with pytest.warns(DroppedSummaryWarning) as seen:
        run.write([5, 4, 3, 6, 2, 7])

    assert [str(warning.message).split(" were")[0] for warning in seen] == [
        "Summaries of step 4",
        "Summaries of step 2",
    ]


@pytest.mark.usefixtures("quiet")
def test_same_step_takes_each_tag_once(tmp_path, read_events):
    run = Run(tmp_path)

    run.write([3], loss=1.0)
    run.write([3], loss=2.0, accuracy=0.5)

    assert read_events(tmp_path) == [("loss", 3, 1.0), ("accuracy", 3, 0.5)]


def test_new_tags_at_the_last_step_of_an_earlier_process_are_written(tmp_path, read_events):
    Run(tmp_path).write([3], loss=1.0)

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        Run(tmp_path).write([3], accuracy=0.5)

    assert read_events(tmp_path) == [("loss", 3, 1.0), ("accuracy", 3, 0.5)]


@pytest.mark.usefixtures("quiet")
def test_new_tags_at_an_earlier_step_are_dropped(tmp_path, read_events):
    Run(tmp_path).write([3], loss=1.0)

    Run(tmp_path).write([2], accuracy=0.5)

    assert read_events(tmp_path) == [("loss", 3, 1.0)]


@pytest.mark.usefixtures("quiet")
def test_event_files_of_others_count(tmp_path, read_events):
    writer = tf.summary.create_file_writer(str(tmp_path))
    with writer.as_default():
        tf.summary.scalar("loss", 1.0, step=5)
        tf.summary.image("picture", tf.zeros([1, 8, 8, 3]), step=4)
    writer.close()

    Run(tmp_path).write([5, 6])

    loss = [step for path in tmp_path.glob("*tfevents*") for step in _steps(path, "loss")]
    assert sorted(loss) == [5, 6]


def _steps(path, tag):
    for event in tf.compat.v1.train.summary_iterator(str(path)):
        yield from (event.step for value in event.summary.value if value.tag == tag)


@pytest.mark.usefixtures("quiet")
@pytest.mark.parametrize("cut", [1, 4, 11, 30])
def test_file_that_a_killed_process_left_incomplete_is_read_up_to_there(tmp_path, cut):
    Run(tmp_path).write([1, 2, 3])
    [path] = tmp_path.glob("*tfevents*")
    path.write_bytes(path.read_bytes()[:-cut])

    Run(tmp_path).write([2, 3, 4])

    newest = max(tmp_path.glob("*tfevents*"), key=lambda candidate: int(candidate.name.split(".")[-2]))
    assert newest != path
    assert list(_steps(newest, "loss")) == [3, 4]


@pytest.mark.usefixtures("quiet")
def test_directory_name_is_no_pattern(tmp_path, read_events):
    directory = tmp_path / "run[1]*"
    Run(directory).write([1, 2])

    Run(directory).write([1, 2, 3])

    assert [step for _, step, _ in read_events(directory)] == [1, 2, 3]


@pytest.mark.usefixtures("quiet")
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=25)
@given(runs=st.lists(st.lists(st.integers(0, 6), max_size=6), max_size=4))
def test_any_sequence_of_runs_keeps_steps_rising_and_unique(tmp_path_factory, read_events, runs):
    directory = tmp_path_factory.mktemp("runs")

    for steps in runs:
        run = Run(directory)
        run.write(steps)
        run.manager.close()

    records = []  # the steps that exceed all before them
    for step in (step for steps in runs for step in steps):
        records += [step] if not records or step > records[-1] else []
    assert [step for _, step, _ in read_events(directory)] == records
