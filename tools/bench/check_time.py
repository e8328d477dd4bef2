"""How long `assay check` of one subject of each leaf kind takes, import included, and which rules take the time.

Each check is a process of its own, as a user starts it. CPU is that of the process and its threads: on a machine that
is shared it says more than the wall clock. A rule that is the first to need a shared run or a trace pays for it.
"""

import json
import resource
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

BUDGET = 20.0
"""Seconds on two quiet cores within which a loss or a metric is to be checked, in all modes of the CPU."""
SLOWEST = 5
SUBJECTS = {
    "loss": "cross_entropy",
    "loss that couples examples": "dice",
    "keras_metric": "mean_iou",
    "python_metric": "confusion_matrix",
    "summary_manager": "summary_manager",
}
"""By kind: the function of this file that makes the subject."""


def cross_entropy() -> Any:
    """A loss of this project, with a sample."""
    import numpy as np
    from assay.conformance import Kind, Subject
    from assay.losses import CrossEntropyLoss

    random = np.random.default_rng(0)
    sample = (random.integers(0, 4, 8).astype(np.int32), random.normal(size=(8, 4)).astype(np.float32))
    return Subject(CrossEntropyLoss, sample, kind=Kind.LOSS)


def dice() -> Any:
    """The Dice loss of Keras 3, which needs other rules."""
    import keras
    import numpy as np
    from assay.conformance import Kind, Subject

    random = np.random.default_rng(0)
    masks = (random.uniform(size=(6, 4, 4, 1)) < 0.5).astype(np.float32)
    sample = (masks, random.uniform(0.1, 0.9, size=masks.shape).astype(np.float32))
    return Subject(keras.losses.Dice, sample, kind=Kind.LOSS, traits={"mixes_examples": True})


def mean_iou() -> Any:
    """A Keras metric of this project, with a sample."""
    import numpy as np
    from assay.conformance import Kind, Subject
    from assay.keras_metrics import MeanIoU

    random = np.random.default_rng(0)
    sample = (
        random.integers(0, 3, size=(6, 4, 4)).astype(np.int32),
        random.normal(size=(6, 4, 4, 3)).astype(np.float32),
    )
    return Subject(lambda: MeanIoU(num_classes=3), sample, kind=Kind.KERAS_METRIC)


def confusion_matrix() -> Any:
    """A host metric of this project, with a sample of three batches."""
    import numpy as np
    from assay.conformance import Kind, Subject
    from assay.python_metrics import ConfusionMatrix

    random = np.random.default_rng(0)
    sample = [({"labels": random.integers(0, 3, size)}, {"labels": random.integers(0, 3, size)}) for size in (4, 4, 3)]
    return Subject(lambda: ConfusionMatrix(3), sample, kind=Kind.PYTHON_METRIC)


def summary_manager() -> Any:
    """A summary manager of this project; the suite has a sample."""
    from assay.conformance import Kind, Subject
    from assay.summaries import SummaryManager

    return Subject(SummaryManager, kind=Kind.SUMMARY_MANAGER)


CHECK = """
import sys
sys.path.insert(0, {folder!r})
import check_time
from assay.conformance import check
import json, pathlib
report = check(check_time.{name}())
pathlib.Path({path!r}).write_text(json.dumps(report.to_dict()))
"""


def measure(name: str) -> tuple[float, float, Mapping[str, Any]]:
    """Check a subject in a new interpreter.

    Returns:
      Wall seconds, CPU seconds, and the JSON report.

    Raises:
      RuntimeError: If the check broke; with the end of what it printed.
    """
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "report.json"
        code = CHECK.format(folder=str(Path(__file__).parent), name=name, path=str(path))
        before, started = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
        wall, after = time.perf_counter() - started, resource.getrusage(resource.RUSAGE_CHILDREN)
        if not path.is_file():
            raise RuntimeError(f"checking {name} broke: {done.stderr[-2000:]}")
        cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        return wall, cpu, json.loads(path.read_text(encoding="utf-8"))


def main() -> None:
    """Print the times of each kind, and of its slowest rules."""
    print(f"`check` of one subject, import included (a loss or a metric: within {BUDGET:.0f} s on two quiet cores)")
    for kind, name in SUBJECTS.items():
        wall, cpu, report = measure(name)
        counts = Counter(result["outcome"] for result in report["results"])
        said = ", ".join(f"{count} {outcome}" for outcome, count in counts.items())
        inside = sum(result["seconds"] for result in report["results"])
        print(f"  {kind:<28} wall {wall:5.1f} s   CPU {cpu:5.1f} s   rules {inside:5.1f} s   {said}")
        slowest = sorted(report["results"], key=lambda result: -float(result["seconds"]))[:SLOWEST]
        print("    " + "   ".join(f"{one['rule']} {one['mode']} {one['seconds']:.2f}" for one in slowest))


if __name__ == "__main__":
    main()
