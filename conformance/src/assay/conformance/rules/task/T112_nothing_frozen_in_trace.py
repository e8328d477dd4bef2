"""T112 nothing-frozen-in-trace: nothing that changes in Python decides what a traced step does."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping
from typing import Any, TypedDict

import numpy as np
from assay.conformance.context import Context
from assay.conformance.harness import as_numpy
from assay.conformance.harness.flavour import set_random_seed
from assay.conformance.harness.tasks import Repeats, comparable_run, plain_name, repeat_step, validation_run
from assay.conformance.lazy import tf
from assay.conformance.model import Level, Mode, Rule, Subject, Target, Violation
from assay.conformance.specimens import SOUND_TASK, SoundTask

RULE = Rule(
    id="T112",
    slug="nothing-frozen-in-trace",
    level=Level.MUST,
    requirement="No Python state, clock, NumPy or Python randomness decides what a traced step does.",
    checks=(
        "Compares logs and variables of traced steps with those of eager ones. Where they differ, calls each step "
        "several times on one batch from the same weights: what varies between eager calls must vary between traced "
        "calls too. The attributes and host random generators that eager calls move are named. A step that draws "
        "tensors with tf.random as well is looked at with TensorFlow's seed held fixed."
    ),
    why=(
        "Python runs once, while a step is traced. A counter, a flag or a draw of `np.random` keeps for ever the value "
        "that it had then: an augmentation adds the same noise to every batch, a warm-up stays at its first step, a "
        "`random.choice` of a resolution chooses once. Nothing fails, and the debugger shows the opposite, because "
        "there the step runs eagerly."
    ),
    bad="""
def train_step(self, inputs, model, optimizer, metrics=None):
    features, labels = inputs
    features += np.random.normal(size=features.shape)  # one draw, added to every batch from now on
    self.steps += 1                                    # 1, for ever
    weight = 0.0 if self.steps < 1000 else 1.0
""",
    good="""
def train_step(self, inputs, model, optimizer, metrics=None):
    features, labels = inputs
    step = optimizer.iterations                        # a variable: read at each call
    noise = tf.random.stateless_normal(tf.shape(features), seed=[self.seed, step])
    weight = tf.where(step < 1000, 0.0, 1.0)
