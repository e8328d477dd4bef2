"""A failure of a rule about steps names the factor, the variable, the layer or the metric, and the cause."""

import types

import pytest
import tensorflow as tf
from assay.conformance.model import Kind, Mode, Outcome, Subject
from assay.conformance.registry import find_rule
from assay.conformance.runner import run_rule
from assay.conformance.session import Session
from assay.conformance.specimens import SoundTask

pytestmark = pytest.mark.flavour


def finding_of(rule, factory, mode=Mode.EAGER, **traits):
    entry = find_rule(rule)
    result = run_rule(entry, Session(Subject(factory, kind=Kind.TASK, traits=traits)), kind=Kind.TASK, mode=mode)
    assert result.outcome is Outcome.FAIL, result.message
    assert "--select" in result.replay or "select=" in result.replay
    return result.finding


class Weighs(SoundTask):
    """Differentiates a multiple of the loss that it logs."""

    def __init__(self, factor, **options):
        super().__init__(**options)
        self.factor = factor

    def replica_share(self, loss):
        return super().replica_share(self.factor * loss)


@pytest.mark.parametrize(
    ("factor", "named", "cause"),
    [
        (2.0, "2.00 x", "counted 2 times"),
        (0.5, "0.50 x", "divided twice"),
        (0.25, "0.25 x", "written into the code (4)"),
        (8.0, "8.00 x", "sum over the 8 examples"),
        (0.125, "0.12 x", "divided by the 8 examples twice"),
        (-1.0, "-1.00 x", "wrong sign"),
        (0.0, "0.00 x", "gradients of zero"),
        (1.37, "1.37 x", "a multiple of it"),
    ],
)
def test_t104_names_the_factor_and_its_cause(factor, named, cause):
    finding = finding_of("T104", lambda: Weighs(factor))

    assert f"the update is {named} the expected one" in finding.observed
    assert cause in finding.cause


def test_t104_sees_the_factor_through_dropout_and_batch_norm():
    finding = finding_of("T104", lambda: Weighs(0.5, dropout=0.5, batch_norm=True), random_step=True)

    assert "0.50 x" in finding.observed


def test_t104_tells_two_groups_of_variables_from_two_applications():
    class Groups(SoundTask):
        def apply(self, optimizer, gradients, variables):
            super().apply(optimizer, gradients[:2], variables[:2])
            super().apply(optimizer, gradients[2:], variables[2:])

    finding = finding_of("T104", Groups)

    assert "moved optimizer.iterations by 2" in finding.observed
    assert "one group of variables after another" in finding.cause


def test_t104_says_that_nothing_was_applied_by_the_optimizer():
    class ByHand(SoundTask):
        def apply(self, optimizer, gradients, variables):
            for gradient, variable in zip(gradients, variables, strict=True):
                variable.assign_sub(0.1 * gradient)

    finding = finding_of("T104", ByHand)

    assert "by 0 and called the optimizer 0 times; the update is 1.00 x" in finding.observed
    assert "by hand" in finding.cause


@pytest.mark.parametrize(
    ("share", "named", "cause"), [(2.0, "2.00 x", "not divided"), (0.5, "0.50 x", "replicas twice")]
)
def test_t104_names_the_number_of_replicas(share, named, cause):
    class Shares(SoundTask):
        def replica_share(self, loss):
            replicas = tf.distribute.get_strategy().num_replicas_in_sync
            return super().replica_share(loss) * (share if replicas > 1 else 1.0)

    finding = finding_of("T104", lambda: Shares(batch_norm=True), Mode.REPLICAS, batch_statistics=True)

    assert f"on 2 replicas the update is {named}" in finding.observed
    assert cause in finding.cause


def test_t102_names_the_statistics_that_moved():
    class Moves(SoundTask):
        def forward(self, model, features, *, training):
            return super().forward(model, features, training=True)

    finding = finding_of("T102", lambda: Moves(batch_norm=True))

    assert "norm/moving_mean by up to" in finding.observed
    assert "training mode" in finding.cause


