"""Expectations: failures that a subject's owner knows of, each with a reason, strict and with an optional last day.

They live with the owner, in `[[tool.assay.expectations]]` of a `pyproject.toml` or in a file of their own:

```toml
[[tool.assay.expectations]]
rule = "T403"
subject = "my_task"   # a subject's name or origin, as a pattern; left out, it speaks of every subject
reason = "the padded length changes with the batch; bucketing is planned"
until = 2027-01-31    # optional: the last day on which it holds
```
"""

from __future__ import annotations

import dataclasses
import datetime
import fnmatch
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from assay.conformance.model.errors import UsageError
from assay.conformance.model.result import Result
from assay.conformance.model.vocabulary import Outcome
from assay.conformance.suggestions import did_you_mean

_FIELDS = ("rule", "reason", "until", "subject", "modes")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Expectation:
    """One known failure.

    Attributes:
      rule: The rule's id.
      reason: Why it is accepted.
      until: The last day on which it holds; None for no end.
      subject: A pattern, as in a shell, for the subject's name or origin.
      modes: The modes it speaks of; empty for all.
    """

    rule: str
    reason: str
    until: datetime.date | None = None
    subject: str = "*"
    modes: tuple[str, ...] = ()

    def speaks_of(self, result: Result) -> bool:
        """Whether a result is one that this expectation is about."""
        names = (result.subject, result.origin)
        return (
            self.rule == result.rule
            and any(fnmatch.fnmatchcase(name, self.subject) for name in names)
            and (not self.modes or result.mode in self.modes)
        )

    def __str__(self) -> str:
        where = "" if self.subject == "*" else f" of {self.subject}"
        return f"{self.rule}{where} ({self.reason})"


def parse_expectations(tables: Any, *, source: str) -> tuple[Expectation, ...]:
    """Read expectations from the tables of a TOML file.

    Args:
      tables: A list of tables with `rule`, `reason` and optionally `until`, `subject` and `modes`.
      source: What error messages call the file.

    Returns:
      The expectations. Rule names are left as written; `Registry` resolves slugs.

    Raises:
      UsageError: If a table lacks its rule or its reason, has an unknown key, or has a date that is none.
    """
    if not isinstance(tables, list) or not all(isinstance(table, Mapping) for table in tables):
        raise UsageError(f"The expectations of {source} must be tables: write [[tool.assay.expectations]].")
    return tuple(_parse(table, f"expectation {number} of {source}") for number, table in enumerate(tables, start=1))


def apply_expectations(
    results: Sequence[Result], expectations: Iterable[Expectation], *, today: datetime.date
) -> tuple[tuple[Result, ...], tuple[Expectation, ...]]:
    """Mark the results that expectations speak of.

    A failure that is expected becomes `expected-fail`. Where nothing that an expectation speaks of fails and something
    passes, the passes become `unexpected-pass`: the expectation is stale. An expired expectation changes no result.

    Args:
      results: What was found.
      expectations: What the owner expects.
      today: The day to compare `until` with.

    Returns:
      The results, and the expired expectations that speak of any of them.
    """
    marked = list(results)
    expired: list[Expectation] = []
    for expectation in expectations:
        concerned = [index for index, result in enumerate(marked) if expectation.speaks_of(result)]
        if not concerned:
            continue
        if expectation.until is not None and expectation.until < today:
            expired.append(expectation)
            continue
        failing = [index for index in concerned if marked[index].outcome is Outcome.FAIL]
        passing = [index for index in concerned if marked[index].outcome is Outcome.PASS]
        for index in failing:
            marked[index] = dataclasses.replace(marked[index], outcome=Outcome.EXPECTED_FAIL, reason=expectation.reason)
        if not failing:
            for index in passing:
                marked[index] = dataclasses.replace(
                    marked[index],
                    outcome=Outcome.UNEXPECTED_PASS,
                    reason=expectation.reason,
                    message=f"It passes, and an expectation says that it fails ({expectation.reason}). Remove it.",
                )
    return tuple(marked), tuple(expired)


def _parse(table: Mapping[str, Any], source: str) -> Expectation:
    for key in table:
        if key not in _FIELDS:
            raise UsageError(f"The {source} has no field {key!r}; {did_you_mean(key, _FIELDS)}.")
    for key in ("rule", "reason"):
        if not isinstance(table.get(key), str) or not table[key].strip():
            raise UsageError(f"The {source} needs a {key}, as text; it has {dict(table)}.")
    return Expectation(
        rule=table["rule"],
        reason=table["reason"],
        until=_date(table.get("until"), source),
        subject=str(table.get("subject", "*")),
        modes=tuple(table.get("modes", ())),
    )


def _date(value: Any, source: str) -> datetime.date | None:
    if value is None or (isinstance(value, datetime.date) and not isinstance(value, datetime.datetime)):
        return value
    try:
        return datetime.date.fromisoformat(str(value))
    except ValueError:
        raise UsageError(f"The {source} has until = {value!r}, which is no date; write 2027-01-31.") from None
