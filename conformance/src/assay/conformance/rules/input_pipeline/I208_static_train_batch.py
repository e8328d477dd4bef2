"""I208 static-train-batch: the batches of training have one shape, which is known before the first is read."""

from __future__ import annotations

from typing import Any

from assay.conformance.context import Context
from assay.conformance.harness.pipelines import build_dataset, data_params, make_component
from assay.conformance.lazy import tf
from assay.conformance.model import Evidence, Level, Mode, Rule, Subject, Target, Violation
from assay.conformance.specimens import SOUND_TASK, SoundTask

RULE = Rule(
    id="I208",
    slug="static-train-batch",
    level=Level.MUST,
    requirement="Every tensor of a training batch has a static shape in `element_spec`, the batch dimension included.",
    checks="Asks for the training data as the configuration says, and reads the shapes that `element_spec` declares.",
    why=(
        "A TPU compiles one program for one shape. A batch dimension of None cannot be compiled at all, and a last "
        "batch that is smaller compiles the whole step again in the middle of training."
    ),
    bad="""
return dataset.repeat().batch(params.global_batch_size)  # None: the last batch might be smaller
""",
    good="""
return dataset.repeat().batch(params.global_batch_size, drop_remainder=True)
""",
    modes=(Mode.EAGER,),
    targets=(Target.TPU,),
    references=("TensorFlow guide, Use TPUs: static shapes",),
    evidence=Evidence.STATIC,
)

_NAMED_AT_MOST = 4


def check(ctx: Context) -> None:
    """Read the specification of the training data."""
    task = make_component(ctx)
    spec = build_dataset(task, data_params(task, training=True)).element_spec
    open_ended = [
        f"{'/'.join(map(str, path)) or 'the element'} {one.dtype.name} {one.shape}"
        for path, one in _leaves(spec)
        if not tf.TensorShape(getattr(one, "shape", None)).is_fully_defined()
    ]
    if open_ended:
        more = len(open_ended) - _NAMED_AT_MOST
        raise Violation(
            f"element_spec of the training data has unknown dimensions: {', '.join(open_ended[:_NAMED_AT_MOST])}"
            + (f" and {more} more" if more > 0 else ""),
            cause="the data is batched without drop_remainder=True, or a map loses the shape (py_function, a crop or a "
            "resize whose size is a tensor)",
            fix="Batch with `drop_remainder=True`, pad what varies, and restore shapes with `tf.ensure_shape` or "
            "`set_shape`.",
        )


def _leaves(spec: Any, path: tuple[Any, ...] = ()) -> list[tuple[tuple[Any, ...], Any]]:
    if isinstance(spec, dict):
        return [leaf for key, value in spec.items() for leaf in _leaves(value, (*path, key))]
    if isinstance(spec, tuple | list):
        return [leaf for index, value in enumerate(spec) for leaf in _leaves(value, (*path, index))]
    return [(path, spec)]


class _KeepsTheRemainder(SoundTask):
    def build_inputs(self, params: Any, input_context: Any = None) -> Any:
        dataset = super().build_inputs(params, input_context)
        return dataset.unbatch().batch(params.global_batch_size) if params.is_training else dataset


class _LosesTheShape(SoundTask):
    def build_inputs(self, params: Any, input_context: Any = None) -> Any:
        def through_python(features: Any, labels: Any) -> Any:
            return tf.numpy_function(lambda array: array, [features], tf.float32), labels

        dataset = super().build_inputs(params, input_context)
        return dataset.map(through_python) if params.is_training else dataset


MUTANTS = (
    Subject(_KeepsTheRemainder, name="keeps the remainder"),
    Subject(_LosesTheShape, name="loses the shape in Python"),
)
TWIN = SOUND_TASK
