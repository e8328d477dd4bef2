"""What a run tells: plain lines, a live bar, and where the time went."""

import io
import time

import numpy as np
import pytest
from assay.core.live_progress import LiveProgress
from assay.core.progress import LineProgress, Progress, default_progress, plain_numbers, summary_line, time_spent


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_lines_are_for_files_and_the_bar_is_for_terminals():
    assert type(default_progress(io.StringIO())) is LineProgress
    assert type(default_progress(Terminal())) is LiveProgress


def test_line_has_the_step_the_speed_and_the_numbers():
    logs = {"loss": np.float32(0.5), "group": {"a": 1}, "image": np.zeros([2, 2]), "steps_per_second": 12.345}

    line = summary_line("train", step=20, logs=logs, seconds=1.0)

    assert line == "train | step:     20 | steps/sec:   12.3 | loss: 0.5 | group/a: 1"


def test_line_of_an_evaluation_has_its_time():
    line = summary_line("eval", step=20, logs={"loss": 0.25}, seconds=1.25)

    assert line == " eval | step:     20 | eval time:    1.2 sec | loss: 0.25"


def test_plain_numbers_leave_out_what_is_no_scalar():
    logs = {"a": 1, "b": {"c": np.float32(2.5)}, "d": [1, 2], "e": "text", "f": None, "g": np.array(3)}

    assert dict(plain_numbers(logs)) == {"a": 1.0, "b/c": 2.5, "g": 3.0}


def test_time_of_a_phase_inside_another_is_counted_once(monkeypatch):
    clock = iter([0.0, 2.0, 5.0, 9.0])
    monkeypatch.setattr(time, "perf_counter", lambda: next(clock))
    progress = Progress()

    with progress.phase("train"), progress.phase("eval"):
        pass

    assert progress.seconds == {"train": 6.0, "eval": 3.0, "checkpoint": 0.0}
    assert time_spent(progress.seconds) == "train 6.0 s, eval 3.0 s, checkpoint 0.0 s"


def test_time_of_a_phase_that_fails_is_counted():
    progress = Progress()

    with pytest.raises(KeyError), progress.phase("eval"):
        raise KeyError

    assert progress.seconds["eval"] > 0
    assert progress.phase_now is None


def test_lines_end_with_the_time_once():
    stream = io.StringIO()
    progress = LineProgress(stream)
    progress.message("hello")
    progress.seconds["train"] = 1.0

    progress.close()
    progress.close()

    assert stream.getvalue() == "hello\ntime | train 1.0 s, eval 0.0 s, checkpoint 0.0 s\n"


def test_bar_shows_steps_loss_and_shares_of_the_time():
    stream = Terminal()
    progress = LiveProgress(stream)
    progress.begin_training(0, 100)
    progress.seconds |= {"train": 3.0, "eval": 1.0}
    progress.advance(40)
    progress.report("train", step=40, logs={"training_loss": 0.125}, seconds=1.0)
    progress.report("eval", step=40, logs={"accuracy": 0.75}, seconds=1.0)
    progress.message("saved [red] checkpoint")
    progress.close()
    progress.close()

    shown = stream.getvalue()
    assert "40/100" in shown
    assert "loss 0.125" in shown
    assert "train 75% eval 25% checkpoint 0%" in shown
    assert " eval | step:     40 | eval time:    1.0 sec | accuracy: 0.75\n" in shown
    assert "saved [red] checkpoint\n" in shown
    assert shown.count("time | train 3.0 s") == 1


def test_bar_may_be_closed_before_it_begins():
    stream = Terminal()

    LiveProgress(stream).close()

    assert stream.getvalue() == ""
