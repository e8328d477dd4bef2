"""Reads HTML strictly: every tag is closed in order, no attribute stands twice, and the tree can be searched."""

import dataclasses
from html.parser import HTMLParser

_VOID = {"link", "meta", "input", "br"}


@dataclasses.dataclass
class Node:
    tag: str
    attributes: dict
    children: list = dataclasses.field(default_factory=list)

    def all(self, tag=None, **attributes):
        """The elements beneath with a tag and with these attributes; a class may be one of several."""
        for child in self.children:
            if isinstance(child, Node):
                if tag in (None, child.tag) and child.has(**attributes):
                    yield child
                yield from child.all(tag, **attributes)

    def one(self, tag=None, **attributes):
        (found,) = self.all(tag, **attributes)
        return found

    def has(self, **attributes):
        for key, value in attributes.items():
            own = self.attributes.get(key.rstrip("_").replace("_", "-"))
            if own is None or (value not in own.split() if key == "class_" else own != value):
                return False
        return True

    @property
    def text(self):
        return "".join(child if isinstance(child, str) else child.text for child in self.children)

    @property
    def words(self):
        """The text with runs of blanks as one."""
        return " ".join(self.text.split())


class _Reader(HTMLParser):
    def __init__(self):
        super().__init__(convert_charrefs=True)
        self.root = Node("", {})
        self._open = [self.root]

    def handle_starttag(self, tag, attrs):
        assert len(dict(attrs)) == len(attrs), f"<{tag}> has an attribute twice: {attrs}"
        node = Node(tag, dict(attrs))
        self._open[-1].children.append(node)
        if tag not in _VOID:
            self._open.append(node)

    def handle_startendtag(self, tag, attrs):
        raise AssertionError(f"<{tag}/> is not how HTML closes")

    def handle_endtag(self, tag):
        assert self._open.pop().tag == tag, f"</{tag}> closes nothing"

    def handle_data(self, data):
        self._open[-1].children.append(data)

    def handle_comment(self, data):
        raise AssertionError(f"a comment: {data}")

    def unknown_decl(self, data):
        raise AssertionError(f"a declaration: {data}")


def read_page(text):
    """Return the root of a page."""
    assert text.startswith("<!doctype html>\n")
    reader = _Reader()
    reader.feed(text.removeprefix("<!doctype html>\n"))
    reader.close()
    assert [node.tag for node in reader._open] == [""], "something is not closed"
    return reader.root.one("html")


def read_table(table):
    """Return the rows of a matrix: for each row heading, the cell of each (target, mode)."""
    top, below = table.one("thead").all("tr")
    targets = [
        heading.words for heading in top.all("th", scope="colgroup") for _ in range(int(heading.attributes["colspan"]))
    ]
    modes = [heading.attributes["title"] for heading in below.all("th", scope="col")]
    assert len(targets) == len(modes)
    rows = {}
    for row in table.one("tbody").all("tr"):
        heading = row.one("th", scope="row")
        cells = list(row.all("td"))
        assert len(cells) == len(modes)
        rows[heading.one("a").words] = dict(zip(zip(targets, modes, strict=True), cells, strict=True))
    return rows


def parts_of(node):
    """The labelled parts of a message."""
    return {pair.one("dt").words: pair.one("dd").words for pair in node.one("dl").all("div")}
