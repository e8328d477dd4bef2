"""T105 loss-scaling: under a LossScaleOptimizer the update is what it is without one, whatever the scale."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from assay.conformance.context import Context
from assay.conformance.harness import as_numpy
from assay.conformance.harness.tasks import (
    Build,
    TrainRun,
    assign_values,
    common_factor,
    comparable_build,
    comparable_run,
    compiled_or_eager,
    describe_changes,
    differing_beyond_rounding,
    draws_random_numbers,
    model_variables,
    projection,
    rounding_noise,
    scaled_run,
    train,
)
from assay.conformance.harness.tasks.layer_calls import replaced_method
from assay.conformance.lazy import tf
from assay.conformance.messages import subject_error_finding
from assay.conformance.model import Level, Mode, NotApplicable, Rule, Subject, SubjectError, Target, Violation
from assay.conformance.specimens import SOUND_TASK, SoundTask

RULE = Rule(
    id="T105",
    slug="loss-scaling",
    level=Level.MUST,
    requirement="Under a LossScaleOptimizer one train step makes the update that it makes without one.",
    checks=(
        "Eagerly, with float32 weights: one SGD step without loss scaling, and with scales of 2^10 and 2^15 (and of 1, "
        "to tell causes apart); a scale that is a power of two changes no bit of a float32 gradient, so the updates "
        "agree. In mixed precision: one step inside `tf.function` under the policy `mixed_float16` with the customary "
        "first scale of 2^15, against the float32 step; the optimizer may skip steps and lower the scale until the "
        "gradients are finite."
    ),
    why=(
        "tf_keras leaves the division of the gradients to the step, Keras 3 divides inside `apply`: code written for "
        "one makes updates that are 32,768 times too large or too small under the other. Too small looks like a model "
        "that learns slowly; too large becomes NaN at the first step. What is scaled only in part, such as a "
        "regulariser added after scaling or a clip before unscaling, trains something else without a word."
    ),
    bad="""
with tf.GradientTape() as tape:
    loss = self.build_losses(labels, model(features, training=True))
    scaled = optimizer.get_scaled_loss(loss)
gradients = tape.gradient(scaled, model.trainable_variables)
optimizer.apply_gradients(zip(gradients, model.trainable_variables))  # tf_keras: never unscaled
""",
    good="""
with tf.GradientTape() as tape:
    outputs = tf.cast(model(features, training=True), tf.float32)
    loss = self.build_losses(labels, outputs, aux_losses=model.losses)
    keras_2 = hasattr(optimizer, "get_scaled_loss")
    scaled = optimizer.get_scaled_loss(loss) if keras_2 else optimizer.scale_loss(loss)
gradients = tape.gradient(scaled, model.trainable_variables)
if keras_2:  # Keras 3 unscales in apply
    gradients = optimizer.get_unscaled_gradients(gradients)
