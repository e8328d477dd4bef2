"""`conformance_tests` and `parametrize_with_rules`: say in a test module what pytest is to check.

```python
from assay.conformance import Subject, conformance_tests
from assay.conformance.specimens.host_metrics import SoundAccuracy
from assay.conformance.specimens.host_samples import class_scores

test_conformance = conformance_tests([Subject(SoundAccuracy, class_scores())])
```

Nothing is looked at here: the plugin reads what was said when pytest collects the module.
"""

from __future__ import annotations

import dataclasses
import sys
import types
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, TypeVar

from assay.conformance.devices import configure_devices
from assay.conformance.model.expectations import Expectation
from assay.conformance.model.subject import Subject

SUITE = "_assay_conformance_suite"
"""The attribute of a test function that holds its suite; the plugin looks for it."""

Test = TypeVar("Test", bound=Callable[..., Any])
Subjects = Subject | Callable[..., Any] | Sequence[Subject | Callable[..., Any]]


class ConformanceAdvice(UserWarning):
    """A SHOULD rule fails: advice, which fails a test only when strict.

    `-W error::assay.conformance.ConformanceAdvice` makes advice alone fail.
    """


@dataclasses.dataclass(frozen=True, eq=False)
class Suite:
    """What one call asked for; the arguments of `conformance_tests`, as they were given."""

    subjects: Any
    kind: str | None = None
    sample: Any = None
    traits: Mapping[str, Any] | None = None
    targets: tuple[str, ...] = ("cpu",)
    modes: tuple[str, ...] | None = None
    select: tuple[str, ...] | None = None
    ignore: tuple[str, ...] | None = None
    expectations: tuple[Expectation, ...] | None = None
    strict: bool | None = None
    seed: int | None = None
    max_examples: int | None = None
    timeout: float | None = None


def conformance_tests(
    subject: Subjects,
    kind: str | None = None,
    *,
    sample: Any = None,
    traits: Mapping[str, Any] | None = None,
    targets: Iterable[str] = ("cpu",),
    modes: Iterable[str] | None = None,
    select: Iterable[str] | None = None,
    ignore: Iterable[str] | None = None,
    expectations: Iterable[Expectation] | None = None,
    strict: bool | None = None,
    seed: int | None = None,
    max_examples: int | None = None,
    timeout: float | None = None,
) -> Callable[..., None]:
    """Return a test function that pytest collects as one item for each subject, rule and mode.

    Assign it to a name that pytest takes for a test. When TensorFlow has been imported and has not started, its CPU is
    split into two logical devices here, before the module makes a tensor. An option of the command line
    (`--assay-seed 1`) counts before an argument, and an argument before the configuration file.

    ```python
    test_conformance = conformance_tests([Subject(FocalLoss, batch), Subject(MyMetric, batch)])
    ```

    Args:
      subject: A `Subject`, a zero-argument factory of one component, or a list of them.
      kind: The kind of the components; inferred from their methods when None.
      sample: What the kind needs and the components do not bring; see `Subject`.
      traits: What the components declare about themselves, on top of the subjects' own.
      targets: The targets: `cpu`, `gpu`, `tpu`.
      modes: Only these modes; all that the rules declare when None.
      select: Ids or slugs of the rules to run; all of the kind when None.
      ignore: Ids or slugs of rules to leave out.
      expectations: Failures that are known, each with its reason; those of `[tool.assay]` in the project's
        `pyproject.toml` when None.
      strict: Whether SHOULD rules, and rules that could not be run, count; what the configuration says when None.
      seed: Where every build and every run starts from; what the configuration says, else 0, when None.
      max_examples: How many cases a property search looks at; each rule's own number when None.
      timeout: Seconds that one check may take before it counts as not run; 0 for no limit.

    Returns:
      A function with one argument, `check`, which the plugin supplies.
    """
    suite = _suite(
        subject, kind=kind, sample=sample, traits=traits, targets=targets, modes=modes, select=select, ignore=ignore,
        expectations=expectations, strict=strict, seed=seed, max_examples=max_examples, timeout=timeout,
    )  # fmt: skip
    return _marked(_placed(lambda check: check(), sys._getframe(1)), suite)


def parametrize_with_rules(subject: Subjects, kind: str | None = None, **options: Any) -> Callable[[Test], Test]:
    """Return a decorator that runs a test once for each subject, rule and mode.

    For what has to happen around a check: fixtures, a context, a rule that is treated in another way.

    ```python
    @parametrize_with_rules([Subject(FocalLoss, batch)])
    def test_losses(check, tmp_path, monkeypatch):
        monkeypatch.chdir(tmp_path)
        check()
    ```

    Args:
      subject: As for `conformance_tests`.
      kind: As for `conformance_tests`.
      **options: As for `conformance_tests`.

    Returns:
      The decorator. The test takes an argument `check`: calling it runs the check and passes, fails or skips; its
      `subject`, `rule`, `mode` and `target` say what it is about.

    Raises:
      TypeError: If an option is none of `conformance_tests`.
    """
    suite = _suite(subject, kind=kind, **options)
    return lambda function: _marked(function, suite)


def _suite(subject: Any, *, kind: str | None, **options: Any) -> Suite:
    """A suite of these arguments; iterables are read at once, because they may be read many times later."""
    for name in ("targets", "modes", "select", "ignore", "expectations"):
        if options.get(name) is not None:
            options[name] = (options[name],) if isinstance(options[name], str) else tuple(options[name])
    suite = Suite(subject, kind, **options)
    if "tensorflow" in sys.modules:
        configure_devices()
    return suite


def _marked(function: Test, suite: Suite) -> Test:
    setattr(function, SUITE, suite)
    return function


def _placed(function: Callable[..., None], frame: types.FrameType) -> Callable[..., None]:
    """The same function as if it stood at the caller's line, which is where pytest says that the test is."""
    code = function.__code__.replace(
        co_filename=frame.f_code.co_filename, co_firstlineno=frame.f_lineno, co_name="conformance_tests"
    )
    return types.FunctionType(code, function.__globals__, "conformance_tests")
