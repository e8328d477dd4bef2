"""The name of a new task: checked, and what follows from it."""

import dataclasses
import importlib.util
import keyword
import re
import sys
from pathlib import Path

from assay.reference_tasks.templates.errors import NewTaskError

_NAME = re.compile(r"[a-z][a-z0-9_]*")


@dataclasses.dataclass(frozen=True)
class TaskName:
    """A name for a package, its experiment and its classes. Made by `check_name`.

    Attributes:
        package: The import name, also that of the experiment: `my_birds`.
    """

    package: str

    @property
    def distribution(self) -> str:
        """The name to install by: `my-birds`."""
        return self.package.strip("_").replace("_", "-")

    @property
    def class_prefix(self) -> str:
        """What the names of the classes begin with: `MyBirds`."""
        return "".join(part.capitalize() for part in self.package.split("_"))


def check_name(name: str) -> TaskName:
    """Return a name that a new package can have.

    Args:
        name: Lower-case letters, digits and underscores, beginning with a letter.

    Raises:
        NewTaskError: It is none, it is a keyword of Python, or a module that is installed has it.
    """
    if not _NAME.fullmatch(name):
        raise NewTaskError(
            f"{name!r} is no name for a package: expected lower-case letters, digits and underscores, with a letter "
            f"first{_example(name)}."
        )
    if keyword.iskeyword(name):
        raise NewTaskError(f"{name!r} is a keyword of Python and cannot be imported; choose another name.")
    if name in sys.stdlib_module_names:
        raise NewTaskError(f"{name!r} is a module of Python itself, which would be hidden; choose another name.")
    where = _installed(name)
    if where:
        raise NewTaskError(
            f"there is a module {name!r} already ({where}), and one would hide the other; choose another."
        )
    return TaskName(name)


def _example(name: str) -> str:
    """Say what a valid name could be like, where anything of the wrong one is left."""
    words = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name)
    likely = re.sub(r"[^a-z0-9]+", "_", words.lower()).strip("_0123456789")
    return f", for example {likely!r}" if _NAME.fullmatch(likely) else ""


def _installed(name: str) -> str:
    """Say where a module of this name is; a folder of the current directory that only looks like one does not count."""
    try:
        spec = importlib.util.find_spec(name)
    except (ImportError, ValueError):  # a module in memory that has no spec
        return "in this process"
    if spec is None:
        return ""
    folders = [Path(folder) for folder in spec.submodule_search_locations or ()]
    is_namespace = spec.origin is None
    if is_namespace and all(folder.parent == Path.cwd() for folder in folders):
        return ""
    return spec.origin or str(folders[0])
