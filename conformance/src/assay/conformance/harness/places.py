"""Where something was made: the subject's own line, found in a stack of frames that is mostly the frameworks'."""

from __future__ import annotations

import dataclasses
import linecache
import re
import sysconfig
from collections.abc import Iterable
from pathlib import Path

_FRAMEWORKS = frozenset({"tensorflow", "keras", "tf_keras", "tensorboard", "numpy", "six", "wrapt", "absl"})
_INSTALLED = ("site-packages", "dist-packages")
_STANDARD_LIBRARY = Path(sysconfig.get_paths()["stdlib"])
_SUITE = Path(__file__).parents[1]
_SUBJECTS = (_SUITE / "rules", _SUITE / "specimens")  # where mutants and twins live
_IN_MESSAGE = re.compile(r'File "(?P<file>[^"]+)", line (?P<line>\d+), in (?P<name>\S+)')

Frame = tuple[str, int, str]
"""A file, a line number and the name of the function, outermost first in a stack."""


@dataclasses.dataclass(frozen=True)
class Place:
    """One line of code.

    Attributes:
      file: The path of the file.
      line: The line's number.
      function: The function that it stands in.
    """

    file: str
    line: int
    function: str

    def __str__(self) -> str:
        return f"{Path(self.file).name}:{self.line} in {self.function}"

    @property
    def source(self) -> str:
        """The text of the line, or an empty string when the file is not to be had."""
        return linecache.getline(self.file, self.line).strip()

    @property
    def installed(self) -> bool:
        """Whether the file belongs to an installed package."""
        return any(part in _INSTALLED for part in Path(self.file).parts)

    def quoted(self) -> str:
        """The place with the text of the line: ``task.py:12 in train_step: `x = tf.unique(y)` ``."""
        return f"{self}: `{self.source}`" if self.source else str(self)


def own_place(frames: Iterable[Frame]) -> Place | None:
    """Return the innermost line that is neither a framework's nor the suite's, or None.

    Packages that build on the frameworks count as the subject's own: a subject may come from one.

    Args:
      frames: The stack, outermost first.
    """
    own = [frame for frame in frames if not _is_foreign(Path(frame[0]))]
    return Place(*own[-1]) if own else None


def frames_in(message: str) -> list[Frame]:
    """Return the frames that a message lists in the form of a traceback, in its order."""
    return [(_rooted(match["file"]), int(match["line"]), match["name"]) for match in _IN_MESSAGE.finditer(message)]


def _rooted(file: str) -> str:
    """XLA prints absolute paths without the first slash."""
    return file if Path(file).exists() or not Path(f"/{file}").exists() else f"/{file}"


def _is_foreign(file: Path) -> bool:
    of_the_suite = _SUITE in file.parents and not any(folder in file.parents for folder in _SUBJECTS)
    if of_the_suite or "<" in file.name or "__autograph_generated_file" in file.name:
        return True
    installed = [index for index, part in enumerate(file.parts) if part in _INSTALLED]
    if installed:
        return file.parts[installed[-1] + 1].removesuffix(".py") in _FRAMEWORKS
    return _STANDARD_LIBRARY in file.parents
