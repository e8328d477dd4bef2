"""Run the project's commands as a user does: in a new process, with what they print kept."""

import os
import subprocess
import sys
from pathlib import Path

BIN = Path(sys.executable).parent


TWO_REPLICAS = ("runtime.distribution_strategy=mirrored", "runtime.num_cpu_devices=2")


def run(command: str, *arguments: str, folder: Path | None = None, **environment: str) -> subprocess.CompletedProcess:
    """Run an installed command; its Keras flavour is that of the tests unless `environment` says otherwise."""
    return subprocess.run(
        [str(BIN / command), *arguments],
        cwd=folder,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
        timeout=600,
    )


def train(model_dir: Path, *overrides: str, mode: str = "train") -> subprocess.CompletedProcess:
    """Run `assay-train` on the digits for a few steps."""
    return run(
        "assay-train",
        "--experiment=digits_classification",
        f"--mode={mode}",
        f"--model_dir={model_dir}",
        f"--params_override={','.join(['trainer.steps_per_loop=2', *overrides])}",
    )
