"""T108 training-mode: the train step runs the model with training=True."""

from __future__ import annotations

from typing import Any

from assay.conformance.context import Context
from assay.conformance.harness.tasks import LayerCall, changed_names, list_names, observe_training, train_run
from assay.conformance.lazy import tf
from assay.conformance.model import Level, Mode, NotApplicable, Rule, Subject, Target, Violation
from assay.conformance.specimens import BATCH_NORM_TASK, SoundTask

RULE = Rule(
    id="T108",
    slug="training-mode",
    level=Level.MUST,
    requirement="train_step runs the model with training=True.",
    checks=(
        "Watches the value of `training` that the model and each of its layers receive in training steps: at least "
        "one part that the Task calls must get True (a frozen backbone may run in inference mode). In a graph, the "
        "statistics and random states that training moves eagerly must move too."
    ),
    why=(
        "Without training=True dropout does nothing and batch normalisation normalises with moving statistics that "
        "never move: they stay at mean 0 and variance 1. The model still learns something, the loss still falls, and "
        "the regularisation in the configuration is not there. Keras takes no flag at all as inference in a custom "
        "loop, so the plain `model(x)` is wrong."
    ),
    bad="""
with tf.GradientTape() as tape:
    outputs = model(features)  # outside of fit(), this is inference mode
""",
    good="""
with tf.GradientTape() as tape:
    outputs = model(features, training=True)
""",
    modes=(Mode.EAGER, Mode.GRAPH),
    targets=(Target.CPU, Target.GPU),
    references=("Keras guide, Writing a training loop from scratch: pass training=True explicitly",),
)

_DEPENDENT = ("Dropout", "BatchNorm", "Noise", "Random", "StochasticDepth")
_FIX = "Call the model with training=True in train_step."


def check(ctx: Context) -> None:
    """Judge what the model received; in a graph, what moved."""
    seen = observe_training(ctx)
    calls = [call for step in seen.steps for call in step.layer_calls]
    if not calls:
        raise NotApplicable("No layer of the model takes `training`, so that the model has one mode only.")
    if not any(call.training for call in calls if call.outermost):
        _blame(calls)
    if ctx.mode is not Mode.EAGER:
        _check_moves(ctx)


def _blame(calls: list[LayerCall]) -> None:
    asked = [call for call in calls if call.outermost]
    given = (
        "training=False" if any(call.training is False and call.by_task for call in asked) else "no value of training"
    )
    layers = list(dict.fromkeys(call.layer for call in asked))
    dependent = list(dict.fromkeys(call.layer for call in calls if any(part in call.layer for part in _DEPENDENT)))
    effect = (
        f"{', '.join(dependent[:3])}{' and more' if len(dependent) > 3 else ''} ran as in inference"
        if dependent
        else "no layer of this model depends on it today, and the first dropout that is added will do nothing"
    )
    raise Violation(
        f"train_step called {layers[0]} with {given}: {effect}",
        cause="training=False was copied from validation_step"
        if given == "training=False"
        else "the call leaves `training` out, which Keras takes for inference outside of fit()",
        fix=_FIX,
    )


def _check_moves(ctx: Context) -> None:
    eagerly, traced = _moved(ctx, Mode.EAGER), _moved(ctx, ctx.mode)
    if not eagerly:
        raise NotApplicable("Training moves no statistic of the model, so that its mode cannot be seen in a graph.")
    still = [name for name in eagerly if name not in traced]
    if still:
        raise Violation(
            f"in a graph, training left {len(still)} of {len(eagerly)} statistics where they were that it "
            f"moves eagerly: {list_names(still)}",
            cause="`training` depends on whether the code runs eagerly, or on a Python value that the trace froze",
            fix=_FIX,
        )


def _moved(ctx: Context, mode: Mode) -> list[str]:
    snapshots = train_run(ctx, mode=mode).snapshots
    return changed_names(snapshots[0].statistics, snapshots[-1].statistics)


class _LeavesTheFlagOut(SoundTask):
    def forward(self, model: Any, features: Any, *, training: bool) -> Any:
        return tf.cast(model(features) if training else model(features, training=False), tf.float32)


class _InferenceMode(SoundTask):
    def forward(self, model: Any, features: Any, *, training: bool) -> Any:
        return super().forward(model, features, training=False)


class _EagerlyOnly(SoundTask):
    def forward(self, model: Any, features: Any, *, training: bool) -> Any:
        return super().forward(model, features, training=training and tf.executing_eagerly())


MUTANTS = (
    Subject(_LeavesTheFlagOut, name="leaves training out"),
    Subject(lambda: _InferenceMode(dropout=0.5), traits={"random_step": True}, name="trains with training=False"),
    Subject(lambda: _EagerlyOnly(batch_norm=True), traits={"batch_statistics": True}, name="inference mode in graphs"),
)
TWIN = BATCH_NORM_TASK
