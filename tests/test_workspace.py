"""What holds for all distributions at once: versions, metadata, pins, and what may not be written down here."""

import re
import subprocess
import tomllib

import pytest
from workspace_map import ROOT, read_map

PACKAGES = read_map()
each_package = pytest.mark.parametrize("package", PACKAGES, ids=lambda package: package.import_name)


def test_versions_move_together():
    assert len({package.project["version"] for package in PACKAGES}) == 1


@each_package
def test_a_distribution_is_complete(package):
    folder = ROOT / package.folder
    inside = package.source / package.import_name.replace(".", "/")

    assert package.project["name"] == package.distribution
    assert package.project["requires-python"] == ">=3.11"
    assert (inside / "py.typed").exists()
    assert (inside / "__init__.py").exists()
    assert len((folder / "README.md").read_text().splitlines()) > 15
    assert list((folder / "tests").rglob("test_*.py"))
    assert list(package.project.get("scripts", {})) == ([package.command] if package.command else [])


def test_every_dependency_is_pinned():
    pinned = {
        re.split(r"[=<>]", line)[0].lower().replace("_", "-")
        for line in (ROOT / "constraints.txt").read_text().splitlines()
        if line
    }
    named = tomllib.loads((ROOT / "pyproject.toml").read_text())["dependency-groups"]["dev"]
    for package in PACKAGES:
        legacy = package.project.get("optional-dependencies", {}).get("legacy", [])
        named = [*named, *package.project["dependencies"], *legacy]
    names = {re.split(r"[=<>\[;]", line)[0].strip().lower().replace("_", "-") for line in named}

    assert sorted(name for name in names - pinned if not name.startswith("assay-")) == []


def test_constraints_name_versions_only():
    lines = [line for line in (ROOT / "constraints.txt").read_text().splitlines() if line and not line.startswith("#")]

    assert [line for line in lines if not re.fullmatch(r"[A-Za-z0-9._-]+==[A-Za-z0-9.+!]+", line)] == []


def test_no_absolute_path_of_a_machine_is_committed():
    found = subprocess.run(
        ["git", "grep", "-nIE", r"(/home/[a-z]+|/root|/Users/[a-z]+)/", "--", ".", ":!tests/test_workspace.py"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )

    assert found.stdout == ""
