"""What a configuration can be refused for."""

import dataclasses
from collections.abc import Callable, Iterable


@dataclasses.dataclass(frozen=True)
class Problem:
    """One thing wrong with a configuration: where, and what was expected and received.

    Attributes:
        path: The key path, such as `trainer.train_steps`; empty for the configuration as a whole.
        message: A sentence.
        line: The line of the file or text that it stands in, where that is known.
    """

    path: str
    message: str
    line: int | None = None

    def __str__(self) -> str:
        line = f"line {self.line}" if self.line is not None else ""
        where = f"{self.path} ({line})" if self.path and line else self.path or line
        return f"{where}: {self.message}" if where else self.message


class ConfigError(ValueError):
    """A configuration cannot be used; every problem of the source is listed at once.

    Common causes of this problem are:

    1. A mistyped key. The message names the nearest key and all keys at that place.
    2. A value of another type: `1.0` or `"10"` for an integer, `yes` for a boolean (write `true`).
    3. An option of Model Garden that has no effect here and therefore does not exist; the message says so.
    4. Setting a field of a locked configuration; make a changed copy with `config.replace(...)`.

    Attributes:
        problems: The `Problem`s.
        source: Where they came from: a file, the override string, or empty.
    """

    def __init__(self, problems: Problem | Iterable[Problem] | str, source: str = "") -> None:
        if isinstance(problems, str):
            problems = Problem("", problems)
        self.problems: tuple[Problem, ...] = (problems,) if isinstance(problems, Problem) else tuple(problems)
        self.source = source
        super().__init__(self._text())

    def located(self, source: str, line_of: Callable[[str], int | None] = lambda path: None) -> "ConfigError":
        """Return the same error, naming its source and, where `line_of(key path)` knows it, the line."""
        return ConfigError([dataclasses.replace(each, line=line_of(each.path)) for each in self.problems], source)

    def _text(self) -> str:
        lines = [str(problem) for problem in self.problems]
        if len(lines) == 1:
            return f"{self.source}: {lines[0]}" if self.source else lines[0]
        head = f"{len(lines)} problems" + (f" in {self.source}" if self.source else "") + ":"
        return "\n  ".join([head, *lines])
