"""Set-up says in a sentence what is missing and how to get it."""

import collections
import subprocess
import sys

import pytest
from workspace_map import ROOT

from tools import set_up


def test_an_old_python_is_refused_with_what_to_install(monkeypatch):
    monkeypatch.setattr(set_up, "OLDEST_PYTHON", (99, 0))

    with pytest.raises(set_up.SetUpError, match=r"Python 99.0 or later is needed.*make PYTHON="):
        set_up.check_python()


def test_a_python_without_venv_is_refused_with_the_package_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "ensurepip", None)

    with pytest.raises(set_up.SetUpError, match=r"no `ensurepip` module.*-venv"):
        set_up.check_python()


def test_a_full_disk_is_refused_with_what_is_needed(monkeypatch, tmp_path):
    usage = collections.namedtuple("usage", "total used free")
    monkeypatch.setattr(set_up.shutil, "disk_usage", lambda folder: usage(10**12, 10**12, 2**30))

    with pytest.raises(set_up.SetUpError, match=r"4 GiB of free disk.* has 1\.0"):
        set_up.check_disk(tmp_path)


def test_what_pip_cannot_install_is_named_with_the_usual_causes(tmp_path):
    with pytest.raises(set_up.SetUpError, match=r"(?s)could not install the thing:.*The usual causes"):
        set_up.run_pip(sys.executable, ["--no-index", "no-such-distribution-of-assay"], "thing")


def test_every_distribution_of_the_tree_is_installed():
    named = {entry.partition("[")[0] for entry in set_up.DISTRIBUTIONS}
    folders = {str(path.parent.relative_to(ROOT)) for path in ROOT.glob("*/*/pyproject.toml")}
    folders |= {str(path.parent.relative_to(ROOT)) for path in ROOT.glob("*/pyproject.toml")}

    assert named == folders


def test_make_without_python_says_what_to_install():
    done = subprocess.run(
        ["make", "setup", "PYTHON=python3.99", "VENV=/nonexistent/venv"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode != 0
    assert "Install Python 3.11 or later" in done.stderr
