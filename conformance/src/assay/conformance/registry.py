"""The registry: finds the rule files by walking the folders, and answers which rule has which id or slug.

A rule file is `rules/<kind>/<id>_<slug with underscores>.py` and holds `RULE`, `check`, `MUTANTS` and `TWIN`. Importing
one does not start TensorFlow.
"""

from __future__ import annotations

import functools
import importlib
import pkgutil
from collections.abc import Iterable
from types import ModuleType

from assay.conformance import rules as rules_package
from assay.conformance.model.errors import UsageError
from assay.conformance.model.kinds import Kind
from assay.conformance.model.rule import RegisteredRule, Rule
from assay.conformance.suggestions import did_you_mean

_REQUIRED = ("RULE", "check", "MUTANTS", "TWIN")


@functools.cache
def all_rules() -> tuple[RegisteredRule, ...]:
    """Return every rule, by kind in the order of `Kind` and then by id.

    Raises:
      ValueError: If two files share an id or a slug within a kind, a file's name does not say its id and slug, or a
        file lacks one of the four names. It is a defect of the suite.
    """
    found: list[RegisteredRule] = []
    for kind_folder in pkgutil.iter_modules(rules_package.__path__, f"{rules_package.__name__}."):
        package = importlib.import_module(kind_folder.name)
        names = pkgutil.iter_modules(package.__path__, f"{package.__name__}.")
        found.extend(_read(importlib.import_module(entry.name)) for entry in names)
    _refuse_duplicates([entry.rule for entry in found])
    kinds = list(Kind)
    return tuple(sorted(found, key=lambda entry: (kinds.index(entry.rule.kind), entry.rule.id)))


def rules_for(kind: Kind) -> tuple[RegisteredRule, ...]:
    """Return the rules that a subject of a kind answers to; for a Task those of its input pipeline are among them."""
    return tuple(entry for entry in all_rules() if entry.rule.kind in kind.promised)


def find_rule(name: str) -> RegisteredRule:
    """Return the rule with an id or a slug, letter case aside.

    A slug may be shared by rules of different kinds; the first by kind is returned, and the id is always unambiguous.

    Raises:
      UsageError: If there is none; the message suggests the nearest.
    """
    return find_rules(name)[0]


def find_rules(name: str) -> tuple[RegisteredRule, ...]:
    """Return every rule with an id or a slug, letter case aside; a slug may be shared across kinds.

    Raises:
      UsageError: If there is none; the message suggests the nearest.
    """
    wanted = name.strip().casefold()
    found = tuple(entry for entry in all_rules() if wanted in (entry.rule.id.casefold(), entry.rule.slug))
    if not found:
        known = [entry.rule.id for entry in all_rules()] + [entry.rule.slug for entry in all_rules()]
        raise UsageError(f"There is no rule {name!r}; {did_you_mean(name, known)}. `assay rules` lists them all.")
    return found


def select_rules(
    entries: Iterable[RegisteredRule], *, select: Iterable[str] | None = None, ignore: Iterable[str] | None = None
) -> tuple[RegisteredRule, ...]:
    """Return the entries that were asked for.

    Args:
      entries: The rules to choose from.
      select: Ids or slugs to keep; everything when None.
      ignore: Ids or slugs to leave out.

    Raises:
      UsageError: If a name is no rule's.
    """
    kept = None if select is None else {entry.rule.id for name in select for entry in find_rules(name)}
    dropped = {entry.rule.id for name in ignore or () for entry in find_rules(name)}
    return tuple(entry for entry in entries if (kept is None or entry.rule.id in kept) and entry.rule.id not in dropped)


def _read(module: ModuleType) -> RegisteredRule:
    """Read the four names of a rule file."""
    missing = [name for name in _REQUIRED if not hasattr(module, name)]
    if missing:
        raise ValueError(f"The rule file {module.__name__} must define {', '.join(_REQUIRED)}; it lacks {missing}.")
    rule: Rule = module.RULE
    expected = f"{rules_package.__name__}.{rule.kind.value}.{rule.id}_{rule.slug.replace('-', '_')}"
    if module.__name__ != expected:
        raise ValueError(f"Rule {rule.id} ({rule.slug}) belongs in {expected}; it was found in {module.__name__}.")
    if not module.MUTANTS:
        raise ValueError(f"Rule {rule.id} has no mutant: nothing shows that its check can fail.")
    return RegisteredRule(
        rule=rule,
        check=module.check,
        mutants=tuple(module.MUTANTS),
        twin=module.TWIN,
        programs=getattr(module, "programs", None),
    )


def _refuse_duplicates(rules: list[Rule]) -> None:
    """Raise when an id, or a slug within one kind, is used twice."""
    seen: set[str] = set()
    for rule in rules:
        for key in (rule.id, f"{rule.kind.value}/{rule.slug}"):
            if key in seen:
                raise ValueError(f"Two rule files use {key}: ids and slugs are unique.")
            seen.add(key)
