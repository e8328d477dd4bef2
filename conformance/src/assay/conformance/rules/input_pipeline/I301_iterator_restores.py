"""I301 iterator-restores: an iterator restored at any position yields exactly the rest."""

from __future__ import annotations

from typing import Any

import numpy as np
from assay.conformance.context import Context
from assay.conformance.harness.pipelines import build_dataset, data_params, make_component
from assay.conformance.harness.pipelines.dataset_graphs import find_operation, operations_with_state
from assay.conformance.harness.pipelines.epochs import EPOCH_BATCHES, LOOKS, epoch_in, training_stream
from assay.conformance.harness.pipelines.restoring import CannotBeSaved, Restored, restore_at
from assay.conformance.lazy import tf
from assay.conformance.model import Level, Mode, NotApplicable, Rule, Target, Violation
from assay.conformance.specimens import IMAGE_PIPELINE, SoundImages

RULE = Rule(
    id="I301",
    slug="iterator-restores",
    level=Level.MUST,
    requirement="An iterator that is saved at any position and restored into a new dataset yields exactly the rest.",
    checks=(
        "Reads 0, 1, 3 batches, and past the end of an epoch where that is near, saves the iterator with "
        "tf.train.Checkpoint, builds the dataset anew, restores, and compares the next batches of both bit for bit: "
        "training data with a seed, and evaluation data to its end. When TensorFlow refuses to save, the operation and "
        "the function it is in are looked up in the dataset's graph."
    ),
    why=(
        "Preempted runs resume many times a day. Without the iterator each resume begins the epoch again: the first "
        "examples are seen often, the last never, and the run cannot be repeated. The usual reasons are a Python "
        "generator and random operations with a state of their own, `tf.image.random_flip_left_right` among them."
    ),
    bad="""
dataset = dataset.map(lambda image: tf.image.random_flip_left_right(image))  # "RandomUniform is stateful"
""",
    good="""
dataset = dataset.repeat().enumerate().map(
    lambda index, image: tf.image.stateless_random_flip_left_right(image, seed=tf.stack([params.seed, index]))
)
""",
    modes=(Mode.EAGER,),
    targets=(Target.CPU,),
    traits=("train_order",),
    references=(
        "keras-team/keras-hub#204",
        "google/orbax#413",
        "TensorFlow guide: tf.data, iterator checkpointing",
    ),
)

SEED = 17
BATCH_SIZE = 4
POSITIONS = (0, 1, 3)
MORE = 4
NEAR = 40  # an epoch that ends within so many examples is read past
TO_THE_END = 64
_ROLES = {True: "training", False: "evaluation"}


def check(ctx: Context) -> None:
    """Save and restore at each position, in both roles."""
    reasons = []
    for training in _ROLES:
        try:
            _check_role(ctx, training)
        except NotApplicable as lifted:
            reasons.append(lifted.reason)
    if len(reasons) == len(_ROLES):
        raise NotApplicable(reasons[0])


def _check_role(ctx: Context, training: bool) -> None:
    if training and ctx.trait("train_order") == "varies":
        raise NotApplicable("The subject declares that the training order varies with the same seed.")
    task = ctx.share("task for data", lambda: make_component(ctx))

    def make() -> Any:
        overrides: dict[str, Any] = {"seed": SEED} if training else {"drop_remainder": False}
        return build_dataset(task, data_params(task, training=training, global_batch_size=BATCH_SIZE, **overrides))

    dataset = make()
    if not isinstance(dataset, tf.data.Dataset):
        raise NotApplicable("The data is no tf.data.Dataset, whose iterator could be saved.")
    positions = sorted({*POSITIONS, *_past_an_epoch(ctx)}) if training else POSITIONS[1:]
    try:
        for restored in restore_at(make, positions, more=MORE if training else TO_THE_END):
            _compare(dataset, restored, _ROLES[training])
    except CannotBeSaved as refusal:
        _raise_refused(dataset, refusal, _ROLES[training])


