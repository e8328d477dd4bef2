"""An input pipeline without a Task is checked as a newcomer would: by the name of its function."""

import os
import subprocess
import sys

import pytest
from assay.conformance import Kind, Subject
from assay.conformance.importing import kind_of

PROGRAM = """
import dataclasses
import tensorflow as tf


@dataclasses.dataclass
class Params:
    is_training: bool
    count: int
    batch_size: int = 4


def params():
    return {"training": Params(True, 21), "validation": Params(False, 11)}


def make_dataset(params, input_context=None):
    dataset = tf.data.Dataset.range(params.count)
    size = params.batch_size
    if input_context:
        size = input_context.get_per_replica_batch_size(size)
    return (dataset.repeat() if params.is_training else dataset).batch(size)
"""


def test_pipeline_is_checked_from_the_command_line(tmp_path):
    (tmp_path / "data.py").write_text(PROGRAM)
    command = "import sys; from assay.conformance.cli import main; sys.exit(main())"
    arguments = ["check", "data.py:make_dataset", "--sample", "data.py:params", "--select", "I201,I203,I207", "-v"]

    finished = subprocess.run(
        [sys.executable, "-c", command, *arguments],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "COLUMNS": "200"},
    )

    assert "make_dataset (input pipeline) on cpu" in finished.stdout, finished.stderr
    assert "each of 2 input pipelines yields all 11 examples" in finished.stdout
    assert "check data.py:make_dataset --sample data.py:params --kind input_pipeline --select I203" in finished.stdout
    assert finished.returncode == 1


class Reader:
    def build_inputs(self, params, input_context=None): ...


class Callable:
    def __call__(self, params, input_context=None): ...


def required(params, input_context): ...


def params_only(params): ...


def context_only(input_context=None): ...


@pytest.mark.parametrize("factory", [Reader, Callable, required, params_only, context_only])
def test_kind_is_told_by_the_arguments(factory):
    assert kind_of(Subject(factory)) is Kind.INPUT_PIPELINE


def test_function_of_labels_and_predictions_is_still_a_loss():
    assert kind_of(Subject(lambda labels, logits: logits)) is Kind.LOSS
