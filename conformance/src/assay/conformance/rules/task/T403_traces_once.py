"""T403 traces-once: steps are traced once for one signature of their inputs."""

from __future__ import annotations

import collections
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from assay.conformance.context import Context
from assay.conformance.harness import recording_variables
from assay.conformance.harness.tasks import (
    Build,
    build_task,
    evaluate,
    train,
    train_run,
    training_batches,
    validation_batches,
    validation_run,
)
from assay.conformance.lazy import tf
from assay.conformance.model import Level, Mode, Rule, Subject, Violation
from assay.conformance.specimens import SOUND_TASK, SoundTask

RULE = Rule(
    id="T403",
    slug="traces-once",
    level=Level.SHOULD,
    requirement="A step is traced once for batches of one signature (dtypes and shapes).",
    checks=(
        "In graph mode: counts the traces of the train and the validation step over consecutive batches, by signature; "
        "the last partial validation batch has its own. In eager mode: counts the traces of every `tf.function` of "
        "the Task and its model over five steps; none may be traced again after the second."
    ),
    why=(
        "A trace of a large model takes minutes and keeps its graph in memory. A step that is traced twice starts "
        "twice as slowly, and one that makes variables while it runs cannot be put into a loop or on replicas safely. "
        "An inner `tf.function` that is given a Python number is traced for every new number."
    ),
    bad="""
@tf.function
def _weighted(self, loss, step):  # step is a Python int: a trace for each value
    return loss * min(1.0, step / 1000)

def train_step(self, inputs, model, optimizer, metrics=None):
    if self.average is None:
        self.average = tf.Variable(0.0)  # made inside the step: the step is traced again without it
""",
    good="""
def __init__(self):
    self.average = tf.Variable(0.0, trainable=False)

@tf.function
def _weighted(self, loss, step):  # step is a tensor: one trace
    return loss * tf.minimum(1.0, tf.cast(step, tf.float32) / 1000.0)
""",
    modes=(Mode.EAGER, Mode.GRAPH),
    references=(
        "chex: assert_max_traces",
        "TensorFlow guide, Better performance with tf.function: Controlling retracing",
    ),
)

STEPS = 5
_NAMED_AT_MOST = 3
_OF_TASK = "the Task's"
SETTLED = 2  # a function may be traced a second time when its first call made variables


def check(ctx: Context) -> None:
    """Count traces by signature."""
    if ctx.mode is Mode.EAGER:
        _check_inner_functions(ctx)
        return
    _check_signatures(ctx, train_run(ctx).signatures, "train_step")
    _check_signatures(ctx, validation_run(ctx).signatures, "validation_step")


def _check_signatures(ctx: Context, signatures: Sequence[str], step: str) -> None:
    """Raise when one signature was traced more than once."""
    repeated = [(text, count) for text, count in collections.Counter(signatures).items() if count > 1]
    if not repeated:
        return
    signature, count = repeated[0]
    made = _made_by(ctx, step)
    raise Violation(
        f"{step} was traced {count} times for the one signature ({signature})"
        + (f"; its first run makes {', '.join(made)}" if made else ""),
        cause="the step makes a variable (a layer, a metric, a buffer) at its first run, so TensorFlow traces it again",
        fix="Make every variable in the constructor, in build_model or in build_metrics, before the first step.",
    )


def _made_by(ctx: Context, step: str) -> list[str]:
    """The variables that an eager run of the step makes, with the lines that make them."""
    build = build_task(ctx, mode=Mode.EAGER)
    batches = training_batches(ctx, 1) if step == "train_step" else validation_batches(ctx)[:1]
    with recording_variables() as made:
        (train if step == "train_step" else evaluate)(build, batches)
    return made[:_NAMED_AT_MOST]


