"""I202 seed-order: the same seed gives the same order, and each epoch the same examples in another one."""

from __future__ import annotations

import collections
from collections.abc import Sequence
from typing import Any

from assay.conformance.context import Context
from assay.conformance.harness.flavour import set_random_seed
from assay.conformance.harness.pipelines import (
    Reading,
    build_dataset,
    common_columns,
    data_params,
    has_own_field,
    make_component,
)
from assay.conformance.harness.pipelines.dataset_graphs import shuffle_seeds, unordered_transformations
from assay.conformance.harness.pipelines.epochs import (
    EPOCH_BATCHES,
    LOOKS,
    find_epoch,
    is_augmented,
    rounds,
    training_stream,
)
from assay.conformance.harness.pipelines.readings import Row
from assay.conformance.model import Level, Mode, NotApplicable, Rule, Subject, Target, Violation
from assay.conformance.specimens import IMAGE_PIPELINE, SOUND_TASK, SoundImages, SoundTask

RULE = Rule(
    id="I202",
    slug="seed-order",
    level=Level.MUST,
    requirement="The same seed gives the same order; each epoch holds the same examples, in another order.",
    checks=(
        "Builds the training data twice with `params.seed` set and compares the order of the examples, by ids, labels "
        "and whatever else augmentation leaves as it is; where nothing shows it, by the seeds of the shuffles. Then "
        "looks for epochs in the stream, with a seed and without: "
        "blocks that hold the same examples. Two epochs in the same order, an epoch that lacks examples which others "
        "have, and epochs that hold other examples without a seed than with one are failures. What is longer than "
        "4,096 examples is compared for its beginning only. A transformation with deterministic=False is named."
    ),
    why=(
        "A run that cannot be repeated cannot be debugged, and a change of 0.3 points cannot be told from luck. A "
        "shuffle before a cache, or with reshuffle_each_iteration=False, shows every epoch in one order, and batches "
        "never mix anew; `shuffle().take(n).repeat()` leaves other examples out of each epoch."
    ),
    bad="""
dataset = dataset.shuffle(10_000).cache().repeat()  # one order for ever, and no seed
""",
    good="""
dataset = dataset.cache().shuffle(10_000, seed=params.seed).repeat()
""",
    modes=(Mode.EAGER,),
    targets=(Target.CPU,),
    traits=("train_order", "train_ends"),
    references=("huggingface/accelerate#2823", "tf.data.Dataset.shuffle: reshuffle_each_iteration"),
)

SEED = 17  # I203 reads with it too
SHORTEST_EPOCH = 8  # fewer examples may well come in the same order by chance
MOST_UNEVEN = 3  # an example may come this many times more often than another before an epoch cannot be blurred


def check(ctx: Context) -> None:
    """Compare two builds with one seed, then epochs."""
    declared = ctx.trait("train_order")
    first = training_stream(ctx, seed=SEED, batch_size=EPOCH_BATCHES[0], at_most=LOOKS[0])
    if not first.rows:
        raise NotApplicable("There is no batch of 16 training examples to compare.")
    if declared != "varies":
        _check_same_order(ctx, first)
    if ctx.trait("train_ends"):
        return
    seeded = _check_epochs(ctx, SEED, declared)
    if declared != "sampled":
        unseeded = _check_epochs(ctx, None, declared)
        if seeded is not None and unseeded is not None and seeded != unseeded:
            raise Violation(
                f"an epoch without a seed has {sum(unseeded.values())} examples, of which "
                f"{sum((unseeded - seeded).values())} are not in one with seed {SEED}; that has "
                f"{sum(seeded.values())}",
                cause="the seed decides which examples there are, not only their order",
                fix="Use the seed to shuffle; choose examples by something that does not change.",
            )


