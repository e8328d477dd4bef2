"""After flush another process reads everything, also when the writer is killed."""

import signal
import subprocess
import sys

WRITER = """
import os, signal, sys
import tensorflow as tf
from assay.summaries import SummaryManager

step = tf.Variable(0, dtype=tf.int64)
manager = SummaryManager(sys.argv[1], global_step=step)
for _ in range(25):
    step.assign_add(1)
    manager.write_summaries({"loss": float(step), "group": {"value": -float(step)}})
manager.flush()
step.assign_add(1)
manager.write_summaries({"loss": 99.0})  # not flushed: may be lost
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_nothing_flushed_is_lost_when_the_writer_is_killed(tmp_path, read_events):
    killed = subprocess.run([sys.executable, "-c", WRITER, str(tmp_path)], capture_output=True, check=False)

    assert killed.returncode == -signal.SIGKILL
    assert read_events(tmp_path)[:25] == [("loss", step, float(step)) for step in range(1, 26)]
    assert read_events(tmp_path / "group") == [("value", step, -float(step)) for step in range(1, 26)]


def test_flush_serves_a_reader_while_the_writer_lives(tmp_path, read_events):
    from assay.summaries import SummaryManager

    steps = iter(range(3))
    manager = SummaryManager(tmp_path, global_step=steps.__next__)
    for step in range(3):
        manager.write_summaries({"loss": 1.0})
        manager.flush()

        assert [written for _, written, _ in read_events(tmp_path)] == list(range(step + 1))
