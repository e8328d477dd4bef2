"""T301 gradients-complete: every trainable variable gets a gradient, and a finite one."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from assay.conformance.context import Context
from assay.conformance.harness.tasks import (
    Observation,
    ObservedStep,
    list_names,
    matches_any,
    observe_training,
    plain_name,
)
from assay.conformance.lazy import tf
from assay.conformance.model import Level, Mode, NotApplicable, Rule, Subject, SubjectError, Target, Violation
from assay.conformance.specimens import SOUND_TASK, SoundTask

RULE = Rule(
    id="T301",
    slug="gradients-complete",
    level=Level.MUST,
    requirement="Every trainable variable gets a gradient from the train step, and each gradient is finite.",
    checks=(
        "Takes three training steps and looks at the gradients that the optimizer is given, and at those that the "
        "suite computes itself of the loss of the same step. A variable must have one in at least one of the steps. "
        "Those of the first step, from fresh weights, must be finite: in float32, and under a float16 policy without a "
        "loss scale."
    ),
    why=(
        "Keras leaves a variable without a gradient alone and prints a warning that scrolls by. It is a branch whose "
        "output the loss does not use, an `argmax` or a NumPy call in the middle, or a frozen part that nobody marked: "
        "its parameters are saved, counted and never trained. One NaN in one gradient makes every weight NaN at the "
        "next step. In float16, `log(p + 1e-8)` is one: 1e-8 is zero there."
    ),
    bad="""
features = tf.stop_gradient(backbone(images, training=True))  # the backbone stays trainable, and never trains
probabilities = tf.nn.softmax(head(features))                 # in float16 under the policy
loss = -tf.reduce_mean(one_hot * tf.math.log(probabilities + 1e-8))
""",
    good="""