def test_t102_names_the_optimizer():
    class Slows(SoundTask):
        def train_step(self, inputs, model, optimizer, metrics=None):
            self.optimizer = optimizer
            return super().train_step(inputs, model, optimizer, metrics)

        def validation_step(self, inputs, model, metrics=None):
            for variable in self.optimizer_slots():
                variable.assign(tf.zeros_like(variable))
            return super().validation_step(inputs, model, metrics)

        def optimizer_slots(self):
            variables = self.optimizer.variables
            every = variables() if callable(variables) else variables
            return [variable for variable in every if len(variable.shape)]

    finding = finding_of("T102", Slows)

    assert "of the optimizer's variables" in finding.observed
    assert "slot" in finding.cause


def test_t103_names_the_weights_that_stayed_and_those_not_given():
    class HeadOnly(SoundTask):
        def variables_to_train(self, model):
            return model.layers[-1].trainable_variables

    finding = finding_of("T103", HeadOnly)

    assert "2 of 4 trainable weights did not change" in finding.observed
    assert "the optimizer was not given" in finding.observed
    assert "hidden/kernel" in finding.observed
    assert "logits" not in finding.observed


def test_t103_reads_options_from_a_mapping():
    class Ignores(SoundTask):
        def __init__(self):
            super().__init__()
            self.task_config = {"freeze_hidden": True, "freeze_logits": False}

    finding = finding_of("T103", Ignores)

    assert "freeze_hidden=True" in finding.observed
    assert "logits" not in finding.observed


def test_t106_counts_resets_and_updates():
    class Resets(SoundTask):
        def process_metrics(self, metrics, labels, model_outputs):
            for metric in metrics:
                metric.reset_state()
            super().process_metrics(metrics, labels, model_outputs)

    finding = finding_of("T106", Resets)

    assert "'accuracy' was reset 2 times during 2 updates" in finding.observed


def test_t107_names_the_layer_with_a_flag_written_into_the_model():
    class KeepsDropping(SoundTask):
        def build_model(self):
            class Net(tf.keras.Model):
                def __init__(self):
                    super().__init__()
                    self.drop = tf.keras.layers.Dropout(0.5, name="monte_carlo")
                    self.out = tf.keras.layers.Dense(3)

                def call(self, inputs, training=None):
                    return self.out(self.drop(inputs, training=True))

            return Net()

    finding = finding_of("T107", KeepsDropping)

    assert "two results for one batch" in finding.observed
    assert "monte_carlo (Dropout)" in finding.observed
    assert "written into the model's own call" in finding.cause


def test_t108_names_what_ran_as_in_inference():
    class Forgets(SoundTask):
        def forward(self, model, features, *, training):
            return tf.cast(model(features), tf.float32)

    finding = finding_of("T108", lambda: Forgets(batch_norm=True, dropout=0.1))

    assert "no value of training" in finding.observed
    assert "norm (BatchNormalization), dropout (Dropout) ran as in inference" in finding.observed


@pytest.mark.parametrize(
    ("combine", "cause"),
    [
        (lambda losses: losses[0], "only the first"),
        (lambda losses: losses[-1], "only the last"),
        (lambda losses: 2.0 * tf.add_n(losses), "twice"),
        (lambda losses: -tf.add_n(losses), "subtracted"),
        (lambda losses: 0.7 * tf.add_n(losses), "weighed by a factor"),
    ],
)
def test_t109_tells_ways_of_adding_apart(combine, cause):
    class Combines(SoundTask):
        def build_losses(self, labels, model_outputs, aux_losses=None):
            loss = super().build_losses(labels, model_outputs)
            return loss + combine(list(aux_losses)) if aux_losses else loss

    assert cause in finding_of("T109", Combines).cause


