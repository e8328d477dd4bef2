"""K101 result-interface: the result is a number, an array or a flat dict of them, in the dtype that is declared."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from assay.conformance.context import Context
from assay.conformance.harness import metrics
from assay.conformance.harness.calls import calling
from assay.conformance.harness.samples import sample_of
from assay.conformance.lazy import tf
from assay.conformance.model import Level, Mode, Rule, Target, Violation
from assay.conformance.specimens import HIT_RATE, IOU, SoundHitRate, SoundIoU

RULE = Rule(
    id="K101",
    slug="result-interface",
    level=Level.MUST,
    requirement="`result()` is a number, an array or a flat dict of them, in the metric's dtype, ready for a summary.",
    checks=(
        "Reads the result after an update: a tensor or number, or a dict whose keys are text and whose values are "
        "tensors or numbers. Floating-point values must have the metric's `dtype` when it declares a floating-point "
        "one; whole numbers and booleans are accepted as they are."
    ),
    why=(
        "Training loops log `metric.result()` under its name and write it as a summary. A tuple, a nested dict or text "
        "stops the run at the first summary, which may be an hour after its start; a float16 result overflows."
    ),
    bad="""
def result(self):
    return {"iou": {"mean": self.mean(), "road": self.of(0)}}  # nested
""",
    good="""
def result(self):
    return {"iou/mean": self.mean(), "iou/road": self.of(0)}
""",
    modes=(Mode.EAGER,),
    targets=(Target.CPU, Target.GPU),
)


def check(ctx: Context) -> None:
    """Look at what `result` returns."""
    metric = metrics.fresh(ctx, steady=False)
    metrics.update(ctx, metric, sample_of(ctx).batch)
    with metrics.placed(ctx), calling("result()"):
        raw = metric.metric.result()
    entries = dict(raw) if isinstance(raw, Mapping) else {"the result": raw}
    if not entries:
        raise _violation("result() returned an empty dict")
    declared = _dtype_of(metric.metric)
    for key, value in entries.items():
        if not isinstance(key, str):
            raise _violation(f"the result has the key {key!r}, which is no text")
        found = _number(value)
        if found is None:
            raise _violation(f"{key} is a {type(value).__name__}, and not a number or an array of numbers")
        if "float" in declared and found.is_floating and found.name != declared:
            raise Violation(
                f"{key} has dtype {found.name}, and the metric declares {declared}",
                cause="the result is computed in the dtype of a variable or of the inputs, and not cast",
                fix="End `result` with `tf.cast(value, self.dtype)`.",
            )


def _number(value: Any) -> Any:
    """The dtype of a number or of an array of numbers; None of anything else."""
    if value is None or isinstance(value, Mapping | list | tuple | str | bytes):
        return None
    try:
        dtype = tf.convert_to_tensor(value).dtype
    except (TypeError, ValueError):
        return None
    return dtype if dtype.is_floating or dtype.is_integer or dtype.is_bool else None


def _dtype_of(metric: Any) -> str:
    declared = getattr(metric, "dtype", None)
    return str(getattr(declared, "name", declared) or "")


def _violation(observed: str) -> Violation:
    return Violation(
        observed,
        cause="the result is made for reading by people, or for one training loop",
        fix="Return one number, one array, or a flat dict from text to numbers.",
    )


class _Nested(SoundIoU):
    def result(self) -> Any:
        return {"iou": super().result()}


class _Text(SoundHitRate):
    def result(self) -> Any:
        return tf.strings.as_string(super().result())


class _AnotherDtype(SoundHitRate):
    def result(self) -> Any:
        return tf.cast(super().result(), tf.float16)


class _Tuple(SoundHitRate):
    def result(self) -> Any:
        return super().result(), self.read(self.weight)


MUTANTS = (
    IOU.replace(factory=_Nested, name="a nested dict"),
    HIT_RATE.replace(factory=_Text, name="text"),
    HIT_RATE.replace(factory=_AnotherDtype, name="another dtype than declared"),
    HIT_RATE.replace(factory=_Tuple, name="a tuple"),
)
TWIN = HIT_RATE
