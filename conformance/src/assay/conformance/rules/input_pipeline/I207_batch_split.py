"""I207 batch-split: with an input context, batches have each replica's share of the global batch."""

from __future__ import annotations

from typing import Any

from assay.conformance.context import Context
from assay.conformance.harness.pipelines import build_dataset, data_params, make_component
from assay.conformance.harness.pipelines.elements import keep_elements, rows_of
from assay.conformance.model import Level, Mode, NotApplicable, Rule, Subject, Target, Violation
from assay.conformance.specimens import IMAGE_PIPELINE, SOUND_TASK, SoundImages, SoundTask

RULE = Rule(
    id="I207",
    slug="batch-split",
    level=Level.MUST,
    requirement="Each replica gets batches of global_batch_size / num_replicas_in_sync.",
    checks=(
        "Builds both datasets with a global batch of 8 and input contexts of 1, 2 and 4 replicas, on one input "
        "pipeline or two, and counts the rows of the first batch: 8, 4 and 2. Without an input context it must be 8."
    ),
    why=(
        "`strategy.distribute_datasets_from_function` hands each replica one batch of the dataset as it is. A pipeline "
        "that ignores the context trains with a batch as many times larger as there are replicas, under a learning "
        "rate for the smaller one; one that divides by the number of hosts is right on one host only."
    ),
    bad="""
dataset = dataset.batch(params.global_batch_size)
""",
    good="""
batch_size = params.global_batch_size
if input_context:
    batch_size = input_context.get_per_replica_batch_size(batch_size)
dataset = dataset.batch(batch_size, drop_remainder=params.drop_remainder)
""",
    modes=(Mode.EAGER,),
    targets=(Target.CPU,),
    references=("tf.distribute.InputContext.get_per_replica_batch_size",),
)

GLOBAL_BATCH = 8
CONTEXTS = ((1, 1), (1, 2), (2, 2), (2, 4))  # input pipelines, replicas; evaluation is looked at in the last
_FIX = (
    "Batch by `input_context.get_per_replica_batch_size(params.global_batch_size)` when there is an input context, and "
    "by params.global_batch_size when there is none."
)


def check(ctx: Context) -> None:
    """Count the rows of first batches."""
    looked = []
    for training in (True, False):
        try:
            whole = _rows(ctx, training, 1, None)
        except NotApplicable as lifted:
            looked.append(lifted.reason)
            continue
        role = "training" if training else "evaluation"
        if whole != GLOBAL_BATCH:
            _refuse_whole(ctx, role, whole, training)
            continue
        for pipelines, replicas in CONTEXTS if training else CONTEXTS[-1:]:
            _check(ctx, role, training, pipelines, replicas)
    if len(looked) == 2:
        raise NotApplicable(looked[0])


def _check(ctx: Context, role: str, training: bool, pipelines: int, replicas: int) -> None:
    rows, expected = _rows(ctx, training, pipelines, replicas), GLOBAL_BATCH // replicas
    if rows == expected or rows == 0:
        return
    if rows == GLOBAL_BATCH:
        cause = "the batch size is not divided: the input context is not used for it"
    elif rows == GLOBAL_BATCH // pipelines:
        cause = "the global batch is divided by the number of input pipelines instead of that of replicas"
    elif rows == GLOBAL_BATCH // (replicas * replicas):
        cause = "the global batch is divided twice, here and by get_per_replica_batch_size"
    else:
        cause = "the batch size is computed from something else"
    raise Violation(
        f"{role}: with {replicas} replicas on {pipelines} input pipeline{'s' if pipelines > 1 else ''}, the first "
        "batch "
        f"of a global batch of {GLOBAL_BATCH} has {rows} rows, and each replica's share is {expected}",
        cause=cause,
        fix=_FIX,
    )


def _rows(ctx: Context, training: bool, pipelines: int, replicas: int | None) -> int:
    task = ctx.share("task for data", lambda: make_component(ctx))
    params = data_params(task, training=training, global_batch_size=GLOBAL_BATCH)
    dataset = build_dataset(task, params, num_input_pipelines=pipelines, num_replicas_in_sync=replicas)
    elements = keep_elements(dataset, at_most=1, name="training" if training else "evaluation")
    return rows_of(elements.batches[0]) if elements.batches else 0


def _refuse_whole(ctx: Context, role: str, rows: int, training: bool) -> None:
    """Say that the batch size is not followed, unless there are too few examples."""
    if rows < GLOBAL_BATCH and not training:
        return
    raise Violation(
        f"{role}: with global_batch_size={GLOBAL_BATCH} and no input context the first batch has {rows} rows",
        cause="the batch size is written into the code, or read from somewhere else",
        fix="Batch by params.global_batch_size.",
    )


class _IgnoresReplicas(SoundTask):
    def build_inputs(self, params: Any, input_context: Any = None) -> Any:
        return super().build_inputs(params)


class _DividesByPipelines(SoundImages):
    def __call__(self, params: Any, input_context: Any = None) -> Any:
        self.share = 1 if input_context is None else input_context.num_input_pipelines
        return super().__call__(params, input_context)

    def batched(self, dataset: Any, batch_size: int, params: Any) -> Any:
        return super().batched(dataset, params.global_batch_size // self.share, params)


class _DividesTwice(SoundImages):
    def __call__(self, params: Any, input_context: Any = None) -> Any:
        self.share = 1 if input_context is None else input_context.num_replicas_in_sync
        return super().__call__(params, input_context)

    def batched(self, dataset: Any, batch_size: int, params: Any) -> Any:
        return super().batched(dataset, max(batch_size // self.share, 1), params)


class _OwnBatchSize(SoundImages):
    def batched(self, dataset: Any, batch_size: int, params: Any) -> Any:
        return super().batched(dataset, 5, params)


MUTANTS = (
    Subject(_IgnoresReplicas, name="global batch for every replica"),
    IMAGE_PIPELINE.replace(factory=_DividesByPipelines, name="divides by the input pipelines"),
    IMAGE_PIPELINE.replace(factory=_DividesTwice, name="divides twice"),
    IMAGE_PIPELINE.replace(factory=_OwnBatchSize, name="a batch size of its own"),
)
TWIN = SOUND_TASK
