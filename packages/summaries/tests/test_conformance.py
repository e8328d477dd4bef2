"""Every manager passes every rule of the conformance suite for summary managers, without an expectation."""

from pathlib import Path

import pytest
from assay.conformance import Subject, check
from assay.summaries import (
    ImageScalarSummaryManager,
    JSONLinesSummaryManager,
    SummaryManager,
    TeeSummaryManager,
    read_json_lines,
)


def read_lines(directory):
    return list(read_json_lines(directory)) if Path(directory, "summaries.jsonl").exists() else []


def tee(summary_dir, global_step=None):
    lines = None if summary_dir is None else Path(summary_dir, "lines")
    return TeeSummaryManager(
        [
            ImageScalarSummaryManager(summary_dir, global_step=global_step),
            JSONLinesSummaryManager(lines, global_step=global_step),
        ]
    )


# What a manager does not offer: images, and a writer for tf.summary inside a graph.
MANAGERS = {
    "scalars": (SummaryManager, {}, {"S110"}),
    "images": (ImageScalarSummaryManager, {"takes_images": True}, set()),
    "JSON lines": (JSONLinesSummaryManager, {"reader": read_lines}, {"S107", "S110"}),
    "tee": (tee, {"takes_images": True, "max_outputs": 20}, set()),
}


@pytest.mark.parametrize("name", MANAGERS)
def test_manager_passes_every_rule(name):
    factory, traits, not_offered = MANAGERS[name]

    report = check(Subject(factory, kind="summary_manager", traits=traits, name=name))

    outcomes = {str(result.rule): str(result.outcome) for result in report.results}
    assert report.conformant, [failure.message for failure in report.failures]
    assert len(outcomes) >= 15
    assert {rule for rule, outcome in outcomes.items() if outcome != "pass"} == not_offered, outcomes