def _check_same_order(ctx: Context, first: Reading) -> None:
    """Compare the beginnings of two builds."""
    again = training_stream(ctx, seed=SEED, batch_size=EPOCH_BATCHES[0], at_most=LOOKS[0], repetition=1)
    columns = _telling(first, again, augmented=is_augmented(ctx))
    index = _moved(first, again, columns)
    unordered = _unordered(ctx)
    if index is None and not unordered:
        if not columns and _has_seed(ctx):
            _check_shuffles(ctx)
        return
    if index is None:
        raise Violation(
            f"with a seed, {', '.join(unordered)} may still yield in any order; on this machine it did not happen",
            cause="a parallel transformation is told that order does not matter",
            fix="Leave deterministic at its default in training with a seed, or declare train_order='varies'.",
        )
    differing = sum(one != other for one, other in zip(first.column(index), again.column(index), strict=False))
    observed = (
        f"two builds with seed {SEED} give other orders: {differing} of {min(len(first.rows), len(again.rows))} "
        f"positions differ in {first.names[index]}"
    )
    if unordered:
        raise Violation(
            f"{observed}; {', '.join(unordered)} may yield in any order",
            cause="a parallel transformation is told that order does not matter",
            fix="Leave deterministic at its default in training with a seed.",
        )
    from_global = _follows_global_seed(ctx)
    if from_global and not _has_seed(ctx):
        return  # it has no seed of its own: TensorFlow's global one is then the seed, and it decides
    raise Violation(
        observed,
        cause=(
            "params.seed is not used: the order follows TensorFlow's global seed and how many datasets were built "
            "before"
            if from_global
            else "a shuffle, a sampling or a list of files draws from randomness that no seed decides"
        ),
        fix="Pass params.seed to every shuffle and sample_from_datasets; sort lists of files.",
    )


def _telling(first: Reading, again: Reading, *, augmented: bool) -> list[int]:
    """The tensors that show the order: ids and labels, or where there are none what both readings know."""
    exact = [index for index, is_exact in enumerate(first.exact) if is_exact and len(set(first.column(index))) > 1]
    return exact or ([] if augmented else common_columns(first, [again]))


def _moved(first: Reading, again: Reading, columns: Sequence[int]) -> int | None:
    """The first of the tensors that shows another order, or None."""
    length = min(len(first.rows), len(again.rows))
    for index in columns:
        if index < again.width and first.column(index)[:length] != again.column(index)[:length]:
            return index
    return None


def _check_shuffles(ctx: Context) -> None:
    """Compare the seeds of the shuffles of two builds, where nothing in the examples shows their order."""
    task = ctx.share("task for data", lambda: make_component(ctx))
    builds = [build_dataset(task, data_params(task, training=True, seed=SEED)) for _ in range(2)]
    one, other = (shuffle_seeds(dataset) for dataset in builds)
    if one != other:
        raise Violation(
            f"two builds with seed {SEED} shuffle with other seeds: {one} and {other}",
            cause="params.seed is not used: a shuffle without a seed is given another one each time",
            fix="Pass params.seed to every shuffle and sample_from_datasets; sort lists of files.",
        )


def _unordered(ctx: Context) -> list[str]:
    task = ctx.share("task for data", lambda: make_component(ctx))
    return unordered_transformations(build_dataset(task, data_params(task, training=True, seed=SEED)))


def _has_seed(ctx: Context) -> bool:
    task = ctx.share("task for data", lambda: make_component(ctx))
    return has_own_field(task, "seed", training=True)


def _follows_global_seed(ctx: Context) -> bool:
    """Whether builds agree when all global seeds are set before each."""
    readings = []
    for repetition in (2, 3):
        set_random_seed(ctx.seed)
        readings.append(
            training_stream(ctx, seed=SEED, batch_size=EPOCH_BATCHES[0], at_most=LOOKS[0], repetition=repetition)
        )
    one, other = readings
    return _moved(one, other, _telling(one, other, augmented=is_augmented(ctx))) is None


