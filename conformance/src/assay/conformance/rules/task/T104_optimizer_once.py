"""T104 optimizer-once: one train step is one step of the optimizer, with each gradient applied once."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from typing import Any, TypedDict

import numpy as np
from assay.conformance.context import Context
from assay.conformance.harness.tasks import (
    ObservedStep,
    TrainRun,
    assign_values,
    build_task,
    common_factor,
    counted_updates,
    first_batch,
    list_names,
    model_variables,
    observe_step,
    observe_training,
    projection,
    split_batch,
    train_run,
)
from assay.conformance.lazy import tf
from assay.conformance.model import Level, Mode, Rule, Subject, Target, Violation
from assay.conformance.specimens import SOUND_TASK, SoundTask

RULE = Rule(
    id="T104",
    slug="optimizer-once",
    level=Level.MUST,
    requirement="One train step advances the optimizer by exactly one and applies the gradient of the loss once.",
    checks=(
        "Reads `optimizer.iterations` around each step. With plain SGD the update must be minus the learning rate "
        "times the gradient of the loss, which the suite computes with a tape of its own around the very same step; "
        "on two replicas, the mean of the gradients of both parts of the batch. Only an update that is one clean "
        "multiple of that, and the same one at each step, is held against the Task: clipping, masks and further terms "
        "are its own business."
    ),
    why=(
        "A step that applies twice, or divides the loss once too often, trains with another learning rate than the "
        "one in the configuration, and every published recipe goes wrong by that factor. `iterations` drives the "
        "learning-rate schedule, the bias correction of Adam and the names of checkpoints: at two a step, warmup ends "
        "and decay begins in half the time."
    ),
    bad="""
optimizer.apply_gradients(zip(gradients, variables))
optimizer.iterations.assign_add(1)         # apply_gradients has counted already
scaled_loss = loss / self.num_gpus         # and again below, by the number of replicas
""",
    good="""
with tf.GradientTape() as tape:
    loss = self.build_losses(labels, model(features, training=True), model.losses)
    scaled_loss = loss / tf.distribute.get_strategy().num_replicas_in_sync
