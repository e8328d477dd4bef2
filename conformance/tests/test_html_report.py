"""The HTML report: everything is in it, it is well formed, and it needs nothing beside itself."""

import base64
import hashlib
import itertools
import re

import pytest
from assay.conformance import UsageError
from assay.conformance.model import Evidence, Expectation, Finding, Level, Outcome
from assay.conformance.registry import find_rule
from assay.conformance.reports.html import as_html, write_html
from conformance_builders import make_result
from html_pages import parts_of, read_page, read_table
from html_reports import colourful_report, large_report, page_of, report_of

WORDS = {
    Outcome.PASS: "pass",
    Outcome.FAIL: "FAIL",
    Outcome.EXPECTED_FAIL: "xfail",
    Outcome.UNEXPECTED_PASS: "XPASS",
    Outcome.NOT_APPLICABLE: "n/a",
    Outcome.NOT_RUN: "not run",
    Outcome.ERROR: "ERROR",
}
MARKS = {
    Evidence.EXECUTED: "●",
    Evidence.COMPILED: "◑",
    Evidence.STATIC: "◇",
    Evidence.STAND_IN: "○",
    Evidence.NONE: "",
}


@pytest.fixture(scope="module")
def colourful():
    return read_page(as_html(colourful_report()))


@pytest.fixture(scope="module")
def large():
    return as_html(large_report())


def anchor_of(page, link):
    """The element that a link leads to."""
    return page.one(id=link.attributes["href"].removeprefix("#"))


def test_verdict_and_the_count_of_each_outcome_come_first(colourful):
    banner = next(child for child in colourful.one("body").children if not isinstance(child, str))

    assert "NOT CONFORMANT" in banner.words
    assert "2 subjects · 10 of 40 rules · 15 results" in banner.words
    assert [badge.words for badge in banner.one("p", class_="badges").all("span")] == [
        "✗ 3 FAIL",
        "! 1 ERROR",
        "⚠ 1 XPASS",
        "~ 1 xfail",
        "? 1 not run",
        "✓ 6 pass",
        "– 2 n/a",
    ]
    assert "MUST rules fail: L205 (eager, graph)" in banner.words


@pytest.mark.parametrize(
    ("results", "style", "word"),
    [
        ([make_result()], "good", "✓ CONFORMANT"),
        ([make_result(), make_result(Outcome.NOT_RUN, mode="graph")], "partial", "? CONFORMANT AS FAR AS IT RAN"),
        ([make_result(Outcome.FAIL)], "bad", "✗ NOT CONFORMANT"),
    ],
)
def test_verdict_differs_by_word_sign_and_style(results, style, word):
    banner = page_of(*results).one("header")

    assert banner.has(class_=style)
    assert banner.one(class_="verdict").words == word


def test_every_result_is_a_cell_with_its_word_its_mark_and_a_label(colourful):
    report = colourful_report()
    tables = {section.one("h3").words: read_table(section.one("table")) for section in colourful.all(class_="subject")}

    for result in report.results:
        cell = tables[result.subject][result.rule][result.target, result.mode]
        shown = cell.words.split(" ", 1)[1].removesuffix(MARKS[result.evidence]).strip()
        labelled = cell if "aria-label" in cell.attributes else cell.one("a")
        assert shown == WORDS[result.outcome]
        assert cell.words.endswith(MARKS[result.evidence])
        assert cell.has(class_=result.outcome.value)
        assert labelled.attributes["aria-label"].startswith(WORDS[result.outcome])
        assert result.evidence is Evidence.NONE or result.evidence.value in labelled.attributes["title"]
    filled = [cell for rows in tables.values() for row in rows.values() for cell in row.values() if cell.words != "·"]
    assert len(filled) == len(report.results)


def test_cell_that_is_no_plain_pass_leads_to_its_explanation(colourful):
    table = read_table(next(colourful.all(class_="subject")).one("table"))

    def explained(rule, mode="eager"):
        return anchor_of(colourful, table[rule]["cpu", mode].one("a")).words

    assert "the sum is 3.25" in explained("L205")
    assert "the sum is 3.25" in explained("L206")
    assert "No ignore_label." in explained("L209")
    assert "Two replicas need 2 devices." in explained("L501", "replicas")
    assert not list(table["L101"]["cpu", "eager"].all("a"))


def test_failure_has_its_parts_and_a_replay_line_for_each_mode(colourful):
    article = next(colourful.one(id="violations").all("article"))

    parts = parts_of(article)
    assert parts["Required"] == "Examples of weight zero add nothing."
    assert parts["Observed"] == "the sum is 3.25, and should be 3"
    assert parts["Likely cause"] == "mean() sees them"
    assert parts["Fix"] == "Sum first."
    assert [line.text for line in article.all("code", class_="replay")] == [
        "assay check 'a b' --mode eager",
        "assay check 'a b' --mode graph",
    ]
    assert [tag.words for tag in article.all("span", class_="tag")] == ["MUST", "cpu: eager, graph", "executed"]


