"""H106 plain-scalars: a result is a number, or a dict of names to numbers, as JSON has them."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from assay.conformance.context import Context
from assay.conformance.harness import host_metrics
from assay.conformance.harness.calls import calling
from assay.conformance.model import Level, Mode, NotRun, Rule, SubjectError, Violation
from assay.conformance.specimens import ACCURACY_METRIC, DETECTION_METRIC, SoundAccuracy, SoundDetectionMetric

RULE = Rule(
    id="H106",
    slug="plain-scalars",
    level=Level.MUST,
    requirement="A result is a number, or a dict of text keys to numbers, finite and as `json.dumps` takes them.",
    checks=(
        "Encodes the result of the sample, of no data, of each of the first examples alone, and of examples whose "
        "objects or predictions are all gone, with `json.dumps(result, allow_nan=False)`. Every value must be an int, "
        "a float or a bool (NumPy's float64 is a float, its float32 and int64 are not), every key a text. What the "
        "data does not define is the declared `undefined_value`, -1 by custom; NaN only where that trait says so."
    ),
    why=(
        "Results go to JSON: the record of the best checkpoint, an experiment tracker, a dashboard. A float32 raises "
        "`TypeError: Object of type float32 is not JSON serializable` after the evaluation, when the numbers are lost. "
        "NaN passes Python's encoder and breaks the reader, and no area range without objects may turn a mean into one."
    ),
    bad="""
def result(self):
    return {"AP": self.stats[0].astype(np.float32), "APs": np.mean(self.small)}  # NaN without small objects
""",
    good="""
def result(self):
    return {"AP": float(self.stats[0]), "APs": float(np.mean(self.small)) if self.small else -1.0}
""",
    modes=(Mode.EAGER,),
    traits=("undefined_value",),
    references=("tensorflow/models#4219", "tensorflow/models#11190"),
)

ALONE = 4
"""How many examples are looked at alone: what one of them lacks is not defined."""


def check(ctx: Context) -> None:
    """Encode what the metric says of the sample, and of data that lacks something."""
    _check(ctx, host_metrics.sample_batches(ctx), "the sample", required=True)
    _check(ctx, [], "no data", finite=False)  # whether it is finite then is another rule's question
    try:
        examples = host_metrics.examples_of(ctx, at_least=1)
    except NotRun:
        return  # examples that cannot be told apart were looked at together
    layout = host_metrics.sample_of(ctx).layout
    for number, example in enumerate(examples[:ALONE], start=1):
        _check(ctx, host_metrics.join(layout, [example]), f"example {number} alone")
    for side in host_metrics.SIDES:
        if layout.may_be_empty(side):
            empty = [host_metrics.without_objects(layout, example, side) for example in examples]
            _check(ctx, host_metrics.join(layout, empty), f"examples without any {side}")


def _check(ctx: Context, batches: Any, what: str, *, required: bool = False, finite: bool = True) -> None:
    try:
        with host_metrics.seeded(ctx.seed):
            metric = host_metrics.make_metric(ctx)
            for batch in batches:
                host_metrics.update(ctx, metric, batch, what)
            with calling(f"result() of {what}"), host_metrics.quietly():
                result = metric.result()
    except SubjectError:
        if required:
            raise
        return  # the rules about data that lacks something judge exceptions
    undefined = ctx.trait("undefined_value") if finite else math.nan
    for name, value in _entries(result, ()):
        problem = _problem(value, undefined)
        if problem:
            where = "/".join(map(str, name)) or "the result"
            raise Violation(f"of {what}, {where} is {problem[0]}", cause=problem[1], fix=problem[2])
    for name, _ in _entries(result, ()):
        odd = [key for key in name if not isinstance(key, str)]
        if odd:
            raise Violation(
                f"of {what}, the result has the key {odd[0]!r} of type {type(odd[0]).__name__}",
                cause="a class id or an index is used as a name",
                fix="Use text for keys: `str(class_id)`.",
            )
    _encode(result, what, nan=math.isnan(undefined))


def _encode(result: Any, what: str, *, nan: bool) -> None:
    try:
        json.dumps(result, allow_nan=nan)
    except (TypeError, ValueError) as error:
        raise Violation(
            f"json.dumps of the result of {what} raised {type(error).__name__}: {error}",
            cause="the mapping itself, or something in it, is of a type that JSON does not have",
            fix="Return a plain dict of names to Python numbers.",
        ) from error


def _entries(value: Any, name: tuple[Any, ...]) -> Iterator[tuple[tuple[Any, ...], Any]]:
    if isinstance(value, Mapping):
        for key, entry in value.items():
            yield from _entries(entry, (*name, key))
    else:
        yield name, value


def _problem(value: Any, undefined: float) -> tuple[str, str, str] | None:
    """What is wrong with a value: what was seen, why it may be so, what to do."""
    if isinstance(value, bool | int):
        return None
    if isinstance(value, float):
        if math.isfinite(value) or math.isnan(undefined):
            return None
        return (
            f"{value}, and the declared undefined_value is {undefined:g}",
            "a mean or a ratio over nothing: a class, a size or a group that this data does not have",
            f"Return {undefined:g} where the data does not define a number, or declare another undefined_value.",
        )
    if (isinstance(value, np.ndarray) and value.ndim) or isinstance(value, list | tuple):
        return (
            f"a {type(value).__name__} of shape {np.shape(value)}",
            "a value for each class or threshold is kept together",
            "Give each value a name of its own: {f'AP/{name}': float(value) ...}.",
        )
    kind = f"{type(value).__module__.partition('.')[0]}.{type(value).__name__}"
    return (
        f"{value!r} of type {kind}, which is no number in JSON",
        "a NumPy or TensorFlow scalar is returned as it came out of the computation"
        if hasattr(value, "dtype")
        else "something other than a number stands for one that is not defined",
        "Convert on the way out: `float(value)` or `int(value)`; use -1 for what the data does not define.",
    )


class _Float32(SoundDetectionMetric):
    def plain(self, value: Any) -> Any:
        return np.float32(value)


class _NumpyCount(SoundDetectionMetric):
    def result(self) -> dict[str, Any]:
        return super().result() | {"images": np.int64(len(self.scenes))}


class _NanWithoutLarge(SoundDetectionMetric):
    def mean(self, values: Any) -> float:
        return float(np.mean(values)) if len(values) else float("nan")


class _NoneWithoutElements(SoundAccuracy):
    def share(self, part: Any, whole: Any) -> Any:
        return float(part / whole) if whole else None


class _VectorOfClasses(SoundAccuracy):
    def result(self) -> Any:
        return {"accuracy": [self.share(self.matrix[one, one], self.matrix[one].sum()) for one in range(3)]}


class _ClassIdsAsKeys(SoundAccuracy):
    def result(self) -> Any:
        return {one: self.share(self.matrix[one, one], self.matrix[one].sum()) for one in range(3)}


MUTANTS = (
    DETECTION_METRIC.replace(factory=_Float32, name="float32 values"),
    DETECTION_METRIC.replace(factory=_NumpyCount, name="an int64 count"),
    DETECTION_METRIC.replace(factory=_NanWithoutLarge, name="NaN without large objects"),
    ACCURACY_METRIC.replace(factory=_NoneWithoutElements, name="None for an absent class"),
    ACCURACY_METRIC.replace(factory=_VectorOfClasses, name="a list of classes"),
    ACCURACY_METRIC.replace(factory=_ClassIdsAsKeys, name="class ids as keys"),
)
TWIN = DETECTION_METRIC
