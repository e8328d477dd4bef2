"""What is known of a realistic subject before the suite looks at it: the rules that it breaks."""

import dataclasses

from assay.conformance.model import Subject


@dataclasses.dataclass(frozen=True)
class Case:
    """A subject and what is known of it, as ids of rules.

    Attributes:
      subject: The subject.
      fails: The rules that must fail on it.
      may_fail: Those that may fail too, because they see the same mistake.
      missed: Those that ought to fail and are known not to see it.
    """

    subject: Subject
    fails: frozenset[str]
    may_fail: frozenset[str]
    missed: frozenset[str] = frozenset()


def case(subject: Subject, *, fails: str = "", may_fail: str = "", missed: str = "") -> Case:
    return Case(subject, *(frozenset(rules.split()) for rules in (fails, may_fail, missed)))
