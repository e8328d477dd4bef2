"""The page of a rule, as Markdown: `assay explain` prints it, and the catalogue is made of them."""

from __future__ import annotations

import textwrap

from assay.conformance.model.rule import RegisteredRule
from assay.conformance.model.traits import TRAITS

_WIDTH = 110


def rule_page(entry: RegisteredRule) -> str:
    """Return a rule's page: the requirement, what is checked, why, examples, traits, references, mutants and twin."""
    rule = entry.rule
    level = "a violation fails the run" if rule.level == "MUST" else "advice; it fails the run only under `--strict`"
    modes, targets = ", ".join(rule.modes), ", ".join(rule.targets)
    parts = [
        f"# {rule.id} {rule.slug}",
        _wrapped(rule.requirement),
        f"- Kind: {rule.kind.heading}\n- Level: {rule.level} ({level})\n- Modes: {modes}\n- Targets: {targets}",
        "## What is checked",
        _wrapped(rule.checks),
        "## Why it matters",
        _wrapped(rule.why),
        "## Wrong",
        _code(rule.bad),
        "## Right",
        _code(rule.good),
    ]
    if rule.traits:
        listed = [f"- `{name}`: {TRAITS[name].meaning}" for name in rule.traits]
        parts += ["## Traits that change it", "\n".join(listed)]
    if rule.references:
        parts += ["## On record", "\n".join(f"- {reference}" for reference in rule.references)]
    mutants = "\n".join(f"- {mutant.name}" for mutant in entry.mutants)
    parts += [
        "## How the check itself is proved",
        f"It fails on each of these:\n\n{mutants}\n\nand passes on: {entry.twin.name}.",
    ]
    return "\n\n".join(parts) + "\n"


def _wrapped(text: str) -> str:
    return textwrap.fill(" ".join(text.split()), _WIDTH, break_long_words=False, break_on_hyphens=False)


def _code(text: str) -> str:
    return f"```python\n{textwrap.dedent(text).strip()}\n```"
