"""Sound losses in the shapes that people write them in: no MUST rule may blame one, and enough must have looked."""

import functools

import numpy as np
import pytest
import tensorflow as tf
from assay.conformance import Subject, check
from assay.conformance.model import Level, Outcome

pytestmark = [pytest.mark.flavour, pytest.mark.slow]

RANDOM = np.random.default_rng(5)
IDS = np.array([0, 2, 1, 2, 0], np.int64)
LOGITS = RANDOM.normal(size=(5, 3)).astype(np.float32)


def squared_error(y_true, y_pred):
    """A function that gives one number."""
    y_pred = tf.cast(y_pred, tf.float32)
    y_true = tf.cast(y_true, tf.float32)
    y_true.shape.assert_is_compatible_with(y_pred.shape)
    errors = tf.square(y_pred - y_true)
    return tf.math.divide_no_nan(tf.reduce_sum(errors), tf.cast(tf.size(errors), tf.float32))


def per_example(y_true, y_pred, delta=1.0):
    """A function that gives one value an example, with an option."""
    y_true, y_pred = tf.cast(y_true, tf.float32), tf.cast(y_pred, tf.float32)
    y_true.shape.assert_is_compatible_with(y_pred.shape)
    error = tf.abs(y_pred - y_true)
    return tf.reduce_mean(tf.where(error < delta, 0.5 * error**2, delta * error - 0.5 * delta**2), axis=-1)


class SegmentationLoss:
    """Predictions first, a dict of labels, a mean over valid pixels."""

    def __call__(self, logits, labels):
        logits = tf.cast(logits, tf.float32)
        valid = tf.cast(labels["valid"], tf.float32)
        losses = tf.nn.sparse_softmax_cross_entropy_with_logits(labels["masks"], logits)
        return tf.math.divide_no_nan(tf.reduce_sum(losses * valid), tf.reduce_sum(valid))


class TwoHeads:
    """A dict on both sides."""

    def __call__(self, y_true, y_pred):
        kind = tf.nn.sparse_softmax_cross_entropy_with_logits(y_true["kind"], tf.cast(y_pred["kind"], tf.float32))
        size = tf.reduce_mean(tf.abs(tf.cast(y_pred["size"], tf.float32) - y_true["size"]), axis=-1)
        return tf.math.divide_no_nan(tf.reduce_sum(kind + size), tf.cast(tf.size(kind), tf.float32))


def contrastive(y_true, y_pred):
    """In-batch negatives on a matrix of similarities; nothing to contrast for fewer than two."""
    y_pred = tf.cast(y_pred, tf.float32)
    rows = tf.nn.softmax_cross_entropy_with_logits(tf.cast(y_true, tf.float32), y_pred)
    return tf.math.divide_no_nan(tf.reduce_sum(rows), tf.cast(tf.size(rows), tf.float32))


class Noisy:
    """Draws random numbers on purpose."""

    def __call__(self, y_true, y_pred):
        noisy = tf.cast(y_pred, tf.float32) + tf.random.normal(tf.shape(y_pred), stddev=0.1)
        return tf.reduce_sum(tf.nn.sparse_softmax_cross_entropy_with_logits(y_true, noisy))


NUMBERS = (RANDOM.normal(size=(5, 2)), RANDOM.normal(size=(5, 2)))
PIXELS = (
    {"masks": RANDOM.integers(0, 3, size=(4, 2, 2)), "valid": np.array([[[True, False], [True, True]]] * 4)},
    RANDOM.normal(size=(4, 2, 2, 3)).astype(np.float32),
)
HEADS = (
    {"kind": IDS, "size": NUMBERS[0].astype(np.float32)},
    {"kind": LOGITS, "size": NUMBERS[1].astype(np.float32)},
)
SUBJECTS = [
    Subject(squared_error, NUMBERS, kind="loss", traits={"zero_at_target": True}),
    Subject(functools.partial(per_example, delta=0.5), NUMBERS, kind="loss", name="partial"),
    Subject(lambda: per_example, NUMBERS, kind="loss", name="factory of a function"),
    Subject(SegmentationLoss, PIXELS, kind="loss", traits={"normaliser": "valid"}),
    Subject(TwoHeads, HEADS, kind="loss"),
    Subject(
        contrastive,
        (np.eye(4, dtype=np.float32), RANDOM.normal(size=(4, 4)).astype(np.float32)),
        kind="loss",
        traits={"mixes_examples": True},
    ),
    Subject(Noisy, (IDS, LOGITS), kind="loss", traits={"random_loss": True}),
]


@pytest.mark.parametrize("subject", SUBJECTS, ids=lambda subject: subject.name)
def test_no_must_rule_blames_a_sound_loss(subject):
    report = check(subject)

    blamed = {
        f"{result.rule} ({result.mode})": result.message
        for result in report.results
        if result.outcome in (Outcome.ERROR, Outcome.NOT_RUN)
        or (result.outcome is Outcome.FAIL and result.level is Level.MUST)
    }
    assert not blamed
    assert sum(result.outcome is Outcome.PASS for result in report.results) >= (3 if subject.name == "Noisy" else 10)


def test_arguments_can_be_declared():
    def odd(pred_scores, gold):
        return tf.nn.sparse_softmax_cross_entropy_with_logits(gold, pred_scores)

    for declared in (("y_pred", "y_true"), {"y_true": "gold", "y_pred": "pred_scores"}):
        subject = Subject(odd, (IDS, LOGITS), kind="loss", traits={"arguments": declared})

        report = check(subject, select=["L000", "L201"])

        assert report.conformant, [failure.message for failure in report.failures]
