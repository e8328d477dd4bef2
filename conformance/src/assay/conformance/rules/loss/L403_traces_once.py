"""L403 traces-once: the loss makes its graphs once a signature, and none in later calls."""

from __future__ import annotations

from typing import Any

from assay.conformance.context import Context
from assay.conformance.harness import losses
from assay.conformance.harness.losses.tracing import counting_graphs
from assay.conformance.harness.samples import sample_of
from assay.conformance.lazy import tf
from assay.conformance.model import Level, Mode, Rule, Violation
from assay.conformance.specimens import HUBER_LOSS, SoundHuber

RULE = Rule(
    id="L403",
    slug="traces-once",
    level=Level.SHOULD,
    requirement="After its first calls the loss builds no further graph for inputs of the same shapes and dtypes.",
    checks=(
        "Calls the loss eagerly with five batches of the same shapes and other values, and counts the graphs that "
        "`tf.function` builds from the third call on."
    ),
    why=(
        "A `tf.function` that is made inside the call, or gets a Python number that changes, is traced at every step. "
        "That "
        "takes a hundred times as long as the arithmetic, and memory grows with each graph that is kept."
    ),
    bad="""
def call(self, y_true, y_pred):
    @tf.function  # a new one at each call
    def distance(a, b):
        return tf.square(a - b)

    return distance(y_true, y_pred)
""",
    good="""
@tf.function
def distance(a, b):
    return tf.square(a - b)
""",
    modes=(Mode.EAGER,),
    references=("google-deepmind/chex: assert_max_traces",),
)

WARM_UP = 2
CALLS = 3


def check(ctx: Context) -> None:
    """Count the graphs of later calls."""
    sample, loss = sample_of(ctx), losses.new_component(ctx)
    for seed in range(WARM_UP):
        losses.value(ctx, loss, sample.grow(4, seed=seed))
    with counting_graphs() as built:
        for seed in range(WARM_UP, WARM_UP + CALLS):
            losses.value(ctx, loss, sample.grow(4, seed=seed))
    if built:
        raise Violation(
            f"{CALLS} further calls with inputs of the same shapes and dtypes built {len(built)} graphs ({built[0]})",
            cause="a `tf.function` is made inside the call, or gets Python numbers that change",
            fix="Make the `tf.function` once, at module level or in `__init__`, and pass tensors to it.",
        )


class _MakesAFunction(SoundHuber):
    def call(self, y_true: Any, y_pred: Any) -> Any:
        return tf.function(super().call)(y_true, y_pred)


class _PassesANumber(SoundHuber):
    steps = 0

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.traced = tf.function(lambda values, step: values + 0.0 * step)

    def call(self, y_true: Any, y_pred: Any) -> Any:
        self.steps += 1
        return self.traced(super().call(y_true, y_pred), self.steps)


MUTANTS = (
    HUBER_LOSS.replace(factory=_MakesAFunction, name="makes a function in the call"),
    HUBER_LOSS.replace(factory=_PassesANumber, name="passes a Python number"),
)
TWIN = HUBER_LOSS
