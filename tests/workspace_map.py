"""The map of WORKSPACE.md as data, for the tests that hold the tree to it."""

import ast
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


@dataclass(frozen=True)
class Package:
    """One row of the map."""

    distribution: str
    folder: str
    import_name: str
    may_import: frozenset[str]
    command: str

    @property
    def source(self) -> Path:
        return ROOT / self.folder / "src"

    @property
    def modules(self) -> list[Path]:
        return sorted(self.source.rglob("*.py"))

    @property
    def project(self) -> dict:
        return tomllib.loads((ROOT / self.folder / "pyproject.toml").read_text())["project"]

    def module_name(self, path: Path) -> str:
        parts = path.relative_to(self.source).with_suffix("").parts
        return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def read_map() -> list[Package]:
    rows = []
    for line in (ROOT / "WORKSPACE.md").read_text().splitlines():
        cells = [cell.strip() for cell in line.strip().strip("|").split("|")]
        if line.startswith("| assay-") and len(cells) == 6:
            distribution, folder, import_name, _, may_import, command = cells
            allowed = frozenset() if may_import == "nothing internal" else frozenset(may_import.split(", "))
            rows.append(Package(distribution, folder, import_name, allowed, command))
    return rows


def imported_modules(path: Path, module: str) -> Iterator[tuple[str, int, bool]]:
    """Yield (module, line, at import time) for each import in a file, those inside functions included."""
    tree = ast.parse(path.read_text(), filename=str(path))
    deferred: set[int] = set()
    for node in ast.walk(tree):
        is_type_checking = isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda) or is_type_checking:
            deferred.update(id(inner) for inner in ast.walk(node))
    package = module if path.name == "__init__.py" else module.rpartition(".")[0]
    for node in ast.walk(tree):
        now = id(node) not in deferred
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield alias.name, node.lineno, now
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                parent = package.split(".")[: len(package.split(".")) - node.level + 1]
                base = ".".join([*parent, base]).rstrip(".")
            yield base, node.lineno, now
            for alias in node.names:
                yield f"{base}.{alias.name}", node.lineno, now
