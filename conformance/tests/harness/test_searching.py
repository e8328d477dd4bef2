import pytest
from assay.conformance.context import Context
from assay.conformance.harness.searching import search
from assay.conformance.model import Kind, Subject, Violation
from assay.conformance.session import Session


def context(seed=0):
    return Context("H201", Session(Subject(object, kind=Kind.PYTHON_METRIC), seed=seed))


def numbers():
    from hypothesis import strategies as st

    return st.lists(st.integers(0, 100), max_size=8)


def examined(seed=0):
    seen = []
    search(context(seed), numbers, seen.append, examples=10)
    return seen


def test_cases_are_the_same_at_each_run():
    assert examined() == examined()


def test_another_seed_gives_other_cases():
    assert examined(1) != examined(2)
    assert examined(1) == examined(1)


def test_a_case_that_breaks_the_rule_is_made_small():
    def examine(values):
        if sum(values) > 50:
            raise Violation(f"the sum of {values} is above 50", cause="it grows", fix="Stop.")

    with pytest.raises(Violation, match=r"the sum of \[51\]"):
        search(context(), numbers, examine, examples=50)
