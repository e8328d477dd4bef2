"""Without a directory nothing happens, and TensorFlow is not even imported."""

import subprocess
import sys

import pytest
import tensorflow as tf
from assay.summaries import NullSummaryManager, SummaryManager, SummaryManagerInterface


@pytest.mark.parametrize("make", [NullSummaryManager, lambda: SummaryManager(None, tf.summary.scalar, global_step=1)])
def test_no_directory_means_no_files(tmp_path, monkeypatch, make):
    monkeypatch.chdir(tmp_path)

    with make() as manager:
        manager.write_summaries({"loss": 1.0, "group": {"value": object()}})
        with manager.summary_writer("images").as_default():
            tf.summary.scalar("loss", 1.0, step=1)
        manager.flush()
    manager.close()

    assert isinstance(manager, SummaryManagerInterface)
    assert list(tmp_path.rglob("*")) == []


def test_importing_and_writing_nothing_does_not_import_tensorflow():
    code = (
        "import sys; from assay.summaries import SummaryManager, NullSummaryManager\n"
        "for manager in (SummaryManager(None), NullSummaryManager()):\n"
        "    manager.write_summaries({'loss': 1.0}); manager.flush(); manager.close()\n"
        "sys.exit('tensorflow' in sys.modules)"
    )

    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
