"""A failure of a rule that compares runs, evaluations, checkpoints or data names factors, counts and places."""

import types

import pytest
import tensorflow as tf
from assay.conformance.harness.flavour import default_flavour
from assay.conformance.model import Kind, Mode, Outcome, Subject
from assay.conformance.registry import find_rule
from assay.conformance.runner import run_rule
from assay.conformance.session import Session
from assay.conformance.specimens import SoundTask
from assay.conformance.specimens.task import NUM_CLASSES

from conformance.tests.subjects.tasks.runs import ScalesByThePolicy

pytestmark = pytest.mark.flavour


def result_of(rule, factory, mode=Mode.EAGER, **traits):
    entry = find_rule(rule)
    return run_rule(entry, Session(Subject(factory, kind=Kind.TASK, traits=traits)), kind=Kind.TASK, mode=mode)


def finding_of(rule, factory, mode=Mode.EAGER, **traits):
    result = result_of(rule, factory, mode, **traits)
    assert result.outcome is Outcome.FAIL, result.message
    assert f"--select {rule}" in result.replay or f"select=['{rule}']" in result.replay
    return result.finding


def replicas():
    return tf.distribute.get_strategy().num_replicas_in_sync


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


@pytest.mark.parametrize("mode", [Mode.EAGER, Mode.MIXED_PRECISION])
def test_t105_names_the_loss_scale_as_the_factor(mode):
    class NeverUnscales(SoundTask):
        def unscale(self, optimizer, gradients):
            return gradients

        def apply(self, optimizer, gradients, variables):
            super().apply(getattr(optimizer, "inner_optimizer", optimizer), gradients, variables)

    finding = finding_of("T105", NeverUnscales, mode)

    factor = float(finding.observed.partition("the update is ")[2].split()[0])
    assert factor == pytest.approx(2.0**10 if mode is Mode.EAGER else 2.0**15, rel=0.01)
    assert "never unscaled" in finding.cause


def test_t105_says_that_a_step_never_scales():
    class NeverScales(SoundTask):
        def scale(self, optimizer, loss):
            return loss

    finding = finding_of("T105", NeverScales)

    assert "never scales the loss" in finding.cause


def test_t105_says_where_float16_meets_float32():
    class Uncast(SoundTask):
        def forward(self, model, features, *, training):
            return model(features, training=training)

        def build_losses(self, labels, model_outputs, aux_losses=None):
            return tf.reduce_mean(tf.square(model_outputs - tf.one_hot(labels, NUM_CLASSES)))

    finding = finding_of("T105", Uncast, Mode.MIXED_PRECISION)

    assert "float16 outputs or losses" in finding.cause
    assert "test_run_messages.py" in finding.cause
    assert "in build_losses" in finding.cause


def test_t105_is_lifted_in_float32_for_a_step_that_scales_by_the_policy():
    session = Session(Subject(ScalesByThePolicy, kind=Kind.TASK))
    eager, mixed = (
        run_rule(find_rule("T105"), session, kind=Kind.TASK, mode=mode) for mode in (Mode.EAGER, Mode.MIXED_PRECISION)
    )

    # tf_keras divides nothing by itself, so that a step which does not scale is not wrong there.
    assert eager.outcome is (Outcome.PASS if default_flavour() == "tf_keras" else Outcome.NOT_APPLICABLE)
    assert mixed.outcome is Outcome.PASS


def test_t401_names_the_step_at_which_runs_part():
    class Alternates(SoundTask):
        def __init__(self):
            super().__init__()
            self.calls = 0

        def replica_share(self, loss):
            self.calls += 1
            return super().replica_share(loss) * (0.0 if self.calls == 3 else 1.0)

    finding = finding_of("T401", Alternates)

    assert "after step 3" in finding.observed
    assert "keeps something in Python" in finding.cause


def test_t401_tells_a_step_that_asks_how_it_runs():
    class Asks(SoundTask):
        def replica_share(self, loss):
            return super().replica_share(loss) * (1.0 if tf.executing_eagerly() else 0.5)

    finding = finding_of("T401", Asks)

    assert "after step 1" in finding.observed
    assert "asks whether it runs eagerly" in finding.cause


def test_t401_reports_metrics_that_part_while_weights_agree():
    class CountsInPython(SoundTask):
        def __init__(self):
            super().__init__()
            self.calls = 0

        def process_metrics(self, metrics, labels, model_outputs):
            self.calls += 1
            for metric in metrics:
                if self.calls != 2:
                    metric.update_state(labels, model_outputs)

    assert "in the metrics" in finding_of("T401", CountsInPython).observed


def test_t403_names_the_variable_and_the_line_that_makes_it():
    class Lazy(SoundTask):
        average = None

        def train_logs(self, loss):
            if self.average is None:
                self.average = tf.Variable([0.0, 0.0], name="running_average")
            return {"loss": loss}

    finding = finding_of("T403", Lazy, Mode.GRAPH)

    assert "traced 2 times" in finding.observed
    assert "running_average of shape [2] at test_run_messages.py:" in finding.observed
    assert "in train_logs" in finding.observed


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


def test_t602_finds_the_statistics_of_a_layer_in_a_list_under_keras_3():
    class InAList(SoundTask):
        def build_model(self):
            class Net(tf.keras.Model):
                def __init__(self):
                    super().__init__()
                    self.blocks = [tf.keras.layers.Dense(4), tf.keras.layers.BatchNormalization(name="norm")]
                    self.head = tf.keras.layers.Dense(NUM_CLASSES)

                def call(self, inputs, training=None):
                    for block in self.blocks:
                        inputs = block(inputs)
                    return self.head(inputs)

            return Net()

    if default_flavour() == "tf_keras":
        assert result_of("T602", InAList).outcome is Outcome.PASS
        return
    finding = finding_of("T602", InAList)

    assert "norm/moving_mean" in finding.observed
    assert "no assertion of TensorFlow's says so" in finding.observed
    assert "a list or a dict" in finding.cause


