"""The page as a whole."""

import base64
import hashlib
import html
import re
from html.parser import HTMLParser

import pytest
from assay.reference_tasks.run_page import Curve, Row, RunPage, Section, as_html, write_page
from assay.reference_tasks.run_page.elements import element, markup

HOSTILE = "</style><script>alert(1)</script>&amp;\"'\x00\u202e\ud800"


def page(text="digits"):
    return RunPage(
        title=text,
        about=text,
        rows=[Row(text, text)],
        charts={text: {text: Curve((1, 2), (0.5, 1.0))}},
        sections=[Section(text, text, (element("img", alt=text, src="data:,"), element("p", "a ", text, " b")))],
    )


def tags_of(text):
    """The elements of a document, as a parser sees them."""
    parser, tags = HTMLParser(), []
    parser.handle_starttag = lambda tag, attributes: tags.append((tag, [name for name, _ in attributes]))
    parser.feed(text)
    return tags


def test_texts_stand_in_their_places():
    text = as_html(
        RunPage("the title", "about it", [Row("accuracy", "98.00%")], {"loss": {"train": Curve((1,), (0.5,))}}, [])
    )

    assert text.startswith("<!doctype html>\n<html")
    assert "<h1>the title</h1>" in text
    assert re.search(r"<th[^>]*>accuracy</th><td[^>]*>98.00%</td>", text)
    assert "train, step 1: 0.5" in text


def test_text_never_becomes_markup():
    text = as_html(page(HOSTILE))

    assert tags_of(text) == tags_of(as_html(page()))
    assert "\x00" not in text
    assert "\u202e" not in text
    text.encode("utf-8")
    assert html.unescape(re.search(r"<h1>(.*?)</h1>", text)[1]) == (
        "</style><script>alert(1)</script>&amp;\"'\\x00\\u202e\\ud800"
    )
    assert text.count("<style>") == text.count("</style>") == 1


def test_page_needs_nothing_beside_itself_and_may_load_nothing():
    text = as_html(page())
    style = re.search(r"<style>(.*?)</style>", text, re.DOTALL)[1]
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()

    assert f"style-src 'sha256-{digest}'" in html.unescape(text)
    assert re.findall(r'(?:src|href)="(?!data:)', text) == []
    assert " style=" not in text
    assert "url(" not in style


def test_runs_without_curves_have_no_such_part():
    assert "<h2>Curves" not in as_html(RunPage("a", "b", [], {}, []))


def test_page_is_written_whole(tmp_path):
    path = tmp_path / "page.html"
    path.write_text("old")
    write_page(page(), path)

    assert path.read_text(encoding="utf-8") == as_html(page())
    assert [entry.name for entry in tmp_path.iterdir()] == ["page.html"]


def test_elements_mix_text_and_children():
    made = element("p", "a", element("b", "c"), "d", "e", class_="x", aria_label="y", width=0.5, hidden=None)

    assert markup(made) == '<p class="x" aria-label="y" width="0.5">a<b>c</b>de</p>'


@pytest.mark.parametrize(
    ("value", "written"), [(1.0, "1"), (0.12345, "0.123"), (100.0, "100"), (3, "3"), ("1.50", "1.50")]
)
def test_numbers_are_written_short(value, written):
    assert element("p", width=value).get("width") == written
