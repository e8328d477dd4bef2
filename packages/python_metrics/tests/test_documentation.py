"""The snippets of the README and of the module docstrings run."""

import importlib
import inspect
import pkgutil
import re
from pathlib import Path

import assay.python_metrics
import pytest

SNIPPET = re.compile(r"^```python\n(.*?)^```", re.MULTILINE | re.DOTALL)
README = Path(__file__).parents[1] / "README.md"


def snippets():
    yield from ((README.name, snippet) for snippet in SNIPPET.findall(README.read_text()))
    for module in pkgutil.walk_packages(assay.python_metrics.__path__, "assay.python_metrics."):
        doc = importlib.import_module(module.name).__doc__ or ""
        yield from ((module.name, snippet) for snippet in SNIPPET.findall(doc))


FOUND = list(snippets())


@pytest.mark.parametrize("snippet", [snippet for _, snippet in FOUND], ids=[name for name, _ in FOUND])
def test_snippet_runs(snippet, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    exec(compile(snippet, "snippet", "exec"), {"__name__": "snippet"})


def test_snippets_were_found():
    assert {"README.md"} < {name for name, _ in FOUND}


def test_every_public_name_is_in_the_readme():
    public = [
        name
        for name, value in vars(assay.python_metrics).items()
        if not name.startswith("_") and not inspect.ismodule(value)
    ]

    assert public
    assert [name for name in public if f"`{name}`" not in README.read_text()] == []
