"""Each distribution installs by itself into a fresh virtual environment and can be imported there."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from workspace_map import ROOT, read_map

pytestmark = pytest.mark.slow

BY_NAME = {package.import_name: package for package in read_map()}
NEED_TENSORFLOW = [name for name, package in BY_NAME.items() if name != "assay.python_metrics"]

REPORT = """
import importlib, json, sys
module = importlib.import_module({name!r})
print(json.dumps({{"file": module.__file__, "doc": module.__doc__, "tensorflow": "tensorflow" in sys.modules}}))
"""


def fresh_environment(folder: Path) -> Path:
    subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
    return folder / "bin" / "python"


def pip(python: Path, *arguments: str) -> None:
    command = [str(python), "-m", "pip", *arguments, "--quiet", "--disable-pip-version-check"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def import_report(python: Path, name: str) -> dict:
    """What a new interpreter, started away from the repository, says after importing a package."""
    done = subprocess.run(
        [str(python), "-c", REPORT.format(name=name)], cwd="/", capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def test_python_metrics_installs_without_tensorflow(tmp_path):
    python = fresh_environment(tmp_path / "env")
    pip(python, "install", "--constraint", "constraints.txt", "./packages/python_metrics")

    report = import_report(python, "assay.python_metrics")

    assert not report["tensorflow"]
    assert report["doc"]
    assert str(tmp_path) in report["file"]
    absent = subprocess.run([str(python), "-c", "import tensorflow"], capture_output=True, cwd="/", check=False)
    assert absent.returncode != 0


@pytest.fixture(scope="module")
def environment_with_losses(tmp_path_factory):
    """A fresh environment into which `pip install ./packages/losses` brought TensorFlow and nothing else of ours."""
    python = fresh_environment(tmp_path_factory.mktemp("alone") / "env")
    pip(python, "install", "--constraint", "constraints.txt", "./packages/losses")
    return python


@pytest.mark.parametrize("name", NEED_TENSORFLOW)
def test_installs_and_imports_alone(environment_with_losses, name):
    """The distributions take turns, so that TensorFlow is installed only once; a reference task needs its packages."""
    python = environment_with_losses
    package = BY_NAME[name]
    needed = [BY_NAME[other] for other in sorted(package.may_import)] if name == "assay.reference_tasks" else []
    pip(python, "uninstall", "--yes", *(other.distribution for other in BY_NAME.values()))
    folders = [f"./{other.folder}" for other in [*needed, package]]
    pip(python, "install", "--constraint", "constraints.txt", *folders)

    report = import_report(python, name)

    assert report["doc"]
    assert str(python.parent.parent) in report["file"]
