"""T404 no-host-callback: nothing in a step calls back to the host, which a compiled or distributed step cannot do."""

from __future__ import annotations

from typing import Any

import numpy as np
from assay.conformance.context import Context
from assay.conformance.harness import Operation, calls_host, operations, replacement_for
from assay.conformance.harness.tasks import traced_steps
from assay.conformance.lazy import tf
from assay.conformance.model import Evidence, Level, Mode, Rule, Subject, Target, Violation
from assay.conformance.specimens import SOUND_TASK, SoundTask

RULE = Rule(
    id="T404",
    slug="no-host-callback",
    level=Level.MUST,
    requirement="The train and the validation step call no Python and print or write nothing from within: they run "
    "where there is no host.",
    checks=(
        "Traces both steps without running them, under a summary writer as in a training loop, and looks through every "
        "operation of their graphs, functions, loops and branches in them included, for `tf.py_function`, "
        "`tf.numpy_function`, `tf.print`, `tf.summary` and files. Each is named with the line that made it."
    ),
    why=(
        "A TPU has no Python and no files, and refuses the step. On a GPU each call waits for the host: the step runs "
        "at the speed of Python. A replica that calls Python cannot be saved, exported or sent to another machine. "
        "A `tf.print` that was put in for debugging is the usual one."
    ),
    bad="""
def validation_step(self, inputs, model, metrics=None):
    ...
    iou = tf.numpy_function(mask_iou, [masks, outputs], tf.float32)
    tf.print("iou", iou)
    return {"loss": loss, "iou": iou}
""",
    good="""
def validation_step(self, inputs, model, metrics=None):
    ...
    return {"loss": loss, "masks": masks, "outputs": outputs}

def aggregate_logs(self, state, step_logs):  # runs on the host, after the step
    state = state or []
    state.extend(mask_iou(m, o) for m, o in zip(step_logs["masks"], step_logs["outputs"]))
    return state
""",
    modes=(Mode.GRAPH,),
    targets=(Target.CPU, Target.GPU, Target.TPU),
    traits=("host_callbacks",),
    references=("keras-team/keras-cv#895", "TensorFlow API: tf.py_function, Note on limitations"),
    evidence=Evidence.STATIC,
)

_NAMED_AT_MOST = 3
_BESIDE = ("StringFormat",)  # part of tf.print


def check(ctx: Context) -> None:
    """Look for operations of the host in both graphs."""
    for step, graph in traced_steps(ctx).items():
        found = [one for one in operations(graph) if calls_host(one.kind) and one.kind not in _BESIDE]
        if found:
            ctx.not_applicable_if("host_callbacks")
            why, instead = replacement_for(one.kind for one in found)
            count = "1 operation" if len(found) == 1 else f"{len(found)} operations"
            raise Violation(f"{step} holds {count} of the host: {_listed(found)}", cause=why, fix=instead)


def _listed(found: list[Operation]) -> str:
    named = list(dict.fromkeys(_described(one) for one in found))
    more = len(named) - _NAMED_AT_MOST
    return "; ".join(named[:_NAMED_AT_MOST]) + (f"; and {more} more" if more > 0 else "")


def _described(operation: Operation) -> str:
    return f"{operation}{', inside a function, a loop or a branch' if operation.depth else ''}"


class _PrintsTheLoss(SoundTask):
    def train_logs(self, loss: Any) -> dict[str, Any]:
        tf.print("loss", loss)
        return super().train_logs(loss)


class _CallsPython(SoundTask):
    """Computes a factor in Python, in a function within the step."""

    def replica_share(self, loss: Any) -> Any:
        @tf.function
        def weighted(value: Any) -> Any:
            factor = tf.py_function(lambda one: 0.5 if float(one) > 1.0 else 1.0, [value], tf.float32)
            return value * tf.ensure_shape(factor, [])

        return super().replica_share(weighted(loss))


class _CountsInNumPy(SoundTask):
    """Updates a metric with what NumPy computes, in validation."""

    def process_metrics(self, metrics: Any, labels: Any, model_outputs: Any) -> None:
        best = tf.numpy_function(lambda logits: np.max(logits, axis=-1), [model_outputs], tf.float32)
        for metric in metrics:
            if metric.name == "confidence":
                metric.update_state(tf.reshape(best, tf.shape(labels)))
            else:
                metric.update_state(labels, model_outputs)


class _WarnsInABranch(SoundTask):
    def forward(self, model: Any, features: Any, *, training: bool) -> Any:
        outputs = super().forward(model, features, training=training)

        def warn() -> Any:
            tf.print("not finite", outputs)
            return tf.zeros_like(outputs)

        return tf.cond(tf.reduce_all(tf.math.is_finite(outputs)), lambda: outputs, warn)


class _WritesSummaries(SoundTask):
    def train_logs(self, loss: Any) -> dict[str, Any]:
        tf.summary.scalar("loss", loss)
        return super().train_logs(loss)


MUTANTS = (
    Subject(_PrintsTheLoss, name="prints the loss"),
    Subject(_CallsPython, name="py_function in a function within the step"),
    Subject(_CountsInNumPy, name="numpy_function before a metric"),
    Subject(_WarnsInABranch, name="prints in a branch that is not taken"),
    Subject(_WritesSummaries, name="writes a summary"),
)
TWIN = SOUND_TASK
