"""T606 exports: a SavedModel of `inference_step` answers in a new process as the model does here."""

from __future__ import annotations

from typing import Any

import numpy as np
from assay.conformance.context import Context
from assay.conformance.harness.tasks.persistence import Export, answers_in_new_process, export
from assay.conformance.lazy import tf
from assay.conformance.messages import subject_error_finding
from assay.conformance.model import Level, Mode, Rule, Subject, SubjectError, Target, Violation
from assay.conformance.specimens import SOUND_TASK, SoundTask

RULE = Rule(
    id="T606",
    slug="exports",
    level=Level.SHOULD,
    requirement="inference_step exports as a SavedModel that answers in another process as the model does.",
    checks=(
        "Trains for two steps, traces `inference_step` for batches of unknown size, saves it as a SavedModel "
        "together with the model and what the Task holds that TensorFlow can track, and loads it in a new process "
        "that knows nothing of the Task. A whole batch and a single example must give the structure and the values "
        "that `inference_step` gives here."
    ),
    why=(
        "What is served is the export, not the Task. Python in the inference step is a number in the export, and "
        "the function behind it is gone; a table or a variable of the Task is not part of the model; a batch size "
        "that is read while tracing is the only one that the server takes. All of it works until the day it is "
        "deployed."
    ),
    bad="""
def inference_step(self, inputs, model):
    images = tf.numpy_function(self.normalise, [inputs], tf.float32)  # gone in another process
    return model(images, training=False)
""",
    good="""
def inference_step(self, inputs, model):
    images = (inputs - self.mean) / self.std  # TensorFlow ops
    return model(images, training=False)
""",
    modes=(Mode.EAGER,),
    targets=(Target.CPU,),
    traits=("random_inference",),
    references=("TensorFlow guide, Using the SavedModel format", "TensorFlow API, tf.numpy_function: not serialisable"),
)


def check(ctx: Context) -> None:
    """Export, ask the export in a new process, and compare."""
    one = ctx.share("export", lambda: export(ctx))
    if one.untracked:
        raise Violation(
            f"the export cannot be written: {_essence(one.untracked)}",
            cause="inference_step uses a variable or a table that is neither the model's nor an attribute of the Task",
            fix="Make it an attribute of the model (Keras 3: a layer or a weight, not in a list or a dict).",
        )
    try:
        answers = answers_in_new_process(ctx, one)
    except SubjectError as error:
        raise Violation(
            f"the export works in no other process: {subject_error_finding(RULE, error).observed}",
            cause=(
                f"inference_step calls Python, which is not part of a SavedModel: {'; '.join(one.host[:3])}"
                if one.host
                else "the export needs what only the process that wrote it has: files, registered ops, Python"
            ),
            fix="Write inference_step in TensorFlow ops.",
        ) from error
    if one.fixed is not None:
        raise Violation(
            "inference_step can be traced for one size of a batch only: "
            f"{subject_error_finding(RULE, one.fixed).observed}",
            cause="the batch size is read while the step is traced (`x.shape[0]`, `len(x)`, a reshape to a number)",
            fix="Use tf.shape(x)[0], or -1 in one place of a reshape.",
        )
    if not ctx.trait("random_inference"):
        for index, size in enumerate(("a whole batch", "a single example")):
            _compare(ctx, one, index, answers[index], size)


def _compare(ctx: Context, one: Export, index: int, answer: Any, size: str) -> None:
    wanted, given = tf.nest.flatten(one.answers[index]), tf.nest.flatten(answer)
    if len(wanted) != len(given):
        raise Violation(
            f"for {size}, inference_step returns {len(wanted)} tensors here and {len(given)} in the export",
            cause="what it returns depends on Python state",
            fix="Return the same structure in each call.",
        )
    tolerance = ctx.tolerance("answers")
    for position, (expected, actual) in enumerate(zip(wanted, given, strict=True)):
        expected, actual = np.asarray(expected), np.asarray(actual)
        alike = expected.shape == actual.shape and (
            tolerance.allows(actual, expected) if expected.dtype.kind in "fc" else np.array_equal(actual, expected)
        )
        if not alike:
            raise Violation(
                f"for {size}, output {position} of {len(wanted)} of the export is not that of inference_step: "
                f"{_difference(expected, actual)}",
                cause=(
                    "inference_step takes a branch, or a value, from Python while it is traced, and another one eagerly"
                ),
                fix="Let inference_step depend on its inputs and the model's variables alone.",
            )


def _difference(expected: np.ndarray, actual: np.ndarray) -> str:
    if expected.shape != actual.shape:
        return f"shapes {expected.shape} and {actual.shape}"
    if expected.dtype.kind not in "fc":
        return f"{np.sum(expected != actual)} of {expected.size} elements differ"
    return f"up to {np.max(np.abs(actual.astype(np.float64) - expected), initial=0.0):.3g} apart"


def _essence(message: str) -> str:
    return " ".join(message.split())[:300]


class _NormalisesInPython(SoundTask):
    """Normalises the features in NumPy."""

    def inference_step(self, inputs: Any, model: Any) -> Any:
        features = tf.numpy_function(lambda x: np.asarray(x - 0.1, np.float32), [inputs], tf.float32)
        return self.forward(model, tf.ensure_shape(features, inputs.shape), training=False)


class _ReadsTheBatchSize(SoundTask):
    """Reads the batch size while it is traced."""

    def inference_step(self, inputs: Any, model: Any) -> Any:
        logits = self.forward(model, inputs, training=False)
        return tf.stack([logits[row] for row in range(int(inputs.shape[0]))])


class _HoldsItsTemperatureInADict(SoundTask):
    """Divides by a temperature that neither the model nor TensorFlow's tracking knows of."""

    def __init__(self) -> None:
        super().__init__()
        self.calibration: dict[str, Any] = {}

    def build_model(self) -> Any:
        self.calibration = {"temperature": tf.Variable(2.0, trainable=False)}
        return super().build_model()

    def inference_step(self, inputs: Any, model: Any) -> Any:
        return super().inference_step(inputs, model) / self.calibration["temperature"]


class _AnswersOtherwiseInAGraph(SoundTask):
    """Returns probabilities where it is traced."""

    def inference_step(self, inputs: Any, model: Any) -> Any:
        logits = super().inference_step(inputs, model)
        return logits if tf.executing_eagerly() else tf.nn.softmax(logits)


MUTANTS = (
    Subject(_NormalisesInPython, name="normalises in Python"),
    Subject(_ReadsTheBatchSize, name="reads the batch size"),
    Subject(_HoldsItsTemperatureInADict, name="a variable in a dict of the Task"),
    Subject(_AnswersOtherwiseInAGraph, name="answers otherwise in a graph"),
)
TWIN = SOUND_TASK
