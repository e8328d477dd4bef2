"""The page as a whole: its head, its style, and its parts in order, with failures first."""

from __future__ import annotations

import base64
import hashlib
from importlib import resources
from pathlib import Path

from assay.conformance.model.report import Report
from assay.conformance.model.vocabulary import Level, Outcome
from assay.conformance.reports.files import write_whole
from assay.conformance.reports.html import findings, matrix, overview, reasons, reference, replays
from assay.conformance.reports.html.contents import Contents, arrange
from assay.conformance.reports.html.markup import Html, element, text, together

_PACKAGE = "assay.conformance.reports.html"


def as_html(report: Report) -> str:
    """Return a report as one HTML page.

    It needs nothing beside itself: no network, font or image. Without scripts it says the same; with them, replay lines
    get a button to copy them, and a link to something folded unfolds it. The same report gives the same page.

    Args:
      report: The report.

    Returns:
      The text of an HTML file, with a final newline. It can be encoded as UTF-8 whatever the subjects' messages hold.
    """
    contents = arrange(report)
    parts = [
        ("summary", "Subjects", overview.summary(contents)),
        ("violations", "Violations", findings.violations(contents)),
        ("broken", "Broken checks", findings.broken(contents)),
        ("stale", "Stale expectations", findings.stale(contents)),
        ("advice", "Advice", findings.advice(contents)),
        ("results", "Results", matrix.matrices(contents)),
        ("expected", "Expected failures", reasons.expected(contents)),
        ("not-run", "Not run", reasons.not_run(contents)),
        ("not-applicable", "Not applicable", reasons.lifted(contents)),
        ("replays", "Replays", replays.replays(contents)),
        ("environment", "Environment", reference.environment(contents)),
        ("rules", "Rules", reference.rules(contents)),
    ]
    shown = [(anchor, words, part) for anchor, words, part in parts if part]
    amounts = _amounts(contents)
    way = overview.navigation([(anchor, words, amounts.get(anchor)) for anchor, words, _ in shown])
    main = element("main", together(part for _, _, part in shown))
    script = element("script", Html(_resource("report.js")))
    body = element("body", together([overview.banner(contents), way, main, script]))
    return f"<!doctype html>\n{element('html', _head(contents), body, lang='en')}\n"


def write_html(report: Report, path: Path) -> None:
    """Write a report as one HTML file, whole or not at all; folders that are missing are made.

    Args:
      report: The report.
      path: The file.

    Raises:
      UsageError: If the file cannot be written there.
    """
    write_whole(path, as_html(report))


def _head(contents: Contents) -> Html:
    verdict = contents.report.verdict
    failed = verdict.counts[Outcome.FAIL.value]
    title = f"{verdict.word}{f' ({failed} failed)' if failed else ''}: Assay conformance report"
    style = _resource("report.css")
    return element(
        "head",
        element("meta", charset="utf-8"),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        element("meta", name="color-scheme", content="light dark"),
        # Nothing is loaded, and no script or style runs but the two of this file, whatever a message may contain.
        element(
            "meta",
            http_equiv="Content-Security-Policy",
            content=f"default-src 'none'; img-src data:; style-src {_digest(style)}; "
            f"script-src {_digest(_resource('report.js'))}; base-uri 'none'; form-action 'none'",
        ),
        element("link", rel="icon", href="data:,"),
        element("title", text(title)),
        element("style", Html(style)),
    )


def _amounts(contents: Contents) -> dict[str, int]:
    """How much there is in the parts whose number tells something."""
    return {
        "summary": len(contents.subjects),
        "violations": len(contents.accounts_of(Outcome.FAIL, Level.MUST)),
        "broken": len(contents.accounts_of(Outcome.ERROR)),
        "stale": len(contents.accounts_of(Outcome.UNEXPECTED_PASS)) + len(contents.report.expired),
        "advice": len(contents.accounts_of(Outcome.FAIL, Level.SHOULD)),
        "expected": sum(len(reason.accounts) for reason in contents.reasons[Outcome.EXPECTED_FAIL]),
        "rules": len(contents.rules),
    }


def _resource(file: str) -> str:
    return resources.files(_PACKAGE).joinpath(file).read_text(encoding="utf-8")


def _digest(source: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(source.encode()).digest()).decode()}'"
