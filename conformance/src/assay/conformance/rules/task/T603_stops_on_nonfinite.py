"""T603 stops-on-nonfinite: a step that goes wrong says so, or changes nothing."""

from __future__ import annotations

from typing import Any

import numpy as np
from assay.conformance.context import Context
from assay.conformance.harness.flavour import set_random_seed
from assay.conformance.harness.tasks import Build, build_task, training_batches, validation_batches
from assay.conformance.harness.tasks.persistence import logged_loss, poison_weights, poisoned_batch, poisoned_variables
from assay.conformance.harness.tasks.steps import Stepper
from assay.conformance.lazy import tf
from assay.conformance.messages import subject_error_finding
from assay.conformance.model import Level, Mode, NotApplicable, Rule, Subject, SubjectError, Target, Violation
from assay.conformance.specimens import SOUND_TASK, SoundTask

OVERFLOWING_SCALE = 2.0**126
MOMENTUM = 0.9
_BATCHES = 3
_NAMED_AT_MOST = 3

RULE = Rule(
    id="T603",
    slug="stops-on-nonfinite",
    level=Level.MUST,
    requirement=(
        "A step whose loss is not finite raises, logs a loss that is not finite, or leaves every variable finite: "
        "weights are never ruined in silence."
    ),
    checks=(
        "The loop can stop at a NaN only where it sees one. Eagerly, a clean step is followed by one whose first "
        "example has NaN in its floating-point features: the step must raise, log a loss that is not finite, or "
        "leave all variables of the model and the optimizer finite, and then the next clean step must log a finite "
        "loss. After that all weights are made NaN: the train step and the validation step must raise or log a loss "
        "that is not finite, so that no best value is ever one of a ruined model. With mixed precision, a step "
        f"whose scaled gradients overflow (a loss scale of 2^{int(np.log2(OVERFLOWING_SCALE))}) must leave every "
        "variable finite: the LossScaleOptimizer skips the update when it is given the gradients as they are."
    ),
    why=(
        "Guards against NaN are added in a hurry, around the loss: `tf.where(is_finite(loss), loss, 0)` logs 0 and "
        "still sends NaN through the gradient. The weights are gone at that step, the curve looks better than ever, "
        "and the run is found dead when it has ended. As a validation loss, 0 makes the ruined model the best "
        "checkpoint."
    ),
    bad="""
def build_losses(self, labels, model_outputs, aux_losses=None):
    loss = self.cross_entropy(labels, model_outputs)
    return tf.where(tf.math.is_finite(loss), loss, 0.0)  # its gradient is still NaN
""",
    good="""
def build_losses(self, labels, model_outputs, aux_losses=None):
    return self.cross_entropy(labels, model_outputs)  # NaN stays NaN, and the loop stops there
""",
    modes=(Mode.EAGER, Mode.MIXED_PRECISION),
    targets=(Target.CPU, Target.GPU),
    references=(
        "google-research/big_vision: the train loop stops when the loss is not finite",
        "TensorFlow guide, Mixed precision: Loss scaling",
        "TensorFlow API, tf.where: the gradient of the branch that is not taken",
    ),
)

_FIX = (
    "Let a loss that is not finite reach the logs as it is. To go on in spite of it, put zeros in place of the "
    "gradients (tf.where on each gradient), or mask the bad examples before the forward pass."
)


def check(ctx: Context) -> None:
    """Poison a batch and then the weights; with mixed precision, let the gradients overflow."""
    if ctx.mode is Mode.MIXED_PRECISION:
        _check_overflow(ctx)
        return
    build = build_task(ctx, momentum=MOMENTUM)
    step = _stepper(build)
    _check_poisoned_batch(ctx, build, step)
    _check_poisoned_weights(ctx, build, step)


