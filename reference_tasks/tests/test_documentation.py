"""The snippets of the README run, and what it says of the code is true."""

import re
from pathlib import Path

import pytest
from assay.core import registered_experiments

README = (Path(__file__).parents[1] / "README.md").read_text(encoding="utf-8")
SNIPPETS = re.findall(r"^```python\n(.*?)^```", README, re.MULTILINE | re.DOTALL)


@pytest.mark.flavour
@pytest.mark.parametrize("snippet", SNIPPETS)
def test_snippet_runs(snippet, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    exec(compile(snippet, "snippet", "exec"), {"__name__": "snippet"})


def test_snippets_were_found():
    assert len(SNIPPETS) == 1


def test_experiments_of_the_readme_exist():
    table = README.partition("| experiment |")[2].partition("\n\n")[0]
    named = set(re.findall(r"^\| `(\w+)` \|", table, re.MULTILINE))

    assert {"digits_classification", "resnet_imagenet", "digits_segmentation"} <= named
    assert {"seg_deeplabv3plus_pascal", "seg_deeplabv3plus_cityscapes"} <= named
    assert named <= set(registered_experiments())
