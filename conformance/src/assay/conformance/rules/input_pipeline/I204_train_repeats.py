"""I204 train-repeats: the training dataset goes on after an epoch, and after any number of them."""

from __future__ import annotations

import collections
from typing import Any

from assay.conformance.context import Context
from assay.conformance.harness.pipelines import Reading, build_dataset, data_params, make_component, read_data
from assay.conformance.harness.pipelines.epochs import epoch_in
from assay.conformance.lazy import tf
from assay.conformance.model import Level, Mode, Rule, Subject, Target, Violation
from assay.conformance.specimens import SOUND_TASK, SoundTask

RULE = Rule(
    id="I204",
    slug="train-repeats",
    level=Level.MUST,
    requirement="The training dataset does not run out.",
    checks=(
        "Reads the data of `is_training=True` past one epoch: until each example has come at least three times, or up "
        "to 4,096 examples. Then asks tf.data for the number of batches, which must be infinite or unknown."
    ),
    why=(
        "The loop counts steps, not epochs: `next(iterator)` at the end of the data raises OutOfRangeError at the "
        "first step of the second epoch, which on a real data set is hours into the run. On several hosts the one "
        "with the fewest examples runs out first, and the others wait for it in a collective."
    ),
    bad="""
dataset = dataset.shuffle(10_000).batch(params.global_batch_size)  # ends after one epoch
""",
    good="""
dataset = dataset.shuffle(10_000, seed=params.seed)
if params.is_training:
    dataset = dataset.repeat()
dataset = dataset.batch(params.global_batch_size, drop_remainder=params.is_training)
""",
    modes=(Mode.EAGER,),
    targets=(Target.CPU,),
    traits=("train_ends",),
)

FIRST_LOOK = 256
EPOCHS = 3


def check(ctx: Context) -> None:
    """Read past an epoch, and look at the cardinality."""
    ctx.not_applicable_if("train_ends")
    reading = read_data(ctx, training=True, at_most=FIRST_LOOK)
    if not reading.ended and not _past_epochs(reading):
        reading = read_data(ctx, training=True)
    if reading.ended:
        _raise_ended(reading)
    task = ctx.share("task for data", lambda: make_component(ctx))
    dataset = build_dataset(task, data_params(task, training=True))
    cardinality = getattr(dataset, "cardinality", None)
    batches = int(cardinality()) if callable(cardinality) else tf.data.UNKNOWN_CARDINALITY
    if batches >= 0:
        raise Violation(
            f"the training dataset goes on for {reading.batches} batches and ends after {batches}",
            cause="the dataset is repeated a given number of times",
            fix="Call `.repeat()` without a number: the loop decides how many steps there are.",
        )


def _past_epochs(reading: Reading) -> bool:
    """Whether every example has come at least three times, so that the dataset was begun again."""
    counts = collections.Counter(reading.rows)
    length = epoch_in(reading)[1]
    return bool(counts) and (
        min(counts.values()) >= EPOCHS or (length is not None and length * EPOCHS <= len(reading.rows))
    )


def _raise_ended(reading: Reading) -> None:
    counts = collections.Counter(reading.rows)
    times = min(counts.values(), default=0)
    seen = f"{len(reading.rows)} examples in {reading.batches} batches"
    raise Violation(
        f"the training dataset ends after {seen}" + (f", each seen at least {times} times" if times > 1 else ""),
        cause=(
            "the dataset is repeated a given number of times, or a generator that it reads is used up"
            if times > 1
            else "the dataset is not repeated, or what it repeats (a Python generator) is used up after one epoch"
        ),
        fix=(
            "Call `.repeat()` without a number when `params.is_training` is true, and make generators anew each time. "
            "If the caller repeats, declare the trait 'train_ends'."
        ),
    )


class _OneEpoch(SoundTask):
    def build_inputs(self, params: Any, input_context: Any = None) -> Any:
        dataset = tf.data.Dataset.from_tensor_slices(self.examples(training=params.is_training))
        return dataset.batch(params.global_batch_size, drop_remainder=params.drop_remainder)


class _ManyEpochs(SoundTask):
    def build_inputs(self, params: Any, input_context: Any = None) -> Any:
        dataset = tf.data.Dataset.from_tensor_slices(self.examples(training=params.is_training))
        dataset = dataset.repeat(1000) if params.is_training else dataset
        return dataset.batch(params.global_batch_size, drop_remainder=params.drop_remainder)


class _UsedUp(SoundTask):
    """Repeats a Python generator, which yields nothing the second time."""

    def build_inputs(self, params: Any, input_context: Any = None) -> Any:
        if not params.is_training:
            return super().build_inputs(params, input_context)
        features, labels = self.examples(training=True)
        generator = zip(features, labels, strict=True)
        spec = (tf.TensorSpec(features.shape[1:], tf.float32), tf.TensorSpec([], tf.int32))
        dataset = tf.data.Dataset.from_generator(lambda: generator, output_signature=spec).repeat()
        return dataset.batch(params.global_batch_size, drop_remainder=params.drop_remainder)


MUTANTS = (
    Subject(_OneEpoch, name="one epoch only"),
    Subject(_ManyEpochs, name="a thousand epochs only"),
    Subject(_UsedUp, name="repeats a generator that is used up"),
)
TWIN = SOUND_TASK
