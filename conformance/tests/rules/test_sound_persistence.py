"""No rule about persistence blames a sound Task, whatever way it is written in."""

import pytest
from assay.conformance.model import Kind, Outcome
from assay.conformance.registry import find_rule
from assay.conformance.runner import run_rule
from assay.conformance.session import Session

from conformance.tests.subjects.tasks import SOUND
from conformance.tests.subjects.tasks.runs import RUNS

RULES = ["T601", "T603", "T604", "T605", "T606", "T607"]
NAMES = [
    "bare minimum",
    "tf.Module with everything",
    "subclassed model, no training argument",
    "global batch size and batch norm",
    "ragged sequences",
]
LIFTED = {
    "bare minimum": {"T603", "T606", "T607"},  # no inference_step, no initialize; float32 labels meet float16 outputs
    "tf.Module with everything": {"T607"},  # asserts that there is no checkpoint
    "subclassed model, no training argument": {"T607"},
    "global batch size and batch norm": {"T607"},
    "ragged sequences": {"T606", "T607"},  # ragged features are not exported
}


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_sound_task_is_not_blamed(name):
    (subject,) = [one for one in [*SOUND, *RUNS] if one.name == name]
    session = Session(subject)

    results = [
        run_rule(entry, session, kind=Kind.TASK, mode=mode)
        for entry in map(find_rule, RULES)
        for mode in entry.rule.modes
    ]

    allowed = (Outcome.PASS, Outcome.NOT_APPLICABLE)
    assert [(one.rule, one.mode, one.message) for one in results if one.outcome not in allowed] == []
    assert {one.rule for one in results if one.outcome is Outcome.NOT_APPLICABLE} == LIFTED[name]