def _check_inner_functions(ctx: Context) -> None:
    """Look at the traced functions that the Task brings, while its steps run eagerly."""
    if not list(_functions(train_run(ctx).build)):
        return
    build, batches = build_task(ctx), training_batches(ctx, STEPS)
    if len({_shapes(batch) for batch in batches}) > 1:
        return  # batches of several signatures are traced several times, as they should be
    train(build, batches[:SETTLED])
    before = dict(_functions(build))
    train(build, batches[SETTLED:])
    for name, count in _functions(build):
        more = count - before.get(name, 0)
        if more > 0:
            raise Violation(
                f"{name} was traced {more} more times in steps {SETTLED + 1} to {STEPS}, on batches of one signature "
                f"({count} traces in {STEPS} steps{_last_two(build, name)})",
                cause="the function is given a Python number or a new Python object at each call",
                fix="Pass tensors to a tf.function, and read what changes from a variable inside it.",
            )


def _last_two(build: Build, name: str) -> str:
    """In which arguments the last two traces of a function differ."""
    function = getattr(build.task if name.startswith(_OF_TASK) else build.model, name.rpartition(" ")[2], None)
    signatures = getattr(function, "pretty_printed_concrete_signatures", None)
    if not callable(signatures):
        return ""
    traces = [
        [line.strip() for line in text.splitlines() if line.strip()]
        for text in str(signatures()).split("Input Parameters:")[1:]
    ]
    if len(traces) < 2:
        return ""
    apart = [f"`{other}` after `{one}`" for one, other in zip(*traces[-2:], strict=False) if one != other]
    return f"; the last one with {', '.join(apart[:_NAMED_AT_MOST])}" if apart else ""


def _shapes(batch: Any) -> tuple[Any, ...]:
    return tuple((leaf.dtype, tuple(leaf.shape)) for leaf in tf.nest.flatten(batch))


def _functions(build: Build) -> Iterator[tuple[str, int]]:
    """Each `tf.function` among the attributes of the Task and the model, with how often it was traced."""
    for owner, label in ((build.task, _OF_TASK), (build.model, "the model's")):
        for name in _attributes(owner):
            value = getattr(owner, name, None)
            count = getattr(value, "experimental_get_tracing_count", None)
            if callable(count):
                yield f"{label} {name}", int(count())


def _attributes(owner: Any) -> Iterable[str]:
    """The names of plain attributes and methods; properties are left alone, for they run the subject's code."""
    names = dict.fromkeys([*getattr(owner, "__dict__", {}), *dir(type(owner))])
    return [name for name in names if not isinstance(getattr(type(owner), name, None), property) and name[:2] != "__"]


class _MakesAVariable(SoundTask):
    def __init__(self) -> None:
        super().__init__()
        self._average: Any = None

    def train_logs(self, loss: Any) -> dict[str, Any]:
        if self._average is None:
            self._average = tf.Variable(0.0)
        self._average.assign(0.9 * self._average + 0.1 * loss)
        return {self.loss: loss}


class _MakesAMetric(SoundTask):
    """Adds a metric to the list it was given, at the first validation step."""

    def __init__(self) -> None:
        super().__init__()
        self._extra: Any = None

    def process_metrics(self, metrics: Any, labels: Any, model_outputs: Any) -> None:
        super().process_metrics(metrics, labels, model_outputs)
        if self._extra is None:
            self._extra = tf.keras.metrics.Mean(name="extra")
        self._extra.update_state(model_outputs)


class _PythonNumber(SoundTask):
    """Gives a Python number to a function of its own."""

    def __init__(self) -> None:
        super().__init__()
        self._steps = 0
        self._weighted = tf.function(lambda loss, step: loss * min(1.0, step / 1000.0))

    def replica_share(self, loss: Any) -> Any:
        self._steps += 1
        return self._weighted(super().replica_share(loss), self._steps)


MUTANTS = (
    Subject(_MakesAVariable, name="makes a variable in the train step"),
    Subject(_MakesAMetric, name="makes a metric in the step"),
    Subject(_PythonNumber, name="gives a Python number to a tf.function"),
)
TWIN = SOUND_TASK
