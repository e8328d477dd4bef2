import itertools

import numpy as np
import pytest
import tensorflow as tf
from assay.conformance import Mode, Subject, Violation
from assay.conformance.context import Context
from assay.conformance.harness.tasks import build_task, snapshot, train, train_run, training_batches, validation_run
from assay.conformance.harness.tasks.optimizers import inner_optimizer
from assay.conformance.model import SubjectError
from assay.conformance.session import Session
from assay.conformance.specimens import BATCH_NORM_TASK, CONFIGURED_TASK, SOUND_TASK, SoundTask

pytestmark = pytest.mark.flavour


def context(factory, mode=Mode.EAGER):
    subject = factory if isinstance(factory, Subject) else Subject(factory)
    return Context("T900", Session(subject), mode=mode)


class Lazy(SoundTask):
    """A task whose model makes its variables at the first call."""

    def build_model(self):
        return tf.keras.Sequential([tf.keras.layers.Dense(4), tf.keras.layers.Dense(3)])


@pytest.mark.parametrize("mode", list(Mode))
def test_every_build_starts_from_the_same_weights(mode):
    ctx = context(SOUND_TASK)

    first, second = snapshot(build_task(ctx)), snapshot(build_task(ctx, mode=mode))

    assert list(first.model) == list(second.model)
    for name, value in first.model.items():
        np.testing.assert_array_equal(value, second.model[name])


def test_unequal_start_is_there_when_asked_for():
    ctx = context(lambda: SoundTask(), Mode.EAGER)
    build_task(ctx)
    fresh = build_task(ctx, equal_start=False)

    assert snapshot(fresh).model.keys() == snapshot(build_task(ctx)).model.keys()


@pytest.mark.parametrize("mode", [Mode.EAGER, Mode.REPLICAS])
def test_variables_of_a_lazy_model_exist_before_the_first_step(mode):
    build = build_task(context(Lazy), mode=mode)

    assert len(build.model.trainable_variables) == 4
    train(build, training_batches(context(Lazy), 1))


def test_two_builds_with_different_variables_are_a_violation():
    widths = itertools.count(3)

    class Growing(SoundTask):
        def build_model(self):
            return tf.keras.Sequential([tf.keras.layers.Input((8,)), tf.keras.layers.Dense(next(widths))])

    ctx = context(Growing)
    build_task(ctx)

    with pytest.raises(Violation, match="two builds of the model have different variables"):
        build_task(ctx)


@pytest.mark.parametrize("mode", list(Mode))
def test_training_agrees_with_eager_in_every_mode(mode):
    ctx = context(SOUND_TASK)

    expected, actual = train_run(ctx), train_run(ctx, mode=mode)

    relative, absolute = (2e-2, 1e-3) if mode is Mode.MIXED_PRECISION else (1e-5, 1e-6)
    for name, value in expected.snapshots[-1].model.items():
        np.testing.assert_allclose(actual.snapshots[-1].model[name], value, rtol=relative, atol=absolute)
    assert len(actual.signatures) == (0 if mode is Mode.EAGER else 1)


@pytest.mark.parametrize("mode", list(Mode))
def test_validation_agrees_with_eager_in_every_mode(mode):
    ctx = context(BATCH_NORM_TASK)

    expected, actual = validation_run(ctx), validation_run(ctx, mode=mode)

    assert actual.metrics["accuracy"] == expected.metrics["accuracy"]
    assert actual.reduced["error_rate"] == pytest.approx(1.0 - expected.metrics["accuracy"])


def test_replicas_report_one_loss_each():
    run = train_run(context(SOUND_TASK), mode=Mode.REPLICAS)

    first, second = run.logs[0]
    assert float(first["loss"]) != float(second["loss"])


def test_gradients_that_the_optimizer_was_given_are_recorded_in_eager_mode():
    run = train_run(context(CONFIGURED_TASK))

    ((pairs,), *_) = run.gradients
    before, after = run.snapshots[0].weights, run.snapshots[1].weights
    for (gradient, _), name in zip(pairs, before, strict=True):
        np.testing.assert_allclose(after[name], before[name] - 0.1 * gradient.numpy(), rtol=1e-5, atol=1e-7)


def test_momentum_makes_a_slot_for_each_trainable_variable():
    build = build_task(context(SOUND_TASK), momentum=0.9)

    slots = [value for value in snapshot(build).optimizer.values() if value.ndim]
    assert len(slots) == len(build.model.trainable_variables)


def test_loss_scale_wraps_the_optimizer_and_leaves_the_update():
    ctx = context(SOUND_TASK)
    plain, scaled = build_task(ctx), build_task(ctx, loss_scale=1024.0)

    assert inner_optimizer(scaled.optimizer) is not scaled.optimizer
    runs = [train(build, training_batches(ctx, 2)) for build in (plain, scaled)]
    for name, value in runs[0].snapshots[-1].model.items():
        np.testing.assert_allclose(runs[1].snapshots[-1].model[name], value, rtol=1e-5, atol=1e-6)


def test_precision_policy_is_put_back():
    build_task(context(SOUND_TASK), mode=Mode.MIXED_PRECISION)

    assert tf.keras.mixed_precision.global_policy().name == "float32"


def test_what_the_factory_raises_is_the_subjects():
    def factory():
        raise KeyError("labels")

    with pytest.raises(SubjectError, match="the factory raised KeyError"):
        build_task(context(factory))


def test_failed_run_is_remembered():
    calls = []

    class Raising(SoundTask):
        def build_losses(self, labels, model_outputs, aux_losses=None):
            calls.append(1)
            raise ValueError("no")

    ctx = context(Raising)
    for _ in range(3):
        with pytest.raises(SubjectError):
            train_run(ctx)

    assert len(calls) == 1
