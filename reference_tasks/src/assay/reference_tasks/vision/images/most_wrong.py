"""The images that a model is most wrong about: picked out of each batch on the device, joined on the host."""

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np
import tensorflow as tf


@dataclasses.dataclass(frozen=True)
class MostWrong:
    """Some images, the one with the lowest score first.

    Attributes:
        scores: `[n]` float32, how right the model was.
        images: `[n, height, width, channels]`.
    """

    scores: Any
    images: Any


def lowest(scores: tf.Tensor, *, count: int) -> tuple[tf.Tensor, tf.Tensor]:
    """Find the examples of a batch with the lowest scores; runs inside the validation step.

    Args:
        scores: float32 `[batch]`. What is not a number has no place in an order, and counts as 0.
        count: The most examples to find; a smaller batch gives all of its own.

    Returns:
        The scores and the indices, both `[n]`, the lowest first.
    """
    scores = tf.where(tf.math.is_nan(scores), tf.zeros_like(scores), scores)
    negated, indices = tf.math.top_k(-scores, tf.minimum(count, tf.shape(scores)[0]))
    return -negated, indices


def join(parts: Sequence[MostWrong], *, count: int) -> MostWrong:
    """Keep the `count` images of all parts whose score is lowest; of equal ones, those that came first."""
    if not parts:
        return MostWrong(np.zeros(0, np.float32), np.zeros((0, 0, 0, 0), np.uint8))
    scores = np.concatenate([np.asarray(part.scores) for part in parts])
    images = np.concatenate([np.asarray(part.images) for part in parts])
    kept = np.argsort(scores, kind="stable")[:count]
    return MostWrong(scores[kept], images[kept])


def extended(so_far: MostWrong | None, scores: Sequence[Any], images: Sequence[Any], *, count: int) -> MostWrong:
    """Add the images of one step, and keep the `count` whose score is lowest.

    Args:
        so_far: What the last call returned; None at the first step.
        scores: `[n]` for each replica.
        images: `[n, height, width, channels]` for each replica.
        count: The most images to keep.
    """
    before = [] if so_far is None else [so_far]
    added = [MostWrong(*pair) for pair in zip(scores, images, strict=True)]
    return join(before + added, count=count)
