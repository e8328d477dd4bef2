"""`tools/train.py`, what `make train` runs."""

import importlib.util

import pytest
import tensorflow as tf


@pytest.fixture(scope="module")
def tool(repository):
    spec = importlib.util.spec_from_file_location("train_tool", repository / "tools" / "train.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_unknown_task_is_refused_with_those_there_are(tool, capsys):
    assert tool.main(["--task", "clasification"]) == 2

    assert "no reference task 'clasification'. Did you mean 'classification'? Tasks: classification" in (
        capsys.readouterr().err
    )


def test_experiments_of_all_tasks_exist(tool):
    from assay.core import registered_experiments

    assert set(tool.EXPERIMENTS.values()) <= set(registered_experiments())


def test_scalars_of_the_last_step_are_read(tool, tmp_path):
    for step in (3, 7, 5):
        with tf.summary.create_file_writer(str(tmp_path)).as_default(step=step):
            tf.summary.scalar("accuracy", step / 10)
            tf.summary.image("picture", tf.zeros([1, 2, 2, 1]))

    assert tool.last_scalars(tmp_path) == (7, {"accuracy": pytest.approx(0.7)})


def test_folder_without_events_has_no_scalars(tool, tmp_path):
    assert tool.last_scalars(tmp_path) == (-1, {})


@pytest.mark.slow
def test_run_ends_with_the_table(tool, tmp_path, capsys):
    code = tool.main(
        [
            f"--model_dir={tmp_path}",
            "--params_override=trainer.train_steps=2,trainer.steps_per_loop=2,trainer.summary_interval=2",
        ]
    )
    lines = capsys.readouterr().out.splitlines()

    assert code == 0
    assert [line.rsplit("  ", 1)[0].strip() for line in lines[-5:]] == [
        "trained until step",
        "validation accuracy",
        "validation top-5 accuracy",
        "wall time",
        "CPU time",
    ]
