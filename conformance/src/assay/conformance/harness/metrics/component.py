"""A Keras metric as it comes: Keras 3, tf_keras or duck-typed; with other names, more arguments, or one input."""

from __future__ import annotations

import dataclasses
import functools
import inspect
import re
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from assay.conformance.context import Context
from assay.conformance.harness.calls import calling
from assay.conformance.harness.compiling import compiled
from assay.conformance.harness.device_types import on_the_device_alone
from assay.conformance.harness.flavour import set_random_seed
from assay.conformance.harness.samples import Batch, sample_of
from assay.conformance.harness.strategies import placement, strategy_for
from assay.conformance.harness.values import as_numpy
from assay.conformance.model.errors import NotApplicable, SubjectError
from assay.conformance.model.vocabulary import Mode, Target

Numbers = Mapping[str, np.ndarray]
"""A result: float64 by name; a result without names is called `result`."""

RESULT = "result"
_WEIGHTS = ("sample_weight", "sample_weights", "weights", "weight")
_TRUTHS = ("y_true", "labels", "label", "target", "targets", "groundtruth", "groundtruths", "truth")
_PREDICTIONS = ("y_pred", "logits", "logit", "predictions", "prediction", "outputs", "output", "pred", "preds")


@dataclasses.dataclass(frozen=True)
class Signature:
    """How `update_state` is called.

    Attributes:
      truth: The name of the argument for `y_true`; empty when it is passed by position.
      prediction: The name of the argument for `y_pred`; empty when it is passed by position.
      weights: The name of the argument for weights; empty when there is none.
      order: What is passed by position: `y_true` and `y_pred`, or `y_pred` alone for a metric of values.
    """

    truth: str = ""
    prediction: str = ""
    weights: str = ""
    order: tuple[str, ...] = ("y_true", "y_pred")


@dataclasses.dataclass(frozen=True, eq=False)
class Metric:
    """A metric that is fed with `(y_true, y_pred, weights=None)`.

    Attributes:
      metric: What the subject's factory made.
      signature: How its `update_state` is called.
      extras: Further arguments, the third part of the sample.
    """

    metric: Any
    signature: Signature
    extras: Mapping[str, Any] = dataclasses.field(default_factory=dict)

    @functools.cached_property
    def compiled(self) -> Callable[..., Any]:
        """Its update, compiled by XLA."""

        def update_state(*sides: Any) -> None:
            self.update(*sides)

        return compiled(update_state, Target.CPU, name="update_state")

    def update(self, y_true: Any, y_pred: Any, weights: Any = None) -> None:
        """Count a batch; what `update_state` returns (an operation, in tf_keras) is dropped."""
        signature = self.signature
        keywords = {**self.extras, **({} if weights is None else {signature.weights: weights})}
        if signature.truth:
            self.metric.update_state(**{signature.truth: y_true, signature.prediction: y_pred}, **keywords)
            return
        sides = {"y_true": y_true, "y_pred": y_pred}
        self.metric.update_state(*(sides[name] for name in signature.order), **keywords)

    @property
    def variables(self) -> list[Any]:
        """Its variables, as it lists them."""
        return list(getattr(self.metric, "variables", ()))

    def state(self) -> list[np.ndarray]:
        """The values of its variables."""
        return [as_numpy(variable) for variable in self.variables]

    def assign(self, values: Sequence[np.ndarray]) -> None:
        """Put back values that `state` gave."""
        for variable, value in zip(self.variables, values, strict=True):
            variable.assign(value)

    def reset(self) -> None:
        """Call `reset_state`, or `reset_states` of older metrics."""
        method = getattr(self.metric, "reset_state", None) or getattr(self.metric, "reset_states", None)
        if not callable(method):
            raise NotApplicable("The metric has no method reset_state().")
        with calling("reset_state()"):
            method()


def make_metric(ctx: Context) -> Any:
    """Return a new metric from the factory, seeded.

    Raises:
      SubjectError: If the factory raises.
    """
    set_random_seed(ctx.seed)
    with placed(ctx), calling("the factory"):
        return ctx.subject.factory()


def adapted(ctx: Context, metric: Any) -> Metric:
    """Return a metric that a rule made by itself, so that it can be fed."""
    sample = ctx.subject.sample
    extras = sample[2] if isinstance(sample, tuple | list) and len(sample) == 3 else None
    return Metric(
        metric,
        _signature(metric, ctx.subject.traits.get("arguments")),
        dict(extras) if isinstance(extras, Mapping) else {},
    )


