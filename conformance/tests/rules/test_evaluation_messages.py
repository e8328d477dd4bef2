"""Failures of the rules about evaluation name the value, the numbers, and the batch that is lost."""

import numpy as np
import pytest
import tensorflow as tf
from assay.conformance.harness.tasks import empty_convolutions
from assay.conformance.model import Mode, Outcome
from assay.conformance.specimens import SoundTask

from conformance.tests.task_results import finding_of, result_of

pytestmark = pytest.mark.flavour


def test_t503_names_the_value_and_its_numbers():
    class DropsTheFirst(SoundTask):
        def aggregate_logs(self, state, step_logs):
            return {"correct": 0.0, "seen": 0.0} if state is None else super().aggregate_logs(state, step_logs)

    finding = finding_of("T503", DropsTheFirst)

    assert "'error_rate' does not depend on the first batch" in finding.observed
    assert finding.observed.count("over batches") == 6
    assert "drops the first step" in finding.cause


def test_t503_tells_the_last_batch_only_from_all_but_the_first():
    class KeepsTheLast(SoundTask):
        def aggregate_logs(self, state, step_logs):
            return super().aggregate_logs(None, step_logs)

    assert "only the last batch" in finding_of("T503", KeepsTheLast).cause


def test_t503_notices_an_evaluation_of_one_batch_that_reports_nothing():
    class NeedsTwo(SoundTask):
        def aggregate_logs(self, state, step_logs):
            if state is None:
                return {}
            return super().aggregate_logs(state or None, step_logs)

    finding = finding_of("T503", NeedsTwo)

    assert "one of a single batch does not" in finding.observed


def test_t503_gives_both_numbers_of_an_evaluation_that_does_not_start_clean():
    class Remembers(SoundTask):
        counts = None

        def aggregate_logs(self, state, step_logs):
            self.counts = super().aggregate_logs(self.counts, step_logs)
            return self.counts

    finding = finding_of("T503", Remembers)

    assert "error_rate was 0.8125 and is 0.75" in finding.observed


class ResetsEachStep(SoundTask):
    def process_metrics(self, metrics, labels, model_outputs):
        for metric in metrics:
            metric.reset_state()
        super().process_metrics(metrics, labels, model_outputs)


class CountsTwiceOnReplicas(SoundTask):
    """Updates with every example that any replica has."""

    def process_metrics(self, metrics, labels, model_outputs):
        context = tf.distribute.get_replica_context()
        if context.num_replicas_in_sync > 1:
            gathered = [context.all_gather(value, axis=0) for value in (labels, model_outputs)]
            labels, model_outputs = gathered
        super().process_metrics(metrics, labels, model_outputs)


@pytest.mark.parametrize(
    ("factory", "mode", "observed", "cause"),
    [
        (ResetsEachStep, Mode.GRAPH, "the last batch of 7 alone is counted", "reset at every step"),
        (CountsTwiceOnReplicas, Mode.REPLICAS, "each example is counted 2 times", "each replica adds up"),
    ],
)
def test_t203_names_what_a_metric_counts(factory, mode, observed, cause):
    finding = finding_of("T203", factory, mode)

    assert observed in finding.observed
    assert cause in finding.cause


def test_t203_names_the_call_that_resets_a_metric_and_what_is_lost():
    class Resets(SoundTask):
        def build_metrics(self, training=True):
            self.metrics = super().build_metrics(training)
            return self.metrics

        def aggregate_logs(self, state, step_logs):
            if state is None:
                self.metrics[0].reset_state()
            return super().aggregate_logs(state, step_logs)

    finding = finding_of("T203", Resets, Mode.GRAPH)

    assert "aggregate_logs at batch 1 of 3 puts the metric 'accuracy' back to its start" in finding.observed
    assert "8 of 23 examples are lost" in finding.observed


def test_t203_says_that_a_reduced_value_is_a_mean_of_means():
    class MeansRates(SoundTask):
        def aggregate_logs(self, state, step_logs):
            rate = sum(map(float, step_logs["correct"])) / sum(map(float, step_logs["seen"]))
            return [*(state or []), rate]

        def reduce_aggregated_logs(self, aggregated_logs, global_step=None):
            return {"rate": sum(aggregated_logs) / len(aggregated_logs), "batches": len(aggregated_logs)}

    finding = finding_of("T203", MeansRates, Mode.GRAPH)

    assert finding.observed.startswith("'rate' is")  # and not the number of batches, which is meant to differ
    assert "the mean of the values of 3 batches" in finding.observed
    assert "mean of means" in finding.cause


