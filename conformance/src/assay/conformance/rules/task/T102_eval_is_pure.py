"""T102 eval-is-pure: validation changes nothing but the state of its metrics."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from assay.conformance.context import Context
from assay.conformance.harness import metric_variables_in
from assay.conformance.harness.flavour import layers_of
from assay.conformance.harness.tasks import (
    Evaluation,
    changed_names,
    counted_updates,
    describe_changes,
    model_variables,
    plain_name,
    rehearse,
    validation_run,
)
from assay.conformance.lazy import tf
from assay.conformance.model import Level, Mode, Rule, Subject, Target, Violation
from assay.conformance.specimens import BATCH_NORM_TASK, SoundTask

RULE = Rule(
    id="T102",
    slug="eval-is-pure",
    level=Level.MUST,
    requirement="Validation leaves every variable of the model and the optimizer bit for bit as it was.",
    checks=(
        "Compares all variables of the model and of the optimizer before and after a pass over the validation data: "
        "eagerly after a few training steps with momentum, so that slots and moving statistics hold something; in a "
        "graph and on two replicas with a fresh model."
    ),
    why=(
        "A loop evaluates in the middle of training, and as often as somebody asks. If that moves a weight, a slot or "
        "a moving average, the model that is trained depends on how often it was looked at, validation data leaks into "
        "it, and no run can be repeated with another evaluation interval. Batch normalisation that runs in training "
        "mode is the classic: the numbers look fine, even a little better than they should."
    ),
    bad="""
def validation_step(self, inputs, model, metrics=None):
    features, labels = inputs
    outputs = model(features, training=True)  # moves the statistics of every batch normalisation
""",
    good="""
def validation_step(self, inputs, model, metrics=None):
    features, labels = inputs
    outputs = model(features, training=False)
