"""Batches that a metric tells apart, and counts that are put far."""

import numpy as np
import pytest
import tensorflow as tf
from assay.conformance.context import Context
from assay.conformance.harness import metrics
from assay.conformance.harness.samples import sample_of
from assay.conformance.session import Session
from assay.conformance.specimens import DEVIATION, HIT_RATE, SoundHitRate

ALL_HITS = (np.array([0, 1, 2, 3], np.int32), 4.0 * np.eye(4, dtype=np.float32))


def context_of(subject):
    return Context(rule_id="K000", session=Session(subject))


def test_batches_differ_where_every_row_of_the_sample_is_a_hit():
    ctx = context_of(HIT_RATE.replace(sample=ALL_HITS))

    first, second = metrics.contrasting(ctx, 4, 3)

    assert (first.size, second.size) == (4, 3)
    assert metrics.evaluate(ctx, [first])["result"] == 1.0
    assert metrics.evaluate(ctx, [second])["result"] < 1.0


def test_batches_differ_where_the_second_guess_counts_too():
    class TopThree(SoundHitRate):
        def values(self, y_true, y_pred):
            return tf.cast(tf.math.in_top_k(tf.cast(y_true, tf.int32), y_pred, k=3), tf.float32)

    ctx = context_of(HIT_RATE.replace(factory=TopThree, sample=ALL_HITS, name="top three"))

    first, second = metrics.contrasting(ctx, 4, 1)

    assert metrics.evaluate(ctx, [first])["result"] == 1.0
    assert metrics.evaluate(ctx, [second])["result"] == 0.0


def test_parts_joined_are_the_batch_they_were_taken_from():
    batch = sample_of(context_of(DEVIATION)).grow(5)

    joined = metrics.joined([batch.take([0, 1, 2]), batch.take([]), batch.take([3, 4])])

    assert joined.size == 5
    np.testing.assert_array_equal(joined.truth[0], batch.truth[0])
    np.testing.assert_array_equal(joined.predictions[0], batch.predictions[0])


@pytest.mark.parametrize(("dtype", "last"), [(tf.float16, 2**11), (tf.float32, 2**24), (tf.float64, None)])
def test_a_count_stalls_where_its_dtype_ends(dtype, last):
    class Counts(SoundHitRate):
        def count_dtype(self):
            return dtype

    ctx = context_of(HIT_RATE.replace(factory=Counts, name=dtype.name))

    stalls = {examples: metrics.stalled(ctx, examples) for examples in (2**9, 2**13, 2**25)}

    assert {examples: stall is not None for examples, stall in stalls.items()} == {
        examples: last is not None and examples > last for examples in stalls
    }


def test_a_stall_says_what_was_added_and_what_should_have_been():
    class Counts(SoundHitRate):
        def count_dtype(self):
            return tf.float32

    stall = metrics.stalled(context_of(HIT_RATE.replace(factory=Counts, name="float32")), 2**25)

    assert "is 33554432, and another example adds 0 to it in place of 1" in str(stall)


def test_the_same_batches_are_evaluated_once():
    made = []

    class Counted(SoundHitRate):
        def __init__(self):
            super().__init__()
            made.append(1)

    ctx = context_of(HIT_RATE.replace(factory=Counted, name="counted"))
    batch = sample_of(ctx).grow(4)
    metrics.evaluate(ctx, [batch])
    before = len(made)

    metrics.evaluate(ctx, [sample_of(ctx).grow(4)])
    metrics.evaluate(ctx, [batch, batch])

    assert len(made) == before + 1