def _past_an_epoch(ctx: Context) -> list[int]:
    """A position just behind the end of the first epoch, where that is near."""
    stream = training_stream(ctx, seed=SEED, batch_size=EPOCH_BATCHES[0], at_most=LOOKS[0])
    length = epoch_in(stream)[1]
    return [length // BATCH_SIZE + 1] if length and length <= NEAR else []


def _raise_refused(dataset: Any, refusal: CannotBeSaved, role: str) -> None:
    operation = find_operation(dataset, refusal.kind)
    others = [one for one in operations_with_state(dataset) if one != operation]
    beside = f" Beside it: {', '.join(map(str, others))}." if others else ""
    named = f"{operation} keeps state outside the iterator" if refusal.kind else "a transformation cannot be saved"
    raise Violation(
        f"{role}: the iterator cannot be saved after {refusal.position} batches: "
        f"{refusal.message[:300].rstrip('. ')}.{beside}",
        cause=named,
        fix=operation.remedy if refusal.kind else "Leave out the transformation that the message names.",
    ) from refusal


def _compare(dataset: Any, restored: Restored, role: str) -> None:
    if restored.expected == restored.received:
        return
    went_on, begun = restored.expected, restored.received
    pairs = list(zip(went_on, begun, strict=False))
    first = next((index for index, (one, other) in enumerate(pairs) if one != other), len(pairs))
    hidden = operations_with_state(dataset)
    if len(went_on) != len(begun):
        seen = f"{len(begun)} batches come after restoring, and {len(went_on)} were left"
    else:
        rows = sum(one != other for one, other in zip(went_on[first], begun[first], strict=False))
        seen = f"batch {restored.position + first} differs in {rows} of {len(went_on[first])} examples"
    raise Violation(
        f"{role}: restored after {restored.position} batches, {seen}",
        cause=(
            f"{hidden[0]} keeps state that is not saved"
            if hidden
            else "the new dataset is built otherwise: an order, a seed or a file list drawn in Python at every build"
        ),
        fix=(
            hidden[0].remedy
            if hidden
            else "Let the dataset follow from params alone: sort files, and derive every seed from params.seed."
        ),
    )


class _StatefulFlip(SoundImages):
    def augment(self, image: Any, key: Any) -> Any:
        return tf.image.random_flip_left_right(tf.cast(image, tf.float32), seed=1)


class _GeneratorState(SoundImages):
    """Draws from a tf.random.Generator, whose state is a variable."""

    def __init__(self) -> None:
        self.generator = tf.random.Generator.from_seed(1)

    def augment(self, image: Any, key: Any) -> Any:
        return tf.cast(image, tf.float32) + self.generator.uniform([], -9.0, 9.0)


class _PythonGenerator(SoundImages):
    def read(self, params: Any) -> Any:
        dataset = super().read(params)
        examples = list(dataset.as_numpy_iterator())
        return tf.data.Dataset.from_generator(lambda: iter(examples), output_signature=dataset.element_spec)


class _PythonFunction(SoundImages):
    def finished(self, features: Any, label: Any) -> Any:
        features, label = super().finished(features, label)
        image = tf.numpy_function(lambda pixels: pixels[::-1].copy(), [features["image"]], tf.float32)
        return {**features, "image": tf.ensure_shape(image, [6, 6, 3])}, label


class _ShuffledInPython(SoundImages):
    """Orders the examples with NumPy at each build."""

    def read(self, params: Any) -> Any:
        examples = list(super().read(params).as_numpy_iterator())
        order = np.random.default_rng().permutation(len(examples)) if params.is_training else range(len(examples))
        features = {key: np.stack([examples[index][0][key] for index in order]) for key in ("image", "id")}
        labels = np.stack([examples[index][1] for index in order])
        return tf.data.Dataset.from_tensor_slices((features, labels))


MUTANTS = (
    IMAGE_PIPELINE.replace(factory=_StatefulFlip, name="a stateful random flip"),
    IMAGE_PIPELINE.replace(factory=_GeneratorState, name="a random generator object"),
    IMAGE_PIPELINE.replace(factory=_PythonGenerator, name="a Python generator"),
    IMAGE_PIPELINE.replace(factory=_PythonFunction, name="a Python function"),
    IMAGE_PIPELINE.replace(factory=_ShuffledInPython, name="ordered in Python at each build"),
)
TWIN = IMAGE_PIPELINE
