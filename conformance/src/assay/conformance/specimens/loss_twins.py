"""The twins that the rules for losses share."""

from __future__ import annotations

from assay.conformance.model.kinds import Kind
from assay.conformance.model.subject import Subject
from assay.conformance.specimens.loss import (
    SoundBinaryCrossEntropy,
    SoundCrossEntropy,
    SoundDice,
    SoundHuber,
    class_sample,
    ignored_sample,
    mask_sample,
    number_sample,
    probability_sample,
    soft_label_sample,
)


def _from_probabilities() -> SoundCrossEntropy:
    return SoundCrossEntropy(from_logits=False)


def _with_ignore_label() -> SoundCrossEntropy:
    return SoundCrossEntropy(ignore_label=255)


def _summing_huber() -> SoundHuber:
    return SoundHuber(delta=0.5, reduction="sum")


CROSS_ENTROPY = Subject(
    SoundCrossEntropy,
    class_sample(),
    kind=Kind.LOSS,
    traits={"non_negative": True},
    name="sound cross-entropy",
)
"""Class ids and logits."""

PROBABILITY_LOSS = Subject(
    _from_probabilities, probability_sample(), kind=Kind.LOSS, name="sound cross-entropy, probabilities"
)
"""Class ids and rows of probabilities."""

IGNORING_LOSS = Subject(
    _with_ignore_label,
    ignored_sample(),
    kind=Kind.LOSS,
    traits={"ignore_label": 255, "normaliser": "valid"},
    name="sound cross-entropy, ignore label",
)
"""Ignores a label, and divides by what is left."""

HUBER_LOSS = Subject(
    SoundHuber, number_sample(), kind=Kind.LOSS, traits={"zero_at_target": True}, name="sound Huber loss"
)
"""Numbers against numbers; zero at the target."""

SUMMING_LOSS = Subject(_summing_huber, number_sample(), kind=Kind.LOSS, name="sound Huber loss, summing")
"""Adds up by default; another delta than the default."""

SOFT_LABEL_LOSS = Subject(
    SoundBinaryCrossEntropy, soft_label_sample(), kind=Kind.LOSS, name="sound cross-entropy, soft labels"
)
"""Labels anywhere in [0, 1]."""

DICE_LOSS = Subject(SoundDice, mask_sample(), kind=Kind.LOSS, traits={"mixes_examples": True}, name="sound Dice loss")
"""One number for a batch: examples are coupled by design."""

LOSS_SPECIMENS = (
    CROSS_ENTROPY,
    PROBABILITY_LOSS,
    IGNORING_LOSS,
    HUBER_LOSS,
    SUMMING_LOSS,
    SOFT_LABEL_LOSS,
    DICE_LOSS,
)
"""Every sound loss."""