variables = model.trainable_variables
optimizer.apply_gradients(zip(tape.gradient(scaled_loss, variables), variables))
""",
    modes=(Mode.EAGER, Mode.GRAPH, Mode.REPLICAS),
    targets=(Target.CPU, Target.GPU),
    references=(
        "TensorFlow guide, Distributed training: gradients are summed over replicas",
        "tensorflow/tensorflow#33809",
    ),
)

_ONCE = 1.0
_FEW = (1, 2, 3)  # a batch of so few examples makes a factor that could as well be a count of something else


class _Blame(TypedDict):
    """What a violation says beside what was observed."""

    cause: str
    fix: str


def check(ctx: Context) -> None:
    """Compare counter and update with what one step of the optimizer does."""
    if ctx.mode is Mode.EAGER:
        _check_observed(ctx, observe_training(ctx).steps)
        return
    run = train_run(ctx)
    _check_counter(ctx, run)
    if ctx.mode is Mode.REPLICAS:
        _check_share(ctx, run)
    else:
        _check_first_update(ctx, run)


def _check_observed(ctx: Context, steps: Sequence[ObservedStep]) -> None:
    factor = _factor_of_steps(ctx, steps)
    for number, step in enumerate(steps, start=1):
        if step.counted != 1:
            size = "" if factor is None else f"; {_times(factor)}"
            raise Violation(
                f"step {number} moved optimizer.iterations by {step.counted} and called the optimizer "
                f"{_count(len(step.applied), 'time')}{size}",
                **_blame_counter(step),
            )
        names = [name for call in step.applied for name, gradient in call if gradient is not None]
        repeated = sorted({name for name in names if names.count(name) > 1})
        if repeated:
            raise Violation(
                f"step {number} gave the optimizer {_count(len(repeated), 'variable')} more than once: "
                f"{list_names(repeated)}",
                cause="two lists of variables overlap, or a layer is in both",
                fix="Make one list, model.trainable_variables, in which each variable is once.",
            )
    if factor is not None and not ctx.tolerance("factor").allows(factor, _ONCE):
        raise Violation(
            f"{_times(factor)} (learning rate {steps[0].learning_rate:.3g}, {len(steps)} steps, "
            f"{_count(len(steps[0].applied), 'call')} of the optimizer a step)",
            **_blame_factor(ctx, factor, calls=len(steps[0].applied)),
        )


def _factor_of_steps(ctx: Context, steps: Sequence[ObservedStep]) -> float | None:
    """The one factor between updates and expected updates; None when there is none, or when it is that of clipping.

    A loss that explains the update (factor one) settles it, whichever it is: the logged one or the one that
    `build_losses` returned. Clipping by norm gives each step a factor of its own.
    """
    tolerance = ctx.tolerance("factor")
    found: list[float] = []
    for objective in steps[0].objectives:
        factors = [
            _factor_of_update(ctx, step.before.model, step.after.model, _expected_update(ctx, step, objective))
            for step in steps
        ]
        known = [factor for factor in factors if factor is not None]
        # The last step may be too small or too large to be read; one step alone could be clipped.
        if len(known) >= 2 and all(tolerance.allows(factor, known[0]) for factor in known):
            found.append(statistics.median(known))
    return min(found, key=lambda factor: abs(factor - _ONCE)) if found else None


def _expected_update(ctx: Context, step: ObservedStep, objective: str) -> dict[str, np.ndarray]:
    """Minus the learning rate times the gradient of a loss; a constraint moves a weight after its update."""
    constrained = observe_training(ctx).constrained
    return {
        name: -step.learning_rate * gradient
        for name, gradient in step.objectives.get(objective, {}).items()
        if gradient is not None and name not in constrained
    }


def _factor_of_update(
    ctx: Context, before: Mapping[str, np.ndarray], after: Mapping[str, np.ndarray], expected: Mapping[str, np.ndarray]
) -> float | None:
    update = {name: after[name].astype(np.float64) - before[name].astype(np.float64) for name in expected}
    return common_factor(update, expected, tolerance=ctx.tolerance("factor"), weights=before)


def _check_counter(ctx: Context, run: TrainRun) -> None:
    for number, (before, after) in enumerate(zip(run.snapshots, run.snapshots[1:], strict=False), start=1):
        counted = counted_updates(before, after)
        if counted == 1:
            continue
        replicas, eager = run.build.num_replicas, observe_training(ctx).steps[0]
        on = f"on {replicas} replicas" if replicas > 1 else "in a graph"
        observed = f"step {number} moved optimizer.iterations by {counted} {on} (eagerly by {eager.counted})"
        if counted == eager.counted:
            raise Violation(observed, **_blame_counter(eager))
        raise Violation(
            observed,
            cause=f"each of the {replicas} replicas counts for itself"
            if counted == replicas > 1
            else "the optimizer is applied under a Python condition that a trace freezes",
            fix="Call optimizer.apply_gradients once in a step, in replica context, and leave the counting to it.",
        )


def _check_first_update(ctx: Context, run: TrainRun) -> None:
    """In a graph the first step starts where the eager one did, and its update is to be the same."""
    steps = observe_training(ctx).steps
    if _factor_of_steps(ctx, steps) is None:  # clipped, or with further terms: T401 compares it with the eager one
        return
    before, after = run.snapshots[0], run.snapshots[1]
    expected = [_expected_update(ctx, steps[0], objective) for objective in steps[0].objectives]
    found = [_factor_of_update(ctx, before.model, after.model, each) for each in expected]
    known = [factor for factor in found if factor is not None]
    if known and not any(ctx.tolerance("factor").allows(factor, _ONCE) for factor in known):
        factor = min(known, key=lambda factor: abs(factor - _ONCE))
        raise Violation(f"in a graph {_times(factor)}", **_blame_factor(ctx, factor, calls=len(steps[0].applied)))


def _check_share(ctx: Context, run: TrainRun) -> None:
    """On replicas the update is that of the mean of the parts' gradients, which the suite computes one by one."""
    replicas = run.build.num_replicas
    before, after = run.snapshots[0], run.snapshots[1]
    factors = [
        _factor_of_update(ctx, before.model, after.model, expected) for expected in _expected_on_replicas(ctx, run)
    ]
    known = [factor for factor in factors if factor is not None]
    if not known or len(known) < len(factors) or any(ctx.tolerance("factor").allows(f, _ONCE) for f in known):
        return
    factor = min(known, key=lambda f: abs(f - _ONCE))
    named = any(ctx.tolerance("factor").allows(factor, name) for name in (replicas, 1.0 / replicas))
    if not named and _factor_of_steps(ctx, observe_training(ctx).steps) is None:  # clipped: any factor may come out
        return
    # A Task may divide by the global batch size instead: then one replica's part alone is already its share.
    roughly = _compared_with_whole_batch(ctx, run)
    if abs(np.log(abs(roughly) or np.nan)) < np.log(replicas) / 2.0:
        return
    observed = (
        f"on {replicas} replicas the update is {factor:.2f} x the expected one (minus the learning rate times the mean "
        f"of the gradients of the {replicas} parts of the batch)"
    )
    if not named:
        raise Violation(observed, **_blame_factor(ctx, factor, calls=len(observe_training(ctx).steps[0].applied)))
    if factor > 1.0:
        raise Violation(
            observed,
            cause="the loss is not divided by the number of replicas, and the optimizer sums gradients over them",
            fix="Differentiate `loss / tf.distribute.get_strategy().num_replicas_in_sync`.",
        )
    raise Violation(
        observed,
        cause="the loss is divided by the number of replicas twice: by hand and in the loss, or as a global mean too",
        fix="Divide by num_replicas_in_sync once; take the mean over the replica's own examples.",
    )


