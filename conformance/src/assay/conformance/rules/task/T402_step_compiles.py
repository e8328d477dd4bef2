"""T402 step-compiles: XLA takes the steps, without strings or shapes made of values, and computes what a graph does."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from assay.conformance.context import Context
from assay.conformance.harness import Refusal, as_numpy, calls_host, operations, refusal_of, replacement_for
from assay.conformance.harness.compiling import explained
from assay.conformance.harness.tasks import (
    TRAIN_STEP,
    VALIDATION_STEP,
    Evaluation,
    build_task,
    changed_names,
    comparable_run,
    describe_changes,
    evaluate,
    state_difference,
    step_programs,
    traced_steps,
    training_batches,
    validation_batches,
    value_shaped,
)
from assay.conformance.harness.tasks.runs import DEFAULT_STEPS
from assay.conformance.lazy import tf
from assay.conformance.model import Level, Mode, NotApplicable, Rule, Subject, SubjectError, Target, Violation
from assay.conformance.specimens import SOUND_TASK, SoundTask
from assay.conformance.targets.programs import Program
from assay.conformance.targets.refusals import refuse_strings

RULE = Rule(
    id="T402",
    slug="step-compiles",
    level=Level.MUST,
    requirement="The train and the validation step compile with XLA, hold no strings and no shapes that depend on "
    "values, and compute what they compute uncompiled.",
    checks=(
        "Looks through the batches for strings and through the traced steps, functions, loops and branches in them "
        "included, for operations that make a shape out of values, which XLA may take on a CPU and a TPU does not. "
        "Then runs three train steps and two validation steps under `tf.function(jit_compile=True)`, random layers "
        "switched off in training, and compares weights, logs and metrics with those of steps that are not compiled. "
        "Where there is no TPU its compiler is asked for both steps, for those of a model made under `mixed_bfloat16`, "
        "and for what each of a slice's devices runs on its share of the batch, sums across replicas included."
    ),
    why=(
        "A TPU runs nothing but what its compiler takes, and a GPU is often twice as fast with it. What the compiler "
        "refuses is found on the day of the move, in a message of pages in which the line at fault is hard to see. A "
        "shape that depends on values makes it compile again for each value, or pad in silence."
    ),
    bad="""
def build_losses(self, labels, model_outputs, aux_losses=None):
    kept = labels != self.ignore_label
    return self.loss_fn(tf.boolean_mask(labels, kept), tf.boolean_mask(model_outputs, kept))  # how many rows?
""",
    good="""
def build_losses(self, labels, model_outputs, aux_losses=None):
    kept = tf.cast(labels != self.ignore_label, tf.float32)
    losses = self.unreduced_loss_fn(tf.maximum(labels, 0), model_outputs)
    return tf.reduce_sum(losses * kept) / tf.maximum(tf.reduce_sum(kept), 1.0)
