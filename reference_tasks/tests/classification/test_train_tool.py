"""`tools/train.py`, what `make train` runs."""

import importlib.util

import pytest
from assay.core import registered_experiments
from assay.reference_tasks.run_page import Curve


@pytest.fixture(scope="module")
def tool(repository):
    spec = importlib.util.spec_from_file_location("train_tool", repository / "tools" / "train.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(autouse=True)
def tensorflow_has_started(monkeypatch):
    monkeypatch.setattr("assay.core.quiet.start_tensorflow_quietly", lambda: None)


def test_unknown_task_is_refused_with_those_there_are(tool, capsys):
    assert tool.main(["--task", "clasification"]) == 2

    assert "no reference task 'clasification'. Did you mean 'classification'? Tasks: classification" in (
        capsys.readouterr().err
    )


@pytest.mark.parametrize(
    ("task", "scenes"), [("segmentation", "-1"), ("classification", "10")], ids=["negative", "not learnt from scenes"]
)
def test_scenes_that_make_no_sense_are_refused(tool, task, scenes, capsys):
    assert tool.main(["--task", task, "--scenes", scenes]) == 2

    error = capsys.readouterr().err
    assert repr(task) in error
    assert f"received {scenes}" in error


def test_scenes_are_composed_once(tool, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(tool, "SCENES", tmp_path / "scenes")

    folder = tool.composed_scenes(3)
    first = capsys.readouterr().out
    assert tool.composed_scenes(3) == folder

    assert first.startswith("composing 3 digit scenes in ")
    assert capsys.readouterr().out == ""
    assert [path.name for path in folder.parent.iterdir()] == [folder.name]
    assert sorted(path.name for path in folder.iterdir()) == [
        "PROVENANCE.md",
        "instances_train.json",
        "train-00000-of-00001.tfrecord",
    ]


def test_crops_are_cut_once(tool, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(tool, "SCENES", tmp_path / "scenes")

    folder = tool.cut_crops(3)
    assert "cutting the digits out" in capsys.readouterr().out
    assert tool.cut_crops(3) == folder
    assert capsys.readouterr().out == ""
    assert sorted(path.name for path in folder.iterdir()) == [
        "train-00000-of-00001.tfrecord",
        "validation-00000-of-00001.tfrecord",
    ]


def test_backbone_learns_from_crops_first(tool, tmp_path, monkeypatch):
    runs = []
    monkeypatch.setattr(tool, "SCENES", tmp_path / "scenes")
    monkeypatch.setattr(tool, "run", lambda *arguments: runs.append(arguments) or len(runs) - 1)

    assert tool.main(["--task=segmentation", f"--model_dir={tmp_path / 'run'}", "--scenes=3", "--x=1"]) == 1
    (first, backbone, crops), (second, model_dir, rest) = runs
    assert (first, second) == ("digit_crops_classification", "digits_segmentation")
    assert (backbone, model_dir) == (tmp_path / "run" / "backbone", tmp_path / "run")
    assert f"task.train_data.input_path={tmp_path}/scenes/crops-3/train-*,task.train_data.cache=False" in crops[0]
    assert rest == [
        f"--params_override=task.init_checkpoint={backbone},task.init_checkpoint_modules=backbone",
        f"--params_override=task.train_data.input_path={tmp_path}/scenes/train-3/train-*,task.train_data.cache=False",
        "--x=1",
    ]
    runs.append(None)  # so that the next run fails
    assert tool.main(["--task=segmentation", f"--model_dir={tmp_path}", "--scenes=0", "--no_pretraining"]) == 3
    assert runs[-1] == ("digits_segmentation", tmp_path, [])


def test_many_scenes_keep_their_size(tool, tmp_path, monkeypatch):
    runs = []
    monkeypatch.setattr(tool, "composed_scenes", lambda count: tmp_path)
    monkeypatch.setattr(tool, "run", lambda *arguments: runs.append(arguments) or 1)

    assert tool.main(["--task=retinanet", f"--scenes={tool.MORE_SCENES}"]) == 1
    assert tool.main(["--task=retinanet", f"--scenes={tool.MORE_SCENES - 1}"]) == 1
    scaled = ["task.train_data.aug_scale_min=1.0,task.train_data.aug_scale_max=1.0" in run[2][0] for run in runs]
    assert scaled == [True, False]


def test_experiments_of_all_tasks_exist(tool):
    wanted = {name for shown in tool.TASKS.values() for name in (shown.experiment, shown.pretraining) if name}

    assert wanted <= set(registered_experiments())


def test_table_has_the_metrics_that_there_are(tool):
    shown = tool.Shown(
        *("", "", ""),
        metrics={"mean": "the mean", "missing": "no row"},
        prefixes={"of/": "of "},
        class_names=("background", "cat"),
    )
    validation = {
        "of/1": Curve((2, 4), (0.0, 0.5)),
        "of/2": Curve((4,), (0.25,)),
        "mean": Curve((2, 4), (0.1, 0.98765)),
        "other": Curve((4,), (1.0,)),
    }

    assert [(row.heading, row.value) for row in tool.results(shown, validation)] == [
        ("trained until step", "4"),
        ("the mean", "98.77%"),
        ("of cat", "50.00%"),
        ("of 2", "25.00%"),
    ]


def test_charts_join_training_and_validation(tool):
    shown = tool.Shown("", "", "", metrics={"accuracy": "validation accuracy", "missing": "no chart"})
    curve = Curve((1,), (0.5,))
    train = {"training_loss": curve, "accuracy": curve, "learning_rate": curve, "other": curve}

    assert tool.charts(shown, train, {"validation_loss": curve}) == {
        "loss": {"train": curve, "validation": curve},
        "accuracy": {"train": curve},
        "learning rate": {"train": curve},
    }


@pytest.mark.slow
def test_run_ends_with_the_table(tool, tmp_path, capsys):
    code = tool.main(
        [
            f"--model_dir={tmp_path}",
            "--params_override=trainer.train_steps=2,trainer.steps_per_loop=2,trainer.summary_interval=2",
        ]
    )
    lines = capsys.readouterr().out.splitlines()
    page = (tmp_path / "predictions.html").read_text(encoding="utf-8")

    assert code == 0
    assert lines[-1] == f"Predictions and curves: {tmp_path / 'predictions.html'}"
    assert "<h2>Most wrong</h2>" in page
    assert page.count("<svg") == 4
    assert [line.rsplit("  ", 1)[0].strip() for line in lines[-7:-2]] == [
        "trained until step",
        "validation accuracy",
        "validation top-5 accuracy",
        "wall time",
        "CPU time",
    ]
