"""I000 usable: the input pipeline can be called and yields a first batch; nothing else can be observed otherwise."""

from __future__ import annotations

from typing import Any

from assay.conformance.context import Context
from assay.conformance.harness.pipelines import build_dataset, data_params, make_component
from assay.conformance.harness.pipelines.elements import keep_elements, rows_of
from assay.conformance.harness.pipelines.pipeline import Pipeline
from assay.conformance.lazy import tf
from assay.conformance.model import Level, Mode, NotApplicable, Rule, Target, Violation
from assay.conformance.specimens import IMAGE_PIPELINE, SoundImages

RULE = Rule(
    id="I000",
    slug="usable",
    level=Level.MUST,
    requirement="The input pipeline makes a dataset of batches from its parameters, for training and for evaluation.",
    checks=(
        "Calls `build_inputs(params)` of a Task, or an input pipeline of its own, for training and for evaluation, and "
        "reads the first batch of each. A pipeline of its own is a function of `(params, input_context=None)`, of one "
        "of the two, or of fields such as `(is_training, batch_size)`, or a class with such a method; its sample gives "
        "the parameters of each role where simple ones will not do."
    ),
    why=(
        "Every other rule watches these calls. When one of them raises, that is the one thing to mend, and the other "
        "rules are not run instead of all failing for the same reason."
    ),
    bad="""
def make_dataset(params, input_context=None):
    return images, labels  # arrays are no dataset
""",
    good="""
def make_dataset(params, input_context=None):
    dataset = tf.data.Dataset.from_tensor_slices((images, labels))
    return dataset.batch(params.global_batch_size, drop_remainder=params.drop_remainder)
""",
    modes=(Mode.EAGER,),
    targets=(Target.CPU,),
    gate=True,
)

_ROLES = {True: "training", False: "evaluation"}


def check(ctx: Context) -> None:
    """Build both datasets and read a batch of each; what the subject raises is the failure."""
    task = ctx.share("task for data", lambda: make_component(ctx))
    for training in _ROLES:
        try:
            params = data_params(task, training=training)
        except NotApplicable as lifted:
            ctx.note(lifted.reason)
            continue
        _check_first_batch(ctx, build_dataset(task, params), training, alone=isinstance(task, Pipeline))


def _check_first_batch(ctx: Context, dataset: Any, training: bool, *, alone: bool) -> None:
    role = _ROLES[training]
    if (alone and not isinstance(dataset, tf.data.Dataset)) or not hasattr(dataset, "__iter__"):
        raise Violation(
            f"the {role} data is a {type(dataset).__name__}, and a tf.data.Dataset is expected",
            cause="the pipeline returns arrays, a generator, an iterator or several datasets",
            fix="Return one tf.data.Dataset of batches; let `params.is_training` decide which data it holds.",
        )
    elements = keep_elements(dataset, at_most=1, name=role)
    if not elements.batches:
        raise Violation(
            f"the {role} dataset is empty",
            cause="the batch is larger than the data and the remainder is dropped, or the files were not found",
            fix="Keep the last partial batch when `params.is_training` is false.",
        )
    first = elements.batches[0]
    if not rows_of(first):
        raise Violation(
            f"no tensor of the {role} data has a batch dimension ({_described(first)})",
            cause="the dataset is not batched",
            fix="Call `.batch(params.global_batch_size, drop_remainder=params.drop_remainder)` at the end.",
        )
    if alone:
        ctx.note(f"{role.capitalize()} data: {_described(first)}.")


def _described(leaves: Any) -> str:
    """`features/image float32 [8, 6, 6, 3], labels int32 [8]`."""
    return ", ".join(
        f"{name} {getattr(leaf.dtype, 'name', leaf.dtype)} {leaf.shape.as_list()}" for name, leaf in leaves.items()
    )


class _NoDataset(SoundImages):
    def __call__(self, params: Any, input_context: Any = None) -> Any:
        return list(super().__call__(params, input_context).take(1))


class _NotBatched(SoundImages):
    def batched(self, dataset: Any, batch_size: int, params: Any) -> Any:
        return dataset.map(lambda features, label: label)


class _NoEvaluationData(SoundImages):
    def read(self, params: Any) -> Any:
        return super().read(params).take(26 if params.is_training else 0)


class _Raises(SoundImages):
    def read(self, params: Any) -> Any:
        raise FileNotFoundError("/data/train")


MUTANTS = (
    IMAGE_PIPELINE.replace(factory=_Raises, name="raises"),
    IMAGE_PIPELINE.replace(factory=_NoDataset, name="returns a list"),
    IMAGE_PIPELINE.replace(factory=_NotBatched, name="is not batched"),
    IMAGE_PIPELINE.replace(factory=_NoEvaluationData, name="no evaluation data"),
)
TWIN = IMAGE_PIPELINE
