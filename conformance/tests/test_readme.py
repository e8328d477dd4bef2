import re
from pathlib import Path

README = Path(__file__).parents[1] / "README.md"


def test_python_snippets_run():
    snippets = re.findall(r"```python\n(.*?)```", README.read_text(encoding="utf-8"), flags=re.DOTALL)

    assert snippets
    for snippet in snippets:
        exec(compile(snippet, str(README), "exec"), {})


def test_links_lead_somewhere():
    targets = re.findall(r"\]\(([^)#]+)\)", README.read_text(encoding="utf-8"))

    assert targets
    for target in targets:
        assert (README.parent / target).exists(), target
