"""Makes the files of a new task, and writes them whole or not at all."""

import ast
import importlib.metadata
import os
import re
import shutil
import textwrap
from collections.abc import Iterator, Mapping
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path
from string import Template as Text

from assay.reference_tasks.templates.errors import NewTaskError
from assay.reference_tasks.templates.naming import TaskName, check_name
from assay.reference_tasks.templates.registry import Template
from assay.reference_tasks.templates.source_code import classes_defined, imported_packages, rewritten, words_of

_STARTER = "starter"  # stands for the new name in the modules of a starter
_TEXTS = "assay.reference_tasks.templates"
_EXPERIMENT = re.compile(r"@register_config_factory\(\"(\w+)\"\)")
_PROSE_WIDTH = 110
_REPLACED = ("experiments.py", "testing.py")
"""Modules that speak of the reference task's own data; the starter has its own."""


def make_project(name: str, template: Template) -> dict[str, str | bytes]:
    """Return the files of a new task.

    All Python modules of the reference task are copied, with imports and class names changed. In the place of its
    experiments come those of the starter, which run on a little generated data; what all tasks on images share stays
    imported.

    Args:
        name: The name of the package.
        template: What to copy.

    Returns:
        The content of each file, by its path inside the project's folder.

    Raises:
        NewTaskError: The name cannot be used.
    """
    task_name = check_name(name)
    copied = {path: text for path, text in _modules(template.folder) if path not in _REPLACED}
    started = {path: text for folder in template.starters.values() for path, text in _modules(folder)}
    modules = copied | started
    renamed = {
        old: task_name.class_prefix + old.removeprefix(template.class_prefix)
        for old in classes_defined(copied.values(), prefix=template.class_prefix)
        if old != template.class_prefix  # the name of a model, and of what it is about
    }
    _refuse_conflicts(task_name, renamed, modules, template)
    packages = dict.fromkeys((template.package, *template.starters), name)
    own_words = {
        word: name + word.removeprefix(_STARTER)
        for word in words_of(started.values())
        if word == _STARTER or word.startswith(f"{_STARTER}_")
    }
    source = {}
    for path, text in modules.items():
        words = renamed | own_words if path in started else renamed
        source[path] = rewritten(text, packages=packages, words=words)
    values = {
        "name": name,
        "distribution": task_name.distribution,
        "template": template.name,
        "summary": template.summary,
        "data_step": textwrap.indent(textwrap.fill(template.data_step.replace("NAME", name), _PROSE_WIDTH), "   "),
        "task_class": f"{task_name.class_prefix}Task",
        "version": _version(),
        "dependencies": "\n".join(f'    "{distribution}",' for distribution in _distributions(source)),
        "map": "\n".join(_map(source)),
    }
    files: dict[str, str | bytes] = {f"src/{name}/{path}": text for path, text in source.items()}
    files[f"src/{name}/py.typed"] = ""
    files |= {f"src/{name}/examples/{path}": content for path, content in template.examples().items()}
    for path in ("pyproject.toml", "README.md", "tests/test_conformance.py"):
        files[path] = _text(path, template).substitute(values)
    return files


def write_project(files: Mapping[str, str | bytes], folder: Path) -> None:
    """Write the files of a project into a new folder, all of them or nothing.

    Args:
        files: Texts, or bytes, by path inside the folder.
        folder: The folder; folders above it are made.

    Raises:
        NewTaskError: It exists already, or cannot be written.
    """
    if os.path.lexists(folder):
        raise NewTaskError(
            f"{folder} exists already, and nothing is ever overwritten; choose another name or --output."
        )
    staging = folder.with_name(f".{folder.name}.partial-{os.getpid()}")
    try:
        try:
            for path, content in files.items():
                target = staging / path
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_bytes(content.encode() if isinstance(content, str) else content)
            staging.rename(folder)
        except BaseException:
            shutil.rmtree(staging, ignore_errors=True)
            raise
    except OSError as error:
        raise NewTaskError(f"{folder} cannot be written: {error.strerror or error}.") from error


def _modules(folder: Traversable, inside: str = "") -> Iterator[tuple[str, str]]:
    """Yield the path and the text of each Python module of a folder."""
    for entry in sorted(folder.iterdir(), key=lambda entry: entry.name):
        path = f"{inside}{entry.name}"
        if entry.is_dir():
            yield from _modules(entry, f"{path}/")
        elif entry.name.endswith(".py"):
            yield path, entry.read_text(encoding="utf-8")


def _refuse_conflicts(
    name: TaskName, renamed: Mapping[str, str], modules: Mapping[str, str], template: Template
) -> None:
    """Refuse a name whose classes or experiment would be taken for others."""
    taken = (words_of(modules.values()) - set(renamed)) & set(renamed.values())
    if taken:
        raise NewTaskError(
            f"{name.package!r} would make a class {min(taken)}, which is another class in the template; choose another "
            "name."
        )
    experiments = _EXPERIMENT.findall(template.folder.joinpath("experiments.py").read_text(encoding="utf-8"))
    if name.package in experiments:
        raise NewTaskError(f"{name.package!r} is an experiment of assay-reference-tasks already; choose another name.")


def _distributions(source: Mapping[str, str]) -> list[str]:
    """The distributions of Assay that the modules need, as requirements."""
    modules = {module for text in source.values() for module in imported_packages(text)}
    names = {"-".join(module.split(".")[:2]).replace("_", "-") for module in modules if module.startswith("assay.")}
    return [f"{distribution}>={_version()}" for distribution in sorted(names)]


def _version() -> str:
    return importlib.metadata.version("assay-reference-tasks")


def _map(source: Mapping[str, str]) -> Iterator[str]:
    """Yield a row of a table for each module: its path and what it says of itself."""
    for path, text in sorted(source.items()):
        if not path.endswith("__init__.py"):
            summary = (ast.get_docstring(ast.parse(text)) or "").partition("\n")[0]
            yield f"| `{path}` | {summary} |"


def _text(path: str, template: Template) -> Text:
    """The text of a file with `$names` in it; a template may have its own."""
    texts = resources.files(_TEXTS).joinpath("texts")
    own = texts.joinpath(f"{template.name}/{path}.txt")
    return Text((own if own.is_file() else texts.joinpath(f"{path}.txt")).read_text(encoding="utf-8"))
