"""L304 stable-value: at large logits the value is still the right one."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from assay.conformance.context import Context
from assay.conformance.harness import losses
from assay.conformance.harness.samples import Batch, Domain, perfect, sample_of, saturated, wrong
from assay.conformance.lazy import tf
from assay.conformance.model import Level, Mode, NotApplicable, Rule, SubjectError, Target, Violation
from assay.conformance.specimens import CROSS_ENTROPY, SOFT_LABEL_LOSS, SoundBinaryCrossEntropy, SoundCrossEntropy

RULE = Rule(
    id="L304",
    slug="stable-value",
    level=Level.MUST,
    requirement="At logits of +-10 to +-30, and further where a reference is declared, the value is exact to float32.",
    checks=(
        "With the trait `reference`, a callable `(y_true, y_pred)` in NumPy float64 that gives the unreduced values "
        "or the default value, compares at logits of +-10, 20, 30, 100 and 1000. Without it, compares wrong logits of "
        "growing size with the loss computed on float64 inputs where it keeps that precision, at sizes where float64 "
        "is exact."
    ),
    why=(
        "`log(softmax(x) + 1e-8)` ends at 18.4: beyond that the worst mistakes all cost the same and their gradient "
        "is gone. In float32 the digits go much earlier, and two implementations of one formula disagree in the "
        "third."
    ),
    bad="""
return -tf.math.log(tf.sigmoid(x) + 1e-8)
""",
    good="""
return tf.nn.softplus(-x)
""",
    modes=(Mode.EAGER,),
    targets=(Target.CPU, Target.GPU, Target.TPU),
    traits=("reference", "domain"),
    references=("google-deepmind/optax: focal loss in log space",),
)

SIZES = (10.0, 20.0, 30.0)
REFERENCE_SIZES = (10.0, 20.0, 30.0, 100.0, 1000.0)
KINDS = ("wrong", "right", "mixed")


def check(ctx: Context) -> None:
    """Compare large logits with a reference in float64."""
    sample = sample_of(ctx)
    reference = ctx.trait("reference")
    if not sample.has_predictions(Domain.LOGITS):
        raise NotApplicable("The predictions are not logits; the value is bounded by their own domain.")
    sizes = SIZES if reference is None else REFERENCE_SIZES
    makers = _makers()

    def cases() -> Any:
        from hypothesis import strategies

        return strategies.tuples(losses.grown(1, 4), strategies.sampled_from(sizes), strategies.sampled_from(KINDS))

    def examine(case: tuple[tuple[int, int], float, str]) -> None:
        (rows, seed), size, kind = case
        extreme = makers[kind](sample.grow(rows, seed=seed), size)
        if extreme is not None:
            _compare(ctx, extreme, f"{kind} logits of size {size:g}")

    losses.explore(ctx, [((5, 0), size, kind) for size in sizes for kind in KINDS], cases, examine)


def _makers() -> Mapping[str, Callable[[Batch, float], Batch | None]]:
    return {
        "right": lambda batch, size: perfect(batch, confidence=size),
        "wrong": lambda batch, size: wrong(batch, confidence=size),
        "mixed": lambda batch, size: saturated(batch, size, seed=int(size)),
    }


def _compare(ctx: Context, batch: Batch, what: str) -> None:
    reference = ctx.trait("reference")
    found = losses.value(ctx, losses.component(ctx), batch)
    expected = _in_float64(ctx, batch) if reference is None else _reference(reference, batch, found)
    if np.all(np.isfinite(expected)) and not ctx.tolerance("loss").allows(found, expected):
        raise Violation(
            f"for {losses.counted(batch.size)} with {what} the loss is {np.ravel(found)[:3].tolist()}, and "
            f"{np.ravel(expected)[:3].tolist()} in float64 ({_logits(batch)})",
            cause="a probability is computed first and loses its digits, or is clipped, before the logarithm",
            fix="Work in log space: `tf.nn.log_softmax`, `tf.math.log_sigmoid`, `tf.nn.softplus`.",
        )


def _logits(batch: Batch) -> str:
    """The first row of predictions, for the message."""
    row = np.ravel(batch.predictions[0][0])[:4].tolist()
    return f"logits {row}{' and more' if batch.predictions[0].size > len(row) else ''}"


def _reference(reference: Any, batch: Batch, found: np.ndarray) -> np.ndarray:
    expected = np.asarray(reference(batch.y_true, batch.cast_predictions(np.float64).y_pred), np.float64)
    if expected.ndim and not found.ndim:
        return np.asarray(expected.mean())
    return expected


def _in_float64(ctx: Context, batch: Batch) -> np.ndarray:
    """The loss of the same numbers, with every floating-point input and Keras' own computations in float64."""
    keep = ctx.share("float64 loss", lambda: _float64_loss(ctx))
    if keep is None:
        raise NotApplicable("The loss computes in float32 whatever it is given, and no trait 'reference' is declared.")
    return np.asarray(losses.to_float64(_run_float64(keep, batch)))


