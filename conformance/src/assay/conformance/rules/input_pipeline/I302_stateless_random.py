"""I302 stateless-random: augmentation follows from the seed, the epoch and the index, and from nothing else."""

from __future__ import annotations

from typing import Any

import numpy as np
from assay.conformance.context import Context
from assay.conformance.harness.flavour import set_random_seed
from assay.conformance.harness.pipelines import Reading, build_dataset, data_params, has_own_field, make_component
from assay.conformance.harness.pipelines.dataset_graphs import (
    operations_with_state,
    shuffle_seeds,
    unordered_transformations,
)
from assay.conformance.harness.pipelines.epochs import EPOCH_BATCHES, LOOKS, training_stream
from assay.conformance.lazy import tf
from assay.conformance.model import Level, Mode, NotApplicable, Rule, Target, Violation
from assay.conformance.specimens import IMAGE_PIPELINE, SoundImages

RULE = Rule(
    id="I302",
    slug="stateless-random",
    level=Level.MUST,
    requirement="What is random about an example is a function of the seed, the epoch and the index.",
    checks=(
        "Reads the training data twice from new datasets with the same `params.seed` and compares the examples bit for "
        "bit, while Python's, NumPy's and TensorFlow's global generators go on in between. Then looks through the "
        "dataset's graph for random operations with a state of their own (RandomUniform, a tf.random.Generator): they "
        "give what comes next in their sequence, whichever example that meets."
    ),
    why=(
        "An example that cannot be read again cannot be looked at. With stateful operations under a parallel map, "
        "which example gets which numbers is a race; after a resume the sequence begins again, so that the first "
        "augmentations are seen over and over; and the same seed gives two different runs."
    ),
    bad="""
image = tf.image.random_flip_left_right(image, seed=1)
""",
    good="""
image = tf.image.stateless_random_flip_left_right(image, seed=tf.stack([params.seed, index]))
""",
    modes=(Mode.EAGER,),
    targets=(Target.CPU,),
    traits=("train_order",),
    references=("TensorFlow guide: random number generation (stateless RNGs)", "tf.image.stateless_random_crop"),
)

SEED = 17  # I202 and I203 read with it too
_FIX = (
    "Draw with tf.random.stateless_* or tf.image.stateless_random_*, keyed by the seed and the position: "
    "`dataset.enumerate().map(lambda index, x: augment(x, seed=tf.stack([params.seed, index])))`, after the repeat."
)


def check(ctx: Context) -> None:
    """Read twice and compare, then look at the graph."""
    if ctx.trait("train_order") == "varies":
        raise NotApplicable("The subject declares that the training order varies with the same seed.")
    first = _read(ctx, 0)
    again = _read(ctx, 1)
    if not first.rows:
        raise NotApplicable("There is no batch of 16 training examples to compare.")
    task = ctx.share("task for data", lambda: make_component(ctx))
    dataset = build_dataset(task, data_params(task, training=True, seed=SEED))
    random = [one for one in operations_with_state(dataset) if one.is_random]
    order = _check_equal(ctx, dataset, first, again, [str(one) for one in random])
    if random:
        others = f" and {len(random) - 1} more" if len(random) > 1 else ""
        raise Violation(
            f"{random[0]}{others} draws from a state of its own; what an example gets depends on how many were drawn "
            "before it",
            cause="a random operation that is not stateless, seeded or not",
            fix=random[0].remedy,
        )
    if not order:
        raise NotApplicable("The order differs between two builds with one seed, which I202 is about.")


def _read(ctx: Context, repetition: int) -> Reading:
    return training_stream(ctx, seed=SEED, batch_size=EPOCH_BATCHES[0], at_most=LOOKS[0], repetition=repetition)


def _check_equal(ctx: Context, dataset: Any, first: Reading, again: Reading, random: list[str]) -> bool:
    """Compare two readings, tensor by tensor; return whether they can be compared, since their order is the same."""
    length = min(len(first.rows), len(again.rows))
    differing = {
        index: sum(one != other for one, other in zip(first.column(index), again.column(index), strict=False))
        for index in range(min(first.width, again.width))
        if first.column(index)[:length] != again.column(index)[:length]
    }
    if not differing:
        return True
    task = ctx.share("task for data", lambda: make_component(ctx))
    if any(first.exact[index] for index in differing) or _reordered(task, dataset, first, again):
        return False
    if not random and not has_own_field(task, "seed", training=True) and _follows_global_seed(ctx):
        return True  # TensorFlow's global seed is the only one there is, and it decides
    index, count = max(differing.items(), key=lambda pair: pair[1])
    unordered = unordered_transformations(dataset)
    if random:
        cause = f"{random[0]} draws from a state of its own"
    elif unordered:
        cause = f"{unordered[0]} yields in any order"
    else:
        cause = "randomness of Python or NumPy, inside a Python function or when the dataset is built"
    raise Violation(
        f"two readings with seed {SEED} differ in {first.names[index]} for {count} of {length} examples, and agree in "
        f"{_agreeing(first, differing)}",
        cause=cause,
        fix=_FIX,
    )


def _reordered(task: Any, dataset: Any, first: Reading, again: Reading) -> bool:
    """Whether two readings differ in their order where no label tells it: all come again, or a shuffle is unseeded."""
    if sorted(first.rows) == sorted(again.rows):
        return True
    other = build_dataset(task, data_params(task, training=True, seed=SEED))
    return shuffle_seeds(dataset) != shuffle_seeds(other)


def _agreeing(reading: Reading, differing: Any) -> str:
    agreeing = [name for index, name in enumerate(reading.names) if index not in differing]
    return ", ".join(agreeing) or "nothing else"


def _follows_global_seed(ctx: Context) -> bool:
    """Whether readings agree when all global seeds are set before each."""
    rows = []
    for repetition in (2, 3):
        set_random_seed(ctx.seed)
        rows.append(_read(ctx, repetition).rows)
    return rows[0] == rows[1]


class _UnseededFlip(SoundImages):
    def augment(self, image: Any, key: Any) -> Any:
        return tf.image.random_flip_left_right(tf.cast(image, tf.float32))


class _SeededFlip(SoundImages):
    """The same each time from the beginning, and never again from the middle."""

    def augment(self, image: Any, key: Any) -> Any:
        return tf.image.random_flip_left_right(tf.cast(image, tf.float32), seed=1)


class _KeyOfTheBuild(SoundImages):
    """Stateless operations under a key that NumPy draws when the dataset is built."""

    def augmented(self, dataset: Any, seed: int, first: int, step: int) -> Any:
        return super().augmented(dataset, int(np.random.default_rng().integers(1 << 30)), first, step)


class _NumPyNoise(SoundImages):
    def augment(self, image: Any, key: Any) -> Any:
        def add_noise(pixels: Any) -> Any:
            return (pixels + np.random.default_rng().normal(size=pixels.shape)).astype(np.float32)

        noisy = tf.numpy_function(add_noise, [tf.cast(image, tf.float32)], tf.float32)
        return tf.ensure_shape(noisy, image.shape)


MUTANTS = (
    IMAGE_PIPELINE.replace(factory=_UnseededFlip, name="an unseeded flip"),
    IMAGE_PIPELINE.replace(factory=_SeededFlip, name="a stateful flip with an op seed"),
    IMAGE_PIPELINE.replace(factory=_KeyOfTheBuild, name="a key drawn at each build"),
    IMAGE_PIPELINE.replace(factory=_NumPyNoise, name="noise from NumPy"),
)
TWIN = IMAGE_PIPELINE
