"""L404 pure-call: a call makes no variable, changes no argument and no own attribute, and repeats exactly."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from assay.conformance.context import Context
from assay.conformance.harness import losses
from assay.conformance.harness.calls import calling
from assay.conformance.harness.creations import recording_variables
from assay.conformance.harness.samples import Batch, sample_of
from assay.conformance.lazy import tf
from assay.conformance.model import Level, Mode, Rule, SubjectError, Violation
from assay.conformance.specimens import CROSS_ENTROPY, HUBER_LOSS, SoundCrossEntropy, SoundHuber

RULE = Rule(
    id="L404",
    slug="pure-call",
    level=Level.MUST,
    requirement="A call makes no variables, leaves its arguments as they were, and gives the same value again.",
    checks=(
        "Calls the loss three times with NumPy arrays (tensors, if it takes no arrays) and nested containers of a "
        "batch, another batch in between. No "
        "variable may be made, every array must keep its bits and every dict its keys, and the first and the last "
        "value "
        "must be equal bit for bit. A loss that draws random numbers by design declares `random_loss`, which lifts the "
        "last part."
    ),
    why=(
        "A loss is called in training, in validation, by a metric and by whoever debugs it. State in it makes the "
        "value "
        "depend on who called before; a variable made in a call makes `tf.function` fail; a changed argument is the "
        "next "
        "metric's wrong label."
    ),
    bad="""
def call(self, y_true, y_pred):
    y_true["boxes"] = y_true["boxes"] / self.scale  # the caller's dict
    self.mean = 0.9 * self.mean + 0.1 * tf.reduce_mean(y_pred)  # another value at each call
""",
    good="""
def call(self, y_true, y_pred):
    boxes = y_true["boxes"] / self.scale
""",
    modes=(Mode.EAGER,),
    traits=("random_loss",),
    references=("scikit-learn: check_dict_unchanged",),
)


def check(ctx: Context) -> None:
    """Watch variables, arguments and values over three calls."""
    try:
        _watch(ctx, np.copy, "NumPy arrays")
    except SubjectError:
        # Nobody promised that it takes anything but tensors; of those only the containers can be changed.
        _watch(ctx, tf.constant, "tensors")


def _watch(ctx: Context, copied: Callable[[Any], Any], what: str) -> None:
    sample = sample_of(ctx)
    loss = losses.new_component(ctx)
    batch, other = sample.grow(4), sample.grow(4, seed=1)
    y_true, y_pred = _copies(batch, copied)
    before = _contents(y_true), _contents(y_pred)
    values = []
    with recording_variables() as made:
        for number, arguments in enumerate(((y_true, y_pred), _copies(other, copied), (y_true, y_pred)), start=1):
            with calling(f"the loss with {what}, call {number}"):
                values.append(np.asarray(losses.to_float64(loss(*arguments))))
    if made:
        raise Violation(
            f"three calls made {len(made)} variables: {made[0]}",
            cause="a variable or a layer is created inside the call",
            fix="Create it in `__init__`, or compute without state.",
        )
    for side, old, now in (
        ("y_true", before[0], _contents(y_true)),
        ("y_pred", before[1], _contents(y_pred)),
    ):
        if old != now:
            raise Violation(
                f"the caller's {side} is another after the call than before",
                cause="the loss works in the caller's arrays or dicts: `+=`, `out=`, an assignment to an item, `pop`",
                fix="Write results into new tensors and new dicts.",
            )
    if not ctx.trait("random_loss") and not np.array_equal(values[0], values[2], equal_nan=True):
        raise Violation(
            f"the same batch gives {np.ravel(values[0])[:3].tolist()} and, after one other call, "
            f"{np.ravel(values[2])[:3].tolist()}",
            cause="the loss keeps something between calls, or draws random numbers",
            fix="Make the loss a function of its arguments; declare 'random_loss' if it draws random numbers by "
            "design.",
        )


def _copies(batch: Batch, copied: Callable[[Any], Any]) -> tuple[Any, Any]:
    """The batch as new arrays, which may be written to, or tensors; in new containers."""
    y_true, y_pred = (tf.nest.map_structure(copied, side) for side in (batch.y_true, batch.y_pred))
    return y_true, y_pred


def _contents(side: Any) -> Any:
    """The bits of every array, by where it is."""
    if isinstance(side, dict):
        return {key: _contents(value) for key, value in side.items()}
    if isinstance(side, list | tuple):
        return [_contents(value) for value in side]
    array = np.asarray(side)
    return (array.dtype.str, array.shape, array.tolist() if array.dtype.kind == "O" else array.tobytes())


class _MovingMean(SoundHuber):
    mean = 0.0

    def call(self, y_true: Any, y_pred: Any) -> Any:
        losses = super().call(y_true, y_pred)
        self.mean = 0.9 * self.mean + 0.1 * tf.reduce_mean(losses)
        return losses - self.mean


class _MakesAVariable(SoundHuber):
    def call(self, y_true: Any, y_pred: Any) -> Any:
        return super().call(y_true, y_pred) * tf.Variable(1.0, trainable=False)


class _WorksInPlace(SoundHuber):
    def __call__(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> Any:
        if isinstance(y_true, np.ndarray):
            y_true *= 2.0
        return super().__call__(y_true, y_pred, sample_weight)


class _AddsNoise(SoundCrossEntropy):
    def values(self, labels: Any, y_pred: Any) -> Any:
        return super().values(labels, y_pred + tf.random.normal(tf.shape(y_pred), stddev=1e-2))


MUTANTS = (
    HUBER_LOSS.replace(factory=_MovingMean, name="keeps a moving mean"),
    HUBER_LOSS.replace(factory=_MakesAVariable, name="makes a variable"),
    HUBER_LOSS.replace(factory=_WorksInPlace, name="works in the caller's array"),
    CROSS_ENTROPY.replace(factory=_AddsNoise, name="adds undeclared noise"),
)
TWIN = CROSS_ENTROPY
