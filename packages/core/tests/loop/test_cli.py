"""`assay-train` as a user runs it. In-process where nothing starts, in a process of its own where signals matter."""

import os
import signal
import subprocess
import sys
import time

import line_task
import numpy as np
import pytest
import tensorflow as tf
from assay.core import cli

HERE = os.path.dirname(__file__)
EXPERIMENT = """
from assay.core.config import register_config_factory, register_task_cls
from line_task import LineConfig, LineTask, RATE, experiment

register_task_cls(LineConfig)(LineTask)


@register_config_factory("line")
def line():
    config = experiment(train_steps=6, steps_per_loop=2, checkpoint_interval=4, summary_interval=2)
    config.trainer.optimizer_config.optimizer.type = "sgd"
    config.trainer.optimizer_config.learning_rate.type = "constant"
    config.trainer.optimizer_config.learning_rate.constant.learning_rate = RATE
    config.runtime.distribution_strategy = "off"
    return config
"""


@pytest.fixture
def workdir(tmp_path, monkeypatch):
    (tmp_path / "my_experiments.py").write_text(EXPERIMENT)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def forget_registration(monkeypatch):
    from assay.core.config import registry

    monkeypatch.setattr(registry, "_factories", dict(registry._factories))
    monkeypatch.setattr(registry, "_task_classes", dict(registry._task_classes))
    monkeypatch.setattr(cli, "start_tensorflow_quietly", lambda: None)
    monkeypatch.setattr(sys, "path", list(sys.path))
    yield
    sys.modules.pop("my_experiments", None)


def arguments(workdir, *more, mode="train", name="line"):
    return [
        f"--experiment={name}",
        f"--mode={mode}",
        f"--model_dir={workdir / 'run'}",
        "--import_module=my_experiments",
        *more,
    ]


def start(workdir, *more):
    environment = os.environ | {"PYTHONPATH": HERE, "PYTHONUNBUFFERED": "1"}
    environment.pop("TF_CPP_MIN_LOG_LEVEL", None)
    return subprocess.Popen(
        [sys.executable, "-m", "assay.core.cli", *arguments(workdir, *more)],
        cwd=workdir,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_run_prints_only_its_own_lines(workdir):
    process = start(workdir)
    out, err = process.communicate(timeout=120)

    assert process.returncode == 0
    assert err == ""
    assert [line.split(" ")[0] for line in out.splitlines()] == ["train", "train", "saved", "train", "saved", "time"]
    assert tf.train.latest_checkpoint(workdir / "run") == str(workdir / "run" / "ckpt-6")


ENDLESS = (
    "--params_override=trainer.train_steps=100000000,trainer.steps_per_loop=1000000,"
    "trainer.checkpoint_interval=100000000,trainer.summary_interval=1000000"
)


@pytest.mark.slow
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_signal_saves_and_says_how_to_go_on(workdir, number, code):
    process = start(workdir, ENDLESS)
    deadline = time.monotonic() + 60
    while not (workdir / "run" / "train").exists() and time.monotonic() < deadline:
        time.sleep(0.1)
    time.sleep(2)  # Into the loop.

    process.send_signal(number)
    _, err = process.communicate(timeout=60)

    assert process.returncode == code
    (index,) = (workdir / "run").glob("ckpt-*.index")
    step = int(index.stem.split("-")[1])
    lines = [line.strip() for line in err.splitlines() if line.strip()]
    assert f"Stopped after step {step}." in lines
    assert f"Saved in {workdir / 'run' / f'ckpt-{step}'}. To go on:" in lines
    assert lines[-1].endswith(f"-m assay.core.cli {' '.join(arguments(workdir, ENDLESS))}")
    assert tf.train.load_variable(str(index.with_suffix("")), "global_step/.ATTRIBUTES/VARIABLE_VALUE") == step > 0


@pytest.mark.slow
def test_run_of_two_processes_equals_the_run_of_one(workdir):
    for steps in (3, 7):
        process = start(workdir, f"--params_override=trainer.train_steps={steps},trainer.summary_interval=100")
        assert process.wait(timeout=120) == 0

    trainer = line_task.make_trainer()
    line_task.train(trainer, 7)
    other = line_task.make_trainer()
    tf.train.Checkpoint(model=other.model).read(str(workdir / "run" / "ckpt-7")).expect_partial()
    np.testing.assert_array_equal(trainer.model.get_weights()[0], other.model.get_weights()[0])


def refused(capsys, *flags):
    """The one line that the command prints when it refuses."""
    assert cli.main(list(flags)) == cli.EXIT_USAGE
    out, err = capsys.readouterr()
    assert out == ""
    assert "Traceback" not in err
    assert err.startswith("assay-train: ")
    return err


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        ([], "--experiment is missing"),
        (["--experiment=x", "--mode=train"], "--model_dir is missing"),
        (["--experiment=x", "--mode=fit", "--model_dir=d"], "--mode must be one of train, eval, .*; received 'fit'"),
        (["--experimant=x"], "Unknown command line flag 'experimant'"),
        (["train"], "unexpected argument 'train'; every option has the form --name=value"),
    ],
)
def test_mistake_in_the_flags_is_one_sentence(capsys, flags, message):
    import re

    assert re.search(message, refused(capsys, *flags))


