"""`assay new task`: what it writes installs into a fresh environment and passes its own tests there.

That it also works under tf_keras is tested where it costs less, in `reference_tasks/tests/templates`.
"""

import os
import re
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest
from commands import run

pytestmark = pytest.mark.slow

QUICK_TESTS = "eager and (T000 or T102 or T107 or I101 or I201 or I301)"
"""What is run of a new task's tests: model, steps, evaluation and data, without graphs. All of them take minutes."""
LEAST_TESTS = 5


def fresh_environment(folder: Path) -> Path:
    """Make an environment in which nothing but this workspace and its dependencies is installed; returns its Python."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(folder)], check=True)
    python = folder / "bin" / "python"
    (packages,) = (folder / "lib").glob("python*/site-packages")
    here = sysconfig.get_path("purelib")
    (packages / "workspace.pth").write_text(f"import site; site.addsitedir({here!r})\n")
    return python


def succeed(*command: str, folder: Path) -> str:
    """Run a command that must succeed, and return what it printed."""
    environment = {**os.environ, "TF_ENABLE_ONEDNN_OPTS": "0"}
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{' '.join(command)}\n{done.stdout[-6000:]}\n{done.stderr[-6000:]}"
    return done.stdout


@pytest.mark.parametrize("template", ["classification", "segmentation", "retinanet"])
def test_new_task_installs_and_passes_its_own_tests(template, tmp_path):
    name = f"my_{template}"
    made = run("assay", "new", "task", name, "--template", template, folder=tmp_path)
    assert made.returncode == 0, made.stderr
    project = tmp_path / name
    python = str(fresh_environment(tmp_path / "env"))
    pip = ("-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-index", "--no-deps")
    succeed(python, *pip, "--no-build-isolation", ".", folder=project)
    (project / "src").rename(project / "source")  # so that what was installed is what is tested

    tested = succeed(python, "-m", "pytest", "-q", "-n", "0", "-k", QUICK_TESTS, folder=project)
    known = succeed(python, "-m", "assay.core.cli", "--list_experiments", folder=tmp_path)

    assert int(re.search(r"(\d+) passed", tested)[1]) >= LEAST_TESTS
    assert name in known.split()
