"""Runs that can be compared across modes: random layers switched off, and a measure of what rounding alone does.

A comparison that finds a difference asks two things before it blames the step: does the step draw random numbers of its
own (run it with two seeds), and how far does rounding alone move this model (run it from weights that differ in the
last bits). Both cost nothing while the values agree.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from assay.conformance.context import Context
from assay.conformance.harness.tasks.batches import training_batches
from assay.conformance.harness.tasks.build import Build, build_task
from assay.conformance.harness.tasks.random_layers import random_layers, silence_random_layers
from assay.conformance.harness.tasks.runs import DEFAULT_STEPS, TrainRun, train, train_run
from assay.conformance.harness.tasks.snapshots import Snapshot, changed_names, describe_changes, model_variables
from assay.conformance.harness.values import as_numpy
from assay.conformance.model.errors import NotApplicable
from assay.conformance.model.vocabulary import Mode
from assay.conformance.tolerances import Tolerance

ONE_BIT = float(np.finfo(np.float32).eps)
"""The relative step between neighbouring float32 numbers."""

# Two modes round at every operation, the probe at the weights only, so it changes them by more. What it finds is not
# multiplied instead: only the larger change tips a unit that is almost dead, as the sum of all roundings does.
_NOISE_ROOM = 8.0
_PROBES = 4  # of what rounding does: such a unit is tipped by one and not by another


def comparable_build(ctx: Context, **options: Any) -> Build:
    """Return a new build (see `build_task`) whose random layers are switched off."""
    build = build_task(ctx, **options)
    silence_random_layers(build.model)
    return build


def comparable_run(ctx: Context, *, steps: int = DEFAULT_STEPS, mode: Mode | None = None) -> TrainRun:
    """Return the run of a few training steps with random layers switched off, shared by all rules that ask for it.

    It is the run of `train_run` when the model has no random layer.
    """
    mode = mode or ctx.mode
    if not random_layers(train_run(ctx, steps=steps, mode=Mode.EAGER).build.model):
        return train_run(ctx, steps=steps, mode=mode)
    return ctx.share(
        ("comparable run", mode, steps),
        lambda: train(comparable_build(ctx, mode=mode), training_batches(ctx, steps)),
    )


def scaled_run(ctx: Context, scale: float) -> TrainRun:
    """Return one step, random layers switched off, with a LossScaleOptimizer at this scale; shared by all rules.

    Args:
      ctx: The check's context; the step is compiled in the mode `xla`, and eager in all others.
      scale: The loss scale. A power of two changes no bit of a float32 gradient that is scaled and unscaled.
    """
    mode = compiled_or_eager(ctx)
    return ctx.share(
        ("scaled run", mode, scale),
        lambda: train(comparable_build(ctx, mode=mode, loss_scale=scale), training_batches(ctx, DEFAULT_STEPS)[:1]),
    )


def compiled_or_eager(ctx: Context) -> Mode:
    """Return the mode of what a rule runs eagerly, and compiles where XLA stands in for a device: `xla` or `eager`."""
    return Mode.XLA if ctx.mode is Mode.XLA else Mode.EAGER


def differing(
    actual: Mapping[str, np.ndarray],
    expected: Mapping[str, np.ndarray],
    start: Mapping[str, np.ndarray],
    *,
    tolerance: Tolerance,
    noise: Mapping[str, float] | None = None,
) -> list[str]:
    """Return the names whose values, both reached from `start`, are further apart than the tolerance allows.

    The tolerance is relative to the largest movement of the array since `start`: a weight near zero that moved as its
    neighbours did is as exact as they are. A value that is not finite agrees with one that is not finite.

    Args:
      actual: Values by name.
      expected: Values by the same names.
      start: The values both started from.
      tolerance: How far they may be apart.
      noise: How far rounding alone moves each array; see `rounding_noise`.
    """
    return [name for name in expected if not _near(name, actual, expected, start, tolerance, noise or {})]


def differing_beyond_rounding(
    ctx: Context,
    actual: Mapping[str, np.ndarray],
    expected: Mapping[str, np.ndarray],
    start: Mapping[str, np.ndarray] | None = None,
    *,
    step: int,
) -> list[str]:
    """Return the names of trainable weights, or updates, that differ by more than rounding moves them.

    What rounding does is measured when values differ, and again, up to four times, while some are further apart.

    Args:
      ctx: The check's context; it gives the tolerance.
      actual: Weights, or updates, by name.
      expected: The same of another run.
      start: What both started from; None for updates, which start from zero.
      step: After how many steps.
    """
    tolerance, noise = ctx.tolerance("updates"), dict[str, float]()
    start = start or {name: np.zeros_like(value) for name, value in expected.items()}
    names = differing(actual, expected, start, tolerance=tolerance)
    for probe in range(_PROBES if names else 0):
        found = rounding_noise(ctx, probe=probe)[step]
        noise = {name: max(noise.get(name, 0.0), found[name]) for name in found}
        names = differing(actual, expected, start, tolerance=tolerance, noise=noise)
        if not names:
            break
    return names


def state_difference(ctx: Context, actual: Snapshot, expected: Snapshot, start: Snapshot, step: int) -> str:
    """Describe by what two states of training differ that should be one; an empty string when nothing does.

    Weights may be as far apart as rounding moves them; moving statistics and training metrics are compared when the
    weights agree.

    Args:
      ctx: The check's context; it gives the tolerances.
      actual: The state.
      expected: What it should be.
      start: What both started from.
      step: How many steps were taken from there.

    Raises:
      NotApplicable: If they differ and the step draws random numbers, declared or not.
    """
    ends = actual.weights, expected.weights, start.weights
    names = differing_beyond_rounding(ctx, *ends, step=step)
    seen = describe_changes(expected.weights, actual.weights, names) if names else ""
    seen = seen or _other_difference(ctx, actual, expected, start)
    if seen:
        lift_if_random(ctx, "two runs cannot be compared")
    return seen


def lift_if_random(ctx: Context, then: str) -> None:
    """Lift the rule when the train step draws random numbers, whether that is declared or found.

    Args:
      ctx: The check's context.
      then: What follows from it: `two runs cannot be compared`.

    Raises:
      NotApplicable: If it does.
    """
    ctx.not_applicable_if("random_step")
    if draws_random_numbers(ctx):
        raise NotApplicable(
            "The train step draws random numbers outside Keras' dropout and noise layers (two seeds give two results), "
            f"so that {then}. Declare the trait 'random_step'."
        )


def rounding_noise(
    ctx: Context, *, steps: int = DEFAULT_STEPS, precision: float = ONE_BIT, probe: int = 0
) -> Sequence[Mapping[str, float]]:
    """Return how far rounding moves the trainable weights: after no step, one step, two, ... by name.

    It is the largest difference between the movement of each weight in a comparable eager run and in the same run from
    weights that are changed by a few times one part in `1 / precision`. A deep model with batch normalisation over
    a few examples multiplies the last bit by thousands, and a shallow one leaves it as it is.

    Args:
      ctx: The check's context.
      steps: How many steps.
      precision: The relative step between neighbouring numbers of the dtype that rounds.
      probe: Which change, of many: each moves every weight up or down at random.
    """

    def measure() -> tuple[dict[str, float], ...]:
        exact = comparable_run(ctx, steps=steps, mode=Mode.EAGER)
        build = comparable_build(ctx, mode=Mode.EAGER)
        random, change = np.random.default_rng([ctx.seed, probe]), _NOISE_ROOM * precision
        for variable in build.model.trainable_variables:
            value = as_numpy(variable)
            variable.assign(value * (1 + change * random.choice([-1.0, 1.0], size=value.shape)).astype(value.dtype))
        moved = train(build, training_batches(ctx, steps))
        return tuple(
            {name: _largest(_movement(moved, step, name) - _movement(exact, step, name)) for name in names}
            for step, names in enumerate([list(exact.snapshots[0].weights)] * (steps + 1))
        )

    return ctx.share(("rounding noise", steps, precision, probe), measure)


def draws_random_numbers(ctx: Context) -> bool:
    """Whether the train step, its random layers switched off, still depends on the random seed."""

    def look() -> bool:
        runs = [_one_step(ctx, seed) for seed in (ctx.seed, ctx.seed + 1)]
        tolerance = ctx.tolerance("updates")
        return bool(
            differing(runs[1], runs[0], {name: 0.0 * value for name, value in runs[0].items()}, tolerance=tolerance)
        )

    return ctx.share("draws random numbers", look)


def keeps_batch_statistics(run: TrainRun) -> bool:
    """Whether training moves floating-point variables that no gradient reaches, as batch normalisation does."""
    before, after = run.snapshots[0].statistics, run.snapshots[-1].statistics
    return any(
        np.issubdtype(before[name].dtype, np.floating) and not np.array_equal(before[name], after[name])
        for name in before
    )


def _one_step(ctx: Context, seed: int) -> dict[str, np.ndarray]:
    """The trainable weights after one eager step with everything that is random started from a seed."""
    build = dataclasses.replace(comparable_build(ctx, mode=Mode.EAGER), seed=seed)
    for variable in model_variables(build.model):
        value = as_numpy(variable)
        if np.issubdtype(value.dtype, np.integer) and "seed" in (getattr(variable, "path", None) or variable.name):
            variable.assign(value + np.asarray(seed, value.dtype))
    return train(build, training_batches(ctx, 1)).snapshots[-1].weights


def _other_difference(ctx: Context, actual: Snapshot, expected: Snapshot, start: Snapshot) -> str:
    """Describe what differs among moving statistics and metrics when the weights agree."""
    # States of random generators are integers, and are nobody's business here.
    floats = {name: value for name, value in expected.statistics.items() if np.issubdtype(value.dtype, np.floating)}
    names = differing(actual.statistics, floats, start.statistics, tolerance=ctx.tolerance("statistics"))
    if names:
        return describe_changes(floats, actual.statistics, names)
    allowed = ctx.tolerance("metrics")
    names = changed_names(
        expected.train_metrics, actual.train_metrics, relative=allowed.relative, absolute=allowed.absolute
    )
    known = [name for name in names if name in expected.train_metrics and name in actual.train_metrics]
    return f"in the metrics, {describe_changes(expected.train_metrics, actual.train_metrics, known)}" if known else ""


def _movement(run: TrainRun, step: int, name: str) -> np.ndarray:
    return run.snapshots[step].weights[name].astype(np.float64) - run.snapshots[0].weights[name]


def _near(
    name: str,
    actual: Mapping[str, np.ndarray],
    expected: Mapping[str, np.ndarray],
    start: Mapping[str, np.ndarray],
    tolerance: Tolerance,
    noise: Mapping[str, float],
) -> bool:
    values, references = np.asarray(actual[name], np.float64), np.asarray(expected[name], np.float64)
    allowed = tolerance.absolute + tolerance.relative * _largest(references - start[name]) + noise.get(name, 0.0)
    return bool(np.allclose(values, references, rtol=0.0, atol=allowed, equal_nan=True))


def _largest(values: np.ndarray) -> float:
    """The largest magnitude; zero of no values, and of values that are not all finite: nothing is near those."""
    largest = float(np.max(np.abs(values), initial=0.0))
    return largest if np.isfinite(largest) else 0.0
