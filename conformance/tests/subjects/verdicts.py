"""What is known of a realistic subject before the suite looks at it: the rules that it breaks."""

import dataclasses

from assay.conformance.model import Subject


@dataclasses.dataclass(frozen=True)
class Case:
    """A subject, the rules that must fail on it, and those that may fail too because they see the same mistake."""

    subject: Subject
    fails: frozenset[str]
    may_fail: frozenset[str]


def case(subject: Subject, *, fails: str = "", may_fail: str = "") -> Case:
    return Case(subject, frozenset(fails.split()), frozenset(may_fail.split()))