class Extremes(SoundTask):
    """Metrics whose variables do not add up: a maximum, and a flag beside it."""

    def build_metrics(self, training=True):
        class Largest(tf.keras.metrics.Metric):
            def __init__(self):
                super().__init__(name="largest")
                self.largest = self.add_weight(name="largest", initializer="zeros")
                self.started = self.add_weight(name="started", initializer="zeros")

            def update_state(self, values):
                self.largest.assign(tf.maximum(tf.convert_to_tensor(self.largest), tf.reduce_max(values)))
                self.started.assign(1.0)

            def result(self):
                return tf.convert_to_tensor(self.largest)

        return super().build_metrics(training) if training else [Largest()]

    def process_metrics(self, metrics, labels, model_outputs):
        for metric in metrics:
            if metric.name == "largest":
                metric.update_state(tf.nn.softmax(model_outputs))
            else:
                metric.update_state(labels, model_outputs)


def test_t203_accepts_variables_that_do_not_add_up_when_the_result_is_right():
    assert result_of("T203", Extremes, Mode.GRAPH).outcome is Outcome.PASS


class DropsTheRemainder(SoundTask):
    def build_inputs(self, params, input_context=None):
        return (
            super().build_inputs(params, input_context).unbatch().batch(params.global_batch_size, drop_remainder=True)
        )


def test_t203_accepts_a_dropped_remainder_that_is_declared():
    assert "the data gives 16 of 23 examples" in finding_of("T203", DropsTheRemainder, Mode.GRAPH).observed
    assert result_of("T203", DropsTheRemainder, Mode.GRAPH, eval_drops_remainder=True).outcome is Outcome.PASS


def test_t203_is_lifted_where_inference_is_random():
    class Noisy(SoundTask):
        def forward(self, model, features, *, training):
            return super().forward(model, features + tf.random.normal(tf.shape(features)), training=training)

    assert result_of("T203", Noisy, Mode.GRAPH, random_inference=True).outcome is Outcome.NOT_APPLICABLE


def test_t203_tells_that_a_replica_without_examples_cannot_be_run(monkeypatch):
    # Whatever this process thinks of TensorFlow's own convolutions of nothing: there is none here.
    monkeypatch.setattr(empty_convolutions, "_broken", lambda: False)

    class TakesTheFirst(SoundTask):
        def validation_logs(self, labels, outputs, loss):
            return {**super().validation_logs(labels, outputs, loss), "first": tf.cast(labels[0], tf.float32)}

    finding = finding_of("T203", TakesTheFirst, Mode.REPLICAS)

    assert "where the second replica gets none" in finding.observed
    assert "no rows" in finding.fix


def test_t203_tells_the_first_of_two_batches_that_is_lost():
    class StartsWithTheSecond(SoundTask):
        def examples(self, *, training):
            features, labels = super().examples(training=training)
            return features[:13], labels[:13]

        def aggregate_logs(self, state, step_logs):
            return {"correct": 0.0, "seen": 0.0} if state is None else super().aggregate_logs(state, step_logs)

    finding = finding_of("T203", StartsWithTheSecond, Mode.GRAPH)

    assert "when another batch takes the place of the first, of 8" in finding.observed


def test_t203_names_data_that_is_drawn_anew_at_each_build():
    class DrawsItsData(SoundTask):
        def examples(self, *, training):
            features, labels = super().examples(training=training)
            drawn = np.random.default_rng()
            return drawn.normal(size=features.shape).astype(np.float32), drawn.permutation(labels)

    finding = finding_of("T203", DrawsItsData, Mode.GRAPH)

    assert "the evaluation data is not the same from one build to the next" in finding.observed


def test_t203_names_the_metric_that_is_fed_twice():
    class FeedsTwice(SoundTask):
        def process_metrics(self, metrics, labels, model_outputs):
            super().process_metrics(metrics, labels, model_outputs)
            super().process_metrics(metrics[:1], labels, model_outputs)

    finding = finding_of("T203", FeedsTwice, Mode.GRAPH)

    assert finding.observed == "each validation step gives the metric accuracy the same values at least twice"


def test_t109_names_losses_of_layers_that_the_step_forgets():
    class ForgetsLayers(SoundTask):
        def build_model(self):
            layers = tf.keras.layers
            penalty = layers.ActivityRegularization(l2=0.1)
            return tf.keras.Sequential([layers.Input((8,)), layers.Dense(16), penalty, layers.Dense(3)])

        def train_step(self, inputs, model, optimizer, metrics=None):
            features, labels = inputs
            with tf.GradientTape() as tape:
                loss = self.build_losses(labels, self.forward(model, features, training=True))
            variables = model.trainable_variables
            self.apply(optimizer, tape.gradient(loss, variables), variables)
            self.process_metrics(metrics or [], labels, self.forward(model, features, training=True))
            return {"loss": loss}

    assert "the update has nothing of the losses that layers add" in finding_of("T109", ForgetsLayers).observed
