"""I201 eval-complete: the evaluation data is every example once, in one order, whatever the batch size."""

from __future__ import annotations

import collections
from collections.abc import Sequence
from typing import Any

from assay.conformance.context import Context
from assay.conformance.harness.pipelines import (
    Reading,
    build_dataset,
    common_columns,
    data_params,
    make_component,
    read_data,
    read_examples,
)
from assay.conformance.lazy import tf
from assay.conformance.model import Level, Mode, NotApplicable, Rule, Subject, Target, Violation
from assay.conformance.specimens import SOUND_TASK, SoundTask
from assay.conformance.specimens.task import VALIDATION_EXAMPLES

RULE = Rule(
    id="I201",
    slug="eval-complete",
    level=Level.MUST,
    requirement="The evaluation data yields each example exactly once, in a fixed order, for any batch size.",
    checks=(
        "Reads the data of `is_training=False` from two datasets with one batch size, from one of them a second time, "
        "and compares the order; then with batches of 8, 3 and 1 (remainder kept) and compares which examples are "
        "there. An example is known by a digest of those of its tensors that do not change between readings, so that "
        "no id is needed. Rows that pad a last batch are accepted when they can be told from examples (a mask, zeros); "
        "repeated examples are not."
    ),
    why=(
        "A last partial batch that is dropped, or filled up with examples from the beginning, makes the published "
        "number depend on the batch size and on the number of devices. An order that changes makes host metrics and "
        "saved predictions impossible to compare between runs."
    ),
    bad="""
dataset = dataset.shuffle(10_000).batch(params.global_batch_size, drop_remainder=True)  # also in evaluation
""",
    good="""
if params.is_training:
    dataset = dataset.shuffle(10_000, seed=params.seed).repeat()
dataset = dataset.batch(params.global_batch_size, drop_remainder=params.is_training)
""",
    modes=(Mode.EAGER,),
    targets=(Target.CPU,),
    traits=("eval_drops_remainder",),
    references=("tensorflow/models: DataConfig.drop_remainder is true for evaluation too", "google/flax#264"),
)

BATCH_SIZES = (8, 3, 1)
SHORTEST_PERIOD = 8  # a toy set of a few rows may hold copies of them by design


def check(ctx: Context) -> None:
    """Compare the order of two readings, then the examples at several batch sizes."""
    first, second, third = _read(ctx, BATCH_SIZES[0]), *_read_twice(ctx)
    if not first.rows:
        raise Violation(
            f"the evaluation data has no example at batch size {BATCH_SIZES[0]}",
            cause="the data is smaller than a batch and the remainder is dropped, or the files were not found",
            fix="Keep the last partial batch when `params.is_training` is false.",
        )
    steady = _steady_columns(first, second)
    _steady_columns(second, third)
    readings = {size: _read(ctx, size) for size in BATCH_SIZES}
    _check_not_repeated(readings[1], steady)
    if all(reading.ended for reading in readings.values()):
        for size in BATCH_SIZES[:-1]:
            _check_complete(ctx, size, readings[size], readings[1], steady)


def _read(ctx: Context, batch_size: int) -> Reading:
    return read_data(ctx, training=False, global_batch_size=batch_size, drop_remainder=False)


def _read_twice(ctx: Context) -> tuple[Reading, Reading]:
    """Read one dataset as two evaluations of a run do."""
    task = ctx.share("task for data", lambda: make_component(ctx))
    params = data_params(task, training=False, global_batch_size=BATCH_SIZES[0], drop_remainder=False)
    dataset = build_dataset(task, params)
    return read_examples(dataset, name="validation"), read_examples(dataset, name="validation")


def _steady_columns(first: Reading, second: Reading) -> list[int]:
    """The tensors that are the same in two readings; raise when the order is not."""
    steady = []
    for index in range(first.width):
        one, other = first.column(index), second.column(index)
        if one == other:
            steady.append(index)
        elif len(one) == len(other) and collections.Counter(one) == collections.Counter(other):
            moved = sum(a != b for a, b in zip(one, other, strict=True))
            raise Violation(
                f"two readings give the same {len(one)} examples in different orders: {moved} of {len(one)} positions "
                f"differ{'' if first.width == 1 else f' (in tensor {index} of {first.width})'}",
                cause="the evaluation data is shuffled, or read from several files without a fixed order",
                fix="Shuffle only when `params.is_training` is true, and read files with deterministic=True.",
            )
    if len(first.rows) != len(second.rows):
        raise Violation(
            f"one reading gives {len(first.rows)} examples and the next {len(second.rows)}",
            cause="the pipeline keeps state between readings: a generator that is used up, or a random filter",
            fix="Make build_inputs start from the beginning each time, and draw nothing at random in evaluation.",
        )
    if not steady:
        raise NotApplicable(
            "Every tensor of the evaluation data changes from one reading to the next, so that examples cannot be told "
            "apart. An id or the labels beside the random tensors would do."
        )
    return steady


