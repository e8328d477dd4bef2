"""I203 shards-disjoint: over several input pipelines each example is in exactly one, with and without a seed."""

from __future__ import annotations

import collections
import statistics
from collections.abc import Mapping, Sequence
from typing import Any

from assay.conformance.context import Context
from assay.conformance.harness.pipelines import (
    Reading,
    common_columns,
    data_params,
    epoch_length,
    make_component,
    read_data,
)
from assay.conformance.harness.pipelines.epochs import EPOCH_BATCHES, LOOKS, find_epoch, training_stream
from assay.conformance.harness.pipelines.readings import Row
from assay.conformance.lazy import tf
from assay.conformance.model import Level, Mode, NotApplicable, Rule, Subject, SubjectError, Target, Violation
from assay.conformance.specimens import SOUND_TASK, SoundTask

RULE = Rule(
    id="I203",
    slug="shards-disjoint",
    level=Level.MUST,
    requirement="Over several input pipelines each example comes from exactly one, with and without a seed.",
    checks=(
        "Calls build_inputs with input contexts of 2 and of 3 pipelines and compares what they yield together with "
        "what one pipeline yields, as multisets of digests: the evaluation data; the training files, read with "
        "`is_training=False`, where the Task has a configuration of its own for them; and the training data as it is, "
        "without a seed and with one. The length of a training epoch is found in the data (the shortest block whose "
        "repetitions hold the same examples), so that shuffling does not matter. Training examples that are augmented "
        "anew each time cannot be followed; then the other two readings speak. Of data larger than 4,096 examples "
        "the beginnings are compared for overlap."
    ),
    why=(
        "One input pipeline runs on each host. Without sharding, or with sharding after a shuffle that each host does "
        "in its own order, a batch holds the same example several times and an epoch leaves a third of the data out; "
        "an evaluation counts some examples twice and others never. Nothing fails: the numbers are merely worse."
    ),
    bad="""
dataset = dataset.shuffle(10_000)  # each host in its own order
if input_context:
    dataset = dataset.shard(input_context.num_input_pipelines, input_context.input_pipeline_id)
""",
    good="""
if input_context:
    dataset = dataset.shard(input_context.num_input_pipelines, input_context.input_pipeline_id)
dataset = dataset.shuffle(10_000, seed=params.seed)
""",
    modes=(Mode.EAGER,),
    targets=(Target.CPU,),
    traits=("eval_drops_remainder",),
    references=("tensorflow/tensorflow#56513", "huggingface/datasets#1302"),
)

PIPELINES = (2, 3)
BATCH_SIZE = 6  # can be shared by 1, 2 and 3 pipelines
FILES_BATCH_SIZE = 60  # so can this; training sets are larger
SEEDS = (None, 17)
MOST_OVERLAP = 0.05  # of the examples: more than this in two pipelines is no accident
_OFTEN = 1.5  # times as often as the median: an example that the data itself holds more than once
_ROUNDS = 3  # how often each example must have come before an absent one counts as absent

_NOT_FOLLOWED = (
    "Training examples do not come again unchanged within the first 4,096 (they are augmented, or there are more of "
    "them), so that they cannot be followed."
)
_SHARD_FIRST = (
    "Call `dataset.shard(input_context.num_input_pipelines, input_context.input_pipeline_id)` on the files or examples "
    "in their fixed order, before any shuffle."
)


def check(ctx: Context) -> None:
    """Follow the evaluation data, the training files and the training data through 1, 2 and 3 pipelines."""
    silent = [_check_evaluation(ctx), _check_training_files(ctx)]
    silent.extend(_check_training(ctx, seed) for seed in SEEDS)
    reasons = [reason for reason in silent if reason]
    if len(reasons) == len(silent):
        raise NotApplicable(" ".join(dict.fromkeys(reasons)))


def _check_evaluation(ctx: Context) -> str:
    """Compare the shards of the evaluation data; return why that cannot be done, or an empty string."""
    spare = BATCH_SIZE - 1 if ctx.trait("eval_drops_remainder") else 0
    return _check_readings(ctx, "evaluation data", spare, training=False, seed=None)


