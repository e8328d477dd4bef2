"""Small builders that the tests of the suite share."""

from assay.conformance.model import Evidence, Finding, Level, Mode, Outcome, RegisteredRule, Result, Rule, Subject
from assay.conformance.specimens import SOUND_TASK, SoundTask

FINDING = Finding("It must hold.", "it did not, by 3", "a slip", "Hold it.")


def make_rule(rule_id="T900", slug="made-up", *, level=Level.MUST, modes=(Mode.EAGER,), **fields):
    return Rule(
        id=rule_id,
        slug=slug,
        level=level,
        requirement="It must hold.",
        checks="Looks.",
        why="Because.",
        bad="x = 1",
        good="x = 2",
        modes=modes,
        **fields,
    )


def make_entry(check, rule_id="T900", slug="made-up", **fields):
    return RegisteredRule(make_rule(rule_id, slug, **fields), check, (Subject(SoundTask),), SOUND_TASK)


def make_result(outcome=Outcome.PASS, *, rule="T900", level=Level.MUST, mode="eager", message=None, **fields):
    failed = outcome in (Outcome.FAIL, Outcome.EXPECTED_FAIL)
    values = {
        "subject": "specimen",
        "origin": "package.module:specimen",
        "kind": "task",
        "slug": "made-up",
        "target": "cpu",
        "evidence": Evidence.EXECUTED if outcome in (Outcome.PASS, Outcome.FAIL) else Evidence.NONE,
        "finding": FINDING if failed else None,
        "replay": "assay check package.module:specimen",
        **fields,
    }
    if message is None:
        message = "" if outcome is Outcome.PASS else "a reason"
    return Result(outcome=outcome, rule=rule, level=level, mode=mode, message=message, **values)
