"""T202 seed-determinism: the same seed gives the same run."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from assay.conformance.context import Context
from assay.conformance.harness.tasks import (
    SeededRun,
    changed_contents,
    changed_names,
    describe_changes,
    list_names,
    op_determinism,
    plain_name,
    seeded_run,
)
from assay.conformance.lazy import tf
from assay.conformance.model import Level, Mode, NotApplicable, Rule, Subject, SubjectError, Target, Violation
from assay.conformance.specimens import DROPOUT_TASK, SoundTask
from assay.conformance.specimens.task import TRAIN_EXAMPLES

RULE = Rule(
    id="T202",
    slug="seed-determinism",
    level=Level.MUST,
    requirement="The same seed gives the same initial weights, the same batches and the same losses, bit for bit.",
    checks=(
        "Twice in one process: seeds Python, NumPy, TensorFlow and Keras, makes the Task, its model and its training "
        "data, and takes three eager steps. Initial weights, then batches, then losses and weights after each step "
        "must be equal bit for bit. Where they are not, the two runs are made again under op determinism, and what is "
        "first to differ there is named."
    ),
    why=(
        "A result that cannot be repeated cannot be debugged: a NaN at step 40,000 never comes back, and a change of "
        "0.3 points is told from luck only by many runs. One generator that is seeded by the clock or by the operating "
        "system spoils all others."
    ),
    bad="""
def build_inputs(self, params, input_context=None):
    order = np.random.default_rng().permutation(len(self.files))  # seeded by the operating system
    ...
def train_step(self, inputs, model, optimizer, metrics=None):
    noise = tf.random.Generator.from_non_deterministic_state().normal(shape)
""",
    good="""
def build_inputs(self, params, input_context=None):
    order = np.random.default_rng(params.seed).permutation(len(self.files))
    ...
def train_step(self, inputs, model, optimizer, metrics=None):
    noise = tf.random.stateless_normal(shape, seed=[self.seed, optimizer.iterations])