""",
    modes=(Mode.XLA,),
    compiled_modes=(Mode.MIXED_PRECISION, Mode.REPLICAS),
    targets=(Target.CPU, Target.GPU, Target.TPU),
    traits=("host_callbacks", "random_step", "random_inference"),
    references=("keras-team/keras-cv#895", "TensorFlow guide, XLA: Known issues"),
)

_NAMED_AT_MOST = 3
_VALIDATION_BATCHES = 2
_ANOTHER_MEANING = (
    "an operation means something else when compiled: an index out of range, a TensorArray that grows, a value that "
    "Python keeps between steps"
)


def check(ctx: Context) -> None:
    """Look for what no compiler takes, compile, and compare."""
    _check_strings(ctx)
    for name, graph in traced_steps(ctx).items():
        _check_shapes(name, graph)
    _check_training(ctx)
    _check_validation(ctx)


def programs(ctx: Context) -> list[Program]:
    """What a target must be able to compile."""
    return step_programs(ctx)


def _check_strings(ctx: Context) -> None:
    """Raise when a batch holds strings."""
    for step, batches in (
        (TRAIN_STEP, training_batches(ctx, DEFAULT_STEPS)[:1]),
        (VALIDATION_STEP, validation_batches(ctx)[:1]),
    ):
        for batch in batches:
            refuse_strings(step, tf.nest.flatten(batch))


def _check_shapes(step: str, graph: Any) -> None:
    """Raise when an operation of a traced step makes a shape out of values."""
    found = list(itertools.islice(value_shaped(graph), _NAMED_AT_MOST))
    if not found:
        return
    why, instead = replacement_for(one.kind for one in found)
    seen = "; ".join(dict.fromkeys(map(str, found)))
    raise Violation(f"in {step} a shape depends on values: {seen}", cause=why, fix=instead)


def _check_training(ctx: Context) -> None:
    """Compile the train step, and compare it with the same step in a graph."""
    graph = comparable_run(ctx, mode=Mode.GRAPH)
    try:
        compiled = comparable_run(ctx)
    except SubjectError as error:
        _raise_refusal(ctx, TRAIN_STEP, error)
        raise
    start = graph.snapshots[0]
    for step in range(1, len(graph.snapshots)):
        try:
            seen = state_difference(ctx, compiled.snapshots[step], graph.snapshots[step], start, step)
        except NotApplicable:
            return  # it compiles, and XLA draws other random numbers
        seen = seen or _different_logs(ctx, compiled.logs[step - 1][0], graph.logs[step - 1][0])
        if seen and _draws_numbers_of_the_device(ctx):
            return  # it compiles; from one seed, XLA draws other numbers
        if seen:
            _raise_other_values(TRAIN_STEP, f"after step {step}", seen)


def _draws_numbers_of_the_device(ctx: Context) -> bool:
    """Whether the train step draws stateless random numbers by the algorithm that each device has of its own."""
    return any(one.kind == "StatelessRandomGetKeyCounter" for one in operations(traced_steps(ctx)[TRAIN_STEP]))


def _check_validation(ctx: Context) -> None:
    """Compile the validation step, and compare it with the same step run eagerly."""
    batches = _of_one_shape(validation_batches(ctx))[:_VALIDATION_BATCHES]
    if not batches:
        return
    eager = ctx.share(
        ("evaluation of whole batches", Mode.EAGER), lambda: evaluate(build_task(ctx, mode=Mode.EAGER), batches)
    )
    try:
        compiled: Evaluation = ctx.share(
            ("evaluation of whole batches", ctx.mode), lambda: evaluate(build_task(ctx), batches)
        )
    except SubjectError as error:
        _raise_refusal(ctx, VALIDATION_STEP, error)
        raise
    if ctx.trait("random_inference"):
        return
    for step, (logs, expected) in enumerate(zip(compiled.logs, eager.logs, strict=True), start=1):
        seen = _different_logs(ctx, logs[0], expected[0])
        if seen:
            _raise_other_values(VALIDATION_STEP, f"at batch {step}", seen)
    state, wanted = compiled.after.validation_metrics, eager.after.validation_metrics
    allowed = ctx.tolerance("metrics")
    names = changed_names(wanted, state, relative=allowed.relative, absolute=allowed.absolute)
    known = [name for name in names if name in state and name in wanted]
    if known:
        seen = describe_changes(wanted, state, known)
        _raise_other_values(VALIDATION_STEP, f"after {len(batches)} batches", f"in the metrics, {seen}")


def _of_one_shape(batches: Sequence[Any]) -> list[Any]:
    """The batches that look like the first: one compilation does for them."""

    def looks(batch: Any) -> list[Any]:
        return [(leaf.dtype, tuple(leaf.shape)) for leaf in tf.nest.flatten(batch)]

    return [batch for batch in batches if looks(batch) == looks(batches[0])]


def _raise_refusal(ctx: Context, step: str, error: SubjectError) -> None:
    """Raise the violation that names the subject's own lines, when a compiler refused."""
    refusal = refusal_of(error)
    if refusal is None:
        return
    if not refusal.kinds or refusal.lacks_constant:
        raise explained(error, step)
    if all(map(calls_host, refusal.kinds)):
        ctx.not_applicable_if("host_callbacks")
    why, instead = replacement_for(refusal.kinds)
    raise Violation(
        f"XLA refuses {step}, because it has no kernel for {_named(ctx, step, refusal)}", cause=why, fix=instead
    )


def _named(ctx: Context, step: str, refusal: Refusal) -> str:
    """The operations of the refused types, with the lines that made them."""
    found: Iterable[str] = (
        str(operation) for operation in operations(traced_steps(ctx)[step]) if operation.kind in refusal.kinds
    )
    named = list(dict.fromkeys(found))
    if not named:
        where = f" at {refusal.place.quoted()}" if refusal.place else ""
        return f"{', '.join(refusal.kinds[:_NAMED_AT_MOST])}{where}"
    more = len(named) - _NAMED_AT_MOST
    return "; ".join(named[:_NAMED_AT_MOST]) + (f"; and {more} more" if more > 0 else "")


def _different_logs(ctx: Context, logs: Any, expected: Any) -> str:
    """Describe the numbers that two dicts of logs do not agree on."""
    allowed = ctx.tolerance("loss")
    for key in expected if isinstance(expected, dict) and isinstance(logs, dict) else ():
        ours, wanted = as_numpy(logs.get(key, np.nan)), as_numpy(expected[key])
        if np.issubdtype(wanted.dtype, np.number) and not (ours.shape == wanted.shape and allowed.allows(ours, wanted)):
            return f"logs[{key!r}] is {_shown(ours)} where it should be {_shown(wanted)}"
    return ""


def _shown(value: np.ndarray) -> str:
    return f"{float(value):.6g}" if value.ndim == 0 else f"{value.dtype} of shape {list(value.shape)}"


def _raise_other_values(step: str, when: str, seen: str) -> None:
    raise Violation(
        f"{step} compiles, and {when} it is not what it is uncompiled: {seen}",
        cause=_ANOTHER_MEANING,
        fix="Keep indices in range, give a TensorArray its size, and keep what changes in variables.",
    )


