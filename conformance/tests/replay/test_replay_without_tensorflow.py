"""Replaying needs NumPy and jax alone: it runs where nothing else can be imported."""

import json
import subprocess
import sys

import pytest
from replay_builders import small_bundle

pytest.importorskip("jax")

BLOCKED = ("tensorflow", "keras", "tf_keras", "rich", "hypothesis", "cloudpickle", "google", "pytest", "assay.core")

BLOCKER = f"""
import sys

class Blocker:
    def find_spec(self, name, path=None, target=None):
        if any(name == one or name.startswith(one + ".") for one in {BLOCKED!r}):
            raise ImportError(f"{{name}} is blocked")

sys.meta_path.insert(0, Blocker())
"""


def replay_blocked(*arguments):
    program = f"{BLOCKER}\nfrom assay.conformance.replay.command import main\nsys.exit(main())"
    return subprocess.run([sys.executable, "-c", program, *arguments], capture_output=True, text=True, check=False)


def test_bundle_is_replayed_where_tensorflow_cannot_be_imported(tmp_path):
    folder = small_bundle(tmp_path / "bundle")

    finished = replay_blocked(str(folder), "--platform", "cpu", "--runs", "3")

    assert finished.returncode == 0, finished.stderr
    assert "1 calls: 1 pass" in finished.stdout
    report = json.loads((folder / "replay-cpu.json").read_text())
    assert report["bundles"][0]["programs"][0]["runs"] == 3


def test_blocker_blocks():
    finished = subprocess.run(
        [sys.executable, "-c", f"{BLOCKER}\nimport tensorflow"], capture_output=True, text=True, check=False
    )

    assert "tensorflow is blocked" in finished.stderr


def test_module_is_a_command(tmp_path):
    finished = subprocess.run(
        [sys.executable, "-m", "assay.conformance.replay", str(tmp_path)], capture_output=True, text=True, check=False
    )

    assert finished.returncode == 2
    assert finished.stderr == f"assay: {tmp_path} is no bundle: it has no manifest.json.\n"
    assert finished.stdout == ""
