"""The demonstration of the suite: it shows what it claims, and it can fail."""

import io
import runpy
from pathlib import Path

import pytest
from assay.conformance import Kind, Mode, Subject
from assay.conformance.specimens import SoundTask
from rich.console import Console

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def demo():
    return runpy.run_path(str(ROOT / "tools" / "conformance_demo.py"))


def show(demo, spec, rules, mode):
    stream = io.StringIO()
    caught = demo["_show_broken_copy"](spec, rules, mode, Console(file=stream, width=120, markup=False))
    return caught, stream.getvalue()


@pytest.mark.slow
@pytest.mark.flavour
@pytest.mark.parametrize(
    ("name", "cause"),
    [
        ("validates_in_training_mode", "training mode in validation"),
        ("forgets_the_replicas", "not divided by num_replicas_in_sync"),
    ],
)
def test_broken_copy_is_caught_with_its_cause(demo, name, cause):
    spec = f"tools/broken_copies.py:{name}"

    caught, text = show(demo, spec, *demo["BROKEN_COPIES"][spec])

    assert caught, text
    assert cause in " ".join(text.split())
    assert f"assay check {spec}" in text


def test_copy_that_is_not_broken_is_not_called_caught(demo, monkeypatch):
    subject = Subject(SoundTask, kind=Kind.TASK)
    monkeypatch.setitem(demo["_show_broken_copy"].__globals__, "load_subjects", lambda spec, folder: [subject])

    caught, text = show(demo, "a sound task", ("T101",), Mode.EAGER)

    assert not caught
    assert "NOT caught by T101" in text
