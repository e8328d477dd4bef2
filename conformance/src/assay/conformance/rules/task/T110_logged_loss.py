"""T110 logged-loss: what a step logs as its loss is the loss, and not what was made of it for the gradients."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from assay.conformance.context import Context
from assay.conformance.harness import as_numpy
from assay.conformance.harness.tasks import (
    ObservedStep,
    TrainRun,
    common_factor,
    comparable_run,
    draws_random_numbers,
    first_batch,
    observe_training,
    part_runs,
    scaled_run,
)
from assay.conformance.harness.tasks.build import MIXED_PRECISION_LOSS_SCALE
from assay.conformance.harness.tasks.observation import BUILT_LOSS, LOGGED_LOSS
from assay.conformance.lazy import tf
from assay.conformance.model import Level, Mode, NotApplicable, Rule, Subject, SubjectError, Target, Violation
from assay.conformance.specimens import SOUND_TASK, SoundTask

RULE = Rule(
    id="T110",
    slug="logged-loss",
    level=Level.MUST,
    requirement="logs['loss'] is the unscaled loss of the replica, whatever the loss scale and the number of replicas.",
    checks=(
        "Eagerly: the loss that a step logs under a LossScaleOptimizer at 2^10 and 2^15 against the one it logs "
        "without; and against the loss of `build_losses` where that is what the update follows. In mixed precision: "
        "against float32. On two replicas: what each replica logs against what one replica logs for the same part of "
        "the batch; a loss with a normaliser of all replicas against the whole batch, in the mean. The factor names "
        "the cause."
    ),
    why=(
        "The loop averages `loss` over steps and replicas, stops the run when it exceeds a bound, and people compare "
        "curves of runs on different machines. A curve that falls to an eighth because the run moved to 8 GPUs, or "
        "that jumps whenever the loss scale doubles, hides what the model does, and a bound on it means nothing."
    ),
    bad="""
with tf.GradientTape() as tape:
    loss = self.build_losses(labels, model(features, training=True))
    loss = loss / tf.distribute.get_strategy().num_replicas_in_sync
    loss = optimizer.scale_loss(loss)
...
return {"loss": loss}           # divided by the replicas and multiplied by the loss scale
""",
    good="""
with tf.GradientTape() as tape:
    loss = self.build_losses(labels, model(features, training=True))
    objective = optimizer.scale_loss(loss / tf.distribute.get_strategy().num_replicas_in_sync)
