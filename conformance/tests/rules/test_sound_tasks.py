"""No rule about steps and modes blames a sound Task, whatever way it is written in."""

import pytest
from assay.conformance.model import Kind, Mode, Outcome
from assay.conformance.registry import find_rule
from assay.conformance.runner import run_rule
from assay.conformance.session import Session

from conformance.tests.subjects.tasks import SOUND, SOUND_ON_ONE_REPLICA
from conformance.tests.subjects.tasks.unusual import SLOW_TO_TRACE
from conformance.tests.subjects.tasks.unusual import SUBJECTS as UNUSUAL

RULES = ["T001", "T102", "T103", "T104", "T106", "T107", "T108", "T109", "T301"]
LOSSES_AND_TRACES = ["T110", "T111", "T112", "T113", "T201", "T202"]

pytestmark = pytest.mark.slow


def results_of(subject, modes, rules=RULES):
    session = Session(subject)
    return [
        run_rule(entry, session, kind=Kind.TASK, mode=mode)
        for entry in map(find_rule, rules)
        for mode in entry.rule.modes
        if mode in modes
    ]


def blamed(results):
    allowed = (Outcome.PASS, Outcome.NOT_APPLICABLE)
    return [(result.rule, str(result.mode), result.message) for result in results if result.outcome not in allowed]


@pytest.mark.flavour
@pytest.mark.parametrize("subject", SOUND, ids=lambda subject: subject.name.replace(" ", "_"))
def test_sound_task_is_not_blamed(subject):
    results = results_of(subject, modes=list(Mode))

    assert blamed(results) == []
    assert sum(result.outcome is Outcome.PASS for result in results) >= len(RULES)


@pytest.mark.flavour
@pytest.mark.parametrize("subject", SOUND_ON_ONE_REPLICA, ids=lambda subject: subject.name.replace(" ", "_"))
def test_task_that_is_sound_on_one_replica_is_not_blamed_there(subject):
    results = results_of(subject, modes=[mode for mode in Mode if mode is not Mode.REPLICAS])

    assert blamed(results) == []
    assert sum(result.outcome is Outcome.PASS for result in results) >= len(RULES)


@pytest.mark.parametrize("subject", [*UNUSUAL, *SLOW_TO_TRACE], ids=lambda subject: subject.name.replace(" ", "_"))
def test_unusual_task_is_not_blamed(subject):
    modes = [Mode.EAGER, Mode.GRAPH] if subject in SLOW_TO_TRACE else [Mode.EAGER, Mode.GRAPH, Mode.REPLICAS]
    results = results_of(subject, modes=modes, rules=[*RULES, *LOSSES_AND_TRACES])

    assert blamed(results) == []
    assert sum(result.outcome is Outcome.PASS for result in results) >= len(RULES)
