import pytest
from assay.conformance import Kind, UsageError
from assay.conformance.model import infer_kind
from assay.conformance.model.kinds import parse_kind
from assay.conformance.specimens import SoundTask


class HostMetric:
    def update_state(self, groundtruths, predictions): ...

    def result(self): ...


class KerasLikeMetric(HostMetric):
    def add_weight(self): ...


class Writer:
    def write_summaries(self, summaries): ...


class Loss:
    pass


class FocalLoss(Loss):
    pass


@pytest.mark.parametrize(
    ("thing", "kind"),
    [
        (SoundTask, Kind.TASK),
        (SoundTask(), Kind.TASK),
        (HostMetric, Kind.PYTHON_METRIC),
        (KerasLikeMetric, Kind.KERAS_METRIC),
        (Writer(), Kind.SUMMARY_MANAGER),
        (FocalLoss, Kind.LOSS),
        (FocalLoss(), Kind.LOSS),
    ],
)
def test_kind_is_inferred_from_methods(thing, kind):
    assert infer_kind(thing) is kind


def test_kind_of_a_bare_function_is_not_guessed():
    assert infer_kind(lambda y_true, y_pred: 0.0) is None


def test_task_answers_to_the_rules_of_its_input_pipeline():
    assert Kind.TASK.promised == (Kind.TASK, Kind.INPUT_PIPELINE)
    assert Kind.LOSS.promised == (Kind.LOSS,)


def test_kind_is_read_leniently_and_suggested():
    assert parse_kind("Input-Pipeline") is Kind.INPUT_PIPELINE
    with pytest.raises(UsageError, match="no kind 'tsk'; the nearest is 'task'"):
        parse_kind("tsk")
