"""Failures of the rules about replicas name the factor, the replica that is lost and the cause that fits."""

import pytest
import tensorflow as tf
from assay.conformance.model import Mode, Outcome
from assay.conformance.specimens import SoundTask
from assay.conformance.specimens.task import NUM_CLASSES

from conformance.tests.task_results import finding_of, replicas, result_of

pytestmark = pytest.mark.flavour


class Shares(SoundTask):
    """Multiplies the objective by a power of the number of replicas."""

    def __init__(self, power, **options):
        super().__init__(**options)
        self.power = power

    def replica_share(self, loss):
        return loss * replicas() ** self.power


@pytest.mark.parametrize(
    ("power", "named", "cause"),
    [
        (0, "is 2 times", "not divided by num_replicas_in_sync"),
        (-2, "is 0.5 times", "divided twice"),
        (1, "is 4 times", "summed over replicas twice"),
        (-3, "is 0.25 times", "more than twice"),
    ],
)
@pytest.mark.parametrize("batch_norm", [False, True])
def test_t501_names_the_factor_and_its_cause(power, named, cause, batch_norm):
    finding = finding_of("T501", lambda: Shares(float(power), batch_norm=batch_norm), Mode.REPLICAS)

    assert named in finding.observed
    assert ("on the two halves" in finding.observed) is batch_norm
    assert cause in finding.cause


class CountsOverReplicas(SoundTask):
    """Ignores class 0, counts the other examples over all replicas, and keeps batch statistics of each replica."""

    def __init__(self, *, logs_global=True):
        super().__init__(batch_norm=True, weight_decay=0.01)
        self.logs_global = logs_global

    def build_losses(self, labels, model_outputs, aux_losses=None):
        losses = tf.nn.sparse_softmax_cross_entropy_with_logits(labels=labels, logits=model_outputs)
        valid = tf.cast(labels > 0, tf.float32)
        count = tf.reduce_sum(valid)
        context = tf.distribute.get_replica_context()
        mean_count = context.all_reduce("mean", count) if replicas() > 1 else count
        self._logged = tf.reduce_sum(losses * valid) / count + tf.add_n(aux_losses)
        return tf.reduce_sum(losses * valid) / mean_count + tf.add_n(aux_losses)

    def train_logs(self, loss):
        return {self.loss: loss if self.logs_global else self._logged}


def test_t501_lets_a_count_over_replicas_weigh_parts_with_statistics_of_their_own():
    result = result_of("T501", CountsOverReplicas, Mode.REPLICAS)

    assert result.outcome is Outcome.PASS, result.message


def test_t501_wants_the_logged_loss_weighed_like_the_update():
    finding = finding_of("T501", lambda: CountsOverReplicas(logs_global=False), Mode.REPLICAS)

    assert "the weights agree, and at step 1 the logged loss" in finding.observed
    assert "mean of means" in finding.cause


def test_t501_sees_the_factor_through_dropout():
    finding = finding_of("T501", lambda: Shares(0.0, dropout=0.5), Mode.REPLICAS, random_step=True)

    assert "is 2 times" in finding.observed


def test_t501_tells_a_normaliser_of_the_replica_from_other_differences():
    class CountsItsOwn(SoundTask):
        def build_losses(self, labels, model_outputs, aux_losses=None):
            losses = tf.nn.sparse_softmax_cross_entropy_with_logits(labels=labels, logits=model_outputs)
            valid = tf.cast(labels > 0, tf.float32)
            return tf.reduce_sum(losses * valid) / (tf.reduce_sum(valid) + 1e-5)

    finding = finding_of("T501", CountsItsOwn, Mode.REPLICAS)

    assert "nor a multiple of it: 4 of 4 variables differ" in finding.observed
    assert "mean of means" in finding.cause
    assert "all_reduce" in finding.fix


