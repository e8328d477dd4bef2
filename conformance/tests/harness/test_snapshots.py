import numpy as np
from assay.conformance.harness.tasks import changed_names, describe_changes

BEFORE = {"00 dense/kernel": np.zeros([2, 2]), "01 dense/bias": np.ones(2), "02 count": np.int64(3)}


def test_equal_snapshots_have_no_changes():
    assert changed_names(BEFORE, {name: value.copy() for name, value in BEFORE.items()}) == []


def test_nan_equals_nan():
    values = {"00 x": np.array([np.nan, 1.0])}

    assert changed_names(values, {"00 x": np.array([np.nan, 1.0])}) == []
    assert changed_names(values, {"00 x": np.array([0.0, 1.0])}) == ["00 x"]


def test_smallest_change_is_seen_unless_tolerated():
    after = {**BEFORE, "01 dense/bias": np.array([1.0, np.nextafter(1.0, 2.0)])}

    assert changed_names(BEFORE, after) == ["01 dense/bias"]
    assert changed_names(BEFORE, after, relative=1e-6) == []


def test_names_and_shapes_that_differ_are_changes():
    after = {"00 dense/kernel": np.zeros([2, 3]), "01 dense/bias": np.ones(2), "03 new": np.zeros(1)}

    assert changed_names(BEFORE, after) == ["00 dense/kernel", "02 count", "03 new"]


def test_changes_are_described_with_numbers_and_names():
    after = {**BEFORE, "00 dense/kernel": np.full([2, 2], 0.25)}

    assert (
        describe_changes(BEFORE, after, ["00 dense/kernel"]) == "1 of 3 variables differs: dense/kernel by up to 0.25"
    )


def test_long_lists_of_changes_are_cut():
    before = {f"{n:02d} v{n}": np.zeros(1) for n in range(9)}
    after = {name: value + 1 for name, value in before.items()}

    text = describe_changes(before, after, list(before))

    assert text.startswith("9 of 9 variables differ: v0 by up to 1, v1")
    assert text.endswith("and 5 more")