""",
    modes=(Mode.GRAPH,),
    targets=(Target.CPU, Target.GPU),
    references=("TensorFlow guide, Better performance with tf.function: Executing Python side effects",),
)

_NAMED_AT_MOST = 3
_HOST_CALLS = 2
_HOST_SEEDS = (1, 2)


class _Blame(TypedDict):
    """What a violation says beside what was observed."""

    cause: str
    fix: str


def check(ctx: Context) -> None:
    """Compare traced steps with eager ones, and look into what differs."""
    if not _train_steps_agree(ctx):
        _check_repeats(ctx, training=True)
    if not _validation_steps_agree(ctx):
        _check_repeats(ctx, training=False)


def _train_steps_agree(ctx: Context) -> bool:
    eager, graph = comparable_run(ctx, mode=Mode.EAGER), comparable_run(ctx)
    return _logs_agree(ctx, eager.logs, graph.logs) and all(
        _agrees(ctx, theirs.model[name], ours.model[name], start=eager.snapshots[0].model[name])
        for ours, theirs in zip(eager.snapshots, graph.snapshots, strict=True)
        for name in ours.model
        if name in theirs.model and np.issubdtype(ours.model[name].dtype, np.floating)
    )


def _validation_steps_agree(ctx: Context) -> bool:
    return _logs_agree(ctx, validation_run(ctx, mode=Mode.EAGER).logs, validation_run(ctx).logs)


def _logs_agree(ctx: Context, eager: Any, graph: Any) -> bool:
    for ours, theirs in zip(eager, graph, strict=True):
        expected, actual = dict(_floats(ours[0])), dict(_floats(theirs[0]))
        if any(not _agrees(ctx, actual[key], value) for key, value in expected.items() if key in actual):
            return False
    return True


def _floats(logs: Any) -> Iterator[tuple[str, np.ndarray]]:
    for key, value in logs.items() if isinstance(logs, Mapping) else ():
        if hasattr(value, "dtype") and tf.as_dtype(value.dtype).is_floating:
            yield key, as_numpy(value)


def _agrees(ctx: Context, actual: np.ndarray, expected: np.ndarray, start: np.ndarray | None = None) -> bool:
    """Whether two arrays agree, relative to the largest movement since the start, or to the largest value."""
    if actual.shape != expected.shape:
        return False
    tolerance = ctx.tolerance("same")
    reference = np.asarray(expected, np.float64) - (0.0 if start is None else start)
    largest = float(np.max(np.abs(reference), initial=0.0))
    allowed = tolerance.absolute + tolerance.relative * (largest if np.isfinite(largest) else 0.0)
    return bool(np.allclose(actual, expected, rtol=0.0, atol=allowed, equal_nan=True))


def _check_repeats(ctx: Context, *, training: bool) -> None:
    """What varies between eager calls has to vary between traced ones."""
    step = "train_step" if training else "validation_step"
    eager = repeat_step(ctx, Mode.EAGER, training=training)
    graph = repeat_step(ctx, Mode.GRAPH, training=training)
    varies, still = eager.varying(ctx.tolerance("repeated")), graph.varying(ctx.tolerance("repeated"))
    frozen = [name for name in varies if name not in still]
    if frozen:
        _blame(step, eager, graph, frozen)
    if varies and _draws_on_the_host(ctx, training=training) and not any(graph.generators.values()):
        names = [name for name, moved in eager.generators.items() if moved] or ["a generator of NumPy or Python"]
        raise Violation(
            f"with TensorFlow's random seed held fixed, what {step} computes eagerly still depends on the seed of "
            f"{' and '.join(names)}, which traced calls never draw from again",
            **_advice(names, [], step),
        )


def _blame(step: str, eager: Repeats, graph: Repeats, frozen: list[str]) -> None:
    calls = len(eager.results)
    name = frozen[0]
    values = ", ".join(_size(one[name]) for one in eager.results)
    constant = _size(graph.results[0][name])
    moved = [name for name, value in eager.attributes[1].items() if eager.attributes[-1].get(name) != value]
    drawn = [name for name, draws in eager.generators.items() if draws]
    kept = [
        f"{attribute} went from {eager.attributes[0].get(attribute, 'unset')} to {eager.attributes[-1][attribute]} "
        f"in {calls} eager calls, and stayed at {graph.attributes[-1].get(attribute, 'unset')} after the first of "
        f"{calls} traced ones"
        for attribute in moved[:_NAMED_AT_MOST]
    ]
    draws = [f"each eager call draws from {' and '.join(drawn)}, and a traced one does not"] if drawn else []
    more = f" (and {len(frozen) - 1} more)" if len(frozen) > 1 else ""
    raise Violation(
        f"{calls} calls of {step} on one batch from the same weights gave {values} for {_label(name)}{more} eagerly, "
        f"and {constant} each time when traced" + "".join(f"; {one}" for one in kept + draws),
        **_advice(drawn, moved, step),
    )


def _advice(drawn: list[str], moved: list[str], step: str) -> _Blame:
    if drawn:
        return {
            "cause": f"{step} draws random numbers from {' and '.join(drawn)}: a trace keeps the first draw for ever",
            "fix": (
                "Draw with tf.random.stateless_* keyed by your seed and `optimizer.iterations`, with a Keras layer, or "
                "in the input pipeline."
            ),
        }
    if moved:
        return {
            "cause": f"{step} reads {', '.join(moved[:_NAMED_AT_MOST])}, and a trace keeps the value of the first call",
            "fix": "Keep it in a tf.Variable made before the first step, or compute it from `optimizer.iterations`.",
        }
    return {
        "cause": (
            f"{step} reads something of Python that changes from call to call: a container, a clock, or a random "
            "generator that it makes itself"
        ),
        "fix": "Read what changes from a tf.Variable, and draw random numbers with tf.random.",
    }


def _draws_on_the_host(ctx: Context, *, training: bool) -> bool:
    """Whether eager calls with one TensorFlow seed depend on the seed of NumPy and Python."""

    def seed(number: int) -> None:
        set_random_seed(ctx.seed)
        np.random.seed(_HOST_SEEDS[number])  # noqa: NPY002 - the global one is what steps draw from
        random.seed(_HOST_SEEDS[number])

    def same(number: int) -> None:
        set_random_seed(ctx.seed)

    tolerance = ctx.tolerance("repeated")
    fixed, other = (
        repeat_step(ctx, Mode.EAGER, training=training, calls=_HOST_CALLS, before=before) for before in (same, seed)
    )
    return bool(other.varying(tolerance)) and not fixed.varying(tolerance)


def _label(name: str) -> str:
    return name if name.startswith("logs[") else f"the update of {plain_name(name)}"


def _size(value: np.ndarray) -> str:
    return f"{float(value):.5g}" if value.ndim == 0 else f"{float(np.linalg.norm(value)):.5g}"


class _WarmsUpByACounter(SoundTask):
    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.steps = 0

    def replica_share(self, loss: Any) -> Any:
        self.steps += 1
        return super().replica_share(loss) * min(1.0, self.steps / 3)


class _NumPyNoise(SoundTask):
    def forward(self, model: Any, features: Any, *, training: bool) -> Any:
        noise = np.random.normal(scale=0.3, size=features.shape) if training else 0.0  # noqa: NPY002
        return super().forward(model, features + tf.cast(noise, tf.float32), training=training)


class _ChoosesInPython(SoundTask):
    """Flips the features, or not, by a generator of its own."""

    def __init__(self) -> None:
        super().__init__()
        self.random = random.Random(1)

    def forward(self, model: Any, features: Any, *, training: bool) -> Any:
        if training and self.random.random() < 0.5:
            features = tf.reverse(features, axis=[1])
        return super().forward(model, features, training=training)


class _NoiseOfBothKinds(SoundTask):
    """Noise of NumPy beside noise of TensorFlow, so that no two calls are equal."""

    def forward(self, model: Any, features: Any, *, training: bool) -> Any:
        if training:
            features += tf.random.normal(tf.shape(features), stddev=0.1)
            features *= np.random.uniform(0.5, 1.5)  # noqa: NPY002
        return super().forward(model, features, training=training)


class _EvaluatesOnACounter(SoundTask):
    """Counts its evaluations in a list, and smooths the first ones."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[int] = []

    def validation_step(self, inputs: Any, model: Any, metrics: Any = None) -> dict[str, Any]:
        self.seen.append(1)
        logs = super().validation_step(inputs, model, metrics)
        return {**logs, self.loss: logs[self.loss] / len(self.seen)}


MUTANTS = (
    Subject(_WarmsUpByACounter, name="warms up by a Python counter"),
    Subject(_NumPyNoise, traits={"random_step": True}, name="noise of NumPy"),
    Subject(_ChoosesInPython, traits={"random_step": True}, name="chooses with Python's random"),
    Subject(_NoiseOfBothKinds, traits={"random_step": True}, name="noise of NumPy beside TensorFlow's"),
    Subject(_EvaluatesOnACounter, name="a Python counter in validation"),
    Subject(lambda: _WarmsUpByACounter(dropout=0.5), traits={"random_step": True}, name="a counter beside dropout"),
)
TWIN = SOUND_TASK
