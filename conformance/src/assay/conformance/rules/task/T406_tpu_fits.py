"""T406 tpu-fits: the compiled steps fit the memory of the chosen TPU."""

from __future__ import annotations

from typing import Any

from assay.conformance.context import Context
from assay.conformance.harness.tasks import step_programs
from assay.conformance.lazy import tf
from assay.conformance.model import (
    Evidence,
    Level,
    Mode,
    NotApplicable,
    NotRun,
    Rule,
    Subject,
    SubjectError,
    Target,
)
from assay.conformance.specimens import SOUND_TASK, SoundTask
from assay.conformance.targets import tpu
from assay.conformance.targets.compiling import compiled_for_tpu, readable
from assay.conformance.targets.refusals import does_not_fit

RULE = Rule(
    id="T406",
    slug="tpu-fits",
    level=Level.SHOULD,
    requirement="The compiled train and validation steps fit the memory of one chip of the chosen TPU.",
    checks=(
        "Compiles both steps ahead of time with the TPU compiler, for the batch size of the Task's configuration on "
        "one chip, and asks it what they need: arguments and variables, results, temporaries and code. The chip is "
        "that of `--tpu-topology` (v5e where nothing is said)."
    ),
    why=(
        "Out of memory is what the first minutes of a TPU reservation are spent on. The compiler knows the answer "
        "without a TPU: it lays out every buffer ahead of time."
    ),
    bad="""
pairwise = tf.norm(x[:, None] - x[None, :], axis=-1)  # [batch x pixels, batch x pixels]: 95 GiB
""",
    good="""
nearest = tf.map_fn(lambda row: tf.reduce_min(tf.norm(x - row, axis=-1)), x)
""",
    modes=(Mode.XLA,),
    targets=(Target.TPU,),
    references=("OpenXLA, Error code E1000: compile-time HBM out of memory",),
    evidence=Evidence.COMPILED,
)


def check(ctx: Context) -> None:
    """Compile both steps, and compare what they need with what there is."""
    topology = ctx.session.topology
    for program in step_programs(ctx):
        try:
            taken = compiled_for_tpu(program, ctx)
        except tpu.CompilerMissingError as missing:
            raise NotRun("Only the TPU compiler knows what a step needs.", remedy=str(missing)) from missing
        except tpu.CompilerUndecidedError as undecided:
            raise NotRun(f"Nothing is known of {program.name}. {undecided}", remedy="T402 says more.") from undecided
        except SubjectError as error:
            raise NotApplicable(f"{program.name} does not compile, which T402 says more about.") from error
        except tpu.CompilerRefusedError as refused:
            if not refused.out_of_memory:
                raise NotApplicable(
                    f"The TPU compiler refuses {program.name}, which T402 says more about."
                ) from refused
            raise does_not_fit(program, topology, refused) from refused
        ctx.learn(
            f"{program.name} needs {readable(taken.memory_bytes)} of the {readable(topology.device_bytes)} that a "
            f"device of {topology.name} has."
        )


class _ComparesEverything(SoundTask):
    """Compares everything with everything, in numbers that no chip holds."""

    def build_losses(self, labels: Any, model_outputs: Any, aux_losses: Any = None) -> Any:
        points = tf.tile(tf.reshape(tf.stop_gradient(model_outputs), [-1, 1]), [5_000, 1])
        largest = tf.reduce_max(tf.cumsum(tf.cumsum(points * tf.transpose(points), axis=0), axis=1))
        return super().build_losses(labels, model_outputs, aux_losses) + 0.0 * largest


MUTANTS = (Subject(_ComparesEverything, name="everything compared with everything"),)
TWIN = SOUND_TASK
