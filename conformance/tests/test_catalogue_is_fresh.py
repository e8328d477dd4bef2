"""The generated pages say what the rule files say."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_generated_pages_are_fresh():
    finished = subprocess.run(
        [sys.executable, "-m", "tools.catalogue", "--check"], cwd=ROOT, capture_output=True, text=True, check=False
    )

    assert finished.returncode == 0, f"{finished.stdout}{finished.stderr}"