def _check_poisoned_batch(ctx: Context, build: Build, step: Stepper) -> None:
    clean, second, third = training_batches(ctx, _BATCHES)
    poisoned = poisoned_batch(second)
    if poisoned is None:
        ctx.note("No feature is a floating-point tensor, so that T603 poisons the weights only.")
        return
    if logged_loss(build, step(clean)) is None:
        raise NotApplicable("The train step logs no loss that is a number, which is what T101 asks for.")
    try:
        loss = logged_loss(build, step(poisoned))
    except SubjectError:
        return  # it stops
    ruined = poisoned_variables(build)
    if not ruined:
        _check_recovers(build, step, third)
    elif loss is not None and np.all(np.isfinite(loss)):
        raise Violation(
            f"a batch whose first example is NaN gives a logged loss of {loss[0]:.6g}, and {len(ruined)} variables "
            f"are no longer finite: {_named(ruined)}",
            cause=(
                "the loss is made finite where it is logged (tf.where, nan_to_num, a mask), and the gradient, or a "
                "moving statistic, is not"
            ),
            fix=_FIX,
        )


def _check_recovers(build: Build, step: Stepper, batch: Any) -> None:
    loss = logged_loss(build, step(batch))
    if loss is not None and not np.all(np.isfinite(loss)):
        raise Violation(
            "a step on a batch with NaN leaves every variable of the model and the optimizer finite, and the next "
            f"step, on a clean batch, logs {loss[0]}",
            cause="the Task keeps a state of its own (a running mean of the loss, a scale) that the NaN went into",
            fix=(
                "Keep such a state from values that are not finite, or make it a variable of the model, where it is "
                "seen."
            ),
        )


def _check_poisoned_weights(ctx: Context, build: Build, step: Stepper) -> None:
    """Ask the train step and the validation step of a model whose weights are all NaN."""
    validates = callable(getattr(build.task, "validation_step", None)) and bool(validation_batches(ctx))
    # A step that logs the same number whatever the weights are hides nothing; it says nothing.
    healthy = ctx.share("healthy validation loss", lambda: _validation_loss(ctx)) if validates else None
    if healthy is not None:
        _check_nan_is_logged(build, _validation_stepper(build), validation_batches(ctx)[0], healthy)
    _check_nan_is_logged(build, step, training_batches(ctx, _BATCHES)[0], None)


def _check_nan_is_logged(build: Build, step: Stepper, batch: Any, healthy: list[float] | None) -> None:
    poison_weights(build)
    try:
        loss = logged_loss(build, step(batch))
    except SubjectError:
        return
    if loss is not None and np.all(np.isfinite(loss)) and loss != healthy:
        what = "train_step" if healthy is None else "validation_step"
        raise Violation(
            f"with NaN in every trainable weight, {what} logs a loss of {loss[0]:.6g}",
            cause="the loss is made finite before it is logged (tf.where, nan_to_num, a clip of what is NaN)",
            fix=_FIX,
        )


def _validation_loss(ctx: Context) -> list[float] | None:
    build = build_task(ctx, mode=Mode.EAGER)
    return logged_loss(build, _validation_stepper(build)(validation_batches(ctx)[0]))


def _check_overflow(ctx: Context) -> None:
    """Take a step at a loss scale at which gradients of float16 layers overflow."""
    batch = training_batches(ctx, _BATCHES)[0]
    build = build_task(ctx, momentum=MOMENTUM, loss_scale=OVERFLOWING_SCALE)
    try:
        _stepper(build)(batch)
    except SubjectError as error:
        _refuse_without_mixed_precision(ctx, batch)
        raise Violation(
            f"with scaled gradients that overflow, {subject_error_finding(RULE, error).observed}",
            cause="the step demands finite gradients before the LossScaleOptimizer has seen them",
            fix="Hand the gradients to the LossScaleOptimizer as they are: it skips the update and lowers the scale.",
        ) from error
    ruined = poisoned_variables(build)
    if ruined:
        raise Violation(
            f"after a step whose scaled gradients overflow, {len(ruined)} variables are no longer finite: "
            f"{_named(ruined)}",
            cause="the update does not go through the LossScaleOptimizer, which would have skipped it",
            fix=(
                "Call apply_gradients of the optimizer that train_step is given, not of optimizer.inner_optimizer, and "
                "assign nothing from the gradients elsewhere."
            ),
        )


