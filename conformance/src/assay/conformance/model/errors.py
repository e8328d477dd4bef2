"""What a check, the harness and the command line raise, and what each means to the runner."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from assay.conformance.model.vocabulary import Evidence


class UsageError(Exception):
    """The caller asked for something that cannot be done: nothing to import, no such rule, an unknown trait.

    The message is one clear sentence. The command line prints it and exits with 2; the remedy is in the sentence.
    """


class Violation(Exception):  # noqa: N818 - what a check finds is not an error of the check
    """A check found that the subject breaks the rule.

    Raise it from a check (or from a helper that a check calls). The runner turns it into a failed result.

    Args:
      observed: What was seen, with numbers: `weights changed by up to 0.031 in 2 of 4 variables (dense/kernel, ...)`.
      cause: The most likely cause, in one sentence.
      fix: How to mend it, in one sentence, in terms of the subject's own code.
      evidence: What it rests on, when that is not what the rule's results rest on otherwise.
    """

    def __init__(self, observed: str, *, cause: str, fix: str, evidence: Evidence | None = None) -> None:
        super().__init__(observed)
        self.observed = observed
        self.cause = cause
        self.fix = fix
        self.evidence = evidence


class NotApplicable(Exception):  # noqa: N818 - a reasoned skip is not an error
    """The rule does not speak about this subject: a trait or a missing capability says so.

    Args:
      reason: Why, as a sentence that names the trait or the capability: `The model has no batch statistics.`
    """

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class NotRun(Exception):  # noqa: N818 - a reasoned absence is not an error
    """The rule does speak about this subject, but the machine or the process cannot run the check.

    Args:
      reason: What is missing.
      remedy: What would make it run.
    """

    def __init__(self, reason: str, *, remedy: str) -> None:
        super().__init__(f"{reason} {remedy}")
        self.reason = reason
        self.remedy = remedy


class OutOfTime(BaseException):
    """A check took longer than its time budget. No `except Exception` of a subject's own swallows it.

    Args:
      seconds: The budget.
    """

    def __init__(self, seconds: float) -> None:
        super().__init__(f"It took longer than the time budget of {seconds:g} s for one check (--timeout).")
        self.seconds = seconds


class SubjectError(Exception):
    """The subject's own code raised while the suite called it.

    The harness raises it around every call into the subject, so that the runner can tell a broken subject (a failure)
    from a broken check (an error of the suite).

    Args:
      doing: What the suite was calling: `train_step, step 2, mode graph`.
      original: The exception that came out.
    """

    def __init__(self, doing: str, original: BaseException) -> None:
        super().__init__(f"{doing} raised {type(original).__name__}: {original}")
        self.doing = doing
        self.original = original