def fresh(ctx: Context, *, steady: bool = True) -> Metric:
    """Return a new metric, ready to be fed.

    Args:
      ctx: The check's context.
      steady: Lift the rule when two new metrics differ on the same batch: then no comparison says anything.

    Raises:
      NotApplicable: If the metric does not repeat.
      SubjectError: If the factory raises.
    """
    if steady and not ctx.share("metric repeats", lambda: _repeats(ctx.in_mode(Mode.EAGER))):
        raise NotApplicable("Two new metrics give different results for the same batch, so nothing can be compared.")
    return adapted(ctx, make_metric(ctx))


def placed(ctx: Context) -> Any:
    """Return the context in which a metric is made and run on one replica."""
    return placement(ctx.target, strategy_for(ctx.target, Mode.EAGER))


def update(
    ctx: Context, metric: Metric, batch: Batch, weights: Any = None, *, function: Callable[..., Any] | None = None
) -> None:
    """Count a batch, op by op, or compiled in the mode `xla`.

    Args:
      ctx: The check's context.
      metric: The metric.
      batch: The batch.
      weights: Weights, or None.
      function: What to call in place of `metric.update`: a `tf.function` of it.

    Raises:
      NotApplicable: If the mode is XLA and the batch holds strings.
      SubjectError: If the metric raises.
    """
    if function is None and ctx.mode is Mode.XLA:
        refuse_strings(batch)
        function = metric.compiled
    weighted = "" if weights is None else f", weights {list(np.shape(weights))}"
    with placed(ctx), on_the_device_alone(ctx.target), calling(f"update_state on {batch.describe()}{weighted}"):
        (function or metric.update)(*tensors(batch, weights))


def refuse_strings(batch: Batch) -> None:
    """Lift the rule when a batch holds strings, which XLA cannot be given."""
    if any(array.dtype.kind in "SUO" for array in (*batch.truth, *batch.predictions)):
        raise NotApplicable("The batch holds strings, which XLA cannot be given.")


def result(ctx: Context, metric: Metric) -> Numbers:
    """Return the result as float64 arrays by name.

    Raises:
      SubjectError: If `result` raises, or gives what is no number.
    """
    with placed(ctx), calling("result()"):
        return numbers(metric.metric.result())


def numbers(raw: Any) -> Numbers:
    """Return a result as float64 arrays by name; of a list, by index."""
    entries = raw.items() if isinstance(raw, Mapping) else enumerate(raw) if isinstance(raw, list | tuple) else None
    return {RESULT: to_float64(raw)} if entries is None else {str(key): to_float64(value) for key, value in entries}


def result_of_new(ctx: Context) -> Numbers | None:
    """Return the result of a metric before any update; None when it raises, which is the matter of one rule (K102)."""

    def read() -> Numbers | None:
        metric = fresh(ctx, steady=False)
        try:
            return result(ctx, metric)
        except SubjectError:
            return None

    return ctx.share("result of a new metric", read)


def evaluate(ctx: Context, batches: Sequence[Batch], weights: Sequence[Any] | None = None) -> Numbers:
    """Return the result of a new metric after some batches, counted as `update` counts them.

    The same batches are evaluated once, and once more where XLA compiles the update.
    """

    def run() -> Numbers:
        metric = fresh(ctx)
        for index, batch in enumerate(batches):
            update(ctx, metric, batch, None if weights is None else weights[index])
        return result(ctx, metric)

    return ctx.share(("evaluate", ctx.mode is Mode.XLA, tuple(_fed(batches, weights))), run)


def tensors(batch: Batch, weights: Any = None) -> tuple[Any, ...]:
    """Return labels, predictions and, when there are any, weights, as tensors."""
    import tensorflow as tf

    sides = tf.nest.map_structure(tf.constant, batch.y_true), tf.nest.map_structure(tf.constant, batch.y_pred)
    return sides if weights is None else (*sides, tf.constant(weights, tf.float32))


def to_float64(value: Any) -> np.ndarray:
    """Return a tensor or number of any number dtype, bfloat16 included, as float64."""
    import tensorflow as tf

    if hasattr(value, "path") or isinstance(value, tf.Variable):
        value = as_numpy(value)
    return np.asarray(tf.cast(tf.convert_to_tensor(value), tf.float64).numpy())


