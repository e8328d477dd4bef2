"""Comparing: what is near enough in which arithmetic, what float64 adds, and what is never near enough."""

import numpy as np
import pytest
from assay.conformance.bundles.manifest import STATE, VALUE, Tensor
from assay.conformance.replay.comparing import compare
from assay.conformance.replay.tolerances import allowance
from assay.conformance.stablehlo.precision import Arithmetic


def tensor(array, role=VALUE):
    return Tensor("output 0", array.shape, array.dtype.name, role, 0 if role == STATE else None)


def compared(found, cpu, **options):
    role = STATE if "before" in options else VALUE
    return compare(tensor(cpu, role), found, cpu, **options)


CPU = np.array([1.0, -4.0, 2.0], np.float32)


def test_same_result_passes_with_no_error():
    one = compared(CPU.copy(), CPU)

    assert one.passed
    assert one.max_abs == one.error == one.max_ulp == 0.0


def test_error_is_told_in_units_in_the_last_place():
    found = CPU.copy()
    found[1] = np.nextafter(found[1], np.float32(0.0))  # the neighbour below 4 is half as far as the one above

    one = compared(found, CPU)

    assert one.passed
    assert one.max_ulp == 0.5
    assert one.max_abs == pytest.approx(2.0**-22)


@pytest.mark.parametrize(
    ("relative", "float32", "tensorfloat32", "bfloat16"),
    [(3e-6, True, True, True), (3e-4, False, True, True), (1e-2, False, False, True), (0.1, False, False, False)],
)
def test_each_arithmetic_has_its_tolerance(relative, float32, tensorfloat32, bfloat16):
    found = CPU * np.float32(1.0 + relative)

    verdicts = [compared(found, CPU, arithmetic=one).passed for one in Arithmetic]

    assert verdicts == [float32, tensorfloat32, bfloat16]


def test_tpu_has_rows_of_its_own():
    assert (
        allowance(Arithmetic.FLOAT32, VALUE, "float32", "tpu").relative
        > allowance(Arithmetic.FLOAT32, VALUE, "float32", "gpu").relative
    )


def test_reference_decides_where_there_is_one():
    reference = CPU.astype(np.float64) * (1.0 + 1e-3)

    near = compared((CPU * np.float32(1.0 + 1e-3)).astype(np.float32), CPU, reference=reference)

    assert near.passed
    assert near.against == "float64"
    assert near.error < 1e-6
    assert near.cpu_error == pytest.approx(1e-3, rel=0.01)


def test_result_that_magnifies_rounding_is_allowed_as_much_more():
    reference = CPU.astype(np.float64) * (1.0 + 1e-4)  # the CPU itself is wrong by a thousand units in the last place
    found = (CPU * np.float32(1.0 - 1e-4)).astype(np.float32)

    assert compared(found, CPU, reference=reference).passed
    assert not compared(found, CPU, reference=CPU.astype(np.float64)).passed


def test_result_of_pure_rounding_says_nothing():
    """The gradient of a bias before a batch normalisation is 0; what Adam makes of its rounding moves it anywhere."""
    before = np.zeros(3, np.float32)
    cpu = np.array([1e-3, -1e-3, 1e-3], np.float32)
    reference = np.zeros(3)

    one = compared(-cpu, cpu, reference=reference, before=before)

    assert one.passed
    assert not one.informative


def test_state_is_judged_by_its_movement():
    before = np.array([100.0, 200.0], np.float32)
    cpu = before + np.float32(0.01)
    found = before + np.float32(0.02)  # 5e-5 of the weight, and twice the update

    assert not compared(found, cpu, before=before, arithmetic=Arithmetic.TENSORFLOAT32).passed
    assert compared(found, cpu, arithmetic=Arithmetic.TENSORFLOAT32).passed  # as values they are near


def test_whole_numbers_are_the_same_bit_for_bit():
    cpu = np.array([3, 4], np.int64)

    one = compared(np.array([3, 5], np.int64), cpu)

    assert not one.passed
    assert one.seen == "1 of 2 values differ; at [1] it is 5, and should be 4"


def test_choice_that_falls_otherwise_in_fewer_bits_says_nothing():
    cpu = np.array([3, 4], np.int64)

    one = compared(np.array([3, 5], np.int64), cpu, arithmetic=Arithmetic.TENSORFLOAT32)

    assert one.passed
    assert not one.informative


@pytest.mark.parametrize("dtype", [np.int64, np.float32])
def test_few_choices_behind_products_may_fall_otherwise(dtype):
    before, cpu = np.array([7, 7], dtype), np.array([5007, 5007], dtype)
    few, many = np.array([5004, 5010], dtype), np.array([4907, 5107], dtype)

    one = compared(few, cpu, before=before, products=3)
    assert one.passed
    assert one.informative
    assert one.error == pytest.approx(6 / 10_000)
    assert not compared(few, cpu, before=before).passed  # a metric alone has nothing to round
    assert not compared(many, cpu, before=before, products=3).passed
    assert not compared(np.array([8, 7], dtype), before, before=before, products=3).passed  # nothing was to be counted


@pytest.mark.parametrize(("cpu", "found"), [(np.nan, 1.0), (1.0, np.nan), (np.inf, -np.inf), (np.inf, 3e38)])
def test_nan_and_infinity_must_stand_in_the_same_places(cpu, found):
    one = compared(np.array([found, 1.0], np.float32), np.array([cpu, 1.0], np.float32), arithmetic=Arithmetic.BFLOAT16)

    assert not one.passed
    assert "1 of 2 values; at [0]" in one.seen


def test_nan_equals_nan():
    both = np.array([np.nan, np.inf, 1.0], np.float32)

    assert compared(both, both.copy()).passed


def test_reference_that_overflows_elsewhere_is_dropped():
    cpu = np.array([np.inf, 1.0], np.float32)

    one = compared(cpu.copy(), cpu, reference=np.array([1e300, 1.0]))

    assert one.passed
    assert one.against == "cpu"


def test_other_shape_fails():
    assert "it is float32[2], and should be float32[3]" in compare(tensor(CPU), CPU[:2], CPU).seen


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_narrow_results_have_the_tolerance_of_their_dtype(dtype):
    ml_dtypes = pytest.importorskip("ml_dtypes")
    cpu = CPU.astype(getattr(ml_dtypes, dtype, dtype))

    assert compared((CPU * np.float32(1.003)).astype(cpu.dtype), cpu).passed
    assert not compared((CPU * np.float32(1.2)).astype(cpu.dtype), cpu).passed


def test_empty_result_passes():
    empty = np.zeros([0, 3], np.float32)

    assert compared(empty, empty.copy()).passed
