"""A summary manager in a directory of its own, with a step that the suite moves."""

from __future__ import annotations

import contextlib
import enum
import inspect
import tempfile
import warnings
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from assay.conformance.context import Context
from assay.conformance.harness.calls import calling
from assay.conformance.harness.summaries.records import Record, read_records
from assay.conformance.harness.summaries.values import as_ledger, ledger_of

SUMMARY_DIR, GLOBAL_STEP = "summary_dir", "global_step"
_STEP_ARGUMENTS = ("step", "global_step")
_STEP_ATTRIBUTES = ("global_step", "_global_step", "step", "_step")


class Drive(enum.StrEnum):
    """How the suite tells a manager the step."""

    FACTORY = "the factory's argument global_step"
    ARGUMENT = "the step argument of write_summaries"
    ATTRIBUTE = "the variable that the manager keeps"
    DEFAULT = "tf.summary.experimental.set_step"


class Managed:
    """A manager under check.

    Args:
      ctx: The check's context.
      manager: The manager.
      directory: Its summary directory; None when it has none.
      step: The variable that holds the step.
      drive: How the manager is told the step.
    """

    def __init__(self, ctx: Context, manager: Any, directory: Path | None, step: Any, drive: Drive) -> None:
        self.ctx = ctx
        self.manager = manager
        self.directory = directory
        self.step = step
        self.drive = drive

    def move(self, step: int) -> None:
        """Set the step, for this manager and for whoever asks TensorFlow."""
        import tensorflow as tf

        self.step.assign(step)
        tf.summary.experimental.set_step(self.step)
        for name in _STEP_ATTRIBUTES if self.drive is Drive.ATTRIBUTE else ():
            variable = getattr(self.manager, name, None)
            if variable is not None and hasattr(variable, "assign"):
                variable.assign(step)

    def write(self, values: Mapping[Any, Any], *, step: int, heard: bool = False) -> None:
        """Write values at a step.

        Args:
          values: The nested values.
          step: The step.
          heard: Whether the caller listens to warnings; they are kept quiet otherwise.

        Raises:
          SubjectError: If the manager raises.
        """
        self.move(step)
        at = {} if self.drive is not Drive.ARGUMENT else {_step_argument(self.manager): step}
        with calling(f"write_summaries at step {step}"), contextlib.nullcontext() if heard else _unwarned():
            self.manager.write_summaries(values, **at)

    def write_without_step(self, values: Mapping[Any, Any]) -> None:
        """Write values without saying at which step.

        Raises:
          SubjectError: If the manager raises.
        """
        with calling("write_summaries without a step"), _unwarned():
            self.manager.write_summaries(values)

    def flush(self) -> None:
        """Flush, where the manager can.

        Raises:
          SubjectError: If the manager raises.
        """
        self._call("flush")

    def close(self) -> None:
        """Close, where the manager can.

        Raises:
          SubjectError: If the manager raises.
        """
        self._call("close")

    def finish(self) -> list[Record]:
        """Flush, close, and return everything that is in the directory; nothing is written afterwards.

        Raises:
          SubjectError: If the manager raises.
        """
        self.flush()
        self.close()
        assert self.directory is not None
        return read_records(self.directory, self.ctx.trait("reader"))

    def _call(self, name: str) -> None:
        method = getattr(self.manager, name, None)
        if callable(method):
            with calling(f"{name}()"), _unwarned():
                method()


@contextlib.contextmanager
def sandbox() -> Iterator[Path]:
    """Yield a new directory, deep enough that a few steps upwards stay in what is removed at the end."""
    with tempfile.TemporaryDirectory(prefix="assay-summaries-") as root:
        # The real path: a manager may resolve its directory, and on some systems the temporary one is a link.
        yield Path(root).resolve()