...
return {"loss": loss}
""",
    modes=(Mode.EAGER, Mode.MIXED_PRECISION, Mode.REPLICAS),
    targets=(Target.CPU, Target.GPU),
    traits=("random_step",),
    references=("tensorflow/models: train steps log the loss before it is scaled", "tensorflow/tensorflow#56142"),
)

LOSS = "loss"
SCALES = (2.0**10, 2.0**15)
_FIX = (
    'Give each its own name: `objective` for what the tape differentiates, and return {"loss": loss} with what '
    "build_losses returned."
)


def check(ctx: Context) -> None:
    """Compare the logged loss with the reference of the mode."""
    if ctx.mode is Mode.REPLICAS:
        _check_replicas(ctx)
    elif ctx.mode is Mode.MIXED_PRECISION:
        _check_mixed(ctx)
    else:
        _check_scales(ctx)
        if ctx.mode is Mode.EAGER:
            _check_built(ctx, observe_training(ctx).steps)


def _check_scales(ctx: Context) -> None:
    plain = _logged(comparable_run(ctx))[0]
    for scale in SCALES:
        logged = _logged(scaled_run(ctx, scale))[0]
        if ctx.tolerance("loss").allows(logged, plain):
            continue
        factor = logged / plain if plain else float("nan")
        if not _is(ctx, factor, scale) and not _is(ctx, factor, 1.0 / scale):
            ctx.not_applicable_if("random_step")
            if draws_random_numbers(ctx):
                raise NotApplicable("The train step draws random numbers: declare the trait 'random_step'.")
        raise Violation(
            f"with a loss scale of {scale:g} the step logged {logged:.6g}, and {plain:.6g} without: {factor:.6g} x",
            cause=_cause_of_scale(ctx, factor, scale),
            fix=_FIX,
        )


def _cause_of_scale(ctx: Context, factor: float, scale: float) -> str:
    if _is(ctx, factor, scale):
        return "the scaled loss is logged: the factor is the loss scale"
    if _is(ctx, factor, 1.0 / scale):
        return "the logged loss is divided by the loss scale, although it was never multiplied by it"
    return "the step computes another loss when the optimizer is a LossScaleOptimizer"


def _check_built(ctx: Context, steps: Sequence[ObservedStep]) -> None:
    """A multiple of what build_losses returned, where that itself, and not the multiple, is what the update follows."""
    ratios = [
        step.losses[LOGGED_LOSS] / step.losses[BUILT_LOSS]
        for step in steps
        if step.losses.get(BUILT_LOSS) and LOGGED_LOSS in step.losses
    ]
    tolerance = ctx.tolerance("factor")
    if len(ratios) < len(steps) or any(tolerance.allows(ratio, 1.0) for ratio in ratios):
        return
    if not all(tolerance.allows(ratio, ratios[0]) for ratio in ratios):
        return  # another loss, with or without some terms: nobody can say that it is wrong
    if not _follows(ctx, steps, BUILT_LOSS) or _follows(ctx, steps, LOGGED_LOSS):
        return
    examples = max((int(leaf.shape[0]) for leaf in tf.nest.flatten(first_batch(ctx)) if leaf.shape.rank), default=0)
    known = {
        float(examples): f"the sum over the {examples} examples is logged, and their mean is differentiated",
        1.0 / max(examples, 1): f"the logged loss is divided by the {examples} examples once more",
        -1.0: "the logged loss has the wrong sign",
        0.5: "the logged loss is divided by a number of replicas that is written into the code (2), and this is one",
    }
    raise Violation(
        f"the step logs {ratios[0]:.4g} x the loss that build_losses returned, at each of {len(steps)} steps, and its "
        "update follows the loss itself",
        cause=next(
            (cause for value, cause in known.items() if tolerance.allows(ratios[0], value)),
            "a multiple of the loss is logged",
        ),
        fix=_FIX,
    )


def _follows(ctx: Context, steps: Sequence[ObservedStep], objective: str) -> bool:
    """Whether the updates are minus the learning rate times the gradient of a loss."""
    for step in steps[:2]:
        gradients = step.objectives.get(objective, {})
        expected = {name: -step.learning_rate * g for name, g in gradients.items() if g is not None}
        update = {name: step.after.model[name].astype(np.float64) - step.before.model[name] for name in expected}
        factor = common_factor(update, expected, tolerance=ctx.tolerance("factor"), weights=step.before.model)
        if factor is None or not ctx.tolerance("factor").allows(factor, 1.0):
            return False
    return True


def _check_mixed(ctx: Context) -> None:
    """In float16 the loss differs by rounding; a loss scale that is in it is far off."""
    plain, scale = _logged(comparable_run(ctx, mode=Mode.EAGER))[0], MIXED_PRECISION_LOSS_SCALE
    try:
        logged = _logged(comparable_run(ctx))[0]
    except SubjectError as refused:
        raise NotApplicable(
            f"The train step raised {type(refused.original).__name__} under mixed_float16, of which T105 speaks."
        ) from None
    if not np.isfinite(plain) or ctx.tolerance("half loss").allows(logged, plain):
        return
    if not np.isfinite(logged):
        raise Violation(
            f"under mixed_float16 the first step logged {logged:.6g} where float32 gives {plain:.6g}",
            cause="the loss, or the loss times the scale, is computed in float16, whose largest number is 65504",
            fix="Cast the model's outputs to float32 before the loss, and log the loss before it is scaled.",
        )
    factor, roughly = logged / plain if plain else float("nan"), ctx.tolerance("half factor")
    if not (factor and roughly.allows(factor, 1.0) and roughly.allows(1.0 / factor, 1.0)):
        ctx.not_applicable_if("random_step")
        raise Violation(
            f"under mixed_float16 with a loss scale of {scale:g} the first step logged {logged:.6g} where float32 "
            f"gives {plain:.6g}: {factor:.6g} x",
            cause=_cause_of_scale(ctx, factor, scale),
            fix=_FIX,
        )


def _check_replicas(ctx: Context) -> None:
    """Each replica's loss against that of its part alone; their mean against that of the whole batch."""
    run = comparable_run(ctx)
    logged = _logged(run)
    alone = [_logged(part)[0] for part in part_runs(ctx)]
    whole = _logged(comparable_run(ctx, mode=Mode.EAGER))[0]
    replicas, mean, allowed = len(logged), float(np.mean(logged)), ctx.tolerance("loss")
    if allowed.allows(logged, alone) or allowed.allows(mean, whole):
        return
    factors = [ours / reference if reference else float("nan") for ours, reference in zip(logged, alone, strict=True)]
    seen = ", ".join(f"{value:.6g}" for value in logged)
    one_factor = all(ctx.tolerance("factor").allows(factor, factors[0]) for factor in factors)
    if one_factor and not ctx.tolerance("no factor").allows(factors[0], 1.0):  # noise of a per cent is no factor
        raise Violation(
            f"the {replicas} replicas logged {seen} at step 1, and one replica alone logs "
            f"{', '.join(f'{value:.6g}' for value in alone)} for the same examples: {factors[0]:.4g} x on each",
            cause=_cause_of_replicas(ctx, factors[0], replicas),
            fix=_FIX,
        )
    ratio = mean / whole if whole else float("nan")
    if _is(ctx, ratio, replicas) or _is(ctx, ratio, 1.0 / replicas):
        raise Violation(
            f"the {replicas} replicas logged {seen} at step 1, in the mean {ratio:.4g} x the loss of the whole batch, "
            f"{whole:.6g}",
            cause=(
                "the loss is summed over the replicas (all_reduce with SUM) before it is logged, and the loop takes "
                "the mean of what the replicas log"
                if ratio > 1.0
                else _cause_of_replicas(ctx, ratio, replicas)
            ),
            fix="Log each replica's own mean loss, and leave it to the loop to combine the replicas.",
        )
    raise NotApplicable(
        f"The losses of the replicas ({seen}) are neither those of their parts nor, in the mean, that of the whole "
        "batch, and no multiple of them: T501 compares the replicas with one."
    )