def _check_epochs(ctx: Context, seed: int | None, declared: str | None) -> collections.Counter[Row] | None:
    """Look for epochs; return what one holds, when every tensor of an example comes again."""
    for batch_size in EPOCH_BATCHES:
        single, columns, length = find_epoch(ctx, seed=seed, batch_size=batch_size)
        if single.ended:
            return None
        if length is not None or len(columns) < single.width:
            break
    keys = single.keys(columns)
    what = "without a seed" if seed is None else f"with seed {seed}"
    if length is None:
        if columns and len(columns) == single.width and declared != "sampled" and not is_augmented(ctx):
            _check_even(keys, what)
        return None
    first, second = keys[:length], keys[length : 2 * length]
    if first == second and len(set(first)) >= SHORTEST_EPOCH and declared != "fixed":
        files = _in_file_order(ctx, first, columns)
        raise Violation(
            f"{what}, epochs of {length} examples all come in the same order",
            cause=(
                "the training data is not shuffled"
                if files
                else "the data is cached after the shuffle, or the shuffle has reshuffle_each_iteration=False"
            ),
            fix=(
                "Shuffle after the cache and before the repeat: "
                "`dataset.cache().shuffle(buffer, seed=params.seed).repeat()`. If one order is meant, declare the "
                "trait train_order='fixed'."
            ),
        )
    return collections.Counter(first) if len(columns) == single.width else None


def _in_file_order(ctx: Context, epoch: Sequence[Row], columns: Sequence[int]) -> bool:
    """Whether another seed gives the very same order."""
    other = training_stream(ctx, seed=SEED + 1, batch_size=EPOCH_BATCHES[1], at_most=len(epoch))
    return bool(other.rows) and other.keys(columns)[: len(epoch)] == list(epoch)


def _check_even(keys: Sequence[Row], what: str) -> None:
    """Raise when examples come too unevenly for any epochs that merely run into each other."""
    if rounds(keys) < 2 * MOST_UNEVEN:
        return
    counts = collections.Counter(keys).most_common()
    most, least = counts[0][1], counts[-1][1]
    usual = counts[len(counts) // 2][1]
    # Copies in the data itself come a whole number of times as often; then nothing can be said.
    if most - least > MOST_UNEVEN and most < 2 * usual - MOST_UNEVEN:
        raise Violation(
            f"{what}, no epoch can be found in {len(keys)} examples: of {len(counts)} different ones some come {most} "
            f"times and some {least}",
            cause="each epoch leaves out other examples (`shuffle().take(n).repeat()`), or draws with replacement",
            fix=(
                "Repeat the whole shuffled data. If examples are drawn by weight or with replacement on purpose, "
                "declare the trait train_order='sampled'."
            ),
        )


class _NoSeed(SoundTask):
    def build_inputs(self, params: Any, input_context: Any = None) -> Any:
        params.seed = None
        return super().build_inputs(params, input_context)


class _CachedAfterTheShuffle(SoundImages):
    def shuffled(self, dataset: Any, params: Any) -> Any:
        return super().shuffled(dataset, params).cache()


class _NeverShuffled(SoundImages):
    def shuffled(self, dataset: Any, params: Any) -> Any:
        return dataset


class _TakesAPart(SoundImages):
    def shuffled(self, dataset: Any, params: Any) -> Any:
        return super().shuffled(dataset, params).take(16)

    def augmented(self, dataset: Any, seed: int, first: int, step: int) -> Any:
        return dataset


class _AnyOrder(SoundImages):
    def finished(self, features: Any, label: Any) -> Any:
        return super().finished(features, label)

    def shuffled(self, dataset: Any, params: Any) -> Any:
        dataset = dataset.map(lambda features, label: (features, label), num_parallel_calls=4, deterministic=False)
        return super().shuffled(dataset, params)


class _OtherExamplesWithoutASeed(SoundImages):
    def shuffled(self, dataset: Any, params: Any) -> Any:
        return super().shuffled(dataset if params.seed is None else dataset.skip(5), params)

    def augmented(self, dataset: Any, seed: int, first: int, step: int) -> Any:
        return dataset


MUTANTS = (
    Subject(_NoSeed, name="the seed is not used"),
    IMAGE_PIPELINE.replace(factory=_CachedAfterTheShuffle, name="cached after the shuffle"),
    IMAGE_PIPELINE.replace(factory=_NeverShuffled, name="never shuffled"),
    IMAGE_PIPELINE.replace(factory=_TakesAPart, name="each epoch is another part"),
    IMAGE_PIPELINE.replace(factory=_AnyOrder, name="a parallel map in any order"),
    IMAGE_PIPELINE.replace(factory=_OtherExamplesWithoutASeed, name="other examples without a seed"),
)
TWIN = SOUND_TASK
