"""T113 variables-early: no variable is made inside a step."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from assay.conformance.context import Context
from assay.conformance.harness import calling, recording_variables
from assay.conformance.harness.flavour import layers_of
from assay.conformance.harness.tasks import (
    Build,
    Snapshot,
    build_task,
    fresh_containers,
    model_variables,
    plain_name,
    split_batch,
    train_run,
    training_batches,
    validation_batches,
    validation_run,
)
from assay.conformance.lazy import tf
from assay.conformance.model import Level, Mode, Rule, Subject, SubjectError, Target, Violation
from assay.conformance.specimens import SOUND_TASK, SoundTask

RULE = Rule(
    id="T113",
    slug="variables-early",
    level=Level.MUST,
    requirement="All variables exist before the first step: no train, validation or inference step makes one.",
    checks=(
        "Eagerly, with a model, metrics and optimizer whose variables exist: records every `tf.Variable` that is made "
        "in `train_step`, `validation_step` and `inference_step`, on a whole batch and on half a batch. In a graph: "
        "compares the variables of the model and the metrics before and after the traced steps."
    ),
    why=(
        "A checkpoint that is restored before the first step leaves out a variable that the step makes, and a resumed "
        "run starts that part afresh. On replicas TensorFlow refuses it or mirrors nothing; a step that makes one for "
        "each new batch size fails at the second trace, on the last partial batch of the first evaluation."
    ),
    bad="""
def train_step(self, inputs, model, optimizer, metrics=None):
    if self.average is None:
        self.average = tf.Variable(0.0)

def build_metrics(self, training=True):
    return [tf.keras.metrics.F1Score()]  # learns the number of classes from its first batch
""",
    good="""
def __init__(self):
    self.average = tf.Variable(0.0, trainable=False)

def build_metrics(self, training=True):
    metric = tf.keras.metrics.F1Score()
    metric.build((None, self.num_classes), (None, self.num_classes))
    return [metric]