def _float64_loss(ctx: Context) -> Any:
    backend = tf.keras.backend
    before = backend.floatx()
    backend.set_floatx("float64")
    try:
        loss = losses.new_component(ctx)
        found = _run_float64(loss, sample_of(ctx).grow(3))
    except SubjectError:
        return None
    except Exception:  # what it raises for float64 is no concern of this rule
        return None
    finally:
        backend.set_floatx(before)
    return loss if found.dtype == tf.float64 else None


def _run_float64(loss: losses.LossComponent, batch: Batch) -> Any:
    def widened(arrays: Any) -> list[Any]:
        return [array.astype(np.float64) if array.dtype.kind == "f" else array for array in arrays]

    wide = batch.cast_predictions(np.float64)
    layout = batch.layout
    y_true = tf.nest.pack_sequence_as(layout.truth_structure, [tf.constant(array) for array in widened(batch.truth)])
    y_pred = tf.nest.pack_sequence_as(layout.prediction_structure, [tf.constant(array) for array in wide.predictions])
    return tf.convert_to_tensor(loss(y_true, y_pred))


def _cross_entropy(y_true: Any, y_pred: Any) -> Any:
    """`logsumexp(x) - x[label]` in float64."""
    top = y_pred.max(axis=-1, keepdims=True)
    norm = top[:, 0] + np.log(np.exp(y_pred - top).sum(axis=-1))
    return norm - y_pred[np.arange(len(y_true)), y_true]


class _ClipsProbabilities(SoundCrossEntropy):
    def values(self, labels: Any, y_pred: Any) -> Any:
        probabilities = tf.clip_by_value(tf.nn.softmax(y_pred), 1e-7, 1.0)
        return -tf.math.log(tf.gather(probabilities, labels, axis=-1, batch_dims=1))


class _LogSigmoidByParts(SoundBinaryCrossEntropy):
    """As wide as its inputs, and rounding in float32: `1 - sigmoid(x)` has no digits left at 17."""

    def prepare(self, y_true: Any, y_pred: Any) -> tuple[Any, Any]:
        return tf.cast(y_true, y_pred.dtype), y_pred

    def elements(self, y_true: Any, y_pred: Any) -> Any:
        p, tiny = tf.sigmoid(y_pred), tf.cast(1e-30, y_pred.dtype)
        return -y_true * tf.math.log(p + tiny) - (1.0 - y_true) * tf.math.log(1.0 - p + tiny)

    def divisor(self, losses: Any) -> Any:
        return tf.cast(tf.size(losses), losses.dtype)


_REFERENCED = CROSS_ENTROPY.replace(
    traits={**CROSS_ENTROPY.traits, "reference": _cross_entropy}, name="sound cross-entropy, reference"
)

MUTANTS = (
    _REFERENCED.replace(factory=_ClipsProbabilities, name="clips probabilities"),
    SOFT_LABEL_LOSS.replace(factory=_LogSigmoidByParts, name="logarithm of one minus a sigmoid"),
)
TWIN = _REFERENCED
