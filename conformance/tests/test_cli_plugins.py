"""Commands that other packages add to `assay`."""

import importlib.metadata
from pathlib import Path

import pytest
from assay.conformance.cli import main, plugins


@pytest.fixture
def installed(monkeypatch):
    """Return a function that lets entry points of commands, by name, be all that is installed."""

    def install(**functions):
        class Found:
            def __init__(self, name):
                self.name, self.value = name, f"elsewhere:{name}"

            def load(self):
                if isinstance(functions[self.name], Exception):
                    raise functions[self.name]
                return functions[self.name]

        def entry_points(*, group):
            assert group == "assay.commands"
            return [Found(name) for name in functions]

        monkeypatch.setattr(importlib.metadata, "entry_points", entry_points)

    return install


def test_command_of_another_package_runs(installed):
    def add_command(commands):
        parser = commands.add_parser("greet")
        parser.add_argument("whom")
        parser.set_defaults(run=lambda options: len(options.whom))

    installed(greet=add_command)

    assert main(["greet", "world"]) == 5


def test_command_that_cannot_be_loaded_says_so_and_disturbs_no_other(installed, capsys):
    installed(broken=ImportError("no module named 'gone'"))

    assert main(["broken", "--any", "thing"]) == 2
    assert capsys.readouterr().err == (
        "assay: the command 'broken' cannot be loaded from elsewhere:broken: no module named 'gone'\n"
    )
    assert main(["explain", "T101"]) == 0


def test_command_of_the_suite_cannot_be_replaced(installed, capsys):
    installed(explain=lambda commands: pytest.fail("it was replaced"))

    assert main(["explain", "T101"]) == 0
    assert "T101" in capsys.readouterr().out


@pytest.mark.parametrize("arguments", [["new"], ["new", "task", "mine", "--template", "x"], ["new", "--help"]])
def test_command_that_is_not_installed_says_how_to_get_it(installed, capsys, arguments):
    installed()

    assert main(arguments) == 2
    assert (
        capsys.readouterr().err == "assay: `assay new` comes with another package: pip install assay-reference-tasks\n"
    )


def test_only_known_distributions_are_named():
    root = Path(__file__).parents[2]
    for distribution, _ in plugins.COMMANDS_ELSEWHERE.values():
        assert any(f'name = "{distribution}"' in path.read_text() for path in root.glob("*/pyproject.toml"))