def test_t501_says_that_only_the_logged_loss_is_wrong():
    class LogsTheSum(SoundTask):
        def train_logs(self, loss):
            return {"loss": loss * replicas()}

    finding = finding_of("T501", LogsTheSum, Mode.REPLICAS)

    assert "the weights agree" in finding.observed
    assert "a factor of 2" in finding.observed


def test_t501_is_lifted_for_randomness_that_is_found_and_not_declared():
    class Noise(SoundTask):
        def forward(self, model, features, *, training):
            return super().forward(model, features + tf.random.normal(tf.shape(features)), training=training)

    result = result_of("T501", Noise, Mode.REPLICAS)

    assert result.outcome is Outcome.NOT_APPLICABLE
    assert "two seeds give two results" in result.message


def test_t501_gives_the_factors_of_the_halves_and_the_nearest_multiple():
    class CountsItsOwn(SoundTask):
        def build_losses(self, labels, model_outputs, aux_losses=None):
            losses = tf.nn.sparse_softmax_cross_entropy_with_logits(labels=labels, logits=model_outputs)
            valid = tf.cast(labels > 0, tf.float32)
            return tf.math.divide_no_nan(tf.reduce_sum(losses * valid), tf.reduce_sum(valid))

    finding = finding_of("T501", CountsItsOwn, Mode.REPLICAS)

    assert "the factors 0.333 and 0.667" in finding.cause  # 2 and 4 examples of the first batch are not of class 0
    assert "the nearest multiple is 0.91" in finding.observed


def test_t501_tells_examples_that_mix_from_a_count():
    class Contrasts(SoundTask):
        def build_losses(self, labels, model_outputs, aux_losses=None):
            similar = tf.matmul(model_outputs, model_outputs, transpose_b=True)
            return tf.reduce_mean(
                tf.nn.sparse_softmax_cross_entropy_with_logits(labels=tf.range(tf.shape(similar)[0]), logits=similar)
            )

    finding = finding_of("T501", Contrasts, Mode.REPLICAS)

    assert "negatives within the batch" in finding.cause
    assert "declare the trait 'batch_statistics'" in finding.fix
    assert result_of("T501", Contrasts, Mode.REPLICAS, batch_statistics=True).outcome is Outcome.PASS


def test_t502_gives_both_values_and_names_the_replica_that_is_taken():
    class TakesTheSecond(SoundTask):
        def aggregate_logs(self, state, step_logs):
            return super().aggregate_logs(state, {key: parts[-1:] for key, parts in step_logs.items()})

    finding = finding_of("T502", TakesTheSecond, Mode.REPLICAS)

    assert "over the same batches of 8, 8, 7 examples" in finding.observed
    assert "the second replica's part alone" in finding.observed
    assert "step_logs[key][1]" in finding.cause


def test_t502_compares_metrics_with_a_value_for_each_class():
    class CountsClasses(SoundTask):
        def build_metrics(self, training=True):
            class PerClass(tf.keras.metrics.Metric):
                def __init__(self):
                    super().__init__(name="per_class")
                    self.counts = self.add_weight(name="counts", shape=(NUM_CLASSES,), initializer="zeros")

                def update_state(self, labels):
                    counts = tf.reduce_sum(tf.one_hot(labels, NUM_CLASSES), axis=0)
                    self.counts.assign_add(counts * replicas())

                def result(self):
                    return tf.convert_to_tensor(self.counts)

                def reset_state(self):  # tf_keras would assign a scalar 0 to every variable
                    self.counts.assign(tf.zeros_like(self.counts))

            return super().build_metrics(training) if training else [PerClass()]

        def process_metrics(self, metrics, labels, model_outputs):
            for metric in metrics:
                values = (labels,) if metric.name == "per_class" else (labels, model_outputs)
                metric.update_state(*values)

    finding = finding_of("T502", CountsClasses, Mode.REPLICAS)

    assert "'per_class' has other values on replicas than on one, a factor of 2 in their sums" in finding.observed