def test_failures_stand_before_the_matrices_and_advice_stands_apart(colourful):
    sections = [section.attributes["id"] for section in colourful.one("main").all("section")]

    assert sections == [
        "summary",
        "violations",
        "broken",
        "stale",
        "advice",
        "results",
        "expected",
        "not-run",
        "not-applicable",
        "environment",
        "rules",
    ]
    assert "L208" in colourful.one(id="advice").words
    assert "L208" not in colourful.one(id="violations").words


def test_way_to_each_part_says_how_much_is_there(colourful):
    told = colourful.one("nav").words

    assert "Subjects 2" in told
    assert "Violations 1" in told  # one finding, seen in two modes
    assert "Stale expectations 2" in told


def test_strict_run_says_that_advice_counts():
    result = make_result(Outcome.FAIL, level=Level.SHOULD)

    assert "so they count" in page_of(result, strict=True).one(id="advice").words
    assert "do not change the verdict" in page_of(result).one(id="advice").words


def test_different_observations_are_told_apart():
    other = Finding("It must hold.", "it did not, by 4", "a slip", "Hold it.")
    page = page_of(make_result(Outcome.FAIL), make_result(Outcome.FAIL, mode="graph", finding=other))

    assert [parts_of(article)["Observed"] for article in page.all("article")] == [
        "it did not, by 3",
        "it did not, by 4",
    ]


def test_failure_without_a_finding_shows_its_message():
    result = make_result(Outcome.FAIL, finding=None, message="It fell over.")

    assert parts_of(page_of(result).one("article"))["Message"] == "It fell over."


def test_broken_check_keeps_the_lines_of_its_traceback(colourful):
    message = next(colourful.one(id="broken").all("dd"))

    assert message.text == "The check itself broke.\nTraceback:\n  x = 1 / 0"


def test_stale_and_expired_expectations_are_named(colourful):
    told = colourful.one(id="stale").words

    assert "T901" in told
    assert "expired on 2020-01-31: T903: to be mended" in told


def test_expired_expectation_says_where_it_holds():
    expired = Expectation(rule="T903", reason="late", until="2020-01-31", subject="my_*", modes=("graph", "xla"))

    assert "T903 of my_* (graph, xla): late" in page_of(make_result(), expired=(expired,)).one(id="stale").words


def test_expected_failure_has_the_reason_and_what_was_found(colourful):
    section = colourful.one(id="expected")

    assert "known since May" in section.words
    assert parts_of(section.one("details"))["Observed"] == "the sum is 3.25, and should be 3"


def test_reason_stands_once_with_its_rules(colourful):
    (item,) = colourful.one(id="not-applicable").one("ul").all("li")

    assert [link.words for link in item.one(class_="rules").all("a")] == ["L209", "L210"]


def test_reason_that_holds_for_many_subjects_folds_their_names():
    page = page_of(*(make_result(Outcome.NOT_RUN, subject=f"s{number}") for number in range(5)))
    holders = page.one(id="not-run").one("details")

    assert holders.one("summary").words == "of 5 of 5 subjects"
    assert [link.words for link in holders.one("p").all("a")] == [f"s{number}" for number in range(5)]


def test_notes_about_the_sample_stand_with_their_subject(colourful):
    first, second = colourful.all(class_="subject")

    assert first.one("ul", class_="notes").words == "y_pred: float32 [6, 4], logits; the trait domain overrides it"
    assert not list(second.all("ul", class_="notes"))


def test_environment_is_listed(colourful):
    rows = {row.one("th").words: row.one("td").words for row in colourful.one(id="environment").all("tr")}

    assert rows["versions"] == "numpy 2.1.0, keras 3.15.1"
    assert rows["devices"] == "/device:CPU:0, /device:CPU:1"
    assert rows["seed"] == "0"


def test_rule_is_documented_in_the_file_itself(colourful):
    told = colourful.one(id="L205")

    assert told.one("h3").words == "L205 zero-is-removal"
    assert parts_of(told)["What is checked"] == " ".join(find_rule("L205").rule.checks.split()).replace("`", "")
    assert "assay explain L205" in told.words


def test_rule_that_this_version_does_not_have_is_named_all_the_same():
    page = page_of(make_result(Outcome.FAIL, rule="T999", slug="unheard-of"))

    told = page.one(id="T999").words
    assert told == "T999 unheard-of MUST It must hold.This version of the suite has no page of the rule."


