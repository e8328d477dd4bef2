"""L106 dynamic-batch: traced once with an unknown batch size, the loss gives the eager values for every batch size."""

from __future__ import annotations

from typing import Any

from assay.conformance.context import Context
from assay.conformance.harness import losses
from assay.conformance.harness.calls import calling
from assay.conformance.harness.samples import Batch, Domain, Leaf, sample_of
from assay.conformance.harness.standing_in import through_xla
from assay.conformance.lazy import tf
from assay.conformance.model import Level, Mode, Rule, Target, Violation
from assay.conformance.specimens import CROSS_ENTROPY, HUBER_LOSS, SoundCrossEntropy, SoundHuber

RULE = Rule(
    id="L106",
    slug="dynamic-batch",
    level=Level.MUST,
    requirement="Traced with an unknown batch size, the loss gives the same values as with a known one.",
    checks=(
        "Traces the loss with `tf.function` for the sample's shapes with only the batch dimension unknown, and runs "
        "that one trace with batches of 5, of 3 and of sizes that Hypothesis draws. All other dimensions stay static: "
        "height, width and classes are the model's to know."
    ),
    why=(
        "`model.fit` and every dataset without `drop_remainder` trace with an unknown batch size. Code that asks "
        "`y_pred.shape[0]` gets None there: it fails, or worse, freezes the batch size of the first call into the "
        "graph."
    ),
    bad="""
def call_and_reduce(y_true, y_pred):
    return tf.reduce_sum(tf.square(y_pred - y_true)) / y_pred.shape[0]  # None in a graph
""",
    good="""
def call_and_reduce(y_true, y_pred):
    return tf.reduce_sum(tf.square(y_pred - y_true)) / tf.cast(tf.shape(y_pred)[0], tf.float32)
""",
    modes=(Mode.GRAPH,),
    targets=(Target.CPU, Target.GPU),
    references=("keras-team/keras-hub#443",),
)

SIZES = (5, 3)


def check(ctx: Context) -> None:
    """Run one trace with two batch sizes and compare with eager values."""
    sample = sample_of(ctx)
    loss = losses.component(ctx)
    traced = tf.function(loss, jit_compile=True if ctx.mode is Mode.XLA else None)
    first = sample.grow(SIZES[0])
    y_true, y_pred = losses.as_tensors(first)
    layout = sample.layout
    specs = (
        tf.nest.pack_sequence_as(y_true, _specs(layout.truth, first.truth)),
        tf.nest.pack_sequence_as(y_pred, _specs(layout.predictions, first.predictions)),
    )
    with calling("tracing the loss with an unknown batch size"):
        concrete = traced.get_concrete_function(*specs)
    run = through_xla(concrete) if ctx.mode is Mode.XLA else concrete

    def examine(case: tuple[int, int]) -> None:
        batch = sample.grow(case[0], seed=case[1])
        expected = losses.value(ctx, loss, batch, mode=Mode.EAGER)
        found = _run(run, batch)
        if found.shape != expected.shape or not ctx.tolerance("loss").allows(found, expected):
            raise Violation(
                f"traced with an unknown batch size, the loss of {losses.counted(batch.size)} is "
                f"{found.ravel()[:3].tolist()} of shape {list(found.shape)}; eagerly it is "
                f"{expected.ravel()[:3].tolist()} of shape {list(expected.shape)}",
                cause="the code takes another path, or another size, where the static batch dimension is None",
                fix="Take sizes from `tf.shape(y_pred)[0]` and counts from `tf.size(losses)`.",
            )

    losses.explore(ctx, [(size, 0) for size in SIZES], losses.grown, examine, examples=5)


def _specs(leaves: tuple[Leaf, ...], arrays: tuple[Any, ...]) -> list[Any]:
    specs = []
    for leaf, array in zip(leaves, arrays, strict=True):
        shape: list[int | None] = list(array.shape)
        if leaf.batched:
            shape[0] = None
            if leaf.domain is Domain.PAIRS:
                shape[1] = None
        specs.append(tf.TensorSpec(shape, tf.as_dtype(array.dtype)))
    return specs


def _run(traced: Any, batch: Batch) -> Any:
    y_true, y_pred = losses.as_tensors(batch)
    with calling(f"the loss, traced with an unknown batch size, on {batch.size} examples"):
        return losses.to_float64(traced(*tf.nest.flatten((y_true, y_pred))))


class _StaticBatch(SoundHuber):
    def divisor(self, losses: Any) -> Any:
        return float(losses.shape[0])


class _NoBatchNoMean(SoundCrossEntropy):
    def divisor(self, losses: Any) -> Any:
        return float(losses.shape[0] or 1)


class _RemembersTheFirstSize(SoundHuber):
    size = 0

    def __call__(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> Any:
        self.size = self.size or y_pred.shape[0] or 8
        return super().__call__(y_true, y_pred, sample_weight)

    def divisor(self, losses: Any) -> Any:
        return tf.cast(losses.shape[0] or self.size, tf.float32)


MUTANTS = (
    HUBER_LOSS.replace(factory=_StaticBatch, name="static batch size"),
    CROSS_ENTROPY.replace(factory=_NoBatchNoMean, name="no mean where the size is unknown"),
    HUBER_LOSS.replace(factory=_RemembersTheFirstSize, name="remembers the first batch size"),
)
TWIN = CROSS_ENTROPY
