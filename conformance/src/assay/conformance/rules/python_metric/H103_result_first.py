"""H103 result-first: a metric that has seen no data gives a defined value, or says that it has none."""

from __future__ import annotations

from typing import Any

import numpy as np
from assay.conformance.context import Context
from assay.conformance.harness import host_metrics
from assay.conformance.harness.calls import calling
from assay.conformance.harness.refusals import is_refusal
from assay.conformance.model import Level, Mode, Rule, SubjectError, Violation
from assay.conformance.specimens import ACCURACY_METRIC, DETECTION_METRIC, SoundAccuracy, SoundDetectionMetric

RULE = Rule(
    id="H103",
    slug="result-first",
    level=Level.MUST,
    requirement="`result()` before any data gives finite numbers, or raises an error that was meant for this.",
    checks=(
        "Asks a new metric for its result. Numbers must be finite (or the declared `undefined_value`), and an "
        "exception must come from a `raise` that the metric decided on, not from arithmetic on nothing. Then feeds the "
        "sample: having asked early must change nothing. The trait `no_data` says what it does, and is verified."
    ),
    why=(
        "Evaluation ends without data more often than one thinks: an empty validation split, a filter that drops "
        "every example, `validation_steps=0`. A `KeyError: 'source_id'` from inside an evaluator stops a training run "
        "that had nothing wrong with it, and a NaN ends up in the comparison of checkpoints, which it never wins or, "
        "worse, never loses."
    ),
    bad="""
def result(self):
    return {"mae": np.mean(self.errors)}  # NaN, and a warning, when there are none
""",
    good="""
def result(self):
    return {"mae": float(np.mean(self.errors)) if self.errors else -1.0}  # -1: not defined
""",
    modes=(Mode.EAGER,),
    traits=("no_data", "undefined_value", "result_resets"),
)


def check(ctx: Context) -> None:
    """Ask first, then feed the sample and ask again."""
    metric = host_metrics.make_metric(ctx)
    try:
        with calling("result() of a new metric"), host_metrics.quietly():
            first = metric.result()
    except SubjectError as error:
        _check_error(ctx, error.original)
    else:
        _check_values(ctx, host_metrics.as_scores(first))
    expected = host_metrics.baseline(ctx)
    batches = host_metrics.join(host_metrics.sample_of(ctx).layout, host_metrics.examples_of(ctx))
    with host_metrics.seeded(ctx.seed):
        for batch in batches:
            host_metrics.update(ctx, metric, batch, "the sample, after a first result()")
        actual = host_metrics.result(metric, "result() after an early result() and the sample")
    differing = host_metrics.differing(actual, expected, ctx.tolerance("metrics"))
    if differing:
        raise Violation(
            f"after an early result(), {host_metrics.describe(actual, expected, differing)}",
            cause="asking for a result leaves something behind that later batches are added to",
            fix="Let `result()` compute from the state without changing it.",
        )


def _check_error(ctx: Context, error: BaseException) -> None:
    declared = ctx.trait("no_data")
    said = f"{type(error).__name__}: {error}".rstrip(": ")
    if declared not in (None, "error"):
        raise Violation(
            f"result() of a new metric raised {said}, and the trait no_data={declared!r} says that it gives numbers",
            cause="the declaration and the code disagree",
            fix="Return `undefined_value` where there is nothing to compute from, or declare no_data='error'.",
        )
    if not is_refusal(error):
        raise Violation(
            f"result() of a new metric raised {said}, out of a computation that has no data",
            cause="nothing looks whether any batch was added",
            fix="Return a defined value (-1 is customary) without data, or raise an error that says so.",
        )


def _check_values(ctx: Context, scores: host_metrics.Scores) -> None:
    undefined, declared = ctx.trait("undefined_value"), ctx.trait("no_data")
    if declared == "error":
        raise Violation(
            f"result() of a new metric gave {_named(scores, list(scores))}, and the trait no_data='error' says that it "
            "raises",
            cause="the declaration and the code disagree",
            fix="Raise an error when no batch was added, or declare what is returned.",
        )
    if not scores:
        raise Violation(
            "result() of a new metric gave an empty mapping",
            cause="the numbers are made as data comes, and nobody finds their names before",
            fix="Return every name with a defined value (-1 is customary), or raise an error that says so.",
        )
    bad = [name for name, value in scores.items() if not host_metrics.is_defined(value, undefined)]
    if bad:
        raise Violation(
            f"result() of a new metric gave {_named(scores, bad)}",
            cause="a mean or a ratio over nothing",
            fix="Return a defined value (-1 is customary) without data, or raise an error that says so.",
        )
    if declared == "undefined":
        neither = [name for name, value in scores.items() if not _is_undefined_or_zero(value, undefined)]
        if neither:
            raise Violation(
                f"result() of a new metric gave {_named(scores, neither)}, and the trait no_data='undefined' says that "
                f"they are {undefined}, or 0 where they count",
                cause="some numbers have a default of their own",
                fix=f"Return {undefined} for every number that the data does not define.",
            )


def _is_undefined_or_zero(value: Any, undefined: float) -> bool:
    equal = np.isnan(value) if np.isnan(undefined) else np.equal(value, undefined)
    return bool(np.all(equal | np.equal(value, 0)))


def _named(scores: host_metrics.Scores, chosen: list[str], most: int = 3) -> str:
    shown = ", ".join(f"{name} = {scores[name]}" for name in chosen[:most])
    return shown + (f" and {len(chosen) - most} more" if len(chosen) > most else "")


class _MeanOfNothing(SoundAccuracy):
    def share(self, part: Any, whole: Any) -> float:
        return float(np.float64(part) / np.float64(whole))


class _DividesByZero(SoundAccuracy):
    def share(self, part: Any, whole: Any) -> float:
        return int(part) / int(whole)


class _LooksUpNothing(SoundDetectionMetric):
    def result(self) -> dict[str, Any]:
        self.scenes[min(self.scenes, default=-1)]  # the first image says what there is
        return super().result()


class _NoNamesYet(SoundAccuracy):
    def result(self) -> dict[str, float]:
        return super().result() if self.matrix.any() else {}


class _ClosesTheDoor(SoundDetectionMetric):
    def result(self) -> dict[str, Any]:
        numbers = super().result()
        self.add = lambda source_id, scene: None  # type: ignore[method-assign]
        return numbers


MUTANTS = (
    DETECTION_METRIC.replace(factory=_LooksUpNothing, name="looks up the first image"),
    ACCURACY_METRIC.replace(factory=_MeanOfNothing, traits={}, name="a ratio of nothing"),
    ACCURACY_METRIC.replace(factory=_DividesByZero, traits={}, name="divides by zero"),
    ACCURACY_METRIC.replace(factory=_NoNamesYet, traits={}, name="an empty mapping"),
    DETECTION_METRIC.replace(factory=_ClosesTheDoor, name="an early result closes it"),
)
TWIN = DETECTION_METRIC