def test_t109_accepts_the_configured_weight_and_no_other():
    class Weighted(SoundTask):
        def __init__(self):
            super().__init__(weight_decay=0.01)
            self.task_config = types.SimpleNamespace(losses=types.SimpleNamespace(loss_weight=3.0))

        def build_losses(self, labels, model_outputs, aux_losses=None):
            return 2.0 * super().build_losses(labels, model_outputs, aux_losses)

    assert "2.00 x their sum" in finding_of("T109", Weighted).observed


def test_t301_names_the_variables_without_a_gradient():
    class Rounds(SoundTask):
        def forward(self, model, features, *, training):
            hidden, logits = model.layers
            return tf.cast(logits(tf.round(hidden(features, training=training))), tf.float32)

    finding = finding_of("T301", Rounds)

    assert "2 of 4 trainable variables in 3 steps" in finding.observed
    assert "hidden/kernel" in finding.observed
    assert "round" in finding.cause


def test_t001_shows_the_signature_and_the_call():
    class Renamed(SoundTask):
        def validation_step(self, inputs, network, metrics=None):
            return super().validation_step(inputs, network, metrics)

    finding = finding_of("T001", Renamed)

    assert "validation_step(inputs, network, metrics=None) cannot be called as validation_step(inputs, model=...)" in (
        finding.observed
    )
    assert "(inputs, model, metrics=None)" in finding.fix


@pytest.mark.parametrize(
    ("logs", "cause"),
    [
        (lambda loss: {"total_loss": loss}, "another name: total_loss"),
        (lambda loss: {"accuracy": loss}, "not among the logs"),
        (lambda loss: {"loss": tf.stack([loss, loss, loss])}, "each of 3 examples"),
        (lambda loss: {"loss": 0}, "a plain 0"),
    ],
)
def test_t101_tells_what_is_wrong_with_the_loss(logs, cause):
    class Logs(SoundTask):
        def train_logs(self, loss):
            return logs(loss)

    assert cause in finding_of("T101", Logs).cause


def test_t101_names_the_key_that_one_replica_lacks():
    class ComesAndGoes(SoundTask):
        def validation_logs(self, labels, outputs, loss):
            logs = super().validation_logs(labels, outputs, loss)
            return {**logs, "odd": loss} if labels.shape[0] % 2 else logs

    finding = finding_of("T101", ComesAndGoes, Mode.REPLICAS)

    assert "validation_step" in finding.observed
    assert "['odd'] only one of them has" in finding.observed
    assert "differs between replicas" in finding.cause


def test_t109_says_what_to_do_about_no_losses_at_all():
    class Adds(SoundTask):
        def build_losses(self, labels, model_outputs, aux_losses=None):
            return super().build_losses(labels, model_outputs) + tf.add_n([*aux_losses, tf.constant(0.0)])

    finding = finding_of("T109", Adds)

    assert "aux_losses=None raised TypeError" in finding.observed
    assert "if aux_losses:" in finding.fix


def test_t403_shows_the_argument_that_makes_a_function_trace_again():
    class Counts(SoundTask):
        def __init__(self):
            super().__init__()
            self.steps = 0
            self.weighted = tf.function(lambda loss, step: loss * min(1.0, step / 1000.0))

        def replica_share(self, loss):
            self.steps += 1
            return self.weighted(super().replica_share(loss), self.steps)

    finding = finding_of("T403", Counts)

    assert "the Task's weighted was traced 3 more times in steps 3 to 5" in finding.observed
    assert "Literal[5]` after `" in finding.observed


def test_t403_shows_the_signature_and_the_line_of_the_variable():
    class Makes(SoundTask):
        average = None

        def train_logs(self, loss):
            if self.average is None:
                self.average = tf.Variable(0.0, name="average")
            return {"loss": loss}

    finding = finding_of("T403", Makes, Mode.GRAPH)

    assert "float32[8, 8]" in finding.observed
    assert "average of shape [] at test_step_messages.py" in finding.observed
