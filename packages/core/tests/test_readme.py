"""The example in the README runs, in the Keras flavour at hand."""

import re
from pathlib import Path

import pytest

README = Path(__file__).parents[1] / "README.md"


@pytest.mark.flavour
def test_the_readme_example_trains_and_writes_a_checkpoint(tmp_path, capsys):
    (example,) = re.findall(r"```python\n(.*?)```", README.read_text(), re.DOTALL)

    exec(example.replace("/tmp/line", str(tmp_path / "line")), {"__name__": "readme"})

    assert (tmp_path / "line" / "ckpt-20.index").exists()
    assert float(capsys.readouterr().out.strip().splitlines()[-1]) < 10
