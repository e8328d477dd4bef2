"""The page as a whole: its head, its style, and its parts in order."""

import base64
import dataclasses
import hashlib
import os
from collections.abc import Mapping, Sequence
from importlib import resources

import tensorflow as tf
from assay.reference_tasks.run_page.charts import line_chart
from assay.reference_tasks.run_page.elements import Element, element, markup
from assay.reference_tasks.run_page.event_files import Curve


@dataclasses.dataclass(frozen=True)
class Row:
    """A row of the table.

    Attributes:
        heading: What it tells.
        value: The value, as it is shown.
    """

    heading: str
    value: str


@dataclasses.dataclass(frozen=True)
class Section:
    """A part of the page below the curves.

    Attributes:
        title: Its heading.
        about: What is seen in it, in a sentence or two.
        parts: What stands in it.
    """

    title: str
    about: str
    parts: tuple[Element, ...]


@dataclasses.dataclass(frozen=True)
class RunPage:
    """Everything that is shown of a run.

    Attributes:
        title: The name of the experiment.
        about: What it is, in a sentence.
        rows: The table of the results.
        charts: The curves of each chart, by its title and by what each curve is of.
        sections: What follows, the predictions.
    """

    title: str
    about: str
    rows: Sequence[Row]
    charts: Mapping[str, Mapping[str, Curve]]
    sections: Sequence[Section]


def as_html(page: RunPage) -> str:
    """Return a page as the text of an HTML file that needs nothing beside itself: no network, font or script."""
    parts = [_section("Results", [_table(page.rows)])]
    if page.charts:
        charts = [element("figure", line_chart(title, curves)) for title, curves in page.charts.items()]
        parts.append(_section("Curves", [element("div", *charts, class_="charts")]))
    for section in page.sections:
        parts.append(_section(section.title, [element("p", section.about, class_="about"), *section.parts]))
    header = element("header", element("h1", page.title), element("p", page.about, class_="about"))
    body = element("body", header, element("main", *parts))
    return f"<!doctype html>\n{markup(element('html', _head(page.title), body, lang='en'))}\n"


def write_page(page: RunPage, path: str | os.PathLike[str]) -> None:
    """Write a page as an HTML file, whole or not at all.

    Args:
        page: The page.
        path: The file; anything that `tf.io.gfile` can write.
    """
    temporary = f"{os.fspath(path)}.partial-{os.getpid()}"
    with tf.io.gfile.GFile(temporary, "w") as file:
        file.write(as_html(page))
    tf.io.gfile.rename(temporary, os.fspath(path), overwrite=True)


def _section(title: str, parts: Sequence[Element]) -> Element:
    return element("section", element("h2", title), *parts)


def _table(rows: Sequence[Row]) -> Element:
    lines = []
    for row in rows:
        heading, value = element("th", row.heading, scope="row"), element("td", row.value, class_="number")
        lines.append(element("tr", heading, value))
    return element("table", element("tbody", *lines), class_="results")


def _head(title: str) -> Element:
    style = resources.files(__package__).joinpath("page.css").read_text(encoding="utf-8")
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    # Nothing is loaded and no script runs, whatever a name on the page may contain.
    policy = f"default-src 'none'; img-src data:; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
    return element(
        "head",
        element("meta", charset="utf-8"),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        element("meta", name="color-scheme", content="light dark"),
        element("meta", http_equiv="Content-Security-Policy", content=policy),
        element("link", rel="icon", href="data:,"),
        element("title", title),
        element("style", style),
    )
