"""Peak memory of a forward and backward pass of the losses of `losses`, above that of the tensors they are given.

Each alternative runs in a process of its own whose memory shrinks when a tensor is freed: the kernel's record of the
peak (`VmHWM`) is set back before a call, and read after it. That takes two settings. TensorFlow's allocator with oneDNN
keeps what is freed for later calls, and so does glibc below a size that it adapts; a peak above what was kept before
would say little of the call. Every process first measures a call whose peak is known, and refuses to report when it
does not find it. Linux only.
"""

import os
import statistics
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from tools.bench.losses import CASES

# Memory that is freed goes back to the system: neither TensorFlow's own pool nor glibc's keeps it.
GIVING_BACK = {"TF_ENABLE_ONEDNN_OPTS": "0", "MALLOC_MMAP_THRESHOLD_": str(64 * 1024)}
KNOWN_PEAK, TOLERANCE = 128.0, 4.0
CALLS = 3


def peak_memory(case: str, name: str) -> float:
    """MiB that one call of an alternative adds to the memory of a process of its own."""
    code = f"from tools.bench.losses_memory import measure; measure({case!r}, {name!r})"
    environment = {**os.environ, **GIVING_BACK}
    done = subprocess.run([sys.executable, "-c", code], check=True, stdout=subprocess.PIPE, text=True, env=environment)
    return float(done.stdout.split()[-1])


def measure(case: str, name: str) -> None:
    """Print the peak of one alternative in MiB; to be run in a process made by `peak_memory`.

    Raises:
        RuntimeError: If memory cannot be measured in this process.
    """
    found = added(of_known_peak())
    if abs(found - KNOWN_PEAK) > TOLERANCE:
        raise RuntimeError(
            f"A call that takes {KNOWN_PEAK} MiB was found to take {found:.1f}: nothing can be measured."
        )
    print(added(CASES[case]()[name]))


def added(call: Callable[[], object]) -> float:
    """MiB that a call adds at its peak: the median of some calls, after one that traces and compiles."""
    call()
    peaks = []
    for _ in range(CALLS):
        Path("/proc/self/clear_refs").write_text("5")  # sets the peak back to what is in use
        before = _memory("VmRSS")
        call()
        peaks.append((_memory("VmHWM") - before) / 1024)
    return statistics.median(peaks)


def of_known_peak() -> Callable[[], object]:
    """A call that holds two tensors of half of `KNOWN_PEAK` each at once."""
    import tensorflow as tf

    given = tf.ones([int(KNOWN_PEAK / 2), 1024, 256])

    @tf.function
    def run(given: tf.Tensor) -> tf.Tensor:
        one = tf.sigmoid(given)
        two = one * given
        return tf.reduce_sum(one) + tf.reduce_sum(two)

    return lambda: float(run(given))


def _memory(field: str) -> float:
    """KiB that the kernel has on record for this process."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return float(next(line.split()[1] for line in lines if line.startswith(field)))


def main() -> None:
    """Print one table a case."""
    for case, make in CASES.items():
        names = list(make())
        print(f"Peak memory of value and gradient, {case}")
        for name in names:
            print(f"  {name:<{max(map(len, names))}}  {peak_memory(case, name):6.0f} MiB", flush=True)


if __name__ == "__main__":
    main()
