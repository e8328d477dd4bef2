"""I205 remainder-explicit: what happens to the last partial batch is declared, and true."""

from __future__ import annotations

import types
from typing import Any

from assay.conformance.context import Context
from assay.conformance.harness.pipelines import Reading, data_params, make_component, read_data
from assay.conformance.harness.pipelines.pipeline import read_field
from assay.conformance.model import Level, Mode, NotApplicable, Rule, Subject, Target, Violation
from assay.conformance.specimens import IMAGE_PIPELINE, SOUND_TASK, SoundImages, SoundTask

RULE = Rule(
    id="I205",
    slug="remainder-explicit",
    level=Level.MUST,
    requirement="Whether the last partial batch is kept or dropped is declared, and the declaration is true.",
    checks=(
        "Counts the evaluation examples with batches of one, then reads batches of a size that does not divide them, "
        "with the Task's own parameters. The declaration is `params.drop_remainder`, or without such a field the trait "
        "`eval_drops_remainder`. Where the parameters are the subject's own and have the field, both values must have "
        "their effect. Training batches must all be full when `drop_remainder` is declared."
    ),
    why=(
        "Dropped examples make an evaluation wrong by an amount that depends on the batch size; a partial batch where "
        "full ones were promised retraces the step, and fails to compile on a TPU. Both happen at the end of an epoch."
    ),
    bad="""
dataset = dataset.batch(params.global_batch_size, drop_remainder=True)  # whatever params.drop_remainder says
""",
    good="""
dataset = dataset.batch(params.global_batch_size, drop_remainder=params.drop_remainder)
""",
    modes=(Mode.EAGER,),
    targets=(Target.CPU,),
    traits=("eval_drops_remainder",),
    references=("google/flax#264", "tensorflow/models: DataConfig.drop_remainder"),
)

BATCH_SIZES = (8, 3, 5, 7)
TRAINING_EXAMPLES = 256
_FIX = "Batch with drop_remainder=params.drop_remainder, in both roles."


def check(ctx: Context) -> None:
    """Look at the remainder of both roles."""
    silent = []
    for look in (_check_evaluation, _check_training):
        try:
            look(ctx)
        except NotApplicable as lifted:
            silent.append(lifted.reason)
    if len(silent) == 2:
        raise NotApplicable(silent[0])


def _check_evaluation(ctx: Context) -> None:
    single = read_data(ctx, training=False, global_batch_size=1, drop_remainder=False)
    count = len(single.rows)
    if not single.ended:
        raise NotApplicable("The evaluation data is longer than 4,096 examples, so that its last batch is not seen.")
    size = next((size for size in BATCH_SIZES if count % size and count > size), None)
    if size is None:
        raise NotApplicable(f"{count} evaluation examples leave no remainder in small batches.")
    task = ctx.share("task for data", lambda: make_component(ctx))
    params = data_params(task, training=False)
    own = read_field(params, "drop_remainder")
    if isinstance(own, bool):
        declared, by = own, f"drop_remainder={own}"
    else:
        declared = bool(ctx.trait("eval_drops_remainder"))
        by = "the trait 'eval_drops_remainder'" if declared else "nothing, so that every example counts"
    _compare(read_data(ctx, training=False, global_batch_size=size), count, size, declared, by, padded_from=single)
    if isinstance(own, bool) and not isinstance(params, types.SimpleNamespace):
        other = read_data(ctx, training=False, global_batch_size=size, drop_remainder=not own)
        _compare(other, count, size, not own, f"drop_remainder={not own}", padded_from=single)


def _compare(reading: Reading, count: int, size: int, declared: bool, by: str, *, padded_from: Reading) -> None:
    """Compare the number of examples with what the declaration says."""
    if reading.sizes and max(reading.sizes) != size:
        return  # the batch size is not what was asked for, which I207 is about
    seen, rest = len(reading.rows), count % size
    if declared and seen >= count:
        last = reading.sizes[-1]
        raise Violation(
            f"evaluation: {by} is declared, and all {count} examples come at batch size {size}; the last batch has "
            f"{last}" + (" examples" if last < size else ", filled up"),
            cause="drop_remainder is not passed to `.batch`",
            fix=_FIX,
        )
    if not declared and seen == count - rest:
        raise Violation(
            f"evaluation: {by} is declared, and {rest} of {count} examples do not come at batch size {size}",
            cause="the remainder is dropped whatever the parameters say",
            fix=f"{_FIX} If dropping is meant, let the parameters or the trait 'eval_drops_remainder' say so.",
        )


def _check_training(ctx: Context) -> None:
    task = ctx.share("task for data", lambda: make_component(ctx))
    if read_field(data_params(task, training=True), "drop_remainder") is not True:
        raise NotApplicable("Training does not declare that it drops the remainder.")
    reading = read_data(ctx, training=True, at_most=TRAINING_EXAMPLES)
    partial = [index for index, size in enumerate(reading.sizes) if size != max(reading.sizes)]
    if partial:
        raise Violation(
            f"training: drop_remainder=True is declared, and batch {partial[0]} has {reading.sizes[partial[0]]} of "
            f"{max(reading.sizes)} examples, as have {len(partial)} of {len(reading.sizes)} batches",
            cause="the data is batched before it is repeated, without drop_remainder",
            fix=f"Repeat before batching, or drop the remainder as declared. {_FIX}",
        )


class _AlwaysDrops(SoundTask):
    def build_inputs(self, params: Any, input_context: Any = None) -> Any:
        params.drop_remainder = True
        return super().build_inputs(params, input_context)


class _NeverDrops(SoundImages):
    """Batches before it repeats, and keeps the partial batch that it declares to drop."""

    def repeated(self, dataset: Any) -> Any:
        return dataset

    def batched(self, dataset: Any, batch_size: int, params: Any) -> Any:
        dataset = dataset.batch(batch_size)
        return dataset.repeat() if params.is_training else dataset


def _own_params() -> dict[str, Any]:
    return {"training": _Own(True), "validation": _Own(False)}


class _Own:
    """Parameters of the subject's own."""

    def __init__(self, is_training: bool) -> None:
        self.is_training, self.drop_remainder, self.global_batch_size, self.seed = is_training, is_training, 8, 0


class _IgnoresTheField(SoundImages):
    def batched(self, dataset: Any, batch_size: int, params: Any) -> Any:
        return dataset.batch(batch_size, drop_remainder=bool(params.is_training))


MUTANTS = (
    Subject(_AlwaysDrops, name="drops whatever is declared"),
    IMAGE_PIPELINE.replace(factory=_NeverDrops, name="partial training batches"),
    IMAGE_PIPELINE.replace(factory=_IgnoresTheField, sample=_own_params, name="a field without effect"),
)
TWIN = SOUND_TASK
