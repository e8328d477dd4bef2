import pytest
from assay.conformance import Target
from assay.conformance.model import Kind
from assay.conformance.registry import all_rules
from assay.conformance.tolerances import _TABLE, Tolerance, tolerance


def test_rows_name_known_rules_and_say_why():
    known = {entry.rule.id for entry in all_rules()}

    for (rule, _, _), row in _TABLE.items():
        assert rule is None or rule in known
        assert row.because


def test_gpu_has_a_row_of_its_own():
    assert tolerance("T900", "weights", Target.GPU).relative > tolerance("T900", "weights", Target.CPU).relative


def test_unknown_quantity_is_a_defect_of_the_rule():
    with pytest.raises(KeyError, match="no row for 'wieghts'"):
        tolerance("T900", "wieghts", Target.CPU)


def test_tolerance_is_relative_to_the_expected_value():
    assert Tolerance(0.1, 0.0, "x").allows(1.05, 1.0)
    assert not Tolerance(0.1, 0.0, "x").allows(1.2, 1.0)
    assert not Tolerance(0.1, 0.0, "x").allows(float("nan"), 1.0)


def test_kinds_have_letters_of_their_own():
    assert len({kind.letter for kind in Kind}) == len(Kind)
