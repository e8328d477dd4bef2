"""A count is explained by the batches and replicas that it leaves out or counts twice."""

import types

import numpy as np
import pytest
from assay.conformance.harness.tasks import Count, count_of, explain_count, shares_of_parts


def account(rows, replicas=1, **added):
    build = types.SimpleNamespace(num_replicas=replicas)
    return types.SimpleNamespace(rows=rows, evaluation=types.SimpleNamespace(build=build), added=added)


@pytest.mark.parametrize(
    ("counted", "rows", "replicas", "said"),
    [
        (3, (8, 8, 7), 1, "one for each of the 3 batches"),
        (6, (8, 8, 7), 2, "on each of 2 replicas"),
        (15, (8, 8, 7), 1, "the first batch of 8 is lost"),
        (7, (8, 8, 7), 1, "the last batch of 7 alone"),
        (16, (8, 8, 7), 1, "the last batch of 7 is left out"),
        (24, (8, 8, 7), 1, "the last batch of 7 counts as one of 8"),
        (24, (8, 8, 8), 1, "24 rows for 23 examples"),
        (16, (8, 8), 1, "16 of 23 examples"),
        (12, (8, 8, 7), 2, "the first replica"),
        (46, (8, 8, 7), 1, "counted 2 times"),
        (19, (8, 8, 7), 1, "no batch or replica accounts"),
    ],
)
def test_count_is_explained(counted, rows, replicas, said):
    what, cause, fix = explain_count(Count("count", counted, len(rows)), account(rows, replicas), 23, 8)

    assert said in what
    assert cause
    assert fix


def test_variable_to_which_every_example_adds_the_same_counts_them():
    parts = [{"m/00 total": np.array(value), "m/01 count": np.array(2.0)} for value in (0.1, 0.9, 0.4)]

    found = count_of(
        account((2, 1), **{"m/00 total": np.array(1.4), "m/01 count": np.array(4.0)}), parts, list(parts[0])
    )

    assert found == Count("count", 2.0, 2)
    assert found.harmless  # it may count updates


def test_no_variable_counts_when_examples_add_different_amounts():
    parts = [{"m/00 total": np.array(value)} for value in (0.1, 0.9)]

    assert count_of(account((2,), **{"m/00 total": np.array(1.0)}), parts, ["m/00 total"]) is None


def test_shares_of_parts_are_those_of_a_weighed_mean():
    random = np.random.default_rng(0)
    parts = [{"kernel": random.normal(size=(3, 2)), "bias": random.normal(size=2)} for _ in range(2)]
    whole = {name: 0.25 * parts[0][name] + 0.75 * parts[1][name] for name in parts[0]}

    shares, rest = shares_of_parts(whole, parts)
    _, mixed = shares_of_parts({**whole, "bias": whole["bias"] ** 2}, parts)

    np.testing.assert_allclose(shares, [0.25, 0.75])
    assert rest < 1e-12
    assert mixed > 1e-2