def _cause_of_replicas(ctx: Context, factor: float, replicas: int) -> str:
    known = {
        1.0 / replicas: (
            f"the loss divided by the {replicas} replicas is logged, which is the objective that the gradients need"
        ),
        1.0 / replicas**2: f"the loss is divided by the {replicas} replicas twice before it is logged",
        float(replicas): f"the logged loss is multiplied by the {replicas} replicas",
    }
    return next(
        (cause for value, cause in known.items() if _is(ctx, factor, value)),
        "the logged loss depends on the number of replicas",
    )


def _is(ctx: Context, factor: float, value: float) -> bool:
    return bool(np.isfinite(factor)) and ctx.tolerance("factor").allows(factor, value)


def _logged(run: TrainRun) -> list[float]:
    """The loss that each replica logged at the first step."""
    entries = run.logs[0]
    if not all(isinstance(entry, Mapping) and LOSS in entry and np.size(entry[LOSS]) == 1 for entry in entries):
        raise NotApplicable("train_step logs no loss that is one number, which T101 is about.")
    return [float(np.asarray(as_numpy(entry[LOSS]), np.float64).reshape(())) for entry in entries]


class _LogsTheScaled(SoundTask):
    def scale(self, optimizer: Any, loss: Any) -> Any:
        self._optimizer = optimizer
        return super().scale(optimizer, loss)

    def train_logs(self, loss: Any) -> dict[str, Any]:
        return {self.loss: super().scale(self._optimizer, loss)}


class _LogsTheShare(SoundTask):
    def train_logs(self, loss: Any) -> dict[str, Any]:
        return {self.loss: self.replica_share(loss)}


class _SumsOverReplicas(SoundTask):
    def train_logs(self, loss: Any) -> dict[str, Any]:
        context = tf.distribute.get_replica_context()
        return {self.loss: context.all_reduce(tf.distribute.ReduceOp.SUM, loss)}


class _LogsTheSum(SoundTask):
    def train_logs(self, loss: Any) -> dict[str, Any]:
        return {self.loss: tf.stop_gradient(loss) * 8.0}


class _ScaledInFloat16(SoundTask):
    """Multiplies by the scale in the dtype of the model, and logs what comes out."""

    def train_logs(self, loss: Any) -> dict[str, Any]:
        policy = tf.keras.mixed_precision
        current = getattr(policy, "global_policy", None) or policy.dtype_policy
        low = tf.cast(loss, current().compute_dtype)
        return {self.loss: low * tf.cast(2.0**15, low.dtype) * tf.cast(2.0, low.dtype) / 2.0 / 2.0**15}


MUTANTS = (
    Subject(_LogsTheScaled, name="logs the scaled loss"),
    Subject(_LogsTheShare, name="logs the loss divided by the replicas"),
    Subject(_SumsOverReplicas, name="logs the sum over the replicas"),
    Subject(_LogsTheSum, name="logs the sum over the examples"),
    Subject(_ScaledInFloat16, name="scales what it logs in float16"),
)
TWIN = SOUND_TASK
