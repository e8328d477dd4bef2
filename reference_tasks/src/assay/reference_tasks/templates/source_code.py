"""Rewrites the source of one package as that of another: its imports, and the names of its classes."""

import ast
import re
from collections.abc import Iterable, Mapping

_LINE_LENGTH = 120
_INDENT = "    "


def classes_defined(sources: Iterable[str], *, prefix: str) -> list[str]:
    """Return the names of the top-level classes of some modules that begin with a prefix, sorted.

    Args:
        sources: The text of each module.
        prefix: What the names begin with.
    """
    statements = [statement for source in sources for statement in ast.parse(source).body]
    return sorted({node.name for node in statements if isinstance(node, ast.ClassDef) and node.name.startswith(prefix)})


def words_of(sources: Iterable[str]) -> set[str]:
    """Return every word of some modules, whatever it stands for."""
    return {word for source in sources for word in re.findall(r"\w+", source)}


def rewritten(source: str, *, packages: Mapping[str, str], words: Mapping[str, str]) -> str:
    """Return a module's text with other names, in the code and in what is said about it.

    Args:
        source: The text.
        packages: The new import name of each package, by the old one; names of its modules change with it.
        words: Other words to replace, each only where it stands alone.

    Returns:
        The text. Imports from a new package follow the others, in a block of their own.
    """
    for old in sorted(packages, key=len, reverse=True):
        source = re.sub(rf"(?<![\w.]){re.escape(old)}(?!\w)", packages[old], source)
    if words:
        known = "|".join(map(re.escape, sorted(words)))
        source = re.sub(rf"\b(?:{known})\b", lambda match: words[match.group()], source)
    for package in set(packages.values()):
        source = _with_own_imports_last(source, package)
    return source


def imported_packages(source: str) -> set[str]:
    """Return the modules that a module imports from."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module)
        elif isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
    return found


def _with_own_imports_last(source: str, package: str) -> str:
    """Move the imports from `package` behind the others, sorted, as a formatter would for a package of one's own."""
    imports = [node for node in ast.parse(source).body if isinstance(node, ast.Import | ast.ImportFrom)]
    own = [node for node in imports if isinstance(node, ast.ImportFrom) and _is_inside(node.module, package)]
    if not own:
        return source
    others = [node for node in imports if node not in own]
    taken = {line for node in own for line in range(node.lineno - 1, (node.end_lineno or node.lineno))}
    place = (others[-1].end_lineno or others[-1].lineno) if others else own[0].lineno - 1
    lines = source.splitlines()
    before = [line for number, line in enumerate(lines[:place]) if number not in taken]
    after = [line for number, line in enumerate(lines[place:], start=place) if number not in taken]
    statements = sorted((node.module or "", _sorted_names(node)) for node in own)
    block = [_statement(module, names) for module, names in statements]
    return "\n".join([*before, *([""] if others else []), *block, *after]) + "\n"


def _is_inside(module: str | None, package: str) -> bool:
    return module is not None and f"{module}.".startswith(f"{package}.")


def _sorted_names(node: ast.ImportFrom) -> list[str]:
    """The names that an import takes, constants first, then classes, each by the alphabet, as formatters sort them."""

    def place(alias: ast.alias) -> tuple[bool, bool, str]:
        return not alias.name.isupper(), not alias.name[0].isupper(), alias.name.casefold()

    names = sorted(node.names, key=place)
    return [f"{alias.name} as {alias.asname}" if alias.asname else alias.name for alias in names]


def _statement(module: str, names: list[str]) -> str:
    line = f"from {module} import {', '.join(names)}"
    if len(line) <= _LINE_LENGTH:
        return line
    return "\n".join([f"from {module} import (", *(f"{_INDENT}{name}," for name in names), ")"])