""",
    modes=(Mode.EAGER, Mode.GRAPH, Mode.REPLICAS),
    targets=(Target.CPU, Target.GPU),
    traits=("random_inference",),
    references=("Keras: BatchNormalization moves its statistics whenever it is called with training=True",),
)

_RANDOM_STATE = "seed_generator_state"


def check(ctx: Context) -> None:
    """Compare the variables before and after the pass."""
    evaluation = rehearse(ctx).evaluation if ctx.mode is Mode.EAGER else validation_run(ctx)
    _check_trained(evaluation)
    _check_statistics(ctx, evaluation)


def _check_trained(evaluation: Evaluation) -> None:
    """Nothing that training trains, and nothing of the optimizer."""
    before, after = evaluation.before, evaluation.after
    weights = changed_names(before.weights, after.weights)
    slots = changed_names(before.optimizer, after.optimizer)
    if not weights and not slots:
        return
    updates = counted_updates(before, after)
    parts = [
        f"{what} {describe_changes(old, new, names)}"
        for what, old, new, names in (
            ("of the trainable weights", before.weights, after.weights, weights),
            ("of the optimizer's variables", before.optimizer, after.optimizer, slots),
        )
        if names
    ]
    observed = f"after {_passes(evaluation)} of validation, {'; '.join(parts)}"
    if updates:
        raise Violation(
            f"{observed}; optimizer.iterations moved by {updates}",
            cause="the optimizer is stepped in validation",
            fix="Apply gradients in train_step only; validation_step computes outputs, the loss and metrics.",
        )
    if weights:
        raise Violation(
            observed,
            cause="weights are assigned in validation: averaged weights that are swapped in and not put back, say",
            fix="Evaluate a copy, or swap the weights back in the same step; let the loop do it between evaluations.",
        )
    raise Violation(
        observed,
        cause="validation sets a hyperparameter or a slot of the optimizer",
        fix="Leave the optimizer alone in validation_step and aggregate_logs.",
    )


def _check_statistics(ctx: Context, evaluation: Evaluation) -> None:
    """Nothing else in the model: moving statistics, frozen weights, states of random generators."""
    excepted = _names_of_metric_variables(evaluation)
    before, after = (
        {name: value for name, value in snapshot.statistics.items() if name not in excepted}
        for snapshot in (evaluation.before, evaluation.after)
    )
    changed = changed_names(before, after)
    states = [name for name in changed if plain_name(name).endswith(_RANDOM_STATE)]
    moved = [name for name in changed if name not in states]
    drawn = [name for name in states if name not in _states_of_recurrent_cells(evaluation)]
    if moved:
        raise Violation(
            f"after {_passes(evaluation)} of validation, of the model's variables that are not trained "
            f"{describe_changes(before, after, moved)}",
            cause=_cause_of_moved(before, moved),
            fix="Call the model with training=False in validation_step and inference_step, and assign nothing there.",
        )
    if drawn and not ctx.trait("random_inference"):
        raise Violation(
            f"validation drew random numbers: {describe_changes(before, after, drawn)}",
            cause="a dropout or noise layer runs in training mode, so that training goes on with other random numbers",
            fix=(
                "Call the model with training=False; if drawing is meant, declare the trait random_inference and keep "
                "a generator of its own for it."
            ),
        )


def _cause_of_moved(before: Mapping[str, np.ndarray], moved: list[str]) -> str:
    if all("moving" in plain_name(name) for name in moved):
        return "the model runs in training mode in validation, where batch normalisation moves its statistics"
    frozen = [name for name in moved if plain_name(name).endswith(("kernel", "bias", "gamma", "beta", "embeddings"))]
    if frozen:
        return f"validation assigns frozen weights, of {len(before)} variables that are not trained"
    return "the model runs in training mode in validation, or validation counts something in a variable of the model"


def _names_of_metric_variables(evaluation: Evaluation) -> set[str]:
    model = evaluation.build.model
    owned = {id(variable) for variable in metric_variables_in(model)}
    variables = model_variables(model)
    names = evaluation.build.names("model", variables)
    return {name for name, variable in zip(names, variables, strict=True) if id(variable) in owned}


def _states_of_recurrent_cells(evaluation: Evaluation) -> set[str]:
    """The random states of Keras 3's recurrent cells: they draw a dropout mask in inference too, and do not use it.

    A Task can do nothing about it, and its results do not depend on it.
    """
    model = evaluation.build.model
    generators = [
        getattr(layer, "seed_generator", None)
        for layer in layers_of(model)
        if type(layer).__module__.startswith("keras.") and type(layer).__name__.endswith("Cell")
    ]
    states = {id(generator.state) for generator in generators if generator is not None}
    variables = model_variables(model)
    names = evaluation.build.names("model", variables)
    return {name for name, variable in zip(names, variables, strict=True) if id(variable) in states}


def _passes(evaluation: Evaluation) -> str:
    steps = len(evaluation.batches)
    return f"{steps} step" + ("" if steps == 1 else "s")


class _TrainingMode(SoundTask):
    def forward(self, model: Any, features: Any, *, training: bool) -> Any:
        return super().forward(model, features, training=True)


class _StepsTheOptimizer(SoundTask):
    def train_step(self, inputs: Any, model: Any, optimizer: Any, metrics: Any = None) -> dict[str, Any]:
        self._optimizer = optimizer
        return super().train_step(inputs, model, optimizer, metrics)

    def validation_step(self, inputs: Any, model: Any, metrics: Any = None) -> dict[str, Any]:
        if hasattr(self, "_optimizer"):  # "a little more data does no harm"
            super().train_step(inputs, model, self._optimizer)
        return super().validation_step(inputs, model, metrics)


class _AveragesStay(SoundTask):
    def validation_step(self, inputs: Any, model: Any, metrics: Any = None) -> dict[str, Any]:
        for variable in model.trainable_variables:
            variable.assign(0.99 * tf.convert_to_tensor(variable))
        return super().validation_step(inputs, model, metrics)


MUTANTS = (
    Subject(
        lambda: _TrainingMode(batch_norm=True), traits={"batch_statistics": True}, name="validates in training mode"
    ),
    Subject(_StepsTheOptimizer, name="steps the optimizer in validation"),
    Subject(_AveragesStay, name="leaves averaged weights in the model"),
)
TWIN = BATCH_NORM_TASK