class _KeepsSomeRows(SoundTask):
    """Leaves out the examples of class 0 by taking the others."""

    def build_losses(self, labels: Any, model_outputs: Any, aux_losses: Any = None) -> Any:
        kept = labels > 0
        return super().build_losses(tf.boolean_mask(labels, kept), tf.boolean_mask(model_outputs, kept), aux_losses)


class _CountsClasses(SoundTask):
    def build_losses(self, labels: Any, model_outputs: Any, aux_losses: Any = None) -> Any:
        classes, _, counts = tf.unique_with_counts(labels)
        weights = tf.reduce_sum(tf.cast(counts, tf.float32)) / tf.cast(tf.size(classes), tf.float32)
        return super().build_losses(labels, model_outputs, aux_losses) * weights


class _FindsMistakes(SoundTask):
    """Returns the rows of a validation batch that are wrong."""

    def validation_logs(self, labels: Any, outputs: Any, loss: Any) -> dict[str, Any]:
        wrong = tf.where(tf.argmax(outputs, axis=-1, output_type=labels.dtype) != labels)
        return {**super().validation_logs(labels, outputs, loss), "wrong": tf.size(wrong)}


class _TakesTheHardest(SoundTask):
    """Means over as many examples as are wrong, the hardest first."""

    def build_losses(self, labels: Any, model_outputs: Any, aux_losses: Any = None) -> Any:
        losses = tf.nn.sparse_softmax_cross_entropy_with_logits(labels=labels, logits=model_outputs)
        wrong = tf.reduce_sum(tf.cast(tf.argmax(model_outputs, -1, labels.dtype) != labels, tf.int32))
        return tf.reduce_mean(tf.sort(losses, direction="DESCENDING")[: 1 + wrong])


class _CallsNumPy(SoundTask):
    def forward(self, model: Any, features: Any, *, training: bool) -> Any:
        scaled = tf.numpy_function(lambda array: array / np.max(np.abs(array)), [features], tf.float32)
        return super().forward(model, tf.ensure_shape(scaled, features.shape), training=training)


class _SumsSegments(SoundTask):
    """Sums by class with a reduction that XLA has no kernel for."""

    def build_losses(self, labels: Any, model_outputs: Any, aux_losses: Any = None) -> Any:
        losses = tf.nn.sparse_softmax_cross_entropy_with_logits(labels=labels, logits=model_outputs)
        by_class = tf.math.segment_sum(losses, tf.sort(labels))
        return tf.reduce_sum(by_class) / tf.cast(tf.size(losses), tf.float32)


class _ResizesByArea(SoundTask):
    def forward(self, model: Any, features: Any, *, training: bool) -> Any:
        images = tf.reshape(features, [-1, 2, 4, 1])
        smaller = tf.image.resize(images, [2, 4], method="area")
        return super().forward(model, tf.reshape(smaller, [-1, 8]), training=training)


class _NamesTheBest(SoundTask):
    """Logs the best class as text in validation."""

    def validation_logs(self, labels: Any, outputs: Any, loss: Any) -> dict[str, Any]:
        return {**super().validation_logs(labels, outputs, loss), "best": tf.strings.as_string(tf.argmax(outputs[0]))}


class _GrowsAnArray(SoundTask):
    """Collects the losses of validation in an array that grows: compiled, it has no room for them, and says nothing."""

    def validation_logs(self, labels: Any, outputs: Any, loss: Any) -> dict[str, Any]:
        losses = tf.nn.sparse_softmax_cross_entropy_with_logits(labels=labels, logits=outputs)
        array = tf.TensorArray(tf.float32, size=0, dynamic_size=True, element_shape=[])
        for index in tf.range(tf.size(losses)):
            array = array.write(index, losses[index])
        return {**super().validation_logs(labels, outputs, loss), "summed": tf.reduce_sum(array.stack())}


class _YieldsIds(SoundTask):
    """Yields the name of each example beside the features."""

    def build_inputs(self, params: Any, input_context: Any = None) -> Any:
        def with_names(features: Any, labels: Any) -> Any:
            return {"x": features, "name": tf.strings.as_string(labels)}, labels

        return super().build_inputs(params, input_context).map(with_names)

    def forward(self, model: Any, features: Any, *, training: bool) -> Any:
        return super().forward(model, features["x"], training=training)


MUTANTS = (
    Subject(_KeepsSomeRows, name="boolean_mask in the loss"),
    Subject(_CountsClasses, name="tf.unique in the loss"),
    Subject(_FindsMistakes, name="tf.where with one argument in validation"),
    Subject(_TakesTheHardest, name="a slice as long as the values say"),
    Subject(_CallsNumPy, name="numpy_function in the forward pass"),
    Subject(_SumsSegments, name="a sorted segment sum"),
    Subject(_ResizesByArea, name="an image operation without a kernel"),
    Subject(_NamesTheBest, name="text in the logs"),
    Subject(_GrowsAnArray, name="an array that grows, in validation"),
    Subject(_YieldsIds, name="strings in the batch"),
)
TWIN = SOUND_TASK
