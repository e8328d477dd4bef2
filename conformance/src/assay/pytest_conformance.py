"""The pytest plugin of assay.conformance, found by its entry point `assay`.

Every pytest run of an environment with the suite loads this module, so it imports nothing of the suite at the top, and
each hook does nothing where no conformance test was collected. It stands beside the package and not in it because
pytest rewrites the assertions of the whole package that a plugin is in, which makes hundreds of imports slower.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Generator
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from assay.conformance.pytest_plugin.checks import RuleCheck, SubjectRun

_SUITE = "_assay_conformance_suite"
_RUNS = pytest.StashKey["list[SubjectRun]"]()
_CHECKS = pytest.StashKey["dict[pytest.Item, RuleCheck]"]()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options, and their names in the configuration file."""
    group = parser.getgroup("assay", "conformance tests of assay.conformance")
    group.addoption(
        "--assay-devices",
        action="store_true",
        help="set up two logical CPU devices before anything is collected, for tests that make tensors on import",
    )
    group.addoption("--assay-strict", action="store_true", help="let SHOULD rules and rules that could not be run fail")
    group.addoption("--assay-seed", type=int, metavar="N", help="where all randomness of the checks starts from")
    group.addoption("--assay-max-examples", type=int, metavar="N", help="how many cases a search looks at")
    group.addoption(
        "--assay-timeout", type=float, metavar="SECONDS", help="time budget of one check; 0 for none (default: 300)"
    )
    parser.addini("assay_devices", "as --assay-devices", type="bool", default=False)
    parser.addini("assay_strict", "as --assay-strict", type="bool", default=False)
    for name in ("seed", "max_examples", "timeout"):
        parser.addini(f"assay_{name}", f"as --assay-{name.replace('_', '-')}", default="")


@pytest.hookimpl(tryfirst=True)
def pytest_load_initial_conftests(early_config: pytest.Config) -> None:
    """Set up devices where that was asked for, before a conftest.py can start TensorFlow."""
    options = early_config.known_args_namespace
    wanted = getattr(options, "assay_devices", False) or early_config.getini("assay_devices")
    # The process that hands tests to xdist's workers runs none itself; the workers come here too.
    hands_out = getattr(options, "numprocesses", None) and "PYTEST_XDIST_WORKER" not in os.environ
    if wanted and not hands_out:
        from assay.conformance.devices import set_up_devices

        set_up_devices()


def pytest_configure(config: pytest.Config) -> None:
    """Register the marker that conformance tests carry."""
    config.addinivalue_line("markers", "conformance: a rule of assay.conformance on one subject in one mode")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Make one item for each subject, rule and mode of a test function that holds a suite."""
    suite = getattr(metafunc.function, _SUITE, None)
    if suite is None:
        return
    from assay.conformance.model.errors import UsageError
    from assay.conformance.pytest_plugin.collecting import checks_of

    if "check" not in metafunc.fixturenames:
        raise UsageError(f"{metafunc.function.__qualname__} needs an argument named check, and calls it: check().")
    distributed = metafunc.config.pluginmanager.hasplugin("xdist")
    module = metafunc.definition.path.stem
    parameters = []
    for check in checks_of(suite, metafunc.config):
        marks = [pytest.mark.conformance]
        if distributed:
            marks.append(pytest.mark.xdist_group(name=f"{module}-{check.label}"))
        parameters.append(pytest.param(check, id=check.id, marks=marks))
    metafunc.parametrize("check", parameters)


def pytest_exception_interact(node: pytest.Item | pytest.Collector, call: Any, report: Any) -> None:
    """Say what is wrong with the arguments of a suite in one sentence, without the way there."""
    errors = sys.modules.get("assay.conformance.model.errors")
    if errors is None or not isinstance(node, pytest.Collector) or node.config.getoption("fulltrace", False):
        return
    if isinstance(call.excinfo.value, errors.UsageError):
        own = [entry for entry in call.excinfo.traceback if str(entry.path) == str(node.path)]
        line = f":{own[-1].lineno + 1}" if own else ""
        report.longrepr = f"{node.nodeid}{line}: {call.excinfo.value}"


def pytest_collection_finish(session: pytest.Session) -> None:
    """Take stock of the conformance tests that will run, and set up the devices that they need."""
    if "assay.conformance.pytest_plugin.collecting" not in sys.modules:
        return
    from assay.conformance.pytest_plugin.checks import RuleCheck
    from assay.conformance.pytest_plugin.devices import configure_for

    found = session.config.stash[_CHECKS] = {}
    for item in session.items:
        check = getattr(item, "callspec", None) and item.callspec.params.get("check")  # type: ignore[attr-defined]
        if isinstance(check, RuleCheck):
            found[item] = check
            check.run.checks.append(check)
            check.run.pending += 1
    session.config.stash[_RUNS] = list({id(check.run): check.run for check in found.values()}.values())
    if not session.config.option.collectonly:
        configure_for(found.values())


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item, nextitem: pytest.Item | None) -> Generator[None, Any, Any]:
    """Tell the check which test it belongs to, and free what a subject's checks shared after the last of them."""
    checks = item.config.stash.get(_CHECKS, {})
    check = checks.get(item)
    if check is None:
        return (yield)
    check.item, check.called = item, False
    try:
        return (yield)
    finally:
        check.item = None
        check.run.pending -= 1
        following = checks.get(nextitem) if nextitem is not None else None
        _release(item.config.stash[_RUNS], following, is_worker=hasattr(item.config, "workerinput"))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, Any, Any]:
    """Fail a conformance test that never ran its check: it would pass whatever the subject does."""
    outcome = yield
    check = item.config.stash.get(_CHECKS, {}).get(item)
    if check is not None and not check.called:
        pytest.fail("The test never called check(), so nothing was checked.", pytrace=False)
    return outcome


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Say how much was checked: a green run that does not is worth little."""
    reports = [
        report
        for group in terminalreporter.stats.values()
        for report in group
        if getattr(report, "when", None) == "call" and any(key == "assay_rule" for key, _ in report.user_properties)
    ]
    if reports:
        from assay.conformance.pytest_plugin.summary import write_summary

        write_summary(terminalreporter, reports)


def _release(runs: list[SubjectRun], following: RuleCheck | None, *, is_worker: bool) -> None:
    """Free the runs that no test needs any more.

    A worker of xdist does not know which tests it will get, so it keeps those of the next test only.
    """
    for run in runs:
        if run.pending == 0 or (is_worker and (following is None or run is not following.run)):
            run.release()