def _check_not_repeated(reading: Reading, columns: Sequence[int]) -> None:
    """Raise when the reading is a shorter sequence over and over."""
    if len(columns) < reading.width:
        return  # labels alone may well be in a cycle
    keys = reading.rows
    lengths = range(SHORTEST_PERIOD, len(keys) // 2 + 1)
    period = next((length for length in lengths if keys[length:] == keys[:-length]), None)
    if period is None or len(set(keys)) < SHORTEST_PERIOD:
        return
    times = f"{len(keys) / period:.3g} times" if reading.ended else f"again and again ({len(keys)} examples were read)"
    raise Violation(
        f"the evaluation data is {period} examples, seen {times}",
        cause="the dataset is repeated in evaluation",
        fix="Call `.repeat()` only when `params.is_training` is true.",
    )


def _check_complete(ctx: Context, size: int, reading: Reading, single: Reading, steady: Sequence[int]) -> None:
    """Compare the examples at a batch size with those of batches of one."""
    columns = [column for column in common_columns(single, [reading]) if column in steady]
    whole, count = len(single.rows), len(reading.rows)
    if columns:
        wanted, seen = (collections.Counter(one.keys(columns)) for one in (single, reading))
        missing = sum((wanted - seen).values())
        repeated = sum(number for key, number in (seen - wanted).items() if key in wanted)
    else:  # the content of every tensor depends on the batch (padded to its longest): only the number is left
        missing = max(whole - count, 0)
        repeated = count - whole if count > whole + size - 1 else 0
    if missing and ctx.trait("eval_drops_remainder") and missing == whole % size:
        missing = 0
    if missing:
        dropped = missing == whole % size
        raise Violation(
            f"{missing} of {whole} examples {'is' if missing == 1 else 'are'} missing at batch size {size}",
            cause=(
                "the last partial batch is dropped in evaluation"
                if dropped
                else "examples are lost between reading and batching (a take, a filter, a shard, a window)"
            ),
            fix=(
                "Batch with drop_remainder=params.drop_remainder, false in evaluation. If dropping is meant, declare "
                "the trait 'eval_drops_remainder'."
                if dropped
                else "Give every example to some batch, whatever its size."
            ),
        )
    if repeated:
        raise Violation(
            f"{repeated} of {whole} examples {'comes' if repeated == 1 else 'come'} a second time at batch size {size} "
            f"({count} in all)",
            cause="the last batch is filled up with examples that were seen already",
            fix="Leave the last batch short, or pad it with rows that a mask or a weight of zero marks.",
        )


class _DropsTheRemainder(SoundTask):
    def build_inputs(self, params: Any, input_context: Any = None) -> Any:
        params.drop_remainder = True
        return super().build_inputs(params, input_context)


class _FillsTheLastBatch(SoundTask):
    """Fills the last batch up with examples from the beginning."""

    def build_inputs(self, params: Any, input_context: Any = None) -> Any:
        dataset = super().build_inputs(params, input_context)
        if params.is_training:
            return dataset
        size = params.global_batch_size
        whole = -(-VALIDATION_EXAMPLES // size) * size
        return dataset.unbatch().repeat().take(whole).batch(size)


class _ShufflesInEvaluation(SoundTask):
    def build_inputs(self, params: Any, input_context: Any = None) -> Any:
        dataset = super().build_inputs(params, input_context)
        return dataset if params.is_training else dataset.unbatch().shuffle(100).batch(params.global_batch_size)


class _RepeatsInEvaluation(SoundTask):
    def build_inputs(self, params: Any, input_context: Any = None) -> Any:
        dataset = super().build_inputs(params, input_context)
        return dataset if params.is_training else dataset.repeat(2)


class _Generator(SoundTask):
    """Reads from a Python generator that is used up by the first reading."""

    def build_inputs(self, params: Any, input_context: Any = None) -> Any:
        if params.is_training:
            return super().build_inputs(params, input_context)
        if not hasattr(self, "_generator"):
            features, labels = self.examples(training=False)
            self._generator = zip(features, labels, strict=True)
        spec = (tf.TensorSpec([None], tf.float32), tf.TensorSpec([], tf.int32))
        return tf.data.Dataset.from_generator(lambda: self._generator, output_signature=spec).batch(
            params.global_batch_size
        )


MUTANTS = (
    Subject(_DropsTheRemainder, name="drops the last partial batch"),
    Subject(_FillsTheLastBatch, name="fills the last batch with seen examples"),
    Subject(_ShufflesInEvaluation, name="shuffles in evaluation"),
    Subject(_RepeatsInEvaluation, name="repeats in evaluation"),
    Subject(_Generator, name="a generator that is used up"),
)
TWIN = SOUND_TASK
