"""T000 usable: the Task can be made and takes one step of each kind; nothing else can be observed otherwise."""

from __future__ import annotations

from typing import Any

from assay.conformance.context import Context
from assay.conformance.harness.tasks import build_task, evaluate, train, training_batches, validation_batches
from assay.conformance.model import Level, Mode, Rule, Subject, Target, Violation
from assay.conformance.specimens import SOUND_TASK, SoundTask

RULE = Rule(
    id="T000",
    slug="usable",
    level=Level.MUST,
    requirement="The factory makes a Task that builds its model and data and takes one train and one validation step.",
    checks="Calls the factory, `build_model`, `build_inputs`, `train_step` and `validation_step` once, eagerly.",
    why=(
        "Every other rule watches these calls. When one of them raises, that is the one thing to mend, and the other "
        "rules are not run instead of all failing for the same reason."
    ),
    bad="""
class MyTask:
    def build_model(self):
        return tf.keras.Sequential([tf.keras.layers.Dense(self.num_classes)])  # num_classes was never set
""",
    good="""
class MyTask:
    def __init__(self, num_classes=10):
        self.num_classes = num_classes

    def build_model(self):
        return tf.keras.Sequential([tf.keras.layers.Dense(self.num_classes)])
""",
    modes=(Mode.EAGER,),
    targets=(Target.CPU, Target.GPU, Target.TPU),
    gate=True,
)


def check(ctx: Context) -> None:
    """Make everything and take one step of each kind; what the subject raises is the failure."""
    build = build_task(ctx)
    if not build.model.trainable_variables:
        raise Violation(
            "the model has no trainable variable after build_model and a first call",
            cause="the layers are not attributes of the model, or all of them are frozen",
            fix="Return from build_model a Keras model that tracks its layers.",
        )
    train(build, training_batches(ctx, 1))
    batches = validation_batches(ctx)
    if not batches:
        raise Violation(
            "the validation dataset is empty",
            cause="the batch is larger than the data and the remainder is dropped, or the files were not found",
            fix="Keep the last partial batch when `params.is_training` is false.",
        )
    evaluate(build, batches[:1])


class _RaisesInTheStep(SoundTask):
    def build_losses(self, labels: Any, model_outputs: Any, aux_losses: Any = None) -> Any:
        raise ValueError("labels were expected to be one-hot")


class _NoValidationData(SoundTask):
    def build_inputs(self, params: Any, input_context: Any = None) -> Any:
        dataset = super().build_inputs(params, input_context)
        return dataset if params.is_training else dataset.take(0)


MUTANTS = (
    Subject(_RaisesInTheStep, name="raises in the step"),
    Subject(_NoValidationData, name="no validation data"),
)
TWIN = SOUND_TASK