logits = tf.cast(head(backbone(images, training=True)), tf.float32)
loss = tf.reduce_mean(tf.nn.softmax_cross_entropy_with_logits(one_hot, logits))
""",
    modes=(Mode.EAGER, Mode.MIXED_PRECISION),
    targets=(Target.CPU, Target.GPU, Target.TPU),
    traits=("untrained_variables",),
    references=(
        "TensorFlow guide, Gradients: the ways of getting a gradient of None",
        "Keras: the warning 'Gradients do not exist for variables'",
    ),
)

_FLOAT16 = "mixed_float16"


def check(ctx: Context) -> None:
    """Look for gradients that are missing, then for those that are not finite."""
    seen = observe_training(ctx)
    if not any(step.objectives or step.applied_sum() for step in seen.steps):
        raise NotApplicable("The step computes its gradients inside a tf.function of its own, where none can be seen.")
    _check_complete(ctx, seen)
    _check_finite(seen)
    if ctx.mode is Mode.MIXED_PRECISION:
        _check_finite(_observe_in_float16(ctx), mixed=True)


def _observe_in_float16(ctx: Context) -> Observation:
    try:
        return observe_training(ctx, precision=_FLOAT16, steps=1)
    except SubjectError as refused:  # T105 says whether it should run
        raise NotApplicable(
            f"The train step raised {type(refused.original).__name__} under {_FLOAT16}, of which T105 speaks."
        ) from None


def _check_complete(ctx: Context, seen: Observation) -> None:
    wanted = [name for name in seen.trainable if not matches_any(name, ctx.trait("untrained_variables"))]
    connected = {name for step in seen.steps for name, gradient in _of_loss(step) if gradient is not None}
    given = {name for step in seen.steps for call in step.applied for name, g in call if g is not None}
    offered = {name for step in seen.steps for call in step.applied for name, _ in call}
    dropped = [name for name in wanted if name in offered and name not in given]
    # Without a record of the optimizer (a step that is traced) the loss alone decides.
    lost = [name for name in wanted if name not in given | connected]
    missing = dropped or lost
    if not missing:
        return
    observed = (
        f"no gradient reached {len(missing)} of {len(seen.trainable)} trainable variables in {len(seen.steps)} steps: "
        f"{list_names(missing)}"
    )
    differentiable = [name for name in missing if name in connected]
    if differentiable:
        raise Violation(
            f"{observed}; the loss itself has a gradient for {list_names(differentiable)}",
            cause="the tape sees another loss than the one that is logged and built: detached by stop_gradient, or "
            "computed in part outside of the tape",
            fix="Compute outputs and loss inside the tape, and differentiate the loss that you log.",
        )
    raise Violation(
        observed,
        cause="the loss does not depend on them: a branch that is not used, tf.stop_gradient, or an operation without "
        "a gradient (argmax, round, cast to integer, NumPy) between them and the loss",
        fix="Connect them, set trainable=False on their layer, or declare the trait untrained_variables.",
    )


def _check_finite(seen: Observation, *, mixed: bool = False) -> None:
    """Of the first step only: later ones may diverge at the suite's learning rate, which is not the Task's."""
    step = seen.steps[0]
    found = [*((name, g) for call in step.applied for name, g in call), *_of_loss(step)]
    bad = {name: g for name, g in found if g is not None and not np.all(np.isfinite(g))}
    if not bad:
        return
    name, gradient = next(iter(bad.items()))
    nan, infinite = int(np.sum(np.isnan(gradient))), int(np.sum(np.isinf(gradient)))
    where = f" under the policy {_FLOAT16}" if mixed else ""
    raise Violation(
        f"at the first step{where} the gradients of {len(bad)} of {len(seen.trainable)} variables are not finite "
        f"({list_names(bad)}): of {plain_name(name)} {nan} values are NaN and {infinite} infinite, of {gradient.size}",
        cause="outputs or loss are computed in float16 in part, where 1e-8 is zero and 65504 the largest number, "
        "so that a logarithm or a division meets zero, or a sum overflows"
        if mixed
        else "a division by zero, or a logarithm, root or norm at zero",
        fix="Cast outputs to float32 before the loss, and compute it from logits."
        if mixed
        else "Use losses from logits, tf.math.divide_no_nan, and a root of a sum that cannot be zero.",
    )


def _of_loss(step: ObservedStep) -> Iterator[tuple[str, np.ndarray | None]]:
    for gradients in step.objectives.values():
        yield from gradients.items()


class _Detached(SoundTask):
    def forward(self, model: Any, features: Any, *, training: bool) -> Any:
        hidden, logits = model.layers
        return tf.cast(logits(tf.stop_gradient(hidden(features, training=training))), tf.float32)


class _OutsideOfTheTape(SoundTask):
    def replica_share(self, loss: Any) -> Any:
        head = self._model.layers[-1].trainable_variables
        return super().replica_share(tf.stop_gradient(loss) + tf.add_n([tf.reduce_sum(tf.square(v)) for v in head]))

    def forward(self, model: Any, features: Any, *, training: bool) -> Any:
        self._model = model
        return super().forward(model, features, training=training)


class _NormAtZero(SoundTask):
    def build_losses(self, labels: Any, model_outputs: Any, aux_losses: Any = None) -> Any:
        apart = model_outputs - tf.stop_gradient(model_outputs)  # a distance that starts at zero
        return super().build_losses(labels, model_outputs, aux_losses) + tf.norm(apart)


class _LogInFloat16(SoundTask):
    def forward(self, model: Any, features: Any, *, training: bool) -> Any:
        return tf.nn.softmax(20.0 * model(features, training=training))

    def build_losses(self, labels: Any, model_outputs: Any, aux_losses: Any = None) -> Any:
        logarithms = tf.math.log(model_outputs + 1e-8)
        return -tf.cast(tf.reduce_mean(tf.gather(logarithms, labels, batch_dims=1)), tf.float32)


MUTANTS = (
    Subject(_Detached, name="a trainable layer is detached"),
    Subject(_OutsideOfTheTape, name="differentiates another loss"),
    Subject(_NormAtZero, name="a norm at zero"),
    Subject(_LogInFloat16, name="a logarithm in float16"),
)
TWIN = SOUND_TASK
