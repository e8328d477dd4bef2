import re
import textwrap
from types import SimpleNamespace

import pytest
from assay.conformance import Kind, UsageError, find_rule
from assay.conformance.model import TRAITS
from assay.conformance.registry import _read, _refuse_duplicates, all_rules, rules_for, select_rules
from conformance_builders import make_rule

RULES = [pytest.param(entry, id=entry.rule.id) for entry in all_rules()]


def test_every_rule_file_is_found():
    from pathlib import Path

    from assay.conformance import rules

    files = [path for path in Path(rules.__path__[0]).rglob("*.py") if path.name != "__init__.py"]

    assert len(all_rules()) == len(files) > 1


@pytest.mark.parametrize("entry", RULES)
def test_rule_is_documented_in_full(entry):
    rule = entry.rule

    for field in ("requirement", "checks", "why"):
        text = getattr(rule, field)
        assert text.strip().endswith("."), f"{field} is no sentence: {text!r}"
    assert "\n" not in rule.requirement
    assert rule.bad.strip() != rule.good.strip()
    for example in (rule.bad, rule.good):
        body = textwrap.indent(textwrap.dedent(example), "    ")  # an example may be a part of a function
        compile(f"def example():\n{body}", rule.id, "exec")
    assert set(rule.traits) <= set(TRAITS)


@pytest.mark.parametrize("entry", RULES)
def test_traits_that_a_check_reads_are_named_by_its_rule(entry):
    import inspect

    source = inspect.getsource(inspect.getmodule(entry.check))
    read = set(re.findall(r"(?:\.trait|not_applicable_if)\(\s*[\"'](\w+)", source))

    assert read <= set(entry.rule.traits)


@pytest.mark.parametrize("name", ["T101", "t101", "logs-stable", " Logs-Stable "])
def test_rule_is_found_by_id_or_slug(name):
    assert find_rule(name).rule.id == "T101"


def test_unknown_rule_suggests_the_nearest():
    with pytest.raises(UsageError, match="no rule 'log-stable'; the nearest is 'logs-stable'"):
        find_rule("log-stable")


def test_rules_of_a_task_hold_those_of_its_input_pipeline():
    kinds = {entry.rule.kind for entry in rules_for(Kind.TASK)}

    assert kinds <= {Kind.TASK, Kind.INPUT_PIPELINE}


def test_select_and_ignore():
    entries = all_rules()

    assert [entry.rule.id for entry in select_rules(entries, select=["logs-stable"])] == ["T101"]
    assert "T101" not in [entry.rule.id for entry in select_rules(entries, ignore=["T101"])]
    with pytest.raises(UsageError):
        select_rules(entries, select=["T1O1"])


def test_ids_and_slugs_are_unique():
    with pytest.raises(ValueError, match="Two rule files use T900"):
        _refuse_duplicates([make_rule("T900", "one"), make_rule("T900", "two")])
    with pytest.raises(ValueError, match="Two rule files use task/one"):
        _refuse_duplicates([make_rule("T900", "one"), make_rule("T901", "one")])
    _refuse_duplicates([make_rule("T900", "one"), make_rule("I900", "one")])


def test_rule_file_must_be_named_after_its_rule():
    module = SimpleNamespace(
        __name__="assay.conformance.rules.task.T1", RULE=make_rule(), check=1, MUTANTS=(1,), TWIN=1
    )

    with pytest.raises(ValueError, match=r"belongs in assay\.conformance\.rules\.task\.T900_made_up"):
        _read(module)


def test_rule_file_without_a_mutant_is_refused():
    name = "assay.conformance.rules.task.T900_made_up"
    with pytest.raises(ValueError, match="has no mutant"):
        _read(SimpleNamespace(__name__=name, RULE=make_rule(), check=1, MUTANTS=(), TWIN=1))
    with pytest.raises(ValueError, match=r"lacks \['TWIN'\]"):
        _read(SimpleNamespace(__name__=name, RULE=make_rule(), check=1, MUTANTS=(1,)))
