"""Failures of the rules about traced loops name the step at which runs part, and what the first trace makes."""

import pytest
import tensorflow as tf
from assay.conformance.model import Mode
from assay.conformance.specimens import SoundTask

from conformance.tests.task_results import finding_of

pytestmark = pytest.mark.flavour


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
    assert "running_average of shape [2] at test_loop_messages.py:" in finding.observed
    assert "in train_logs" in finding.observed