def test_mistakes_of_the_experiment_are_one_sentence(workdir, capsys, forget_registration):
    def message(*flags, **options):
        return refused(capsys, *arguments(workdir, *flags, **options))

    assert "there is no experiment 'lime'. Did you mean 'line'?" in message(name="lime")
    assert "no_module'" in message("--import_module=no_module")
    assert "trainer.train_stepz" in message("--params_override=trainer.train_stepz=3")
    assert "nothing.yaml" in message("--config_file=nothing.yaml")
    assert "num_gpus: is 99" in message("--params_override=runtime.num_gpus=99,runtime.distribution_strategy=mirrored")
    assert "No checkpoint at nowhere" in message("--params_override=task.init_checkpoint=nowhere")
    (workdir / "broken.py").write_text("import assay\n\n1 / 0\n")
    assert "broken.py, line 3" in message("--import_module=broken")


def test_model_dir_that_is_a_file_is_refused(workdir, capsys):
    (workdir / "run").write_text("")

    assert "--model_dir must be a directory" in refused(capsys, *arguments(workdir))


def test_files_and_overrides_apply_in_order(workdir, forget_registration):
    (workdir / "a.yaml").write_text("trainer: {train_steps: 1, checkpoint_interval: 3}")
    (workdir / "b.yaml").write_text("trainer: {train_steps: 2}")
    files = ("--config_file=a.yaml", "--config_file=b.yaml")
    overrides = (
        "--params_override=trainer.train_steps=3,trainer.steps_per_loop=1",
        "--params_override=trainer.train_steps=5",
    )

    assert cli.main(arguments(workdir, *files, *overrides)) == 0

    saved = sorted(name for name in os.listdir(workdir / "run") if name.endswith(".index"))
    assert saved == ["ckpt-3.index", "ckpt-5.index"]
    assert "train_steps: 5" in (workdir / "run" / "params.yaml").read_text()


def test_diverged_training_fails_with_a_sentence(workdir, capsys, forget_registration):
    code = cli.main(arguments(workdir, "--params_override=trainer.loss_upper_bound=1.0"))

    assert code == cli.EXIT_FAILED
    assert "assay-train: The training loss is above loss_upper_bound=1 since step 1" in capsys.readouterr().err


def test_experiments_are_listed(workdir, capsys, forget_registration):
    assert cli.main(["--list_experiments", "--import_module=my_experiments"]) == 0

    assert "line" in capsys.readouterr().out.splitlines()


def test_help_names_every_flag(capsys):
    assert cli.main(["--help"]) == 0

    out = capsys.readouterr().out
    for flag in (
        "experiment",
        "mode",
        "model_dir",
        "config_file",
        "params_override",
        "import_module",
        "list_experiments",
    ):
        assert f"--{flag}" in out


def test_quiet_start_gives_its_output_back_on_an_error(capfd):
    from assay.core.quiet import quiet_stderr

    with quiet_stderr():
        os.write(2, b"chatter\n")
    with pytest.raises(FileNotFoundError), quiet_stderr():
        os.remove(f"nothing{os.write(2, b'the reason')}")

    assert capfd.readouterr().err == "the reason"
