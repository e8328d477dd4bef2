"""A loss as it comes: Keras 3, tf_keras, a plain function, a callable with other names; with its reduction switched."""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from assay.conformance.context import Context
from assay.conformance.harness.calls import calling
from assay.conformance.harness.flavour import set_random_seed
from assay.conformance.harness.loss_total import total_loss
from assay.conformance.harness.samples import Batch, sample_of
from assay.conformance.model.errors import NotApplicable, SubjectError

DEFAULT, NONE, SUM, MEAN = "default", "none", "sum", "mean"
_NAMES = {NONE: ("none",), SUM: ("sum",), MEAN: ("sum_over_batch_size", "mean")}
_WEIGHTS = ("sample_weight", "sample_weights", "weights", "weight")
_TRUTHS = ("y_true", "labels", "label", "target", "targets", "groundtruth", "groundtruths", "truth")
_PREDICTIONS = ("y_pred", "logits", "logit", "predictions", "prediction", "outputs", "output", "pred", "preds", "input")


@dataclasses.dataclass(frozen=True)
class Arguments:
    """How a loss is called.

    Attributes:
      truth: The name of the argument for `y_true`; empty when it is passed first.
      prediction: The name of the argument for `y_pred`; empty when it is passed second.
      weights: The name of the argument for weights; empty when there is none.
      reversed: Whether the predictions are passed first.
    """

    truth: str = ""
    prediction: str = ""
    weights: str = ""
    reversed: bool = False


@dataclasses.dataclass(frozen=True, eq=False)
class LossComponent:
    """A loss with one reduction, callable as `(y_true, y_pred, weights=None)`.

    Attributes:
      loss: What the subject's factory made.
      reduction: `default`, `none`, `sum` or `mean`.
      arguments: How it is called.
      compiled: Its `tf.function`s, by mode and what they compute.
    """

    loss: Any
    reduction: str
    arguments: Arguments
    compiled: dict[Any, Any] = dataclasses.field(default_factory=dict)

    @property
    def takes_weights(self) -> bool:
        """Whether weights can be passed."""
        return bool(self.arguments.weights)

    def __call__(self, y_true: Any, y_pred: Any, weights: Any = None) -> Any:
        """Return what the loss returns; of a tuple or a mapping its total."""
        arguments = self.arguments
        keywords = {} if weights is None else {arguments.weights: weights}
        if arguments.truth:
            keywords |= {arguments.truth: y_true, arguments.prediction: y_pred}
            return total_loss(self.loss(**keywords))
        pair = (y_pred, y_true) if arguments.reversed else (y_true, y_pred)
        return total_loss(self.loss(*pair, **keywords))


def make_loss(ctx: Context) -> Any:
    """Return a new loss from the factory, seeded; a function of two arguments is the loss itself.

    Raises:
      SubjectError: If the factory raises.
    """
    factory = ctx.subject.factory
    set_random_seed(ctx.seed)
    function = inspect.isroutine(getattr(factory, "func", factory))
    if function and len(_required(factory)) >= 2:
        return factory
    with calling("the factory"):
        return factory()


def component(ctx: Context, reduction: str = DEFAULT, *, steady: bool = True) -> LossComponent:
    """Return the subject's loss with a reduction; shared by all rules.

    Args:
      ctx: The check's context.
      reduction: `default` is what the factory gives; `none`, `sum` and `mean` are switched to.
      steady: Lift the rule when two calls with the same batch differ: then no comparison says anything.

    Raises:
      NotApplicable: If the loss has no such reduction, or does not repeat.
      SubjectError: If the factory raises.
    """
    if steady and not ctx.share("loss repeats", lambda: _repeats(ctx)):
        raise NotApplicable(
            "Two calls with the same batch give different values, so nothing can be compared (see L404). The trait "
            "'random_loss' declares a loss that draws random numbers."
        )
    return ctx.share(("loss component", reduction), lambda: _component(ctx, reduction))


def new_component(ctx: Context, reduction: str = DEFAULT) -> LossComponent:
    """Return a new loss of the rule's own; under a precision policy it is made under that policy."""
    return _component(ctx, reduction)


def adapted(ctx: Context, loss: Any) -> LossComponent:
    """Return a loss that a rule made by itself (rebuilt, copied), as a component to be called."""
    return LossComponent(loss, DEFAULT, _arguments(loss, ctx.subject.traits.get("arguments")))


def has_reduction(ctx: Context, reduction: str) -> bool:
    """Whether the loss can be switched to a reduction."""
    try:
        component(ctx, reduction)
    except NotApplicable:
        return False
    return True


def switched(ctx: Context) -> bool:
    """Whether the loss has a reduction that can be switched, rather than being a function with one form."""
    return ctx.share("loss reduction switch", lambda: _switch(ctx)) is not None


def require_weights(ctx: Context, reduction: str = DEFAULT) -> LossComponent:
    """Return a component that takes weights, or lift the rule."""
    found = component(ctx, reduction)
    if not found.takes_weights:
        raise NotApplicable("The loss takes no weights: it has no argument such as `sample_weight`.")
    return found


