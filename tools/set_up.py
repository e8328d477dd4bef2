"""Set up the workspace's virtual environment; needs nothing but Python 3.11 or later.

Run by `make`; by hand: `python3.11 tools/set_up.py`. Everything is installed editable, at the versions that
`constraints.txt` pins. Whatever is missing is said in one sentence, with how to get it.
"""

import argparse
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
OLDEST_PYTHON = (3, 11)
FREE_GIB_NEEDED = 4  # TensorFlow and what it needs take about 2.5 GiB once installed

DISTRIBUTIONS = [
    "packages/losses[legacy]",
    "packages/keras_metrics[legacy]",
    "packages/python_metrics[coco]",
    "packages/summaries[legacy]",
    "packages/core[legacy]",
    "reference_tasks[legacy]",
    "conformance[legacy,tpu]",
]


class SetUpError(Exception):
    """Something that set-up needs is missing; the message says what, and how to get it."""


def check_python() -> None:
    """Refuse a Python that is too old or comes without venv or pip.

    Raises:
        SetUpError: naming what is missing.
    """
    if sys.version_info < OLDEST_PYTHON:
        raise SetUpError(
            f"Python {'.'.join(map(str, OLDEST_PYTHON))} or later is needed, and {sys.executable} is "
            f"{sys.version.split()[0]}. Install python3.11 (Debian: apt-get install python3.11 python3.11-venv; "
            "others: python.org or pyenv), then `make PYTHON=/path/to/python3.11`."
        )
    try:
        import ensurepip  # noqa: F401
        import venv  # noqa: F401
    except ImportError as error:
        raise SetUpError(
            f"this Python has no `{error.name}` module. Debian and Ubuntu ship it apart: "
            f"apt-get install python{sys.version_info.major}.{sys.version_info.minor}-venv"
        ) from error


def check_disk(folder: Path) -> None:
    """Refuse to start an installation that the disk cannot hold.

    Raises:
        SetUpError: when less than `FREE_GIB_NEEDED` GiB are free.
    """
    free = shutil.disk_usage(folder).free / 2**30
    if free < FREE_GIB_NEEDED:
        raise SetUpError(f"{FREE_GIB_NEEDED} GiB of free disk are needed for TensorFlow, and {folder} has {free:.1f}.")


def run_pip(python: Path, arguments: list[str], what: str) -> None:
    """Run pip in the virtual environment; its output is shown only when it fails.

    Raises:
        SetUpError: with the end of pip's output.
    """
    print(f"   {what} ...", flush=True)
    command = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *arguments]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode:
        tail = "\n".join((done.stdout + done.stderr).strip().splitlines()[-15:])
        raise SetUpError(
            f"pip could not install the {what}:\n{tail}\n"
            "The usual causes: no way to a Python package index (see `pip config list` and the variable "
            "PIP_INDEX_URL), or a platform for which TensorFlow has no wheel "
            "(Linux x86-64 or arm64 and macOS arm64 have one, for Python 3.11 to 3.13)."
        )


def set_up(venv_folder: Path) -> None:
    """Create `venv_folder` and install the workspace into it."""
    check_python()
    check_disk(ROOT)
    started = time.monotonic()
    print(f"== Setting up {os.path.relpath(venv_folder)} (once; a minute or two)", flush=True)
    python = venv_folder / "bin" / "python"
    if not python.exists():
        made = subprocess.run(
            [sys.executable, "-m", "venv", str(venv_folder)], capture_output=True, text=True, check=False
        )
        if made.returncode:
            raise SetUpError(f"`{sys.executable} -m venv {venv_folder}` failed:\n{made.stdout}{made.stderr}")
    pinned = ["--constraint", "constraints.txt"]
    run_pip(python, [*pinned, "pip>=25.1", "hatchling", "editables"], "installer")
    run_pip(python, [*pinned, "--group", "dev"], "development tools")
    editable = [part for distribution in DISTRIBUTIONS for part in ("--editable", f"./{distribution}")]
    run_pip(python, [*pinned, "--no-build-isolation", *editable], "packages and TensorFlow")
    (venv_folder / ".ready").touch()
    print(f"   ready after {time.monotonic() - started:.0f} s", flush=True)


def main() -> int:
    """Set up, or say in one sentence why not."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--venv", type=Path, default=ROOT / ".venv", help="where the virtual environment goes")
    try:
        set_up(parser.parse_args().venv.absolute())
    except SetUpError as error:
        print(f"set-up failed: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
