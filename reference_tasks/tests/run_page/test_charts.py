"""Curves drawn as SVG."""

import itertools
import math

import pytest
from assay.reference_tasks.run_page import Curve
from assay.reference_tasks.run_page.charts import line_chart, ticks
from hypothesis import given
from hypothesis import strategies as st

NUMBERS = st.floats(-1e6, 1e6).filter(lambda value: value == 0 or abs(value) > 1e-6)


@given(NUMBERS, NUMBERS)
def test_ticks_cover_the_values_at_few_equal_distances(one, other):
    low, high = sorted([one, other])
    marks = ticks(low, high)
    distances = [after - before for before, after in itertools.pairwise(marks)]

    assert 2 <= len(marks) <= 7
    assert marks[0] <= low + 1e-6 * distances[0]
    assert marks[-1] >= high - 1e-6 * distances[0]
    assert distances == pytest.approx([distances[0]] * len(distances))


def test_ticks_are_round():
    assert ticks(0.53, 1.82) == [0.5, 1.0, 1.5, 2.0]
    assert ticks(0, 1320) == [0, 500, 1000, 1500]


def paths_of(chart):
    return [part.get("d") for part in chart.iter("path") if "curve-train" in part.get("class")]


def test_curve_rises_where_its_values_do():
    chart = line_chart("accuracy", {"train": Curve((1, 2, 3), (0.0, 0.5, 1.0))})
    (path,) = paths_of(chart)
    points = [tuple(map(float, point.split())) for point in path.replace("L", "M").split("M") if point.strip()]

    assert [x for x, _ in points] == sorted(x for x, _ in points)
    heights = [y for _, y in points]
    assert heights[0] - heights[1] == pytest.approx(heights[1] - heights[2])
    assert heights[0] > heights[2]


def test_value_that_is_not_finite_leaves_a_gap():
    chart = line_chart("loss", {"train": Curve((1, 2, 3, 4), (1.0, math.nan, 2.0, 3.0))})
    (path,) = paths_of(chart)

    assert (path.count("M"), path.count("L")) == (2, 1)
    assert "nan" not in path


def test_curve_without_any_finite_value_is_drawn_as_nothing():
    assert paths_of(line_chart("loss", {"train": Curve((1,), (math.inf,))})) == [""]


def test_single_point_has_a_mark():
    chart = line_chart("loss", {"validation": Curve((7,), (0.25,))})
    marks = [part for part in chart.iter("circle") if part.find("title") is not None]

    assert [mark.findtext("title") for mark in marks] == ["validation, step 7: 0.25"]


def test_chart_is_described_for_those_who_do_not_see_it():
    curves = {"train": Curve((10, 20), (0.5, 0.875)), "validation": Curve((1500,), (0.75,))}

    assert line_chart("accuracy", curves).get("aria-label") == (
        "accuracy. train: 0.875 at step 20; validation: 0.75 at step 1,500"
    )
