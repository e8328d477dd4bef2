"""S107 cadence: recording every n steps gives exactly floor(N / n) events."""

from __future__ import annotations

from typing import Any

from assay.conformance.context import Context
from assay.conformance.harness import summaries
from assay.conformance.harness.calls import calling
from assay.conformance.lazy import tf
from assay.conformance.model import Level, Mode, NotApplicable, Rule, Target, Violation
from assay.conformance.specimens import SCALAR_MANAGER, SoundSummaryManager

RULE = Rule(
    id="S107",
    slug="cadence",
    level=Level.SHOULD,
    requirement="Under `tf.summary.record_if` every n steps, N steps leave floor(N / n) events, also in graphs.",
    checks=(
        "Runs 10 steps in a `tf.function` loop that writes with the manager's `summary_writer()` under a `record_if` "
        "that is true every third step; then writes 10 steps from the host with `write_summaries` under the same. "
        "Three events are expected of each, at the steps 3, 6 and 9. A manager without `summary_writer` does not work "
        "with `tf.summary`, and the rule does not apply."
    ),
    why=(
        "The summary interval is what keeps summaries cheap: the loop is one graph, and `record_if` decides inside it. "
        "A manager that records always writes thousands of events a minute; one that takes the step as a Python number "
        "freezes it into the graph, and all events are at the step of the first trace."
    ),
    bad="""
def write_summaries(self, summary_dict):
    with self.writer.as_default(), tf.summary.record_if(True):  # whatever the caller said
        ...
""",
    good="""
def write_summaries(self, summary_dict):
    with self.writer.as_default():
        ...  # tf.summary asks record_if itself
""",
    modes=(Mode.GRAPH,),
    targets=(Target.CPU, Target.GPU, Target.TPU),
    references=("tensorflow/models: orbit/controller.py summary_interval",),
)

STEPS, EVERY = 10, 3
TAG = "assay_cadence"


def check(ctx: Context) -> None:
    """Count the events of a graph loop, and of writes from the host."""
    expected = [step for step in range(1, STEPS + 1) if step % EVERY == 0]
    with summaries.sandbox() as root:
        with summaries.managed(ctx, root / "graph") as one:
            if not callable(getattr(one.manager, "summary_writer", None)):
                raise NotApplicable("The manager has no method summary_writer().")
            with calling("a tf.function that writes with summary_writer()"), one.manager.summary_writer().as_default():
                _loop(one.step)
            _compare(_steps(one), expected, "in a graph")
        if not summaries.follows_step(ctx):
            return
        with summaries.managed(ctx, root / "host") as one:
            for step in range(1, STEPS + 1):
                with tf.summary.record_if(step % EVERY == 0):
                    one.write({TAG: float(step)}, step=step)
            _compare(_steps(one), expected, "with write_summaries")


def _loop(step: Any) -> None:
    """Run the steps in one graph; each is recorded as `record_if` says, at the default step."""

    @tf.function
    def run() -> None:
        def body(count: Any) -> Any:
            step.assign_add(1)
            with tf.summary.record_if(lambda: tf.equal(step % EVERY, 0)):
                tf.summary.scalar(TAG, tf.cast(step, tf.float32))
            return (count + 1,)

        tf.while_loop(lambda count: count < STEPS, body, (tf.constant(0),))

    step.assign(0)
    run()


def _steps(one: summaries.Managed) -> list[int]:
    """The steps of the events; inside a graph a tag has the name scope before it."""
    return [record.step for record in one.finish() if record.tag.endswith(TAG)]


def _compare(actual: list[int], expected: list[int], where: str) -> None:
    if sorted(actual) == expected:
        return
    frozen = len(actual) == len(expected) and len(set(actual)) == 1
    more = "record_if is overruled" if len(actual) > len(expected) else "events are dropped"
    raise Violation(
        f"{where}, {STEPS} steps recorded every {EVERY} left {len(actual)} events at the steps {sorted(actual)} "
        f"instead of {len(expected)} at {expected}",
        cause="the step became a Python number when the function was traced" if frozen else more,
        fix="Leave `record_if` and the default step to the caller: return the plain writer, and write with tf.summary.",
    )


class _AlwaysRecords(SoundSummaryManager):
    def recording(self) -> bool:
        return True

    def emit(self, group: tuple[str, ...], tag: str, value: Any, step: int) -> None:
        with tf.summary.record_if(True):
            super().emit(group, tag, value, step)


class _FreezesTheStep(SoundSummaryManager):
    """Sets the step as a number when the writer is asked for; a graph keeps that number."""

    def summary_writer(self, relative_path: str = "") -> Any:
        tf.summary.experimental.set_step(self.step())
        return super().summary_writer(relative_path)


class _CountsCalls(SoundSummaryManager):
    """Has an interval of its own, on top of the caller's."""

    calls = 0

    def recording(self) -> bool:
        self.calls += 1
        return super().recording() and self.calls % 2 == 0


MUTANTS = (
    SCALAR_MANAGER.replace(factory=_AlwaysRecords, name="records whatever the caller says"),
    SCALAR_MANAGER.replace(factory=_FreezesTheStep, name="freezes the step"),
    SCALAR_MANAGER.replace(factory=_CountsCalls, name="an interval of its own"),
)
TWIN = SCALAR_MANAGER