def _expected_on_replicas(ctx: Context, run: TrainRun) -> list[dict[str, np.ndarray]]:
    """The expected update for each loss: minus the learning rate times the mean of the gradients of the parts."""

    def compute() -> list[dict[str, np.ndarray]]:
        build = build_task(ctx, mode=Mode.EAGER)
        constrained = observe_training(ctx).constrained
        parts: list[ObservedStep] = []
        for part in split_batch(run.batches[0], run.build.num_replicas):
            assign_values(model_variables(build.model), run.snapshots[0].model.values())
            parts.append(observe_step(build, part))
        expected: list[dict[str, np.ndarray]] = []
        for objective in parts[0].objectives:
            gradients = [part.objectives.get(objective, {}) for part in parts]
            expected.append({})
            for name in parts[0].before.trainable:
                shares = [share for share in (each.get(name) for each in gradients) if share is not None]
                if len(shares) == len(parts) and name not in constrained:
                    expected[-1][name] = -parts[0].learning_rate * np.mean(shares, axis=0)
        return expected

    return ctx.share("expected update on replicas", compute)


def _compared_with_whole_batch(ctx: Context, run: TrainRun) -> float:
    """Roughly how the update compares with that of the whole batch on one replica; batch statistics blur it."""
    step = observe_training(ctx).steps[0]
    before, after = run.snapshots[0].model, run.snapshots[1].model
    update = {name: after[name].astype(np.float64) - before[name] for name in step.before.trainable}
    found = [
        projection(update, {name: -step.learning_rate * g for name, g in gradients.items() if g is not None})
        for gradients in step.objectives.values()
    ]
    return min(found, key=lambda factor: abs(factor - _ONCE), default=_ONCE)


