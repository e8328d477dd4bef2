"""I101 spec-true: every element is what `element_spec` says, the last one included."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
from assay.conformance.context import Context
from assay.conformance.harness.pipelines import build_dataset, data_params, make_component
from assay.conformance.harness.pipelines.elements import Elements, named_leaves, read_elements
from assay.conformance.lazy import tf
from assay.conformance.model import Level, Mode, NotApplicable, Rule, Subject, SubjectError, Target, Violation
from assay.conformance.specimens import IMAGE_PIPELINE, SOUND_TASK, SoundImages, SoundTask

RULE = Rule(
    id="I101",
    slug="spec-true",
    level=Level.MUST,
    requirement="Every element has the structure, the dtypes and the shapes that `element_spec` declares.",
    checks=(
        "Reads training batches, and all batches of evaluation, and compares each tensor with `element_spec`. The "
        "last, partial batch is among them, where a batch dimension that was written down by hand is no longer true."
    ),
    why=(
        "A step is traced, and on an accelerator compiled, for the declared shapes. TensorFlow believes "
        "`set_shape` after `numpy_function`, `parse_tensor` or `decode_raw`: a wrong one raises far from its cause, in "
        "the middle of an epoch, or computes with memory of another shape."
    ),
    bad="""
dataset = dataset.batch(params.global_batch_size)
dataset = dataset.map(lambda x: tf.ensure_shape(x, [8, 224, 224, 3]))  # the last batch has fewer
""",
    good="""
dataset = dataset.map(lambda x: tf.ensure_shape(x, [224, 224, 3]))
dataset = dataset.batch(params.global_batch_size, drop_remainder=params.drop_remainder)
""",
    modes=(Mode.EAGER,),
    targets=(Target.CPU,),
    references=("TensorFlow Datasets: DatasetBuilderTestCase compares every example with the declared features",),
)

_INCOMPATIBLE = (
    re.compile(r"component (?P<component>\d+): expected \[(?P<declared>[^\]]*)\] but got \[(?P<received>[^\]]*)\]"),
    re.compile(r"shape \((?P<received>[^)]*)\) is not compatible with supplied shape \((?P<declared>[^)]*)\)"),
    re.compile(r"shape \((?P<received>[^)]*)\) is not compatible with supplied shape \[(?P<declared>[^\]]*)\]"),
)
_FIX = (
    "Declare what is true: tf.ensure_shape on single examples, before they are batched, and leave the batch dimension "
    "to `.batch`. `dataset.element_spec` prints what is declared."
)


def check(ctx: Context) -> None:
    """Compare what comes with what is declared, for both roles."""
    looked = 0
    for training in (True, False):
        elements = _read(ctx, training)
        if elements is None or not elements.spec:
            continue
        looked += 1
        role = "training" if training else "evaluation"
        for number, leaves in enumerate(elements.batches):
            _compare(elements.spec, leaves, f"batch {number} of the {role} data")
        if elements.last is not None:
            _compare(elements.spec, elements.last, f"the last batch of the {role} data")
    if not looked:
        raise NotApplicable("The data is no tf.data.Dataset: it declares nothing.")


def _read(ctx: Context, training: bool) -> Elements | None:
    try:
        return read_elements(ctx, training=training)
    except NotApplicable:
        return None
    except SubjectError as error:
        raised = next((found for one in _INCOMPATIBLE if (found := one.search(str(error.original)))), None)
        if raised is None:
            raise
        role, parts = "training" if training else "evaluation", raised.groupdict()
        name = _name_of(ctx, training, parts.get("component"))
        raise Violation(
            f"{role}: {name} has the shape [{parts['received']}], and [{parts['declared']}] is declared",
            cause="set_shape or ensure_shape states what is not so for every batch",
            fix=_FIX,
        ) from error


def _name_of(ctx: Context, training: bool, component: str | None) -> str:
    """The name of a tensor by its number in the flat element."""
    task = ctx.share("task for data", lambda: make_component(ctx))
    spec = named_leaves(getattr(build_dataset(task, data_params(task, training=training)), "element_spec", ()))
    return spec[int(component)][0] if component is not None and int(component) < len(spec) else "a tensor"


def _compare(spec: Any, leaves: Any, where: str) -> None:
    if spec.keys() != leaves.keys():
        raise Violation(
            f"{where} has the tensors {sorted(leaves)}, and {sorted(spec)} are declared",
            cause="the structure of the elements is not that of element_spec",
            fix=_FIX,
        )
    for name, declared in spec.items():
        leaf = leaves[name]
        if not declared.is_compatible_with(leaf):
            raise Violation(
                f"{where}: {name} is {leaf.dtype.name} {leaf.shape.as_list()}, and {_described(declared)} is declared",
                cause="set_shape states what is not so for every batch",
                fix=_FIX,
            )


def _described(spec: Any) -> str:
    shape, dtype = getattr(spec, "shape", None), getattr(spec, "dtype", None)
    return str(spec) if shape is None or dtype is None or shape.rank is None else f"{dtype.name} {shape.as_list()}"


class _BatchWrittenDown(SoundTask):
    """States the batch dimension by hand, which is not so for the last batch of evaluation."""

    def build_inputs(self, params: Any, input_context: Any = None) -> Any:
        def state(features: Any, labels: Any) -> Any:
            features.set_shape([params.global_batch_size, features.shape[1]])
            return features, labels

        return super().build_inputs(params, input_context).map(state)


class _WrongImageShape(SoundImages):
    """States the shape of an image that a Python function gives, and is wrong about the channels."""

    def finished(self, features: Any, label: Any) -> Any:
        features, label = super().finished(features, label)
        grey = tf.numpy_function(lambda image: np.mean(image, axis=-1, keepdims=True), [features["image"]], tf.float32)
        grey.set_shape([6, 6, 3])
        return {**features, "image": grey}, label


class _ParsedTensor(SoundImages):
    """Believes that every serialized tensor has four numbers."""

    def finished(self, features: Any, label: Any) -> Any:
        features, label = super().finished(features, label)
        parsed = tf.io.parse_tensor(tf.io.serialize_tensor(features["image"][0, 0]), tf.float32)
        parsed.set_shape([4])
        return {**features, "embedding": parsed}, label


MUTANTS = (
    Subject(_BatchWrittenDown, name="batch dimension written down"),
    IMAGE_PIPELINE.replace(factory=_WrongImageShape, name="wrong shape after a Python function"),
    IMAGE_PIPELINE.replace(factory=_ParsedTensor, name="wrong shape of a parsed tensor"),
)
TWIN = SOUND_TASK
