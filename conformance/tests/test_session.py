import pytest
from assay.conformance import Subject, Violation
from assay.conformance.session import Session


def fresh():
    return Session(Subject(object))


def test_value_is_made_once_for_a_key():
    session, made = fresh(), []

    values = [session.share(("run", n % 2), lambda: made.append(1) or len(made)) for n in range(4)]

    assert values == [1, 2, 1, 2]


def test_violation_is_remembered():
    session, calls = fresh(), []

    def make():
        calls.append(1)
        raise Violation("x", cause="y", fix="z")

    for _ in range(2):
        with pytest.raises(Violation):
            session.share("run", make)

    assert len(calls) == 1


def test_error_of_the_suite_is_not_remembered():
    session, calls = fresh(), []

    def make():
        calls.append(1)
        raise ZeroDivisionError

    for _ in range(2):
        with pytest.raises(ZeroDivisionError):
            session.share("run", make)

    assert len(calls) == 2
