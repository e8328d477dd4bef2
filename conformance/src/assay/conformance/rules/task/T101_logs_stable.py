"""T101 logs-stable: the logs that the steps return keep one shape, and leave the loop's own names alone."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from assay.conformance.context import Context
from assay.conformance.harness.tasks import train_run, validation_run
from assay.conformance.lazy import tf
from assay.conformance.model import Level, Mode, Rule, Subject, SubjectError, Target, Violation
from assay.conformance.specimens import SOUND_TASK, SoundTask

RULE = Rule(
    id="T101",
    slug="logs-stable",
    level=Level.MUST,
    requirement="Steps return a dict with a scalar float `loss`, the same keys each step and no reserved name.",
    checks="Takes three training steps and a pass over the validation data, and compares the logs of all of them.",
    why=(
        "The loop carries the logs of a step through `tf.while_loop` and averages `loss` over many steps: a key that "
        "comes and goes fails there with a structure mismatch, hours into a run when it depends on the data. A name "
        "that the loop also writes is overwritten in TensorBoard without a word."
    ),
    bad="""
def train_step(self, inputs, model, optimizer, metrics=None):
    ...
    logs = {"loss": loss, "learning_rate": optimizer.learning_rate}  # the loop writes learning_rate itself
    if metrics:
        logs["detail"] = {"entropy": entropy}  # nested, and not always there
    return logs
""",
    good="""
def train_step(self, inputs, model, optimizer, metrics=None):
    ...
    return {"loss": loss, "entropy": entropy}
""",
    modes=(Mode.EAGER, Mode.GRAPH, Mode.REPLICAS),
    targets=(Target.CPU, Target.GPU, Target.TPU),
    references=("tensorflow/models: official/core/base_trainer.py reads logs[task.loss] each step",),
)

LOSS = "loss"
_DIFFERENT_KEYS = re.compile(r"v\[0\]\.keys: (\{[^}]*\})\s+v\[i\]\.keys: (\{[^}]*\})")
"""What tf.distribute says of dicts that differ between replicas."""
RESERVED = ("training_loss", "validation_loss", "learning_rate", "steps_per_second")
RESERVED_PREFIX = "best_"


def check(ctx: Context) -> None:
    """Compare the logs of three training steps, and of a pass over the validation data."""
    with _naming_keys("train_step"):
        training = train_run(ctx)
    _check_logs(training.logs, step="train_step")
    with _naming_keys("validation_step"):
        validation = validation_run(ctx)
    # Values of validation logs may be nested: that is how host metrics receive what they need.
    _check_logs(validation.logs, step="validation_step", nested=True, loss_required=False)


@contextlib.contextmanager
def _naming_keys(step: str) -> Iterator[None]:
    """Say which keys differ where TensorFlow cannot put the logs of two replicas together."""
    try:
        yield
    except SubjectError as error:
        replicas = _DIFFERENT_KEYS.search(str(error.original))
        if replicas is None:
            raise
        first, other = (set(re.findall(r"'([^']*)'", text)) for text in replicas.groups())
        raise Violation(
            f"{error.doing}: one replica returned {sorted(first)} and another {sorted(other)}; {sorted(first ^ other)} "
            "only one of them has",
            cause="a key is added under a condition that differs between replicas: the size of the batch, or what is "
            "in it",
            fix=f"Return every key from {step} on every replica; where there is nothing to report, report a constant.",
        ) from error


def _check_logs(logs: Any, *, step: str, nested: bool = False, loss_required: bool = True) -> None:
    first = logs[0][0]
    for number, replicas in enumerate(logs, start=1):
        for entry in replicas:
            if not isinstance(entry, Mapping) or not all(isinstance(key, str) for key in entry):
                raise Violation(
                    f"{step} returned {_describe(entry)} at step {number}",
                    cause="the step returns something other than a dict with string keys",
                    fix=f'Return a flat dict from {step}: {{"{LOSS}": loss}}.',
                )
            _check_names(entry, step)
            if loss_required or LOSS in entry:
                _check_loss(entry, step, number)
            if not nested:
                _check_flat(entry, step)
            if set(entry) != set(first):
                raise Violation(
                    f"{step} returned the keys {sorted(first)} at step 1 and {sorted(entry)} at step {number}",
                    cause="a key is added under a condition that differs between steps",
                    fix="Return every key at every step; where there is nothing to report, report a constant.",
                )


def _check_names(entry: Mapping[str, Any], step: str) -> None:
    taken = [key for key in entry if key in RESERVED or key.startswith(RESERVED_PREFIX)]
    if taken:
        raise Violation(
            f"{step} returned {taken}, which the training loop writes itself",
            cause="the step reports what the loop already reports",
            fix=f"Remove {taken} from the logs, or give them other names.",
        )


def _check_loss(entry: Mapping[str, Any], step: str, number: int) -> None:
    loss = entry.get(LOSS)
    dtype = getattr(loss, "dtype", None) or np.asarray(loss).dtype
    if loss is None:
        near = [key for key in entry if LOSS in key.lower()]
        cause = f"the loss has another name: {', '.join(near)}" if near else "the loss is not among the logs"
    elif len(np.shape(loss)):
        cause = f"the loss of each of {np.shape(loss)[0]} examples (or parts) is logged, and was not reduced"
    elif not tf.as_dtype(dtype).is_floating:
        cause = "an integer stands in for a loss that is not computed: a plain 0, say"
    else:
        return
    raise Violation(
        f"{step} returned {_describe(loss)} as {LOSS!r} at step {number} (keys: {sorted(entry)})",
        cause=cause,
        fix=f'Reduce the loss to a float scalar and return it under "{LOSS}".',
    )


def _check_flat(entry: Mapping[str, Any], step: str) -> None:
    nested = [key for key, value in entry.items() if isinstance(value, Mapping | list | tuple)]
    if nested:
        raise Violation(
            f"{step} returned nested values under {nested}",
            cause="the logs of a training step are averaged and written as scalars, and nested ones cannot be",
            fix='Give each value a key of its own: {"loss": loss, "detail_entropy": entropy}.',
        )


def _describe(value: Any) -> str:
    if value is None:
        return "nothing"
    shape = getattr(value, "shape", None)
    return type(value).__name__ if shape is None else f"{value.dtype.name} of shape {list(shape)}"


class _ReservedName(SoundTask):
    def train_logs(self, loss: Any) -> dict[str, Any]:
        return {self.loss: loss, "learning_rate": tf.constant(0.1)}


class _ComesAndGoes(SoundTask):
    def validation_logs(self, labels: Any, outputs: Any, loss: Any) -> dict[str, Any]:
        logs = super().validation_logs(labels, outputs, loss)
        if labels.shape[0] % 2:  # the last, partial batch
            logs["odd_one_out"] = tf.constant(1.0)
        return logs


class _Unreduced(SoundTask):
    def train_logs(self, loss: Any) -> dict[str, Any]:
        return {self.loss: tf.stack([loss, loss])}


MUTANTS = (
    Subject(_ReservedName, name="logs a name of the loop"),
    Subject(_ComesAndGoes, name="a key comes and goes"),
    Subject(_Unreduced, name="the logged loss is a vector"),
)
TWIN = SOUND_TASK
