"""T405 gpu-placed: every floating-point operation of a step has a GPU kernel for its dtype."""

from __future__ import annotations

from typing import Any

from assay.conformance.context import Context
from assay.conformance.harness import operations
from assay.conformance.harness.tasks import traced_steps
from assay.conformance.lazy import tf
from assay.conformance.model import Evidence, Level, Mode, NotRun, Rule, Subject, Target, Violation
from assay.conformance.specimens import SOUND_TASK, SoundTask
from assay.conformance.targets import gpu

RULE = Rule(
    id="T405",
    slug="gpu-placed",
    level=Level.SHOULD,
    requirement="Every floating-point operation of the train and the validation step has a GPU kernel for its dtype.",
    checks=(
        "Traces both steps without running them and looks every operation up in TensorFlow's kernel registry, by type "
        "and dtypes, functions, loops and branches included. The standard Linux wheel registers its GPU kernels on a "
        "machine without a GPU too. In mixed precision the steps are those of a float16 model with loss scaling."
    ),
    why=(
        "What has no kernel runs on the host: its inputs are copied from the GPU, the GPU waits, and the result is "
        "copied back, in every step. Nothing says so; the step is just slower than it should be, by more than the "
        "operation takes. Without soft placement it fails."
    ),
    bad="""
kept, kept_scores = tf.image.non_max_suppression_with_scores(boxes, scores, 100)  # a CPU kernel only
""",
    good="""
kept, count = tf.image.non_max_suppression_padded(boxes, scores, 100, pad_to_max_output_size=True)
""",
    modes=(Mode.GRAPH, Mode.MIXED_PRECISION),
    targets=(Target.GPU,),
    references=("TensorFlow guide, Use a GPU: Logging device placement",),
    evidence=Evidence.STATIC,
)

_NAMED_AT_MOST = 3


def check(ctx: Context) -> None:
    """Look for operations of the host in both graphs."""
    if not gpu.has_gpu_kernels():
        raise NotRun(
            "This build of TensorFlow registers no GPU kernels, so nothing can be looked up.",
            remedy="Install the standard Linux wheel (`tensorflow`, not `tensorflow-cpu`); it needs no GPU for this.",
        )
    for step, graph in traced_steps(ctx).items():
        found = list(gpu.without_gpu_kernel(graph))
        if found:
            named = list(dict.fromkeys(map(str, found)))
            more = len(named) - _NAMED_AT_MOST
            raise Violation(
                f"{len(found)} of {sum(1 for _ in operations(graph))} operations of {step} have no GPU kernel for "
                f"their dtypes: {'; '.join(named[:_NAMED_AT_MOST])}" + (f"; and {more} more" if more > 0 else ""),
                cause="TensorFlow has this operation, or this dtype of it, on the CPU alone",
                fix="Use another operation or dtype, do it in build_inputs, or run the step under "
                "`tf.function(jit_compile=True)`, which compiles its own kernels.",
            )


class _SuppressesOnTheHost(SoundTask):
    """Suppresses rows of the outputs as if they were boxes, in validation."""

    def validation_logs(self, labels: Any, outputs: Any, loss: Any) -> dict[str, Any]:
        boxes = tf.concat([outputs, outputs[:, :1]], axis=-1)
        kept, _ = tf.image.non_max_suppression_with_scores(boxes, outputs[:, 0], 2)
        return {**super().validation_logs(labels, outputs, loss), "kept": tf.size(kept)}


class _ShufflesInTheStep(SoundTask):
    """Reorders the outputs at random, and back."""

    def forward(self, model: Any, features: Any, *, training: bool) -> Any:
        outputs = super().forward(model, features, training=training)
        return outputs + 0.0 * tf.reduce_sum(tf.random.shuffle(outputs))


MUTANTS = (
    Subject(_SuppressesOnTheHost, name="non-maximum suppression in validation"),
    Subject(_ShufflesInTheStep, name="a shuffle in the step"),
)
TWIN = SOUND_TASK