def _check_training_files(ctx: Context) -> str:
    """Compare the shards of the training files in evaluation order, where a configuration of their own names them."""
    if _training_files(ctx) is None:
        return "The training files cannot be read in evaluation order."
    what = "training files, read with is_training=False"
    return _check_readings(
        ctx, what, 0, training=True, seed=None, is_training=False, global_batch_size=FILES_BATCH_SIZE
    )


def _training_files(ctx: Context) -> Reading | None:
    """What the training configuration of the Task yields with `is_training=False`; None when there is no such thing."""
    task = ctx.share("task for data", lambda: make_component(ctx))
    config = getattr(task, "task_config", None)
    own = config.get("train_data") if isinstance(config, Mapping) else getattr(config, "train_data", None)
    changed = data_params(task, training=True, is_training=False)
    flag = changed.get("is_training") if isinstance(changed, Mapping) else getattr(changed, "is_training", None)
    if own is None or flag is not False:
        return None
    try:
        return read_data(
            ctx, training=True, is_training=False, global_batch_size=FILES_BATCH_SIZE, drop_remainder=False, seed=None
        )
    except SubjectError:  # not every pipeline can read its training files so, and none has to
        return None


def _check_readings(ctx: Context, what: str, spare: int, *, training: bool, seed: int | None, **overrides: Any) -> str:
    """Compare finite readings of 2 and 3 pipelines with that of one."""
    options: dict[str, Any] = {
        "training": training,
        "global_batch_size": BATCH_SIZE,
        "drop_remainder": False,
        "seed": seed,
        **overrides,
    }
    single = read_data(ctx, **options)
    for pipelines in PIPELINES:
        shards = [
            read_data(ctx, num_input_pipelines=pipelines, input_pipeline_id=index, **options)
            for index in range(pipelines)
        ]
        columns = common_columns(single, shards)
        if not columns:
            return f"Every tensor of the {what} changes from one reading to the next."
        keys = [shard.keys(columns) if shard.rows else [] for shard in shards]
        if single.ended and all(shard.ended for shard in shards):
            _compare(what, single.keys(columns), keys, spare * pipelines)
        else:
            _compare_beginnings(what, single.keys(columns), keys)
    return ""


def _check_training(ctx: Context, seed: int | None) -> str:
    """Compare the shards of the repeated training data, epoch by epoch where epochs can be found."""
    what = "training data without a seed" if seed is None else f"training data with seed {seed}"
    if not _can_be_followed(ctx, training_stream(ctx, seed=seed, batch_size=EPOCH_BATCHES[0], at_most=LOOKS[0])):
        return _NOT_FOLLOWED
    for batch_size in EPOCH_BATCHES:
        single, columns, length = find_epoch(ctx, seed=seed, batch_size=batch_size)
        if single.ended:
            return _check_readings(ctx, what, 0, training=True, seed=seed)
        if length is not None or len(columns) < single.width:
            break
    keys = single.keys(columns)
    if length is not None:
        for pipelines in PIPELINES:
            _check_epochs(ctx, what, seed, batch_size, pipelines, keys[:length], columns)
        return ""
    counts = collections.Counter(keys)
    if len(columns) < single.width or min(counts.values()) < _ROUNDS or seed is not None:
        return _NOT_FOLLOWED
    for pipelines in PIPELINES:
        shards = _shares(ctx, seed, batch_size, pipelines, len(single.rows), columns)
        _compare_supports(what, counts, [set(shard) for shard in shards])
    return ""


def _can_be_followed(ctx: Context, look: Reading) -> bool:
    """Whether what training yields may be what the training files hold; augmented examples need not be read further."""
    files = _training_files(ctx)
    if files is None or not files.rows or not look.rows:
        return True
    columns = common_columns(files, [look])
    return bool(columns) and 2 * len(set(files.keys(columns))) >= len(files.rows)


def _shares(
    ctx: Context, seed: int | None, batch_size: int, pipelines: int, at_most: int, columns: Sequence[int]
) -> list[list[Row]]:
    """The beginning of the training data of each pipeline."""
    shards = [
        training_stream(
            ctx,
            seed=seed,
            batch_size=batch_size,
            at_most=at_most,
            num_input_pipelines=pipelines,
            input_pipeline_id=index,
        )
        for index in range(pipelines)
    ]
    return [shard.keys(columns) if shard.rows else [] for shard in shards]


