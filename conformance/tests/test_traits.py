import pytest
from assay.conformance import Kind, Subject, UsageError


def test_unknown_trait_suggests_the_nearest():
    with pytest.raises(UsageError, match="no trait 'batch_statistic'; the nearest is 'batch_statistics'"):
        Subject(object, traits={"batch_statistic": True})


def test_trait_of_another_kind_is_refused():
    with pytest.raises(UsageError, match="'mixes_examples' belongs to subjects of kind loss"):
        Subject(object, kind=Kind.TASK, traits={"mixes_examples": True})


@pytest.mark.parametrize("value", ["yes", 1, None])
def test_trait_value_of_the_wrong_type_is_refused(value):
    with pytest.raises(UsageError, match="takes a bool"):
        Subject(object, traits={"batch_statistics": value})


def test_true_is_no_label_id():
    with pytest.raises(UsageError, match="takes a int"):
        Subject(object, traits={"ignore_label": True})


def test_trait_value_outside_its_choices_is_refused():
    with pytest.raises(UsageError, match="one of"):
        Subject(object, traits={"normaliser": "pixels"})


def test_subject_refuses_a_component_made_beforehand():
    with pytest.raises(TypeError, match="pass its class, or a function that makes one"):
        Subject(3)