def _blame_counter(step: ObservedStep) -> _Blame:
    calls = len(step.applied)
    if step.counted == 0 and calls == 0:
        return {
            "cause": "the variables are updated by hand, or not at all at this step: gradients are accumulated, say",
            "fix": "Call optimizer.apply_gradients once in every step; let an optimizer wrapper accumulate.",
        }
    if step.counted == calls > 1:
        apart = len({name for call in step.applied for name, _ in call}) == sum(map(len, step.applied))
        return {
            "cause": "apply_gradients is called for one group of variables after another"
            if apart
            else f"the gradients are applied {calls} times",
            "fix": "Collect all pairs of gradient and variable and call optimizer.apply_gradients once.",
        }
    return {
        "cause": "optimizer.iterations is assigned by hand, and apply_gradients counts already",
        "fix": "Leave optimizer.iterations to the optimizer; keep a counter of your own if you need one.",
    }


def _blame_factor(ctx: Context, factor: float, *, calls: int) -> _Blame:
    """The usual cause of a factor."""
    near, examples = ctx.tolerance("named factor"), _examples(first_batch(ctx))
    times, parts = round(factor), round(1.0 / factor) if factor else 0
    if near.allows(factor, 0.0):
        cause = "the optimizer is given gradients of zero, or the update is undone"
    elif factor < 0.0:
        cause = "the gradient is applied with the wrong sign, so that the loss rises"
    elif examples > max(_FEW) and near.allows(factor, examples):
        cause = f"the sum over the {examples} examples is differentiated, and the mean is logged"
    elif examples > max(_FEW) and near.allows(factor * examples, 1.0):
        cause = f"the loss is divided by the {examples} examples twice"
    elif times > 1 and near.allows(factor, times):
        cause = (
            f"the update is made {times} times, by the optimizer and by hand, or the loss is counted {times} times "
            f"({_count(calls, 'call')} of the optimizer)"
        )
    elif parts > 1 and near.allows(factor * parts, 1.0):
        cause = (
            f"the loss is divided twice: by a number of replicas or devices that is written into the code ({parts}), "
            "and this run has one"
        )
    else:
        cause = "what is differentiated is not the loss that is logged and built, but a multiple of it"
    fix = "Differentiate the loss that you log, divided by num_replicas_in_sync and by nothing else."
    return _Blame(cause=cause, fix=fix)


def _times(factor: float) -> str:
    return f"the update is {factor:.2f} x the expected one, minus the learning rate times the gradient of the loss"


def _count(number: int, what: str) -> str:
    return f"{number} {what}" + ("" if number == 1 else "s")


def _examples(batch: Any) -> int:
    return max((int(leaf.shape[0]) for leaf in tf.nest.flatten(batch) if leaf.shape.rank), default=0)


class _AppliesTwice(SoundTask):
    def apply(self, optimizer: Any, gradients: Any, variables: Any) -> None:
        super().apply(optimizer, gradients, variables)
        super().apply(optimizer, gradients, variables)


class _CountsByHand(SoundTask):
    def apply(self, optimizer: Any, gradients: Any, variables: Any) -> None:
        super().apply(optimizer, gradients, variables)
        optimizer.iterations.assign_add(1)


class _DividesTwice(SoundTask):
    def replica_share(self, loss: Any) -> Any:
        return super().replica_share(loss) / 2.0  # written for a machine with two GPUs


class _AddsByHand(SoundTask):
    def apply(self, optimizer: Any, gradients: Any, variables: Any) -> None:
        super().apply(optimizer, gradients, variables)
        for gradient, variable in zip(gradients, variables, strict=True):
            variable.assign_sub(0.1 * gradient)


class _BothLists(SoundTask):
    def variables_to_train(self, model: Any) -> list[Any]:
        return [*model.trainable_variables, *model.layers[-1].trainable_variables]


class _DoesNotDivide(SoundTask):
    def replica_share(self, loss: Any) -> Any:
        return loss


MUTANTS = (
    Subject(_AppliesTwice, name="applies the gradients twice"),
    Subject(_CountsByHand, name="counts iterations by hand"),
    Subject(_DividesTwice, name="divides the loss twice"),
    Subject(_AddsByHand, name="updates by hand as well"),
    Subject(_BothLists, name="the head is in two lists"),
    Subject(
        lambda: _DoesNotDivide(batch_norm=True), traits={"batch_statistics": True}, name="not divided by the replicas"
    ),
)
TWIN = SOUND_TASK