""",
    modes=(Mode.EAGER, Mode.GRAPH),
    targets=(Target.CPU, Target.GPU, Target.TPU),
    references=("tensorflow/tensorflow#33517", "TensorFlow guide, Better performance with tf.function: Variables"),
)

_NAMED_AT_MOST = 3
_PROCESS_WIDE = "seed_generator_state"
"""Keras makes one random generator for the whole process when a layer or function first needs it."""


def check(ctx: Context) -> None:
    """Record what the steps make."""
    if ctx.mode is not Mode.GRAPH:
        _check_made(ctx)
    if ctx.mode is not Mode.EAGER:
        _check_growth(ctx)


def _check_made(ctx: Context) -> None:
    """Record what is made while eager steps run."""
    build = build_task(ctx, mode=Mode.EAGER)
    task, model = build.task, build.model
    training, validation = training_batches(ctx, 1)[0], validation_batches(ctx)[0]

    def train(batch: Any) -> None:
        task.train_step(batch, model, build.optimizer, metrics=list(build.train_metrics))

    def validate(batch: Any) -> None:
        task.validation_step(batch, model, metrics=list(build.validation_metrics))

    def infer(batch: Any) -> None:
        task.inference_step(batch[0] if isinstance(batch, tuple) and batch else batch, model)

    _check_step(build, "train_step", training, train)
    _check_step(build, "validation_step", validation, validate)
    if callable(getattr(task, "inference_step", None)):
        _check_step(build, "inference_step", validation, infer, required=False)


def _check_step(build: Build, step: str, batch: Any, call: Callable[[Any], None], *, required: bool = True) -> None:
    """Take the step on a batch and on half of it; the half may be refused, for a batch size can be fixed."""
    signatures = [("its first batch", batch, required)]
    if _examples(batch) > 1:
        signatures.append(("a batch of another size", split_batch(batch)[0], False))
    for what, one, needed in signatures:
        owned = _owned(build)
        try:
            with build.placed(), recording_variables() as recorded, calling(f"{step}, on {what}"):
                call(fresh_containers(one))
        except SubjectError:
            if needed:
                raise
            continue
        made = [text for text in recorded if _PROCESS_WIDE not in text]
        if made:
            _blame(step, what, made, grown=_grown(owned, _owned(build)))


def _blame(step: str, what: str, made: list[str], *, grown: list[str]) -> None:
    more = len(made) - _NAMED_AT_MOST
    owner = f"; they belong to {', '.join(grown[:_NAMED_AT_MOST])}" if grown else ""
    observed = (
        f"on {what} {step} made {len(made)} variable{'' if len(made) == 1 else 's'}: "
        f"{', '.join(made[:_NAMED_AT_MOST])}{f' and {more} more' if more > 0 else ''}{owner}"
    )
    if any(one.startswith("the metric") for one in grown):
        raise Violation(
            observed,
            cause="the metric learns its shape from the first update",
            fix="Build it in build_metrics: give it `num_classes`, or call `metric.build(y_true_shape, y_pred_shape)`.",
        )
    if any(one.startswith("the layer") for one in grown):
        raise Violation(
            observed,
            cause=f"the layer is called for the first time in {step}: inference does not reach it, or it is not built",
            fix="Build every layer in build_model, for instance by calling the model once with training=True.",
        )
    raise Violation(
        observed,
        cause=f"{step} makes an object with variables (a buffer, a metric, an optimizer, a layer) when it first runs",
        fix="Make it in the Task's constructor, in build_model or in build_metrics, and keep it.",
    )


def _check_growth(ctx: Context) -> None:
    """In a graph, or compiled: the variables that are there after the traced steps, and were not before."""
    training, evaluation = train_run(ctx), validation_run(ctx)
    for step, before, after in (
        ("train_step", training.snapshots[0], training.snapshots[-1]),
        ("validation_step", evaluation.before, evaluation.after),
    ):
        new = _new_names(before, after)
        if new:
            raise Violation(
                f"after traced calls of {step} there are {len(new)} variables more: {', '.join(new[:_NAMED_AT_MOST])}",
                cause="a layer or a metric makes its variables when it is first called, while the step is traced",
                fix="Build the model in build_model and the metrics in build_metrics.",
            )


def _new_names(before: Snapshot, after: Snapshot) -> list[str]:
    groups = [
        (before.model, after.model),
        (before.train_metrics, after.train_metrics),
        (before.validation_metrics, after.validation_metrics),
    ]
    return [plain_name(name) for old, new in groups if len(new) > len(old) for name in list(new)[len(old) :]]


def _owned(build: Build) -> dict[str, int]:
    """How many variables each metric and each layer has."""
    counts: dict[str, int] = {}
    for metric in (*build.train_metrics, *build.validation_metrics):
        counts[f"the metric {metric.name!r}"] = len(getattr(metric, "variables", ()))
    for layer in layers_of(build.model):
        if layer is not build.model:
            counts[f"the layer {layer.name!r}"] = len(layer.variables)
    counts["the model"] = len(model_variables(build.model))
    return counts


def _grown(before: Mapping[str, int], after: Mapping[str, int]) -> list[str]:
    return [name for name, count in after.items() if count > before.get(name, 0)]


def _examples(batch: Any) -> int:
    return max((int(leaf.shape[0]) for leaf in tf.nest.flatten(batch) if leaf.shape.rank), default=0)


class _AveragesTheLoss(SoundTask):
    """Makes the average at the first train step, and keeps it."""

    average: Any = None

    def train_logs(self, loss: Any) -> dict[str, Any]:
        if self.average is None:
            self.average = tf.Variable(0.0, name="average")
        self.average.assign(0.9 * self.average + 0.1 * loss)
        return {self.loss: loss}


class _MetricLearnsItsShape(SoundTask):
    """A metric whose matrix is as large as the first batch says."""

    def build_metrics(self, training: bool = True) -> list[Any]:
        class Confusion(tf.keras.metrics.Metric):
            def __init__(self) -> None:
                super().__init__(name="confusion")
                self.matrix: Any = None

            def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
                if self.matrix is None:
                    classes = y_pred.shape[-1]
                    self.matrix = self.add_weight(name="matrix", shape=(classes, classes), initializer="zeros")
                self.matrix.assign_add(tf.math.confusion_matrix(y_true, tf.argmax(y_pred, -1), 3, dtype=tf.float32))

            def result(self) -> Any:
                return tf.linalg.trace(self.matrix)

        return [Confusion()] if not training else super().build_metrics(training)


class _AuxiliaryHead(SoundTask):
    """A head that only training calls, so that inference does not build it."""

    def build_model(self) -> Any:
        class Net(tf.keras.Model):
            def __init__(self) -> None:
                super().__init__()
                self.logits = tf.keras.layers.Dense(3, name="logits")
                self.auxiliary = tf.keras.layers.Dense(3, name="auxiliary")

            def call(self, inputs: Any, training: Any = None) -> Any:
                outputs = self.logits(inputs)
                return outputs + 0.3 * self.auxiliary(inputs) if training else outputs

        return Net()

    def variables_to_train(self, model: Any) -> list[Any]:
        return list(model.logits.trainable_variables)


class _BufferForEachSize(SoundTask):
    """Keeps the outputs of the last batch in a buffer of its size."""

    def __init__(self) -> None:
        super().__init__()
        self._buffers: dict[Any, Any] = {8: tf.Variable(tf.zeros([8, 3]), trainable=False)}

    def process_metrics(self, metrics: Any, labels: Any, model_outputs: Any) -> None:
        super().process_metrics(metrics, labels, model_outputs)
        size = model_outputs.shape[0]
        if size not in self._buffers:
            self._buffers[size] = tf.Variable(tf.zeros([size, 3]), trainable=False, name="last_outputs")
        self._buffers[size].assign(model_outputs)


MUTANTS = (
    Subject(_AveragesTheLoss, name="makes a running average in the step"),
    Subject(_MetricLearnsItsShape, name="a metric learns its shape"),
    Subject(_AuxiliaryHead, name="a head that only training builds"),
    Subject(_BufferForEachSize, name="a buffer for each batch size"),
)
TWIN = SOUND_TASK