@contextlib.contextmanager
def managed(ctx: Context, directory: Path | None, *, stepless: bool = False, **options: Any) -> Iterator[Managed]:
    """Make a manager, and close it at the end.

    Args:
      ctx: The check's context.
      directory: The summary directory; None disables the manager.
      stepless: Give it no step at all: neither an argument nor a default one.
      **options: More arguments for the factory; those that it does not take are left out.

    Raises:
      SubjectError: If the factory raises.
    """
    import tensorflow as tf

    before = tf.summary.experimental.get_step()
    step = tf.Variable(0, dtype=tf.int64, trainable=False)
    try:
        tf.summary.experimental.set_step(None if stepless else step)
        known = parameters(ctx)
        steps = {GLOBAL_STEP: None if stepless else step}
        given = {name: value for name, value in {**steps, **options}.items() if name in known}
        manager = make_manager(ctx, directory, **given)
        one = Managed(ctx, manager, directory, step, _drive(manager, known))
        try:
            yield one
        finally:
            with contextlib.suppress(Exception):
                one.close()
    finally:
        tf.summary.experimental.set_step(before)


def make_manager(ctx: Context, directory: Path | None, **given: Any) -> Any:
    """Return a new manager: the directory is the argument `summary_dir`, or the first one.

    Raises:
      SubjectError: If the factory raises.
    """
    where = None if directory is None else str(directory)
    with calling(f"the factory with summary_dir={'a directory' if where else None}"), _unwarned():
        if SUMMARY_DIR in parameters(ctx):
            return ctx.subject.factory(**{SUMMARY_DIR: where}, **given)
        return ctx.subject.factory(where, **given)


def parameters(ctx: Context) -> frozenset[str]:
    """Return the names of the arguments that the factory takes by keyword."""
    return frozenset(_keywords(ctx.subject.factory))


def follows_step(ctx: Context) -> bool:
    """Whether what is written carries the step that the suite sets; shared.

    It does not when a factory keeps a step of its own that nobody else can reach.
    """

    def probe() -> bool:
        with sandbox() as root, managed(ctx, root / "run") as one:
            if one.drive is not Drive.DEFAULT:
                return True
            for step in (5, 9):
                one.write({"loss": float(step)}, step=step)
            return {key[2] for key in as_ledger(one.finish())} == {5, 9}

    return bool(ctx.share("summary manager follows step", probe))


def steps_of(ctx: Context, steps: Sequence[int]) -> Sequence[int]:
    """Return the steps to write at: the first one alone when the suite cannot set the step, which never moves then."""
    return steps if follows_step(ctx) else steps[:1]


def written(ctx: Context, values: Mapping[str, Any], step: int) -> dict[tuple[str, str, int], float]:
    """Return what has to be read back of values written at a step; the step is 0 when the suite cannot set it."""
    return ledger_of(values, step if follows_step(ctx) else 0)


def read_ledger(ctx: Context, records: list[Record]) -> dict[tuple[str, str, int], float]:
    """Return records as a ledger; the step is 0 when the suite cannot set it."""
    ledger = as_ledger(records)
    return ledger if follows_step(ctx) else {(where, tag, 0): value for (where, tag, _), value in ledger.items()}


def _drive(manager: Any, known: frozenset[str]) -> Drive:
    if _step_argument(manager):
        return Drive.ARGUMENT
    if GLOBAL_STEP in known:
        return Drive.FACTORY
    if any(hasattr(getattr(manager, name, None), "assign") for name in _STEP_ATTRIBUTES):
        return Drive.ATTRIBUTE
    return Drive.DEFAULT


def _step_argument(manager: Any) -> str:
    """The name of the step argument of `write_summaries`; empty when it has none."""
    known = _keywords(manager.write_summaries)
    return next((name for name in _STEP_ARGUMENTS if name in known), "")


def _keywords(function: Any) -> list[str]:
    try:
        found = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):
        return []
    return [one.name for one in found if one.kind in (one.POSITIONAL_OR_KEYWORD, one.KEYWORD_ONLY)]


@contextlib.contextmanager
def _unwarned() -> Iterator[None]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
