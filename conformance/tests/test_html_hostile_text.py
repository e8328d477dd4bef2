"""No text of a subject, however hostile or long, gets out of hand in the HTML report."""

import dataclasses
import re

from assay.conformance.model import Expectation, Finding, Outcome
from assay.conformance.reports.html import as_html
from conformance_builders import make_result
from html_pages import parts_of, read_page
from html_reports import page_of, report_of
from hypothesis import given, settings
from hypothesis import strategies as st

HOSTILE = (
    "<script>alert(1)</script>",
    "</style>",
    "</details>",
    "<!--",
    "]]>",
    "&lt;",
    "\"' onload=x",
    "\x1b[31m",
    "\x1b]8;;x\x07",
    "\x00",
    "\x85",
    "\r",
    "\u202e",
    "\ud800",
    "\ufffe",
    "\U0001ffff",
    "`",
    "\n",
    "é漢🙂",
)


def structure(node):
    """The tags and the names of their attributes, without the code that backticks make."""
    return [
        (child.tag, sorted(child.attributes), structure(child))
        for child in node.children
        if not isinstance(child, str) and not (child.tag == "code" and not child.attributes)
    ]


def spoken_by(text):
    """A report in which a subject has put a text wherever it can."""
    finding = Finding(f"r{text}", f"o{text}", f"c{text}", f"f{text}")
    fields = {"subject": f"s{text}", "origin": f"m{text}", "replay": f"p{text}"}
    results = [
        make_result(Outcome.FAIL, finding=finding, message=f"w{text}", **fields),
        make_result(Outcome.ERROR, mode="graph", message=f"e{text}", **fields),
        make_result(Outcome.EXPECTED_FAIL, mode="xla", finding=finding, reason=f"x{text}", **fields),
        make_result(Outcome.NOT_RUN, mode="replicas", message=f"n{text}", **fields),
        make_result(rule=f"q{text}", slug=f"g{text}", mode=f"d{text}", target=f"t{text}", **fields),
    ]
    expired = Expectation(rule="T903", reason=f"z{text}", subject=f"a{text}")
    report = report_of(*results, expired=(expired,), notes={f"s{text}": (f"i{text}",)})
    return dataclasses.replace(report, environment={f"k{text}": f"v{text}", "versions": {f"k{text}": f"v{text}"}})


@given(text=st.lists(st.one_of(st.sampled_from(HOSTILE), st.text("ab <>&\"'`\t", max_size=5)), max_size=6).map("".join))
@settings(derandomize=True, max_examples=60, deadline=None)
def test_no_text_changes_the_structure_of_the_page(text):
    page = as_html(spoken_by(text))

    page.encode("utf-8")
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202e\ud800-\udfff\ufffe\U0001ffff]", page)
    assert structure(read_page(page)) == structure(read_page(as_html(spoken_by("x"))))


@given(
    text=st.text(st.characters(min_codepoint=32, exclude_characters="`", exclude_categories=["C", "Z"]), max_size=50)
)
@settings(derandomize=True, max_examples=60, deadline=None)
def test_printable_text_is_shown_as_it_is(text):
    observed = f"before [{text}] after"
    page = page_of(make_result(Outcome.FAIL, finding=Finding("r", observed, "c", "f")))

    assert parts_of(page.one("article"))["Observed"] == observed


def test_terminal_codes_are_dropped_and_control_characters_are_made_visible():
    finding = Finding("r", "\x1b[1;31mred\x1b[0m bell\x07 nul\x00 turned\u202e", "c", "f")
    page = page_of(make_result(Outcome.FAIL, finding=finding))

    assert parts_of(page.one("article"))["Observed"] == r"red bell\x07 nul\x00 turned\u202e"


def test_very_long_text_keeps_its_ends_and_says_what_is_missing():
    finding = Finding("It must hold.", "start " + "9.87654321 " * 100_000 + " end", "a slip", "Hold it.")
    text = as_html(report_of(make_result(Outcome.FAIL, finding=finding)))
    observed = parts_of(read_page(text).one("article"))["Observed"]

    assert len(text) < 200_000
    assert observed.startswith("start 9.87654321")
    assert observed.endswith("9.87654321 end")
    assert re.search(r"\[\.\.\. 1,\d{3},\d{3} more characters; the JSON report has them all \.\.\.\]", observed)
