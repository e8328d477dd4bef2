"""The `[tool.assay]` table of the nearest `pyproject.toml`: the subjects and the expectations of a project.

```toml
[tool.assay]
subjects = [
    "mypackage.testing:task",
    {subject = "mypackage/other.py:Task", kind = "task", traits = {batch_statistics = true}},
]

[[tool.assay.expectations]]
rule = "T403"
reason = "the padded length changes with the batch"
```
"""

from __future__ import annotations

import dataclasses
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from assay.conformance.importing import SubjectSpec
from assay.conformance.model.errors import UsageError
from assay.conformance.model.expectations import Expectation, parse_expectations
from assay.conformance.model.kinds import parse_kind
from assay.conformance.model.subject import Subject
from assay.conformance.suggestions import did_you_mean

_KEYS = ("subjects", "expectations")
_SUBJECT_KEYS = ("subject", "kind", "sample", "traits", "name")


@dataclasses.dataclass(frozen=True)
class Project:
    """What a `pyproject.toml` says about conformance.

    Attributes:
      path: The file.
      subjects: The subjects as they are written.
      expectations: The failures that the owner knows of.
    """

    path: Path
    subjects: tuple[Any, ...] = ()
    expectations: tuple[Expectation, ...] = ()

    def specs(self) -> list[SubjectSpec]:
        """Return the subjects as specifications; paths are relative to the file, and nothing is imported.

        Raises:
          UsageError: If an entry has another form.
        """
        return [self._spec(entry) for entry in self.subjects]

    def load_subjects(self) -> list[Subject]:
        """Import the subjects.

        Raises:
          UsageError: If one cannot be imported.
        """
        return [subject for spec in self.specs() for subject in spec.load()]

    def _spec(self, entry: Any) -> SubjectSpec:
        folder = self.path.parent
        if isinstance(entry, str):
            return SubjectSpec(spec=entry, folder=folder)
        if not isinstance(entry, Mapping) or "subject" not in entry:
            raise UsageError(f"A subject of {self.path} is text or a table with a key `subject`; it is {entry!r}.")
        _refuse_unknown(entry, _SUBJECT_KEYS, f"A subject of {self.path}")
        return SubjectSpec(
            spec=entry["subject"],
            kind=parse_kind(entry["kind"]).value if "kind" in entry else None,
            sample=entry.get("sample"),
            traits=entry.get("traits", {}),
            name=entry.get("name", ""),
            folder=folder,
        )


def find_project(start: Path | None = None) -> Project | None:
    """Return what the nearest `pyproject.toml` says, in the folder or above it; None when there is none.

    Raises:
      UsageError: If the file cannot be read or says something unknown.
    """
    folder = (start or Path.cwd()).resolve()
    for candidate in (folder, *folder.parents):
        path = candidate / "pyproject.toml"
        if path.is_file():
            table = _read_toml(path).get("tool", {}).get("assay", {})
            _refuse_unknown(table, _KEYS, f"[tool.assay] in {path}")
            subjects = table.get("subjects", [])
            if not isinstance(subjects, list):
                raise UsageError(f"tool.assay.subjects in {path} must be a list; it is {subjects!r}.")
            return Project(path, tuple(subjects), parse_expectations(table.get("expectations", []), source=str(path)))
    return None


def read_expectations(path: Path) -> tuple[Expectation, ...]:
    """Read expectations from a TOML file with `[[expectations]]`, or from a `pyproject.toml`.

    Raises:
      UsageError: If the file is not there, is no TOML, or an expectation lacks its rule or reason.
    """
    if not path.is_file():
        raise UsageError(f"There is no file of expectations {path}.")
    document = _read_toml(path)
    tables = document.get("expectations", document.get("tool", {}).get("assay", {}).get("expectations", []))
    return parse_expectations(tables, source=str(path))


def _read_toml(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, tomllib.TOMLDecodeError) as exception:
        raise UsageError(f"{path} cannot be read: {exception}.") from exception


def _refuse_unknown(table: Mapping[str, Any], known: tuple[str, ...], what: str) -> None:
    for key in table:
        if key not in known:
            raise UsageError(f"{what} has no key {key!r}; {did_you_mean(key, known)}.")