def documents_nan(metric: Any) -> bool:
    """Whether the docstring of the metric's own class, or of its `result`, speaks of NaN."""
    texts = [type(metric).__doc__, getattr(getattr(type(metric), "result", None), "__doc__", None)]
    return any("nan" in re.findall(r"[a-z]+", (text or "").lower()) for text in texts)


def takes_weights(ctx: Context) -> bool:
    """Whether weights of one number an example can be passed."""
    return ctx.share("metric weights", lambda: _weight_rank(ctx)) is not None


def require_weights(ctx: Context) -> None:
    """Lift the rule when the metric takes no weights."""
    if not takes_weights(ctx):
        raise NotApplicable("The metric takes no weights of one number an example, such as `sample_weight`.")


def row_weights(ctx: Context, batch: Batch, values: Sequence[float]) -> np.ndarray:
    """Return one weight an example in a shape that the metric takes: `[batch]`, `[batch, 1]` or that of the labels."""
    rank = ctx.share("metric weights", lambda: _weight_rank(ctx))
    return _shaped(batch, np.asarray(values, np.float32), rank)


def _shaped(batch: Batch, values: np.ndarray, rank: str | None) -> np.ndarray:
    if rank == "labels":
        shape = batch.truth[0].shape
        return np.broadcast_to(values.reshape([-1] + [1] * (len(shape) - 1)), shape).copy()
    return values[:, np.newaxis] if rank == "column" else values


def _weight_rank(ctx: Context) -> str | None:
    """The first shape of weights that does not raise: Keras' own is `[batch]`."""
    if not fresh(ctx).signature.weights:
        return None
    batch = sample_of(ctx).grow(4)
    for rank in ("rows", "column", "labels"):
        try:
            update(ctx, fresh(ctx), batch, _shaped(batch, np.ones(batch.size, np.float32), rank))
        except SubjectError:
            continue
        return rank
    return None


def _fed(batches: Sequence[Batch], weights: Sequence[Any] | None) -> Iterator[Hashable]:
    """All that decides what an evaluation gives, as something that can be looked up."""
    for index, batch in enumerate(batches):
        arrays = [*batch.truth, *batch.predictions, *([] if weights is None else [np.asarray(weights[index])])]
        for array in arrays:
            yield array.shape, array.dtype.name, repr(array.tolist()) if array.dtype.hasobject else array.tobytes()
        yield weights is None


def _repeats(ctx: Context) -> bool:
    batch = sample_of(ctx).grow(4)
    found = []
    for _ in range(2):
        metric = fresh(ctx, steady=False)
        update(ctx, metric, batch)
        found.append(result(ctx, metric))
    first, second = found
    return set(first) == set(second) and all(np.array_equal(first[key], second[key], equal_nan=True) for key in first)


def _signature(metric: Any, declared: Any) -> Signature:
    """The way to call `update_state`, from the class: tf_keras hides the method of the object behind a wrapper."""
    function = getattr(type(metric), "update_state", None)
    try:
        parameters = dict(inspect.signature(function).parameters) if function else {}
    except (TypeError, ValueError):
        parameters = {}
    parameters.pop("self", None)
    kinds = {parameter.kind for parameter in parameters.values()}
    weights = next((name for name in _WEIGHTS if name in parameters), "")
    if not weights and inspect.Parameter.VAR_KEYWORD in kinds:
        weights = "sample_weight"
    if isinstance(declared, Mapping):
        return Signature(
            str(declared.get("y_true", "y_true")),
            str(declared.get("y_pred", "y_pred")),
            str(declared.get("sample_weight", weights)),
        )
    if declared:
        return Signature(weights=weights, order=tuple(declared))
    by_position = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    names = [name for name, one in parameters.items() if one.kind in by_position and name not in _WEIGHTS]
    if len(names) == 1 and inspect.Parameter.VAR_POSITIONAL not in kinds:
        return Signature(weights=weights, order=("y_pred",))
    if len(names) >= 2 and names[0] in _PREDICTIONS and names[1] in _TRUTHS:
        return Signature(weights=weights, order=("y_pred", "y_true"))
    return Signature(weights=weights)
