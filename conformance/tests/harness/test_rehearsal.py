"""Calls of metrics are counted, each once, and metrics are left as they were."""

import pytest
import tensorflow as tf
from assay.conformance.context import Context
from assay.conformance.harness.tasks import rehearse
from assay.conformance.harness.tasks.rehearsal import MetricCalls, watching_metrics
from assay.conformance.session import Session
from assay.conformance.specimens import SOUND_TASK

pytestmark = pytest.mark.flavour


def test_updates_and_resets_are_counted():
    metric = tf.keras.metrics.Mean()

    with watching_metrics({1: metric}) as calls:
        metric.update_state(1.0)
        metric(2.0)
        metric.reset_state()

    assert (calls[1].updates, calls[1].resets) == (2, 1)
    metric.update_state(4.0)
    assert float(metric.result()) == 4.0
    assert calls[1].updates == 2


def test_reset_under_both_names_counts_once():
    class Old(tf.keras.metrics.Mean):
        def reset_states(self):
            self.total.assign(0.0)
            self.count.assign(0.0)

        def reset_state(self):
            self.reset_states()

    metric = Old()

    with watching_metrics({1: metric}) as calls:
        metric.reset_state()

    assert calls[1].resets == 1


def test_each_step_of_a_sound_task_updates_its_own_metrics():
    seen = rehearse(Context("T106", Session(SOUND_TASK)))
    build = seen.training.build

    assert [seen.calls_in_training[id(metric)].updates for metric in build.train_metrics] == [2]
    assert {seen.calls_in_training[id(metric)].updates for metric in build.validation_metrics} == {0}
    steps = len(seen.evaluation.batches)
    assert {seen.calls_in_evaluation[id(metric)].updates for metric in build.validation_metrics} == {steps}
    assert {seen.calls_in_evaluation[id(metric)].resets for metric in build.validation_metrics} == {1}


@pytest.mark.parametrize(
    ("steps", "twice"),
    [
        ([["a", "a"], ["b", "b"], []], True),
        ([["a", "b", "a", "b"]], True),
        ([["a", "a"], ["b"]], False),
        ([["a"], ["a"]], False),
        ([[None, None], ["a", "a"]], True),
        ([[None, None]], False),
    ],
)
def test_given_twice_means_everything_in_every_step(steps, twice):
    assert MetricCalls(steps=steps).given_twice is twice


def test_values_that_may_come_again_by_chance_tell_nothing():
    metric = tf.keras.metrics.Mean()

    with watching_metrics({1: metric}) as calls:
        metric.update_state(1.0)
        metric.update_state(tf.ones(4))
        metric.update_state(tf.constant([0.0, 1.0]))

    scalar, equal, telling = calls[1].steps[0]
    assert scalar is None
    assert equal is None
    assert telling is not None
