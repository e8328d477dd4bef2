"""L004 copy-independent: a deep copy computes the same, and shares nothing that changes."""

from __future__ import annotations

import copy
import threading
from typing import Any

import numpy as np
from assay.conformance.context import Context
from assay.conformance.harness import losses
from assay.conformance.harness.calls import calling
from assay.conformance.harness.samples import sample_of
from assay.conformance.model import Level, Mode, NotApplicable, Rule, SubjectError, Violation
from assay.conformance.specimens import HUBER_LOSS, SUMMING_LOSS, SoundHuber

RULE = Rule(
    id="L004",
    slug="copy-independent",
    level=Level.SHOULD,
    requirement="A deep copy of the loss computes the same values, and changing the copy leaves the original alone.",
    checks=(
        "Copies the loss with `copy.deepcopy`, compares both on a batch, changes every number and every container "
        "among "
        "the copy's attributes, and calls the original again. A function is its own copy."
    ),
    why=(
        "Hyperparameter searches, ensembles and worker processes copy losses. A lock, a lambda that holds `self` or a "
        "class-level dict makes the copy fail, or makes all copies one."
    ),
    bad="""
class Weighted(tf.keras.losses.Loss):
    weights = {}  # one dict for all instances
""",
    good="""
class Weighted(tf.keras.losses.Loss):
    def __init__(self, weights, **kwargs):
        super().__init__(**kwargs)
        self.weights = dict(weights)
""",
    modes=(Mode.EAGER,),
    references=("torchmetrics: the class test clones and pickles",),
)


def check(ctx: Context) -> None:
    """Compare a copy with the original, then disturb the copy."""
    losses.component(ctx)  # one that does not repeat cannot be told from its copy
    loss = losses.make_loss(ctx)
    if not hasattr(loss, "__dict__") or isinstance(loss, type(check)):
        raise NotApplicable("The loss is a function, which is its own copy.")
    batch = sample_of(ctx).grow(4)
    original = losses.adapted(ctx, loss)
    expected = losses.value(ctx, original, batch)
    twin = _copied(loss)
    found = losses.value(ctx, losses.adapted(ctx, twin), batch)
    if found.shape != expected.shape or not ctx.tolerance("loss").allows(found, expected):
        raise Violation(
            f"a deep copy gives {np.ravel(found)[:3].tolist()}; the original gives {np.ravel(expected)[:3].tolist()}",
            cause="the class copies itself in a way of its own, or holds something that cannot be copied",
            fix="Remove `__deepcopy__`, or copy every attribute in it.",
        )
    for name, value in list(vars(twin).items()):
        _disturb(twin, name, value)
    again = losses.value(ctx, losses.adapted(ctx, loss), batch)
    if again.shape != expected.shape or not np.array_equal(again, expected, equal_nan=True):
        raise Violation(
            f"after the copy was changed, the original gives {np.ravel(again)[:3].tolist()} instead of "
            f"{np.ravel(expected)[:3].tolist()}",
            cause="both share an object: a class attribute, a global, or one that is passed on by reference",
            fix="Make a new object for each instance in `__init__`, and let it be copied.",
        )


def _copied(loss: Any) -> Any:
    try:
        with calling("copy.deepcopy of the loss"):
            return copy.deepcopy(loss)
    except SubjectError as error:
        if _UNREGISTERED not in str(error.original):
            raise
        raise Violation(
            f"copy.deepcopy of the loss raised {type(error.original).__name__}: "
            f"{str(error.original).partition('. ')[0][:200]}",
            cause="Keras 3 copies a loss through its serializer, which finds registered classes and functions only",
            fix=f"Decorate them with `@keras.saving.{_UNREGISTERED}()`.",
        ) from error


_UNREGISTERED = "register_keras_serializable"


def _disturb(twin: Any, name: str, value: Any) -> None:
    """Change what the copy holds, in place where it can be changed in place."""
    try:
        if isinstance(value, dict):
            for key, entry in value.items():
                if isinstance(entry, float):
                    value[key] = entry + 1.0
        elif isinstance(value, list):
            value[:] = [entry + 1.0 if isinstance(entry, float) else entry for entry in value]
        elif isinstance(value, np.ndarray) and value.dtype.kind == "f":
            value += 1.0
        elif isinstance(value, float):
            setattr(twin, name, value + 1.0)
    except (AttributeError, TypeError, ValueError):
        return  # what cannot be changed cannot be shared in a way that matters


_SHARED = {"delta": 1.0}


class _SharesItsOptions(SoundHuber):
    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.options = _SHARED

    def __deepcopy__(self, memo: Any) -> Any:
        twin = type(self)(reduction=self.reduction, name=self.name)
        twin.options = self.options
        return twin

    def call(self, y_true: Any, y_pred: Any) -> Any:
        return super().call(y_true, y_pred) * self.options["delta"]


class _CannotBeCopied(SoundHuber):
    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.lock = threading.Lock()


MUTANTS = (
    HUBER_LOSS.replace(factory=_SharesItsOptions, name="copies share a dict"),
    HUBER_LOSS.replace(factory=_CannotBeCopied, name="cannot be copied"),
)
TWIN = SUMMING_LOSS
