"""No rule that compares runs, evaluations, checkpoints or data blames a sound Task, whatever way it is written in."""

import pytest
from assay.conformance.model import Kind, Outcome
from assay.conformance.registry import find_rule
from assay.conformance.runner import run_rule
from assay.conformance.session import Session

from conformance.tests.subjects.tasks import SOUND
from conformance.tests.subjects.tasks.runs import EVALUATIONS, PIPELINES, RUNS

pytestmark = [pytest.mark.flavour, pytest.mark.slow]

COMPARISONS = ["T105", "T401", "T403", "T501", "T503", "T602"]
DATA = ["I201", "I203", "I204"]

# What is known against Tasks that other rules have nothing against, and rightly so.
KNOWN = {
    "bare minimum": {"T105"},  # float32 labels meet float16 outputs
    "tf.Module with everything": {"T105"},  # never scales the loss
    "features are their own labels": {"T105"},
    "two outputs in a dict": {"T105"},
    "calls the parts of the model": {"T105"},
    "clips gradients": {"T105", "T501"},  # clips scaled gradients, and those of each replica
    "gradient penalty": {"T105", "T501"},  # never scales; the penalty is that of a mean over the replica's examples
    "one-hot labels, further options": {"T105"},
    "divides by the global batch size": {"T501"},  # logs its share of the loss
}


def results_of(subject, rules):
    session = Session(subject)
    entries = map(find_rule, rules)
    return [run_rule(entry, session, kind=Kind.TASK, mode=mode) for entry in entries for mode in entry.rule.modes]


def blamed(results, known=()):
    allowed = (Outcome.PASS, Outcome.NOT_APPLICABLE)
    unexpected = [result for result in results if result.outcome not in allowed and result.rule not in known]
    return [(result.rule, str(result.mode), result.message) for result in unexpected]


def names(subjects):
    return [pytest.param(subject, id=subject.name.replace(" ", "_")) for subject in subjects]


@pytest.mark.parametrize("subject", names([*SOUND, *RUNS]))
def test_sound_task_is_not_blamed_by_comparisons(subject):
    results = results_of(subject, COMPARISONS)

    assert blamed(results, KNOWN.get(subject.name, ())) == []
    assert sum(result.outcome is Outcome.PASS for result in results) >= len(COMPARISONS) - 1


@pytest.mark.parametrize("subject", names(EVALUATIONS))
def test_sound_evaluation_is_not_blamed(subject):
    results = results_of(subject, ["T203", "T403", "T502", "T503"])

    assert {result.outcome for result in results} == {Outcome.PASS}, blamed(results)


@pytest.mark.parametrize("subject", names(PIPELINES))
def test_sound_pipeline_is_not_blamed(subject):
    results = results_of(subject, DATA)

    assert {result.outcome for result in results} == {Outcome.PASS}, blamed(results)
