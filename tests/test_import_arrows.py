"""The import arrows of WORKSPACE.md: who may import whom, and by which door."""

from pathlib import Path

import pytest
from workspace_map import ROOT, Package, imported_modules, read_map

PACKAGES = read_map()
BY_NAME = {package.import_name: package for package in PACKAGES}
each_package = pytest.mark.parametrize("package", PACKAGES, ids=lambda package: package.import_name)


def owner_of(module: str) -> str | None:
    """The internal package that a module belongs to, or None for anything else."""
    return next((name for name in BY_NAME if module == name or module.startswith(f"{name}.")), None)


def wrong_arrows(package: Package, path: Path) -> list[str]:
    wrong = []
    for module, line, _ in imported_modules(path, package.module_name(path)):
        owner = owner_of(module)
        if owner is None and module.split(".")[0] == "assay" and module != "assay":
            wrong.append(f"{path}:{line}: {module} belongs to no package of the map")
        elif owner not in (None, package.import_name) and owner not in package.may_import:
            wrong.append(f"{path}:{line}: {package.import_name} may not import {owner}")
    return wrong


def test_the_map_names_every_distribution():
    folders = {str(path.parent.relative_to(ROOT)) for path in ROOT.glob("packages/*/pyproject.toml")}
    folders |= {"reference_tasks", "conformance"}

    assert {package.folder for package in PACKAGES} == folders


@each_package
def test_arrows_point_the_right_way(package):
    assert package.modules, f"{package.source} holds no module"

    assert [fault for path in package.modules for fault in wrong_arrows(package, path)] == []


@each_package
def test_no_private_module_of_another_package_is_imported(package):
    faults = [
        f"{path}:{line}: {module}"
        for path in package.modules
        for module, line, _ in imported_modules(path, package.module_name(path))
        if owner_of(module) not in (None, package.import_name)
        and any(part.startswith("_") for part in module.split("."))
    ]

    assert faults == []


@each_package
def test_no_import_cycle(package):
    files = {package.module_name(path): path for path in package.modules}
    graph = {}
    for name, path in files.items():
        found = {module for module, _, now in imported_modules(path, name) if now and module in files}
        # A package's own __init__ imports its modules; a module that takes a name through that door is a cycle
        # only if the name is defined there, so the edge to an ancestor is not counted.
        graph[name] = {module for module in found if module != name and not name.startswith(f"{module}.")}
    done: set[str] = set()

    def visit(name: str, trail: tuple[str, ...]) -> None:
        assert name not in trail, " -> ".join((*trail[trail.index(name) :], name))
        if name not in done:
            for target in sorted(graph[name]):
                visit(target, (*trail, name))
            done.add(name)

    for name in sorted(graph):
        visit(name, ())


def test_python_metrics_never_names_tensorflow():
    package = BY_NAME["assay.python_metrics"]
    faults = [
        f"{path}:{line}: {module}"
        for path in package.modules
        for module, line, _ in imported_modules(path, package.module_name(path))
        if module.split(".")[0] in ("tensorflow", "keras", "tf_keras")
    ]

    assert faults == []


def test_a_wrong_arrow_is_seen(tmp_path):
    folder = tmp_path / "src" / "assay" / "losses"
    folder.mkdir(parents=True)
    module = folder / "bad.py"
    module.write_text("def f():\n    from assay.core import Task\n    return Task\n")
    package = Package("assay-losses", str(tmp_path), "assay.losses", frozenset(), "")

    assert any("may not import assay.core" in fault for fault in wrong_arrows(package, module))


def test_the_namespace_has_no_init():
    assert [str(path) for package in PACKAGES for path in package.source.glob("assay/__init__.py")] == []