def test_t602_names_keys_on_both_sides():
    class Numbered(SoundTask):
        builds = 0

        def build_model(self):
            Numbered.builds += 1
            model = super().build_model()
            setattr(model, f"offset_{Numbered.builds}", tf.Variable(1.0, trainable=False))
            return model

    finding = finding_of("T602", Numbered)

    assert "values of the checkpoint have no place: model/offset_" in finding.observed
    assert "have no value in it: model/offset_" in finding.observed


def test_t602_does_not_mind_state_that_nothing_depends_on():
    class CountsItsCalls(SoundTask):
        def __init__(self):
            super().__init__()
            self.calls = tf.Variable(0, trainable=False)

        def train_logs(self, loss):
            self.calls.assign_add(1)
            return {"loss": loss}

    assert result_of("T602", CountsItsCalls).outcome is Outcome.PASS


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (lambda data, size: data.batch(size, drop_remainder=True), "7 of 23 examples are missing at batch size 8"),
        (lambda data, size: data.skip(1 if size > 1 else 0).batch(size), "1 of 23 examples is missing at batch size 8"),
        (lambda data, size: data.concatenate(data.take(size % 8 and 2)).batch(size), "2 of 25 examples"),
    ],
)
def test_i201_counts_the_examples(change, named):
    class Changes(SoundTask):
        def build_inputs(self, params, input_context=None):
            if params.is_training:
                return super().build_inputs(params, input_context)
            data = tf.data.Dataset.from_tensor_slices(self.examples(training=False))
            return change(data, params.global_batch_size)

    assert named in finding_of("I201", Changes).observed


def test_i201_accepts_a_dropped_remainder_that_is_declared_and_nothing_more():
    class Drops(SoundTask):
        lost = 0

        def build_inputs(self, params, input_context=None):
            dataset = super().build_inputs(params, input_context)
            if params.is_training:
                return dataset
            lost = self.lost if params.global_batch_size > 1 else 0
            return dataset.unbatch().skip(lost).batch(params.global_batch_size, drop_remainder=True)

    class LosesMore(Drops):
        lost = 9

    assert result_of("I201", Drops).outcome is Outcome.FAIL
    assert result_of("I201", Drops, eval_drops_remainder=True).outcome is Outcome.PASS
    assert result_of("I201", LosesMore, eval_drops_remainder=True).outcome is Outcome.FAIL


def test_i203_counts_missing_and_repeated_examples():
    class Overlaps(SoundTask):
        def build_inputs(self, params, input_context=None):
            dataset = tf.data.Dataset.from_tensor_slices(self.examples(training=params.is_training))
            if input_context is not None:
                dataset = dataset.skip(5 * input_context.input_pipeline_id).take(8)
            dataset = dataset.repeat() if params.is_training else dataset
            return dataset.batch(params.global_batch_size)

    finding = finding_of("I203", Overlaps)

    assert "evaluation data: 10 of 23 examples come from none of 2 input pipelines" in finding.observed
    assert "3 come from more than one" in finding.observed


def test_i203_looks_at_the_training_files_of_a_configuration():
    class Config(types.SimpleNamespace):
        pass

    class AugmentsAndShardsLate(SoundTask):
        """Training cannot be followed, for it is augmented; its files can."""

        def __init__(self):
            super().__init__()
            common = {"global_batch_size": 8, "seed": None}
            self.task_config = Config(
                train_data=Config(is_training=True, files="train", drop_remainder=True, **common),
                validation_data=Config(is_training=False, files="validation", drop_remainder=False, **common),
            )

        def build_inputs(self, params, input_context=None):
            dataset = tf.data.Dataset.from_tensor_slices(self.examples(training=params.files == "train"))
            if input_context is not None and params.files == "validation":
                dataset = dataset.shard(input_context.num_input_pipelines, input_context.input_pipeline_id)
            if params.is_training:
                dataset = dataset.map(lambda x, y: (x + tf.random.normal(tf.shape(x)), y)).repeat()
            return dataset.batch(params.global_batch_size, drop_remainder=params.drop_remainder)

    finding = finding_of("I203", AugmentsAndShardsLate)

    assert "training files, read with is_training=False" in finding.observed
    assert "each of 2 input pipelines yields all 26 examples" in finding.observed


def test_i204_says_how_much_there_was():
    class Twice(SoundTask):
        def build_inputs(self, params, input_context=None):
            dataset = tf.data.Dataset.from_tensor_slices(self.examples(training=params.is_training))
            return (dataset.repeat(2) if params.is_training else dataset).batch(params.global_batch_size)

    finding = finding_of("I204", Twice)

    assert "52 examples in 7 batches, each seen at least 2 times" in finding.observed
    assert result_of("I204", Twice, train_ends=True).outcome is Outcome.NOT_APPLICABLE


@pytest.mark.parametrize("rule", ["I201", "I203", "I204"])
def test_a_bare_function_is_checked_as_a_pipeline(rule):
    def pipeline(params, input_context=None):
        return SoundTask().build_inputs(params, input_context)

    subject = Subject(pipeline, kind=Kind.INPUT_PIPELINE)

    result = run_rule(find_rule(rule), Session(subject), kind=Kind.INPUT_PIPELINE, mode=Mode.EAGER)

    assert result.outcome is Outcome.PASS, result.message
