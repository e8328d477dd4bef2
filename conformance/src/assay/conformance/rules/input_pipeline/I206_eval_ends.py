"""I206 eval-ends: the evaluation data is finite."""

from __future__ import annotations

import time
from typing import Any

from assay.conformance.context import Context
from assay.conformance.harness import calling
from assay.conformance.harness.pipelines import build_dataset, data_params, make_component, read_data
from assay.conformance.harness.pipelines.elements import named_tensors, rows_of
from assay.conformance.lazy import tf
from assay.conformance.model import Level, Mode, NotRun, Rule, Subject, Target, Violation
from assay.conformance.specimens import IMAGE_PIPELINE, SOUND_TASK, SoundImages, SoundTask

RULE = Rule(
    id="I206",
    slug="eval-ends",
    level=Level.MUST,
    requirement="The evaluation dataset is finite.",
    checks=(
        "Asks tf.data for the number of batches, which must not be infinite. Where it is unknown, reads to the end: "
        "up to 4,096 examples, and when the first ones do not come again by then, on for 20 seconds or 65,536 "
        "examples. What is longer is reported as not run."
    ),
    why=(
        "The loop evaluates until the data ends. When it does not, training stops at the first evaluation for ever; "
        "with a number of steps given instead, examples are counted twice, and which ones depends on the batch size."
    ),
    bad="""
dataset = dataset.repeat()  # in evaluation too
""",
    good="""
if params.is_training:
    dataset = dataset.repeat()
""",
    modes=(Mode.EAGER,),
    targets=(Target.CPU,),
)

BATCH_SIZE = 8
MOST_EXAMPLES = 65_536
MOST_SECONDS = 20.0
SURE_REPEATS = 16  # so many first examples again in the same order are no accident
_FIX = "Call `.repeat()` only when `params.is_training` is true; end generators in evaluation."


def check(ctx: Context) -> None:
    """Ask for the cardinality, then read."""
    task = ctx.share("task for data", lambda: make_component(ctx))
    dataset = build_dataset(task, data_params(task, training=False, drop_remainder=False))
    cardinality = getattr(dataset, "cardinality", None)
    batches = int(cardinality()) if callable(cardinality) else tf.data.UNKNOWN_CARDINALITY
    if batches == tf.data.INFINITE_CARDINALITY:
        raise Violation(
            "tf.data says that the evaluation dataset has infinitely many batches",
            cause="the dataset is repeated in evaluation",
            fix=_FIX,
        )
    if batches >= 0:
        return
    reading = read_data(ctx, training=False, global_batch_size=BATCH_SIZE, drop_remainder=False)
    if reading.ended:
        return
    period = _period(reading.rows)
    if period:
        raise Violation(
            f"the evaluation data goes on after {len(reading.rows)} examples; the first ones come again after {period}",
            cause="the dataset, or the generator that it reads, begins again in evaluation",
            fix=_FIX,
        )
    _read_on(dataset)


def _period(rows: Any) -> int:
    """After how many examples the first ones come again; 0 when they do not."""
    first = rows[:SURE_REPEATS]
    if len(set(first)) < SURE_REPEATS // 2:
        return 0
    lengths = range(1, len(rows) - SURE_REPEATS)
    return next((length for length in lengths if rows[length : length + SURE_REPEATS] == first), 0)


def _read_on(dataset: Any) -> None:
    """Read to the end, or to the end of patience."""
    start, seen = time.monotonic(), 0
    with calling("reading the evaluation dataset"):
        for batch in dataset:
            seen += max(rows_of(dict(named_tensors(batch))), 1)
            if seen >= MOST_EXAMPLES or time.monotonic() - start > MOST_SECONDS:
                break
        else:
            return
    raise NotRun(
        f"The evaluation data goes on after {seen} examples and {time.monotonic() - start:.0f} s of reading, and "
        "tf.data "
        "does not know how long it is.",
        remedy="Give a smaller evaluation set, or state its length with tf.data.experimental.assert_cardinality.",
    )


class _Repeats(SoundTask):
    def build_inputs(self, params: Any, input_context: Any = None) -> Any:
        dataset = super().build_inputs(params, input_context)
        return dataset if params.is_training else dataset.repeat()


class _RepeatsUnseen(SoundImages):
    """Repeats under a filter, through which tf.data cannot see."""

    def read(self, params: Any) -> Any:
        dataset = super().read(params)
        return dataset if params.is_training else dataset.repeat().filter(lambda features, label: label >= 0)


class _EndlessGenerator(SoundImages):
    def read(self, params: Any) -> Any:
        dataset = super().read(params)
        if params.is_training:
            return dataset
        examples = list(dataset.as_numpy_iterator())

        def forever() -> Any:
            while True:
                yield from examples

        return tf.data.Dataset.from_generator(forever, output_signature=dataset.element_spec)


MUTANTS = (
    Subject(_Repeats, name="repeats in evaluation"),
    IMAGE_PIPELINE.replace(factory=_RepeatsUnseen, name="repeats under a filter"),
    IMAGE_PIPELINE.replace(factory=_EndlessGenerator, name="an endless generator"),
)
TWIN = SOUND_TASK
