"""From a result to what pytest makes of it: pass, fail, skip, xfail or a warning, with the message and nothing else."""

from __future__ import annotations

import dataclasses
import os
import shlex

import pytest
from assay.conformance.model.expectations import Expectation
from assay.conformance.model.result import Result
from assay.conformance.model.vocabulary import Level, Mode, Outcome, Target
from assay.conformance.pytest_plugin.devices import devices_are_missing, remedy
from assay.conformance.pytest_plugin.settings import Settings
from assay.conformance.pytest_plugin.suites import ConformanceAdvice

_UNOBSERVED = "{} failed, so nothing else could be observed. Mend that first."


@dataclasses.dataclass(frozen=True)
class Found:
    """What is known about one check.

    Attributes:
      result: The result, with expectations applied.
      expired: The expectations past their last day that speak of it.
      gate: Whether it is the result of a gate.
      behind: The result of the gate that did not open, when another test reports it.
    """

    result: Result
    expired: tuple[Expectation, ...] = ()
    gate: bool = False
    behind: Result | None = None


def settle(found: Found, item: pytest.Item, *, settings: Settings, label: str) -> None:
    """Pass, fail, skip or xfail the running test, and leave on its report what JUnit files and the summary show.

    | outcome | test |
    |---|---|
    | pass | passes |
    | fail, MUST | fails |
    | fail, SHOULD | passes with a `ConformanceAdvice` warning; fails when strict |
    | expected-fail | xfails with the expectation's reason |
    | unexpected-pass, an expired expectation | fails |
    | not-applicable | is skipped |
    | not-run | is skipped; fails when strict |
    | not-run or error of a gate | fails, because nothing is known about the subject |
    | error | fails |

    Args:
      found: What is known.
      item: The test.
      settings: How the checks run.
      label: What ids call the subject.
    """
    __tracebackhide__ = True
    result = _for_pytest(found.result, item, settings)
    _record(result, item, label=label)
    if found.behind is not None:
        pytest.skip(_reason_behind(found.behind))
    if found.expired:
        item.user_properties.append(("assay_expired", str(found.expired[0].until)))
        pytest.fail(_expired_message(result, found.expired), pytrace=False)
    # A run of skips would hide that nothing at all is known of a subject; a machine without a GPU is another matter.
    blind = found.gate and result.target == Target.CPU
    match result.outcome:
        case Outcome.PASS:
            return
        case Outcome.EXPECTED_FAIL:
            pytest.xfail(result.reason)
            # With --runxfail an expectation counts for nothing.
            pytest.fail(result.message, pytrace=False)
        case Outcome.UNEXPECTED_PASS:
            pytest.fail(_stale_message(result), pytrace=False)
        case Outcome.FAIL if result.level is Level.SHOULD and not settings.strict:
            _advise(result, item)
        case Outcome.NOT_APPLICABLE:
            pytest.skip(f"not applicable: {result.message}")
        case Outcome.NOT_RUN if not settings.strict and not blind:
            item.user_properties.append(("assay_reason", result.message))
            pytest.skip(f"not run: {result.message}")
        case Outcome.NOT_RUN:
            pytest.fail(f"Not run: {result.message}", pytrace=False)
        case _:
            pytest.fail(result.message, pytrace=False)


def _for_pytest(result: Result, item: pytest.Item, settings: Settings) -> Result:
    """The result with what to do in the words of a pytest run: how to replay it, and how to get the devices."""
    replay = f"pytest {shlex.quote(_address(item))}{settings.options}"
    message = result.message
    if result.finding is not None:
        message = result.finding.as_text(replay)
    elif result.outcome is Outcome.NOT_RUN and result.mode == Mode.REPLICAS and devices_are_missing():
        message = remedy(item.config)
    return dataclasses.replace(result, replay=replay, message=message.replace("(--timeout)", "(--assay-timeout)"))


def _address(item: pytest.Item) -> str:
    """What to give pytest, in the folder where it was started, to run a test again."""
    names = str(item.nodeid).partition("::")[2]
    group = item.get_closest_marker("xdist_group")
    if group is not None:
        names = names.removesuffix(f"@{group.kwargs.get('name')}")  # `--dist loadgroup` adds it
    return f"{os.path.relpath(item.path, item.config.invocation_params.dir)}::{names}"


def _record(result: Result, item: pytest.Item, *, label: str) -> None:
    """Leave the words of the result on the report: JUnit files show them, and the summary counts them."""
    words = ("kind", "rule", "level", "target", "mode", "evidence", "outcome")
    item.user_properties.append(("assay_subject", label))
    item.user_properties += [(f"assay_{word}", str(getattr(result, word))) for word in words]


def _reason_behind(closed: Result) -> str:
    """Why a check behind a closed gate was not run."""
    if closed.outcome is Outcome.NOT_RUN:
        return f"not run: {closed.message}"
    return f"not run: {_UNOBSERVED.format(closed.rule)}"


def _expired_message(result: Result, expired: tuple[Expectation, ...]) -> str:
    """What to say when expectations have expired, whatever became of the rule."""
    said = [f"An expectation of {one.rule} expired on {one.until}: {one.reason}" for one in expired]
    now = result.message if result.outcome is Outcome.FAIL else f"The outcome now: {result.outcome}. {result.message}"
    return "\n".join([*said, "Mend it, remove the expectation, or set another last day.", now.rstrip()])


def _stale_message(result: Result) -> str:
    """What to say when a rule passes that is expected to fail."""
    return (
        f"XPASS (strict): {result.rule} {result.slug} passes on {result.subject}, and an expectation says that it "
        f"fails: {result.reason}\nNothing that the expectation speaks of fails in this run: remove it, or name what it "
        "speaks of (`subject`, `modes`)."
    )


def _advise(result: Result, item: pytest.Item) -> None:
    """Warn that a SHOULD rule fails; where warnings are errors, fail with the message alone."""
    __tracebackhide__ = True
    text = f"advice: {result.rule} {result.slug} (SHOULD) on {result.subject}: {result.target}, {result.mode}"
    try:
        item.warn(ConformanceAdvice(f"{text}\n{result.message}"))
    except ConformanceAdvice as advice:
        pytest.fail(str(advice), pytrace=False)
