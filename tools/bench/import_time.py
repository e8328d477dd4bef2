"""How long `import` of each package takes beside `import tensorflow` alone, each in a new interpreter."""

import statistics
import subprocess
import sys
import time

ROUNDS = 3
BASELINES = ["numpy", "tensorflow"]
PACKAGES = [
    "assay.losses",
    "assay.keras_metrics",
    "assay.python_metrics",
    "assay.summaries",
    "assay.core",
    "assay.reference_tasks.classification",
    "assay.conformance",
]


def seconds_to_run(code: str) -> float:
    """Wall seconds of a new interpreter running `code`."""
    started = time.perf_counter()
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)
    return time.perf_counter() - started


def main() -> None:
    """Print the median of `ROUNDS` interleaved rounds."""
    names = [*BASELINES, *PACKAGES]
    seconds: dict[str, list[float]] = {name: [] for name in ["", *names]}
    for _ in range(ROUNDS):
        for name in seconds:
            seconds[name].append(seconds_to_run(f"import {name}" if name else "pass"))
    empty = statistics.median(seconds[""])
    tensorflow = statistics.median(seconds["tensorflow"]) - empty
    print(f"Import time in a new interpreter (median of {ROUNDS}; an empty one takes {empty:.2f} s)")
    for name in names:
        own = statistics.median(seconds[name]) - empty
        print(f"  {name:<40} {own:6.2f} s   {own / tensorflow:5.2f} of tensorflow")


if __name__ == "__main__":
    main()
