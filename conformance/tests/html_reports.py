"""Reports made by hand for the tests of the HTML report: one with everything in it, and one as large as they come."""

import datetime

from assay.conformance.model import Evidence, Expectation, Finding, Level, Mode, Outcome, Report
from assay.conformance.reports.html import as_html
from conformance_builders import make_result
from html_pages import read_page

ENVIRONMENT = {
    "python": "3.11.9",
    "tensorflow": "2.21.0",
    "versions": {"numpy": "2.1.0", "keras": "3.15.1"},
    "devices": ["/device:CPU:0", "/device:CPU:1"],
    "seed": 0,
}
LEAK = Finding(
    "Examples of weight zero add nothing.", "the sum is 3.25, and should be 3", "`mean()` sees them", "Sum first."
)


def report_of(*results, **fields):
    return Report(results=results, environment=ENVIRONMENT, **fields)


def page_of(*results, **fields):
    """The page of a report, read."""
    return read_page(as_html(report_of(*results, **fields)))


def colourful_report():
    """Two subjects, three targets, every outcome and every kind of evidence."""
    loss = {"subject": "FocalLoss <lambda>", "origin": "mine.losses:FocalLoss", "kind": "loss"}
    leaks = {**loss, "rule": "L205", "slug": "zero-is-removal", "finding": LEAK}
    results = [
        make_result(rule="L101", slug="unreduced-shape", **loss),
        make_result(Outcome.FAIL, mode="eager", replay="assay check 'a b' --mode eager", **leaks),
        make_result(Outcome.FAIL, mode="graph", replay="assay check 'a b' --mode graph", **leaks),
        make_result(Outcome.FAIL, rule="L208", slug="repetition", level=Level.SHOULD, **loss),
        make_result(
            Outcome.EXPECTED_FAIL, rule="L206", slug="zero-masks-nan", reason="known since May", finding=LEAK, **loss
        ),
        make_result(Outcome.NOT_APPLICABLE, rule="L209", slug="ignore-label", message="No `ignore_label`.", **loss),
        make_result(Outcome.NOT_APPLICABLE, rule="L210", slug="all-ignored", message="No `ignore_label`.", **loss),
        make_result(Outcome.NOT_RUN, rule="L501", mode="replicas", message="Two replicas need 2 devices.", **loss),
        make_result(rule="L101", target="gpu", evidence=Evidence.COMPILED, **loss),
        make_result(rule="L101", target="gpu", mode="xla", evidence=Evidence.STATIC, **loss),
        make_result(rule="L101", target="tpu", evidence=Evidence.STAND_IN, **loss),
        make_result(Outcome.ERROR, message="The check itself broke.\nTraceback:\n  x = 1 / 0"),
        make_result(Outcome.UNEXPECTED_PASS, rule="T901", message="It passes. Remove the expectation."),
        make_result(rule="T902"),
        make_result(rule="T902", mode="mixed_precision"),
    ]
    expired = Expectation(rule="T903", reason="to be mended", until=datetime.date(2020, 1, 31))
    notes = {"FocalLoss <lambda>": ("y_pred: float32 [6, 4], logits; the trait `domain` overrides it",)}
    return report_of(*results, expired=(expired,), notes=notes, promised=40, seconds=12.5)


def large_report(*, subjects=60, rules=40):
    """As large as reports come: 60 subjects, 40 rules, 5 modes; some of the subjects have findings."""
    return report_of(
        *(
            make_result(
                _outcome(subject, rule, mode),
                subject=f"focal loss {subject}",
                origin=f"package.losses:Focal{subject}",
                rule=f"L{rule + 100}",
                mode=mode.value,
            )
            for subject in range(subjects)
            for rule in range(rules)
            for mode in Mode
        )
    )


def _outcome(subject, rule, mode):
    if subject % 5 == 0 and rule % 11 == 3:
        return Outcome.FAIL
    return Outcome.NOT_APPLICABLE if rule % 4 == 1 and mode is Mode.XLA else Outcome.PASS