def test_page_of_a_rule_that_has_been_renamed_is_not_shown_for_it():
    assert "no page of the rule" in page_of(make_result(rule="L205", slug="another")).one(id="L205").words


def test_subjects_of_one_name_are_numbered():
    results = [make_result(), make_result(mode="graph"), make_result(), make_result(Outcome.FAIL, mode="graph")]
    sections = list(page_of(*results).all(class_="subject"))

    assert [section.one("h3").words for section in sections] == ["specimen (1 of 2)", "specimen (2 of 2)"]
    assert ["FAIL" in section.words for section in sections] == [False, True]


def test_one_subject_needs_no_summary():
    page = page_of(make_result())

    assert not list(page.all(id="summary"))
    assert "open" in page.one(class_="subject").attributes


@pytest.mark.parametrize("report", [colourful_report(), report_of(make_result()), large_report(subjects=20, rules=8)])
def test_ids_are_unique_and_links_lead_somewhere(report):
    page = read_page(as_html(report))

    ids = [node.attributes["id"] for node in page.all() if "id" in node.attributes]
    assert len(ids) == len(set(ids))
    assert {link.attributes["href"] for link in page.all("a")} <= {f"#{name}" for name in ids}
    assert {label.attributes["for"] for label in page.all("label")} <= set(ids)


def test_page_loads_nothing(colourful):
    sources = [node.attributes.get(key) for node in colourful.all() for key in ("src", "srcset", "data", "action")]
    text = as_html(colourful_report())

    assert not any(sources)
    assert [link.attributes["href"] for link in colourful.all("link")] == ["data:,"]
    assert not re.search(r"https?://|url\(|@import", text)
    assert not [node for node in colourful.all() if "style" in node.attributes]


def test_policy_of_the_page_allows_its_own_style_and_script_alone(colourful):
    policy = next(node.attributes["content"] for node in colourful.all("meta", http_equiv="Content-Security-Policy"))

    for tag, directive in (("style", "style-src"), ("script", "script-src")):
        digest = base64.b64encode(hashlib.sha256(colourful.one(tag).text.encode()).digest()).decode()
        assert f"{directive} 'sha256-{digest}';" in policy
    assert policy.startswith("default-src 'none';")


def test_page_has_what_readers_and_screen_readers_need(colourful):
    head = colourful.one("head")
    headings = [int(node.tag[1]) for node in colourful.all() if re.fullmatch("h[1-6]", node.tag)]

    assert colourful.attributes["lang"] == "en"
    assert head.one("title").words == "NOT CONFORMANT (3 failed): Assay conformance report"
    assert head.one("meta", name="viewport").attributes["content"] == "width=device-width, initial-scale=1"
    assert headings[0] == 1
    assert headings.count(1) == 1
    assert all(below <= above + 1 for above, below in itertools.pairwise(headings))
    for table in colourful.all("table"):
        assert table.one("caption").words
        assert all("scope" in heading.attributes for heading in table.all("th"))


def test_same_report_gives_the_same_page():
    assert as_html(colourful_report()) == as_html(colourful_report())


def test_large_report_stays_usable(large):
    page = read_page(large)

    assert len(large.encode()) < 3_000_000
    assert len([cell for table in page.all("table", class_="matrix") for cell in table.all("td")]) == 60 * 40 * 5
    summary = page.one(id="summary")
    assert len(list(next(summary.all("tbody")).all("tr"))) == 12
    assert summary.one("details").one("summary").words == "48 subjects without findings"
    opened = ["open" in section.attributes for section in page.all(class_="subject")]
    assert opened == [number % 5 == 0 for number in range(60)]


def test_long_list_of_rules_in_the_verdict_is_folded():
    few = page_of(*(make_result(Outcome.FAIL, rule=f"L{number}") for number in range(101, 109)))
    many = page_of(*(make_result(Outcome.FAIL, rule=f"L{number}") for number in range(101, 110)))

    assert not list(few.one("header").all("details"))
    folded = many.one("header").one("details")
    assert folded.one("summary").words == "MUST rules fail: 9 rules"
    assert [link.words for link in folded.one("p").all("a")] == [f"L{number}" for number in range(101, 110)]


def test_file_is_whole_and_its_folder_is_made(tmp_path):
    path = tmp_path / "new" / "folder" / "report.html"

    write_html(colourful_report(), path)

    assert path.read_text(encoding="utf-8") == as_html(colourful_report())
    assert [entry.name for entry in path.parent.iterdir()] == ["report.html"]


def test_place_that_cannot_be_written_is_a_usage_error(tmp_path):
    (tmp_path / "folder").mkdir()

    with pytest.raises(UsageError, match="cannot be written to"):
        write_html(report_of(make_result()), tmp_path / "folder")