def _check_epochs(
    ctx: Context,
    what: str,
    seed: int | None,
    batch_size: int,
    pipelines: int,
    epoch: Sequence[Row],
    columns: Sequence[int],
) -> None:
    """Compare the first epoch of each pipeline with the epoch of one pipeline.

    A pipeline that is sharded before it shuffles has an epoch of its own. One that is sharded after a shuffle has not:
    its first share of the common order is taken, and is right if all pipelines shuffle alike.
    """
    share = -(-len(epoch) // pipelines)
    shards = _shares(ctx, seed, batch_size, pipelines, 2 * share, columns)
    if _union(shards, [epoch_length(shard) or 0 for shard in shards]) == collections.Counter(epoch):
        return
    shards = _shares(ctx, seed, batch_size, pipelines, 2 * len(epoch), columns)
    lengths = [epoch_length(shard) if shard else 0 for shard in shards]
    if None in lengths:
        if _are_apart(collections.Counter(epoch), shards):
            return
        lengths = [-(-(len(epoch) - index) // pipelines) for index in range(pipelines)]
    own = [shard[: length or 0] for shard, length in zip(shards, lengths, strict=True)]
    _compare(what, epoch, own, spare=0, after_shuffle=True)


def _union(shards: Sequence[Sequence[Row]], lengths: Sequence[int]) -> collections.Counter[Row]:
    """All examples of the beginnings of the shards, counted."""
    return collections.Counter(key for shard, length in zip(shards, lengths, strict=True) for key in shard[:length])


def _are_apart(whole: Mapping[Row, int], shards: Sequence[Sequence[Row]]) -> bool:
    """Whether each example comes from one pipeline for ever, though their epochs run into each other."""
    owners = collections.Counter(key for shard in shards for key in set(shard))
    return all(owners[key] == 1 if number == 1 else owners[key] for key, number in whole.items())


def _compare(
    what: str, single: Sequence[Row], shards: Sequence[Sequence[Row]], spare: int, *, after_shuffle: bool = False
) -> None:
    """Compare the union of the shards with the whole; rows that the whole does not know are padding."""
    whole = collections.Counter(single)
    seen = [collections.Counter(shard) for shard in shards]
    together: collections.Counter[Row] = sum(seen, collections.Counter())
    missing = sum((whole - together).values())
    repeated = sum(number for key, number in (together - whole).items() if key in whole)
    if missing <= spare and not repeated:
        return
    count, total = len(shards), len(single)
    if all(not whole - one for one in seen):
        raise Violation(
            f"{what}: each of {count} input pipelines yields all {total} examples",
            cause="the input context is not used to shard the data",
            fix=_SHARD_FIRST,
        )
    if not whole & together:
        raise Violation(
            f"{what}: none of the {total} examples of one input pipeline comes from any of {count}, which yield "
            f"{', '.join(str(len(shard)) for shard in shards)} others",
            cause="the examples are not the same from one build to the next: build_inputs draws them at random",
            fix=f"Draw from a fixed seed, or keep the data in files. Then: {_SHARD_FIRST}",
        )
    parts = [f"{missing} of {total} examples come from none of {count} input pipelines"] if missing else []
    if repeated:
        parts.append(f"{repeated} come from more than one" if missing else f"{repeated} of {total} examples come twice")
    sizes = ", ".join(str(len(shard)) for shard in shards)
    raise Violation(
        f"{what}: {' and '.join(parts)} (they yield {sizes})",
        cause=(
            "the data is sharded after a shuffle that differs between pipelines"
            if after_shuffle and repeated
            else "files are listed in another order by each pipeline (`list_files` shuffles), or the number or the id "
            "of the pipeline is mixed up"
            if repeated
            else "the number or the id of the pipeline is mixed up, or a remainder of the shards is dropped"
        ),
        fix=_SHARD_FIRST,
    )


def _compare_beginnings(what: str, single: Sequence[Row], shards: Sequence[Sequence[Row]]) -> None:
    """Look for the same examples in the beginnings of several shards of data that is too large to be read."""
    if len(set(single)) < (1 - MOST_OVERLAP) * len(single):
        return  # too many copies in the data itself to tell
    counts = collections.Counter(key for shard in shards for key in set(shard))
    shared = sum(number > 1 for number in counts.values())
    most = max((len(shard) for shard in shards), default=0)
    if shared > MOST_OVERLAP * most:
        raise Violation(
            f"{what}: the first {most} examples of {len(shards)} input pipelines have {shared} in common",
            cause="the input context is not used to shard the data, or only after a shuffle",
            fix=_SHARD_FIRST,
        )


def _compare_supports(what: str, counts: Mapping[Row, int], shards: Sequence[set[Row]]) -> None:
    """Compare which examples ever come from which pipeline, where epochs run into each other."""
    usual = statistics.median(counts.values())
    owners = collections.Counter(key for shard in shards for key in shard)
    single = [key for key, number in counts.items() if number <= _OFTEN * usual]
    missing, shared = sum(not owners[key] for key in counts), sum(owners[key] > 1 for key in single)
    if shared > MOST_OVERLAP * len(single) or missing > MOST_OVERLAP * len(counts):
        parts = [f"{shared} of {len(single)} examples come from more than one of {len(shards)} input pipelines"]
        parts.extend([f"{missing} from none"] if missing else [])
        raise Violation(
            f"{what}: {', and '.join(parts)}",
            cause="the input context is not used, or only after a shuffle that differs between pipelines",
            fix=_SHARD_FIRST,
        )


class _NotSharded(SoundTask):
    def build_inputs(self, params: Any, input_context: Any = None) -> Any:
        return super().build_inputs(params)


class _TrainingNotSharded(SoundTask):
    def build_inputs(self, params: Any, input_context: Any = None) -> Any:
        return super().build_inputs(params, None if params.is_training else input_context)


class _ShardedAfterTheShuffle(SoundTask):
    """Right with a seed, when all pipelines shuffle alike; wrong without one."""

    def build_inputs(self, params: Any, input_context: Any = None) -> Any:
        dataset = tf.data.Dataset.from_tensor_slices(self.examples(training=params.is_training))
        if params.is_training:
            dataset = dataset.shuffle(100, seed=params.seed)
        if input_context is not None:
            dataset = dataset.shard(input_context.num_input_pipelines, input_context.input_pipeline_id)
        dataset = dataset.repeat() if params.is_training else dataset
        return dataset.batch(params.global_batch_size, drop_remainder=params.drop_remainder)


class _EpochsBlurred(SoundTask):
    """Shuffles across epochs, and shards last."""

    def build_inputs(self, params: Any, input_context: Any = None) -> Any:
        dataset = tf.data.Dataset.from_tensor_slices(self.examples(training=params.is_training))
        if params.is_training:
            dataset = dataset.repeat().shuffle(50, seed=params.seed)
        if input_context is not None:
            dataset = dataset.shard(input_context.num_input_pipelines, input_context.input_pipeline_id)
        return dataset.batch(params.global_batch_size, drop_remainder=params.drop_remainder)


class _LosesTheRemainder(SoundTask):
    """Gives each pipeline the same whole number of examples, and the rest to none."""

    def build_inputs(self, params: Any, input_context: Any = None) -> Any:
        dataset = tf.data.Dataset.from_tensor_slices(self.examples(training=params.is_training))
        if input_context is not None:
            each = int(dataset.cardinality()) // input_context.num_input_pipelines
            dataset = dataset.skip(input_context.input_pipeline_id * each).take(each)
        if params.is_training:
            dataset = dataset.shuffle(100, seed=params.seed).repeat()
        return dataset.batch(params.global_batch_size, drop_remainder=params.drop_remainder)


MUTANTS = (
    Subject(_NotSharded, name="input context ignored"),
    Subject(_TrainingNotSharded, name="input context ignored in training"),
    Subject(_ShardedAfterTheShuffle, name="sharded after an unseeded shuffle"),
    Subject(_EpochsBlurred, name="sharded after a shuffle across epochs"),
    Subject(_LosesTheRemainder, name="the remainder belongs to no pipeline"),
)
TWIN = SOUND_TASK