def _refuse_without_mixed_precision(ctx: Context, batch: Any) -> None:
    """Lift the rule for a step that raises at any loss scale, which is another rule's matter."""
    try:
        _stepper(build_task(ctx, momentum=MOMENTUM))(batch)
    except SubjectError as error:
        raise NotApplicable("The train step does not run with mixed precision at all; T105 says more.") from error


def _stepper(build: Build) -> Stepper:
    set_random_seed(build.seed)

    def step(batch: Any) -> Any:
        return build.task.train_step(batch, build.model, build.optimizer, metrics=list(build.train_metrics))

    return Stepper(build, step, name="train_step")


def _validation_stepper(build: Build) -> Stepper:
    def step(batch: Any) -> Any:
        return build.task.validation_step(batch, build.model, metrics=list(build.validation_metrics))

    return Stepper(build, step, name="validation_step")


def _named(names: list[str]) -> str:
    more = len(names) - _NAMED_AT_MOST
    return ", ".join(names[:_NAMED_AT_MOST]) + (f" and {more} more" if more > 0 else "")


class _HidesNaNInTheLoss(SoundTask):
    """Puts 0 in place of a loss that is not finite, which does not mend its gradient."""

    def build_losses(self, labels: Any, model_outputs: Any, aux_losses: Any = None) -> Any:
        loss = super().build_losses(labels, model_outputs, aux_losses)
        return tf.where(tf.math.is_finite(loss), loss, 0.0)


class _HidesNaNInTheLogs(SoundTask):
    """Logs 0 where the loss is not finite."""

    def train_logs(self, loss: Any) -> dict[str, Any]:
        return {self.loss: tf.where(tf.math.is_finite(loss), loss, 0.0)}


class _LogsTheFiniteExamples(SoundTask):
    """Logs the mean over the examples whose loss is finite, and trains on all."""

    def train_step(self, inputs: Any, model: Any, optimizer: Any, metrics: Any = None) -> dict[str, Any]:
        super().train_step(inputs, model, optimizer, metrics)
        features, labels = inputs
        logits = self.forward(model, tf.where(tf.math.is_finite(features), features, 0.0), training=False)
        losses = tf.nn.sparse_softmax_cross_entropy_with_logits(labels=labels, logits=logits)
        good = tf.math.is_finite(losses)
        total = tf.reduce_sum(tf.where(good, losses, 0.0))
        return {self.loss: tf.math.divide_no_nan(total, tf.reduce_sum(tf.cast(good, tf.float32)))}


class _HidesNaNInValidation(SoundTask):
    """Puts 0 in place of a validation loss that is not finite."""

    def validation_logs(self, labels: Any, outputs: Any, loss: Any) -> dict[str, Any]:
        logs = super().validation_logs(labels, outputs, loss)
        return {**logs, self.loss: tf.where(tf.math.is_finite(loss), loss, 0.0)}


class _GoesAroundTheLossScale(SoundTask):
    """Unscales the gradients itself and applies them with the optimizer inside."""

    def apply(self, optimizer: Any, gradients: Any, variables: Any) -> None:
        if not hasattr(optimizer, "inner_optimizer"):
            super().apply(optimizer, gradients, variables)
            return
        scale = getattr(optimizer, "dynamic_scale", None)  # Keras 3; in tf_keras they are unscaled already
        if scale is not None:
            gradients = [gradient / tf.cast(tf.convert_to_tensor(scale), gradient.dtype) for gradient in gradients]
        optimizer.inner_optimizer.apply_gradients(zip(gradients, variables, strict=True))


MUTANTS = (
    Subject(_HidesNaNInTheLoss, name="hides NaN in the loss"),
    Subject(_HidesNaNInTheLogs, name="hides NaN in the logs"),
    Subject(_LogsTheFiniteExamples, name="logs the finite examples"),
    Subject(_HidesNaNInValidation, name="hides NaN in validation"),
    Subject(_GoesAroundTheLossScale, name="goes around the loss scale"),
)
TWIN = SOUND_TASK