optimizer.apply_gradients(zip(gradients, model.trainable_variables))
""",
    modes=(Mode.EAGER, Mode.MIXED_PRECISION),
    targets=(Target.CPU, Target.GPU),
    traits=("random_step",),
    references=("tensorflow/tensorflow#56142", "Micikevicius et al., Mixed Precision Training, ICLR 2018"),
)

SCALES = (2.0**10, 2.0**15)
MIXED_SCALE = 2.0**15  # where both flavours' LossScaleOptimizer starts by default
MOST_ATTEMPTS = 16  # each skipped step halves the scale: after 15 it is 1
HALF_BIT = float(np.finfo(np.float16).eps)

_SCALE = (
    "Take the gradients of `optimizer.scale_loss(loss)` (Keras 3) or `optimizer.get_scaled_loss(loss)` (tf_keras), and "
    "unscale by hand under tf_keras only."
)

Arrays = Mapping[str, np.ndarray]


def check(ctx: Context) -> None:
    """Compare scaled steps with the plain one: exactly in float32, and roughly in float16."""
    if ctx.mode is Mode.MIXED_PRECISION:
        _check_mixed(ctx)
        return
    for scale in SCALES:
        actual, expected, before = _scaled_update(ctx, scale), _plain_update(ctx), _start(ctx)
        names = differing_beyond_rounding(ctx, actual, expected, step=1)
        if not names:
            continue
        factor = common_factor(actual, expected, tolerance=ctx.tolerance("factor"), weights=before)
        if factor is None and draws_random_numbers(ctx):
            raise _random()
        if factor is not None and _scales_by_policy(ctx, factor, scale):
            raise NotApplicable(
                "The step scales the loss by the precision policy and not by the optimizer: under a float32 policy a "
                "loss scale has no effect by design. The mode mixed_precision speaks for it."
            )
        if factor is None and differing_beyond_rounding(ctx, _scaled_update(ctx, 1.0), expected, step=1):
            cause, fix = (
                "the step takes another way when the optimizer is a LossScaleOptimizer: it differs at a scale of 1 too",
                "Let the optimizer decide about scaling alone, and do everything else as without it.",
            )
        else:
            cause, fix = _cause(ctx, factor, scale)
        seen = (
            f"is {factor:.5g} times the update without, in every weight"
            if factor is not None
            else f"is not the update without, nor a multiple of it: {describe_changes(expected, actual, names)}"
        )
        raise Violation(f"with a loss scale of {scale:g} the update {seen}", cause=cause, fix=fix)


def _check_mixed(ctx: Context) -> None:
    """Compare the first update that is not skipped with the float32 one."""
    actual, expected = _mixed_update(ctx), _plain_update(ctx)
    allowed = ctx.tolerance("half_updates")
    distance, size = _norm({name: actual[name] - expected[name] for name in expected}), _norm(expected)
    if not np.isfinite(distance):
        raise Violation(
            f"with a loss scale of {MIXED_SCALE:g} under mixed_float16 the update is not finite",
            cause="the gradients that overflowed were not those that the optimizer looked at, so it skipped no step",
            fix="Give the scaled gradients to the LossScaleOptimizer as they are, and let it apply or skip them.",
        )
    if distance <= allowed.absolute + allowed.relative * size:
        return
    noise = rounding_noise(ctx, precision=HALF_BIT)[1]
    if distance <= allowed.absolute + allowed.relative * size + float(np.linalg.norm(_spread(noise, expected))):
        return
    ctx.not_applicable_if("random_step")
    if draws_random_numbers(ctx):
        raise _random()
    factor = projection(actual, expected)
    same_direction = _norm({name: actual[name] - factor * expected[name] for name in expected}) <= allowed.relative * (
        abs(factor) * size
    )
    cause, fix = _cause(ctx, factor if same_direction else None, MIXED_SCALE)
    seen = f"{factor:.5g} times the float32 update" if same_direction else "not the float32 update"
    raise Violation(
        f"with a loss scale of {MIXED_SCALE:g} under mixed_float16 the update is {seen} (its norm is "
        f"{_norm(actual):.3g}, that of the float32 update {size:.3g})",
        cause=cause,
        fix=fix,
    )


def _plain_update(ctx: Context) -> dict[str, np.ndarray]:
    run = comparable_run(ctx, mode=compiled_or_eager(ctx))
    return _moved(run.snapshots[0].weights, run.snapshots[1].weights)


def _start(ctx: Context) -> Arrays:
    return comparable_run(ctx, mode=compiled_or_eager(ctx)).snapshots[0].weights


def _scaled_update(ctx: Context, scale: float) -> dict[str, np.ndarray]:
    before, after = scaled_run(ctx, scale).snapshots
    return _moved(before.weights, after.weights)


def _ever_scales(ctx: Context) -> bool:
    """Whether the step asks the optimizer to scale anything, or for its scale."""
    build = comparable_build(ctx, mode=Mode.EAGER, loss_scale=SCALES[0])
    asked: list[str] = []
    with contextlib.ExitStack() as watches:
        for name in ("scale_loss", "get_scaled_loss"):
            if hasattr(build.optimizer, name):
                watches.enter_context(replaced_method(build.optimizer, name, _noting(build.optimizer, name, asked)))
        train(build, [_batch(ctx)])
    return bool(asked)


def _noting(optimizer: Any, name: str, asked: list[str]) -> Callable[..., Any]:
    original = getattr(optimizer, name)

    def call(*args: Any, **kwargs: Any) -> Any:
        asked.append(name)
        return original(*args, **kwargs)

    return call


def _mixed_update(ctx: Context) -> dict[str, np.ndarray]:
    """The first update that the optimizer does not skip, of one batch offered again and again."""

    def update() -> dict[str, np.ndarray]:
        build = comparable_build(ctx, mode=Mode.MIXED_PRECISION, loss_scale=MIXED_SCALE)
        variables = model_variables(build.model)
        start = [as_numpy(variable) for variable in variables]

        def rewind() -> None:  # a skipped step leaves the weights alone, and moves statistics and averages of weights
            assign_values(variables, start)

        for attempts in (1, MOST_ATTEMPTS):  # a second stepper is traced only when the first step is skipped
            before, *after = (one.weights for one in _train_in_float16(ctx, build, attempts, rewind).snapshots)
            moved = [one for one in after if any(not np.array_equal(one[name], before[name]) for name in before)]
            if moved:
                return _moved(before, moved[0])
        raise Violation(
            f"under mixed_float16 no weight changed in {MOST_ATTEMPTS} steps on one batch, while the loss scale fell "
            f"from {MIXED_SCALE:g}",
            cause="the float16 gradients are not finite at any scale, or the scaled loss is computed in float16",
            fix="Cast the model's outputs to float32 before the loss, and scale the float32 loss.",
        )

    return ctx.share("first update in mixed precision", update)


def _train_in_float16(ctx: Context, build: Build, attempts: int, rewind: Callable[[], None]) -> TrainRun:
    """Take steps on one batch, and say what to do about the usual exception."""
    try:
        return train(build, [_batch(ctx)] * attempts, before_step=rewind)
    except SubjectError as error:
        if not any(word in str(error.original) for word in ("float16", "half")):
            raise
        finding = subject_error_finding(RULE, error)
        raise Violation(
            f"under mixed_float16 {finding.observed}",
            cause=f"float16 outputs or losses of the model meet float32 values. {finding.cause}".rstrip("."),
            fix=(
                "Cast the model's outputs to float32 before the loss, and each of model.losses before they are added: "
                "`tf.nest.map_structure(lambda x: tf.cast(x, tf.float32), outputs)`."
            ),
        ) from error


def _scales_by_policy(ctx: Context, factor: float, scale: float) -> bool:
    """Whether a step that does not scale here does so under a float16 policy."""
    if not (np.isclose(factor, scale, rtol=0.01) or np.isclose(factor, 1.0 / scale, rtol=0.01)):
        return False
    try:
        _check_mixed(ctx)
    except Exception:
        return False  # whatever is wrong there is said there
    return True


def _cause(ctx: Context, factor: float | None, scale: float) -> tuple[str, str]:
    """The most likely cause of a factor, and what to do."""
    if not _ever_scales(ctx):
        return (
            "the step never scales the loss, and a LossScaleOptimizer of Keras 3 divides the gradients all the same",
            _SCALE,
        )
    if factor is None:
        return (
            (
                "a part of the loss is added after scaling (a regulariser, an auxiliary loss), or something that is "
                "not linear, such as clipping, is done to the gradients while they are scaled"
            ),
            "Scale the whole loss once, unscale the gradients, and only then clip or mix them.",
        )
    if np.isclose(factor, scale, rtol=0.05):
        return (
            "the loss is scaled and the gradients are never unscaled (or the inner optimizer applies them)",
            (
                "Under tf_keras call `optimizer.get_unscaled_gradients(gradients)` before apply_gradients; under "
                "Keras 3 give the scaled gradients to the LossScaleOptimizer itself, which divides."
            ),
        )
    if np.isclose(factor, 1.0 / scale, rtol=0.05):
        return (
            (
                "the gradients are divided by the scale once more than the loss was multiplied: the loss is not "
                "scaled, or the gradients are unscaled by hand and again inside the optimizer"
            ),
            _SCALE,
        )
    if np.isclose(factor, scale**2, rtol=0.05):
        return "the loss is scaled twice", "Scale the loss in one place."
    return (
        "the gradients are clipped or normalised while they are still scaled",
        "Unscale first, clip afterwards; under Keras 3 set the clipping on the inner optimizer.",
    )


def _random() -> NotApplicable:
    return NotApplicable(
        "The train step draws random numbers outside Keras' dropout and noise layers (two seeds give two results), so "
        "that two steps cannot be compared. Declare the trait 'random_step'."
    )


def _batch(ctx: Context) -> Any:
    return comparable_run(ctx, mode=Mode.EAGER).batches[0]


def _moved(before: Arrays, after: Arrays) -> dict[str, np.ndarray]:
    return {name: after[name].astype(np.float64) - before[name] for name in before}


def _norm(arrays: Arrays) -> float:
    return float(np.sqrt(sum(np.sum(np.square(value)) for value in arrays.values())))


def _spread(noise: Mapping[str, float], like: Arrays) -> np.ndarray:
    """The norm of each array that is as noisy everywhere as at its noisiest."""
    return np.array([noise[name] * np.sqrt(np.size(value)) for name, value in like.items()])


class _NeverScales(SoundTask):
    def scale(self, optimizer: Any, loss: Any) -> Any:
        return loss


class _NeverUnscales(SoundTask):
    """Goes past the LossScaleOptimizer, which would unscale under Keras 3."""

    def unscale(self, optimizer: Any, gradients: Any) -> Any:
        return gradients

    def apply(self, optimizer: Any, gradients: Any, variables: Any) -> None:
        super().apply(getattr(optimizer, "inner_optimizer", optimizer), gradients, variables)


class _UnscalesTwice(SoundTask):
    def unscale(self, optimizer: Any, gradients: Any) -> Any:
        scale = self.scale(optimizer, tf.constant(1.0))
        return super().unscale(optimizer, [gradient / scale for gradient in gradients])


class _DecayNotScaled(SoundTask):
    def build_losses(self, labels: Any, model_outputs: Any, aux_losses: Any = None) -> Any:
        self._decay = tf.add_n(list(aux_losses)) if aux_losses else 0.0
        return super().build_losses(labels, model_outputs)

    def scale(self, optimizer: Any, loss: Any) -> Any:
        return super().scale(optimizer, loss) + self.replica_share(self._decay)


class _ClipsScaledGradients(SoundTask):
    def unscale(self, optimizer: Any, gradients: Any) -> Any:
        clipped, _ = tf.clip_by_global_norm(gradients, 5.0)
        return super().unscale(optimizer, clipped)


MUTANTS = (
    Subject(_NeverUnscales, name="loss scaled and never unscaled"),
    Subject(_NeverScales, name="loss not scaled"),
    Subject(_UnscalesTwice, name="gradients unscaled twice"),
    Subject(lambda: _DecayNotScaled(weight_decay=0.01), name="regularisation added after scaling"),
    Subject(_ClipsScaledGradients, name="gradients clipped while scaled"),
)
TWIN = SOUND_TASK
