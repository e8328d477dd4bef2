"""What a host metric declares is verified, and what cannot be judged is said to be so."""

import numpy as np
import pytest
from assay.conformance.model import Kind, Outcome, Subject
from assay.conformance.registry import find_rule, rules_for
from assay.conformance.runner import run_rule, run_subject
from assay.conformance.session import Session
from assay.conformance.specimens import ACCURACY_METRIC, DETECTION_METRIC, SoundAccuracy, SoundDetectionMetric


def outcome_of(rule, subject, seed=0):
    return run_rule(find_rule(rule), Session(subject, seed=seed), kind=Kind.PYTHON_METRIC)


class Rejects(SoundDetectionMetric):
    def add(self, source_id, scene):
        if source_id in self.scenes:
            raise ValueError(f"image {source_id} was added before")
        super().add(source_id, scene)


class DrawsNumbers(SoundAccuracy):
    def result(self):
        return super().result() | {"noise": float(np.random.default_rng().normal())}


@pytest.mark.parametrize(
    ("rule", "factory", "traits"),
    [
        ("H104", SoundDetectionMetric, {"result_resets": True}),
        ("H203", SoundDetectionMetric, {"duplicates": "rejected"}),
        ("H203", Rejects, {"duplicates": "counted_once"}),
        ("H103", SoundDetectionMetric, {"no_data": "error"}),
        ("H103", SoundDetectionMetric, {"no_data": "undefined", "undefined_value": -7.0}),
    ],
)
def test_declaration_that_is_not_true_fails(rule, factory, traits):
    result = outcome_of(rule, DETECTION_METRIC.replace(factory=factory, traits=traits))

    assert result.outcome is Outcome.FAIL
    assert next(iter(traits)) in result.message or "image" in result.message


@pytest.mark.parametrize(
    ("rule", "factory", "traits"),
    [
        ("H203", Rejects, {"duplicates": "rejected"}),
        ("H203", Rejects, {}),
        ("H203", SoundDetectionMetric, {"duplicates": "counted_once"}),
        ("H103", SoundDetectionMetric, {"no_data": "value"}),
    ],
)
def test_declaration_that_is_true_passes(rule, factory, traits):
    result = outcome_of(rule, DETECTION_METRIC.replace(factory=factory, traits=traits))

    assert result.outcome is Outcome.PASS, result.message


def test_undeclared_randomness_fails_one_rule_and_silences_comparisons_with_the_reason():
    subject = ACCURACY_METRIC.replace(factory=DrawsNumbers, traits={})

    assert outcome_of("H104", subject).outcome is Outcome.FAIL
    compared = outcome_of("H201", subject)
    assert compared.outcome is Outcome.NOT_APPLICABLE
    assert "random_result" in compared.message


@pytest.mark.parametrize("sample", [None, [], 3, [1, 2], {"a": 1}])
def test_sample_that_is_none_is_asked_for(sample):
    results = list(
        run_subject(
            Subject(SoundAccuracy, sample, kind=Kind.PYTHON_METRIC),
            [entry for entry in rules_for(Kind.PYTHON_METRIC) if entry.rule.id != "H204"],  # it asks for a reference
            kind=Kind.PYTHON_METRIC,
        )
    )

    assert {result.outcome for result in results} == {Outcome.NOT_RUN}
    assert all("(groundtruths, predictions)" in result.message for result in results)


def test_one_example_is_too_few_to_split():
    subject = ACCURACY_METRIC.replace(sample=[(np.array([1]), np.array([[0.2, 0.8, 0.0]]))])

    result = outcome_of("H201", subject)

    assert result.outcome is Outcome.NOT_RUN
    assert "1 examples" in result.message


def test_trait_that_names_no_field_suggests_the_nearest():
    subject = DETECTION_METRIC.replace(traits={"id_field": "source_ids"})

    result = outcome_of("H203", subject)

    assert result.outcome is Outcome.NOT_RUN
    assert "'source_id'" in result.message


NAMES = {"which": "source_id", "used": "num_boxes", "here": "num_detections"}


def renamed(sample, names):
    return [tuple({names.get(key, key): value for key, value in side.items()} for side in batch) for batch in sample]


class OtherNames(SoundDetectionMetric):
    def update_state(self, groundtruths, predictions):
        sides = [{NAMES.get(key, key): value for key, value in side.items()} for side in (groundtruths, predictions)]
        super().update_state(*sides)


class OtherNamesAppends(OtherNames):
    def add(self, source_id, scene):
        super().add(len(self.scenes), scene)

    def detections(self, found, row):
        return found["detection_boxes"].shape[1]


def test_fields_of_any_name_are_known_by_traits():
    sample = renamed(DETECTION_METRIC.sample, {value: key for key, value in NAMES.items()})
    bare = Subject(OtherNamesAppends, sample, kind=Kind.PYTHON_METRIC)
    told = bare.replace(traits={"id_field": "which", "count_field": ["used", "here"]})

    assert {rule: outcome_of(rule, bare).outcome for rule in ("H202", "H203")} == {
        "H202": Outcome.NOT_APPLICABLE,
        "H203": Outcome.NOT_APPLICABLE,
    }
    assert {rule: outcome_of(rule, told).outcome for rule in ("H202", "H203")} == {
        "H202": Outcome.FAIL,
        "H203": Outcome.FAIL,
    }
    assert outcome_of("H203", told.replace(factory=OtherNames)).outcome is Outcome.PASS


@pytest.mark.parametrize("rule", ["H104", "H201", "H204", "H205"])
def test_another_seed_draws_other_cases_and_comes_to_the_same_verdict(rule):
    assert outcome_of(rule, DETECTION_METRIC, seed=7).outcome is Outcome.PASS


def test_random_search_finds_what_the_plain_cases_do_not():
    class ForgetsTheFourth(SoundAccuracy):
        """Wrong for batches of exactly four examples."""

        def update_state(self, labels, scores):
            if len(self.to_array(labels)) != 4:
                super().update_state(labels, scores)

    result = outcome_of("H201", ACCURACY_METRIC.replace(factory=ForgetsTheFourth, traits={}))

    assert result.outcome is Outcome.FAIL
    assert "batches of" in result.message
    assert ", 4" in result.message or "of 4" in result.message
