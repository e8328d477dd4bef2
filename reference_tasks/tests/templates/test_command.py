"""`assay new task`, as `assay` runs it."""

import argparse
import importlib.metadata

import pytest
from assay.reference_tasks.templates.cli import add_command


@pytest.fixture
def assay():
    """Return a function that runs the command as the command `assay` does."""

    def run(*arguments):
        parser = argparse.ArgumentParser(prog="assay")
        add_command(parser.add_subparsers())
        options = parser.parse_args(arguments)
        return options.run(options)

    return run


def test_assay_finds_the_command():
    (entry_point,) = importlib.metadata.entry_points(group="assay.commands", name="new")

    assert entry_point.load() is add_command


def test_writes_the_package_and_says_what_comes_next(assay, template, tmp_path, capsys):
    code = assay("new", "task", "birds", "--template", template.name, "--output", str(tmp_path))
    said = capsys.readouterr().out

    assert code == 0
    assert (tmp_path / "birds" / "src" / "birds" / "task.py").is_file()
    assert f"Wrote {tmp_path / 'birds'}, " in said
    assert f"from the template {template.name}" in said
    assert "assay-train --experiment=birds " in said


def test_writes_here_by_default(assay, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    assert assay("new", "task", "birds", "--template=classification") == 0
    assert [path.name for path in tmp_path.iterdir()] == ["birds"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["random", "--template=classification"], "assay: 'random' is a module of Python itself"),
        (["birds", "--template=clasification"], "assay: there is no template 'clasification'. Did you mean"),
    ],
)
def test_mistake_is_one_sentence_and_writes_nothing(assay, tmp_path, monkeypatch, capsys, arguments, message):
    monkeypatch.chdir(tmp_path)

    assert assay("new", "task", *arguments) == 2
    told = capsys.readouterr()
    assert told.err.startswith(message)
    assert told.err.count("\n") == 1
    assert told.out == ""
    assert list(tmp_path.iterdir()) == []


def test_missing_template_is_named(assay, capsys):
    with pytest.raises(SystemExit, match="2"):
        assay("new", "task", "birds")
    assert "--template" in capsys.readouterr().err