""",
    modes=(Mode.EAGER,),
    targets=(Target.CPU, Target.GPU),
    references=("Farama-Foundation/Gymnasium#1084", "tf.config.experimental.enable_op_determinism"),
)


def check(ctx: Context) -> None:
    """Compare two runs from one seed; when they differ, two deterministic ones."""
    first, second = seeded_run(ctx), seeded_run(ctx)
    if _equal(first, second):
        return
    try:
        with op_determinism():
            first, second = seeded_run(ctx), seeded_run(ctx)
    except SubjectError as refused:
        if isinstance(refused.original, tf.errors.UnimplementedError):
            raise NotApplicable(f"An operation of the Task has no deterministic form here: {refused}") from None
        # Generators that are seeded by the system refuse to work there: the plain runs show what is wrong with them.
    if not _equal(first, second):
        _check_weights(first, second)
        _check_batches(first, second)
        _blame_steps(first, second)


def _equal(first: SeededRun, second: SeededRun) -> bool:
    return (
        not changed_names(first.start, second.start)
        and len(first.batches) == len(second.batches)
        and not any(changed_contents(*pair) for pair in zip(first.batches, second.batches, strict=True))
        and np.array_equal(first.losses, second.losses, equal_nan=True)
        and not any(changed_names(*pair) for pair in zip(first.ends, second.ends, strict=True))
    )


def _check_weights(first: SeededRun, second: SeededRun) -> None:
    names = changed_names(first.start, second.start)
    if names:
        raise Violation(
            f"two models built from one seed start from different values: "
            f"{describe_changes(first.start, second.start, names)}",
            cause=(
                f"the initial values of {list_names(names)} come from a generator that the seed does not reach: "
                "np.random.default_rng(), random.SystemRandom, tf.random.Generator, or the clock"
            ),
            fix="Use Keras initializers, or give your generator a seed from the configuration.",
        )


def _check_batches(first: SeededRun, second: SeededRun) -> None:
    if len(first.batches) != len(second.batches):
        raise Violation(
            f"two readings of the training data from one seed gave {len(first.batches)} and {len(second.batches)} "
            "batches",
            cause="which examples are read is decided by a generator that the seed does not reach",
            fix="Seed what filters or samples the examples.",
        )
    for number, (ours, theirs) in enumerate(zip(first.batches, second.batches, strict=True), start=1):
        changes = changed_contents(ours, theirs)
        if not changes:
            continue
        tensors = [path for path, value in ours.items() if not isinstance(value, str)]
        moved = [path for path in tensors if any(change.startswith(f"{path} ") for change in changes)]
        whole = len(moved) == len(tensors)
        raise Violation(
            f"two readings of the training data from one seed differ in batch {number}: {changes[0]}"
            + ("" if whole else f"; {_others(tensors, moved)} are equal"),
            cause=(
                "the examples come in another order: the files or the examples are shuffled by a generator that the "
                "seed does not reach"
                if whole
                else f"the examples are the same and {', '.join(moved)} is made anew: an augmentation draws from a "
                "generator that the seed does not reach"
            ),
            fix=(
                "Give `shuffle` and every generator a seed from `params.seed`, and draw in `map` with "
                "tf.random.stateless_* keyed by the seed and the example's index."
            ),
        )


def _others(tensors: list[str], moved: list[str]) -> str:
    return ", ".join(path for path in tensors if path not in moved)


def _blame_steps(first: SeededRun, second: SeededRun) -> None:
    """The weights and the batches are equal: what the steps draw, or the order in which they add up, is not."""
    losses = [(one, other) for one, other in zip(first.losses, second.losses, strict=False)]
    different = next((n for n, pair in enumerate(losses, start=1) if not np.array_equal(*pair, equal_nan=True)), None)
    ends = [changed_names(*pair) for pair in zip(first.ends, second.ends, strict=True)]
    moved = next((n for n, names in enumerate(ends, start=1) if names), None)
    if different is not None and (moved is None or different <= moved):
        ours, theirs = losses[different - 1]
        raise Violation(
            f"two runs from one seed, with equal weights and batches, logged {ours:.9g} and {theirs:.9g} at step "
            f"{different}",
            cause=(
                "the forward pass or the loss draws random numbers that the seed does not reach: "
                "tf.random.Generator.from_non_deterministic_state, a NumPy generator without a seed, or the clock"
            ),
            fix="Draw with Keras layers, or with tf.random.stateless_* keyed by your seed and `optimizer.iterations`.",
        )
    names = ends[(moved or 1) - 1]
    changes = describe_changes(first.ends[(moved or 1) - 1], second.ends[(moved or 1) - 1], names)
    raise Violation(
        f"two runs from one seed, with equal batches and losses, end step {moved} with different weights: {changes}",
        cause=(
            f"what is done to the gradients or to {plain_name(names[0])} draws random numbers that the seed does not "
            "reach"
        ),
        fix="Draw gradient noise with tf.random.stateless_* keyed by your seed and `optimizer.iterations`.",
    )


class _WeightsFromTheSystem(SoundTask):
    def build_model(self) -> Any:
        model = super().build_model()
        kernel = model.layers[-1].kernel
        kernel.assign(np.random.default_rng().normal(size=kernel.shape).astype(np.float32))
        return model


class _OrderFromTheSystem(SoundTask):
    def examples(self, *, training: bool) -> tuple[np.ndarray, np.ndarray]:
        features, labels = super().examples(training=training)
        order = np.random.default_rng().permutation(TRAIN_EXAMPLES) if training else np.arange(len(labels))
        return features[order], labels[order]


class _AugmentsFromTheSystem(SoundTask):
    def build_inputs(self, params: Any, input_context: Any = None) -> Any:
        generator = tf.random.Generator.from_non_deterministic_state()
        dataset = super().build_inputs(params, input_context)
        if not params.is_training:
            return dataset
        return dataset.map(lambda features, labels: (features + generator.normal(tf.shape(features)), labels))


class _NoiseFromTheSystem(SoundTask):
    def __init__(self) -> None:
        super().__init__()
        self._generator = tf.random.Generator.from_non_deterministic_state()

    def forward(self, model: Any, features: Any, *, training: bool) -> Any:
        noise = self._generator.normal(tf.shape(features)) if training else 0.0
        return super().forward(model, features + noise, training=training)


class _GradientNoise(SoundTask):
    def __init__(self) -> None:
        super().__init__()
        self._generator = tf.random.Generator.from_non_deterministic_state()

    def apply(self, optimizer: Any, gradients: Any, variables: Any) -> None:
        noisy = [gradient + 0.1 * self._generator.normal(tf.shape(gradient)) for gradient in gradients]
        super().apply(optimizer, noisy, variables)


_RANDOM: Mapping[str, Any] = {"random_step": True}

MUTANTS = (
    Subject(_WeightsFromTheSystem, name="weights from an unseeded generator"),
    Subject(_OrderFromTheSystem, name="order from an unseeded generator"),
    Subject(_AugmentsFromTheSystem, name="augments by an unseeded generator"),
    Subject(_NoiseFromTheSystem, traits=_RANDOM, name="noise from an unseeded generator"),
    Subject(_GradientNoise, traits=_RANDOM, name="gradient noise from an unseeded generator"),
)
TWIN = DROPOUT_TASK
