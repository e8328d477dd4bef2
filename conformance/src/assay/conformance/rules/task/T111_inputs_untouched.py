"""T111 inputs-untouched: a step leaves the batch that it is given as it was."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from assay.conformance.context import Context
from assay.conformance.harness import calling
from assay.conformance.harness.tasks import (
    Build,
    build_task,
    changed_contents,
    contents_of,
    fresh_containers,
    training_batches,
    validation_batches,
)
from assay.conformance.lazy import tf
from assay.conformance.model import Level, Mode, Rule, Subject, SubjectError, Target, Violation
from assay.conformance.specimens import CONFIGURED_TASK
from assay.conformance.specimens.nested_task import NestedTask

RULE = Rule(
    id="T111",
    slug="inputs-untouched",
    level=Level.MUST,
    requirement="Steps leave the batch as it was: the same keys, the same tensors, in every nested container.",
    checks=(
        "Eagerly takes `train_step`, `validation_step` and `inference_step` on a batch, and compares the batch before "
        "and after: keys of dicts, lengths of lists, dtype, shape and values of tensors, at any depth. A step that "
        "changed it is called again on the same batch, to say what comes of it."
    ),
    why=(
        "A batch belongs to the loop. One that is evaluated twice, shown to a summary, or kept for a fixed-batch test "
        "fails at the second look when the first one popped a key, or is normalised twice without a word. Whether "
        "that shows depends on the loop: an iterator inside a traced loop makes new containers for each step, an "
        "argument of `tf.function` is guarded by TensorFlow, and an eager loop has its batch changed."
    ),
    bad="""
def train_step(self, inputs, model, optimizer, metrics=None):
    features, labels = inputs
    weights = labels.pop("weights")                     # gone from the caller's dict
    features["image"] = features["image"] / 255.0       # and divided again at the next call
""",
    good="""
def train_step(self, inputs, model, optimizer, metrics=None):
    features, labels = inputs
    weights = labels["weights"]
    features = {**features, "image": features["image"] / 255.0}
""",
    modes=(Mode.EAGER,),
    targets=(Target.CPU,),
    references=("tf.function raises `ValueError: ... should not modify its Python input arguments`",),
)

_NAMED_AT_MOST = 3


def check(ctx: Context) -> None:
    """Compare the batch before and after each kind of step."""
    build = build_task(ctx)
    task, model = build.task, build.model
    training, validation = training_batches(ctx, 1)[0], validation_batches(ctx)[0]
    _check_step(
        build,
        "train_step",
        training,
        lambda batch: task.train_step(batch, model, build.optimizer, metrics=list(build.train_metrics)),
    )
    _check_step(
        build,
        "validation_step",
        validation,
        lambda batch: task.validation_step(batch, model, metrics=list(build.validation_metrics)),
    )
    if callable(getattr(task, "inference_step", None)):
        features = validation[0] if isinstance(validation, tuple) and validation else validation
        _check_step(build, "inference_step", features, lambda batch: task.inference_step(batch, model), required=False)


def _check_step(build: Build, step: str, batch: Any, call: Callable[[Any], Any], *, required: bool = True) -> None:
    """Raise when the step changed the batch; one that need not take these inputs may refuse them."""
    mine = fresh_containers(batch)
    before = contents_of(mine)
    try:
        with build.placed(), calling(f"{step}, on a batch of its own"):
            call(mine)
    except SubjectError:
        if required:
            raise
        return
    changes = changed_contents(before, contents_of(mine))
    if not changes:
        return
    more = len(changes) - _NAMED_AT_MOST
    listed = "; ".join(changes[:_NAMED_AT_MOST]) + (f"; and {more} more" if more > 0 else "")
    raise Violation(
        f"after one {step} {listed}. {_again(build, step, mine, call)}",
        cause=_cause(changes, step),
        fix=(
            "Read with `inputs[key]`, and put what the step computes into new containers: "
            "`features = {**features, key: value}`."
        ),
    )


def _again(build: Build, step: str, batch: Any, call: Callable[[Any], Any]) -> str:
    """What a second call on the same batch does."""
    before = contents_of(batch)
    try:
        with build.placed(), calling(step):
            call(batch)
    except SubjectError as error:
        return f"A second call on the same batch raised {type(error.original).__name__}: {error.original}"
    if changed_contents(before, contents_of(batch)):
        return "A second call on the same batch changed it further"
    return "A second call on the same batch changed nothing more"


def _cause(changes: list[str], step: str) -> str:
    if any(change.endswith("is gone") for change in changes):
        return f"{step} takes an entry out of the caller's container, with pop, popitem, del or clear"
    if any(change.endswith("is new") for change in changes):
        return f"{step} keeps what it computes in the caller's container"
    return f"{step} preprocesses in place: it assigns to an entry of the batch"


class _PopsTheWeights(NestedTask):
    def train_step(self, inputs: Any, model: Any, optimizer: Any, metrics: Any = None) -> dict[str, Any]:
        inputs[1]["extra"].pop("weight")
        return super().train_step(inputs, model, optimizer, metrics)

    def weights(self, labels: Mapping[str, Any]) -> Any:
        return tf.ones_like(labels["class"], tf.float32)


class _NormalisesInPlace(NestedTask):
    def forward(self, model: Any, features: Any, *, training: bool) -> Any:
        features["x"] = (features["x"] - tf.reduce_mean(features["x"])) / tf.math.reduce_std(features["x"])
        return super().forward(model, features, training=training)


class _KeepsOutputs(NestedTask):
    def validation_step(self, inputs: Any, model: Any, metrics: Any = None) -> dict[str, Any]:
        inputs[1]["extra"]["logits"] = self.forward(model, inputs[0], training=False)
        return super().validation_step(inputs, model, metrics)


MUTANTS = (
    Subject(_PopsTheWeights, name="pops the weights"),
    Subject(_NormalisesInPlace, name="normalises in place"),
    Subject(_KeepsOutputs, name="keeps outputs in the batch"),
)
TWIN = CONFIGURED_TASK