def _component(ctx: Context, reduction: str) -> LossComponent:
    loss = make_loss(ctx)
    arguments = _arguments(loss, ctx.subject.traits.get("arguments"))
    if reduction == DEFAULT:
        return LossComponent(loss, reduction, arguments)
    switch = ctx.share("loss reduction switch", lambda: _switch(ctx))
    if switch is None:
        plain = LossComponent(loss, reduction, arguments)
        if reduction == NONE and _rank(ctx, plain) > 0:
            return plain  # a function that gives one value an example has no reduction to switch off
        raise NotApplicable(f"The loss has one form: there is no way to ask it for the reduction {reduction!r}.")
    return LossComponent(switch(reduction), reduction, arguments)


def _switch(ctx: Context) -> Callable[[str], Any] | None:
    """The way to another reduction that works: the attribute, the factory's own argument, or the config."""
    ways: list[Callable[[str], Any]] = [
        lambda name: _by_attribute(ctx, name),
        lambda name: _by_factory(ctx, name),
        lambda name: _by_config(ctx, name),
    ]
    first: Callable[[str], Any] | None = None
    for way in ways:
        try:
            loss = way(NONE)
            rank = _rank(ctx, LossComponent(loss, NONE, _arguments(loss, ctx.subject.traits.get("arguments"))))
        except (SubjectError, _NoWay):
            continue
        first = first or way
        if rank > 0:
            return way
    return first


class _NoWay(Exception):  # noqa: N818 - a way that is not there is not an error
    """The loss cannot be switched this way."""


def _by_attribute(ctx: Context, reduction: str) -> Any:
    loss = make_loss(ctx)
    value = _name(getattr(loss, "reduction", _NoWay), reduction)
    try:
        loss.reduction = value
    except (AttributeError, dataclasses.FrozenInstanceError) as error:
        raise _NoWay from error
    return loss


def _by_factory(ctx: Context, reduction: str) -> Any:
    factory = ctx.subject.factory
    if "reduction" not in _parameters(factory):
        raise _NoWay
    value = _name(getattr(make_loss(ctx), "reduction", "none"), reduction)
    with calling("the factory with a reduction"):
        return factory(reduction=value)


def _by_config(ctx: Context, reduction: str) -> Any:
    loss = make_loss(ctx)
    if not hasattr(loss, "get_config") or not hasattr(type(loss), "from_config"):
        raise _NoWay
    with calling("from_config with another reduction"):
        config = loss.get_config()
        if "reduction" not in config:
            raise _NoWay
        return type(loss).from_config({**config, "reduction": _name(config["reduction"], reduction)})


def _name(current: Any, reduction: str) -> Any:
    """What this loss calls a reduction, judged by what it calls its own."""
    if current is not None and not isinstance(current, str):
        raise _NoWay
    names = _NAMES[reduction]
    return current if current in names else "mean" if current == "mean" and reduction == MEAN else names[0]


def _rank(ctx: Context, candidate: LossComponent) -> int:
    batch = sample_of(ctx).grow(3)
    with calling(f"the loss with reduction {candidate.reduction}"):
        return int(np.ndim(candidate(*as_tensors(batch))))


def _repeats(ctx: Context) -> bool:
    loss = component(ctx, steady=False)
    batch = sample_of(ctx).grow(3)
    with calling("the loss, twice on the same batch"):
        first, second = (np.asarray(to_float64(loss(*as_tensors(batch)))) for _ in range(2))
    return first.shape == second.shape and bool(np.array_equal(first, second, equal_nan=True))


def as_tensors(batch: Batch) -> tuple[Any, Any]:
    """Return the labels and the predictions of a batch as nested tensors."""
    import tensorflow as tf

    return tf.nest.map_structure(tf.constant, batch.y_true), tf.nest.map_structure(tf.constant, batch.y_pred)


def to_float64(value: Any) -> Any:
    """Return a tensor of any number dtype, bfloat16 included, as float64 NumPy."""
    import tensorflow as tf

    return tf.cast(tf.convert_to_tensor(value), tf.float64).numpy()


def _arguments(loss: Any, declared: Any) -> Arguments:
    parameters = _parameters(loss)
    names = list(parameters)
    weights = next((name for name in _WEIGHTS if name in names), "")
    if isinstance(declared, Mapping):
        return Arguments(
            str(declared.get("y_true", "y_true")),
            str(declared.get("y_pred", "y_pred")),
            str(declared.get("sample_weight", weights)),
        )
    if declared:
        return Arguments(weights=weights, reversed=list(declared)[:2] == ["y_pred", "y_true"])
    if len(names) >= 2 and names[0] in _PREDICTIONS and names[1] in _TRUTHS:
        return Arguments(weights=weights, reversed=True)
    return Arguments(weights=weights)


def _parameters(function: Any) -> Mapping[str, inspect.Parameter]:
    try:
        return inspect.signature(function).parameters
    except (TypeError, ValueError):
        return {}


def _required(function: Any) -> Sequence[str]:
    kinds = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    return [p.name for p in _parameters(function).values() if p.default is p.empty and p.kind in kinds]
