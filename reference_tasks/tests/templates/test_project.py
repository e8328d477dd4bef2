"""The files of a new task, and how they are written."""

import ast
import importlib
import importlib.util
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import tensorflow as tf
from assay.core import get_exp_config, get_task
from assay.reference_tasks.templates import NewTaskError, find_template, make_project, write_project


def modules_of(files):
    return {path: text for path, text in files.items() if path.endswith(".py")}


def texts_of(files):
    return {path: text for path, text in files.items() if isinstance(text, str)}


def test_every_module_of_the_task_is_copied(template):
    files = make_project("birds", template)
    source = importlib.util.find_spec(template.package).submodule_search_locations[0]
    found = subprocess.run(["git", "ls-files", "*.py"], cwd=source, capture_output=True, text=True, check=True)

    assert found.stdout
    assert {f"src/birds/{path}" for path in found.stdout.split()} <= set(files)


def test_copy_is_a_task_and_no_subclass_of_the_reference_task(template):
    files = make_project("birds", template)
    classes = {
        node.name: [ast.unparse(base) for base in node.bases]
        for node in ast.parse(files["src/birds/task.py"]).body
        if isinstance(node, ast.ClassDef)
    }

    assert classes["BirdsTask"] == ["Task"]


def test_no_name_of_the_template_is_left(template):
    files = make_project("birds", template)
    own = rf"{re.escape(template.package)}\b|\b{template.class_prefix}(?:Task|(?:Model|Head|Data)?Config)\b"
    left = re.compile(rf"{own}|starter|\bNAME\b|\$\w")

    assert {path: left.findall(text) for path, text in texts_of(files).items() if left.search(text)} == {}


def test_texts_name_what_there_is(template):
    files = make_project("my_birds", template)
    project = tomllib.loads(files["pyproject.toml"])
    (subject,) = project["tool"]["assay"]["subjects"]
    module, _, function = subject.partition(":")

    assert project["project"]["name"] == "my-birds"
    assert project["project"]["entry-points"]["assay.experiments"] == {"my_birds": "my_birds"}
    assert f"def {function}(" in files[f"src/{module.replace('.', '/')}.py"]
    assert '@register_config_factory("my_birds")' in files["src/my_birds/experiments.py"]
    assert "`task.py`" in files["README.md"]
    assert max(map(len, files["README.md"].splitlines())) <= 140


def test_requirements_are_what_the_modules_import(template):
    files = make_project("birds", template)
    required = tomllib.loads(files["pyproject.toml"])["project"]["dependencies"]
    imported = set(re.findall(r"^from assay\.(\w+)", "\n".join(modules_of(files).values()), re.MULTILINE))

    assert {re.split("[>=]", line)[0] for line in required if line.startswith("assay")} == {
        f"assay-{name.replace('_', '-')}" for name in imported - {"conformance"}
    }


def test_code_is_clean_for_a_linter(template, tmp_path):
    write_project(make_project("birds", template), tmp_path / "birds")
    checked = subprocess.run(
        [sys.executable, "-m", "ruff", "check", "--isolated", "--line-length=120", "--select=E,F,I", "."],
        cwd=tmp_path / "birds",
        capture_output=True,
        text=True,
        check=False,
    )

    assert checked.returncode == 0, checked.stdout + checked.stderr


@pytest.mark.flavour
def test_experiment_takes_a_step_on_the_generated_data(template, tmp_path, monkeypatch):
    name = f"grown_{template.name}"
    write_project(make_project(name, template), tmp_path / name)
    monkeypatch.syspath_prepend(str(tmp_path / name / "src"))
    importlib.invalidate_caches()
    package = importlib.import_module(name)
    params = get_exp_config(name)
    params.validate("train_and_eval")
    task = get_task(params.task)
    subject = getattr(importlib.import_module(f"{name}.testing"), f"{name}_subject")()
    model = subject.build_model()
    batch = next(iter(subject.build_inputs(subject.task_config.validation_data)))

    assert type(task).__module__ == f"{package.__name__}.task"
    assert type(subject) is type(task)
    assert tf.math.is_finite(subject.validation_step(batch, model)["loss"])


def test_examples_are_what_the_copy_writes(tmp_path, monkeypatch):
    files = make_project("scenic", find_template("segmentation"))
    write_project(files, tmp_path / "scenic")
    monkeypatch.syspath_prepend(str(tmp_path / "scenic" / "src"))
    importlib.invalidate_caches()
    importlib.import_module("scenic.data").write(tmp_path / "again")
    written = {path.name: path.read_bytes() for path in (tmp_path / "again").iterdir()}

    assert len(written) == 4
    assert written == {Path(path).name: content for path, content in files.items() if isinstance(content, bytes)}


def test_name_whose_class_is_taken_is_refused():
    with pytest.raises(NewTaskError, match="'task' would make a class TaskConfig"):
        make_project("task", find_template("classification"))


def test_name_of_an_experiment_of_the_template_is_refused():
    with pytest.raises(NewTaskError, match="'digits_classification' is an experiment of assay-reference-tasks already"):
        make_project("digits_classification", find_template("classification"))


def test_name_of_the_template_itself_can_be_used(template):
    assert f"src/{template.name}/task.py" in make_project(template.name, template)


def test_unknown_template_is_refused_with_the_nearest():
    with pytest.raises(NewTaskError, match=r"no template 'Clasification'\. Did you mean 'classification'\?"):
        find_template("Clasification")


class TestWriting:
    def test_makes_the_folders_above(self, tmp_path):
        write_project({"a/b.txt": "ä", "c.txt": ""}, tmp_path / "new" / "birds")

        assert (tmp_path / "new" / "birds" / "a" / "b.txt").read_text(encoding="utf-8") == "ä"
        assert [path.name for path in (tmp_path / "new").iterdir()] == ["birds"]

    @pytest.mark.parametrize("kind", ["folder", "file", "link to nothing"])
    def test_overwrites_nothing(self, tmp_path, kind):
        target = tmp_path / "birds"
        if kind == "folder":
            target.mkdir()
        elif kind == "file":
            target.write_text("mine")
        else:
            target.symlink_to(tmp_path / "nowhere")

        with pytest.raises(NewTaskError, match="exists already, and nothing is ever overwritten"):
            write_project({"a.txt": "theirs"}, target)
        assert list(tmp_path.iterdir()) == [target]
        assert kind != "file" or target.read_text() == "mine"

    def test_leaves_nothing_behind_when_a_file_cannot_be_written(self, tmp_path):
        files = {"a.txt": "written", "a.txt/b.txt": "a.txt is no folder"}

        with pytest.raises(NewTaskError, match=r"birds cannot be written: (Not a directory|File exists)\."):
            write_project(files, tmp_path / "birds")
        assert list(tmp_path.iterdir()) == []

    def test_leaves_nothing_behind_when_it_is_interrupted(self, tmp_path, monkeypatch):
        def interrupt(self, target):
            raise KeyboardInterrupt

        monkeypatch.setattr("pathlib.Path.rename", interrupt)

        with pytest.raises(KeyboardInterrupt):
            write_project({"a.txt": "written"}, tmp_path / "birds")
        assert list(tmp_path.iterdir()) == []
