"""The process that the TPU compiler runs in: what ends it, a failed check in native code, does not end the run.

The parent writes a header line of JSON and the module after it; the worker answers with a line of JSON. Both ends are
in this file.
"""

from __future__ import annotations

import atexit
import json
import os
import re
import subprocess
import sys
import tempfile
from typing import Any

_STDIN, _STDOUT = 0, 1
_CHECK_FAILED = re.compile(r"(Check failed: .*|LLVM ERROR: .*|FATAL.*)")


class WorkerDiedError(Exception):
    """The process ended in the middle of a program; the message is its last word."""


class Worker:
    """A process that compiles one program after another; it is started at once, and imports jax meanwhile."""

    def __init__(self) -> None:
        self._stderr = tempfile.TemporaryFile()  # noqa: SIM115 - it lives as long as the process
        self._process = subprocess.Popen(
            [sys.executable, "-m", __name__],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._stderr,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        )
        atexit.register(self.close)

    @property
    def alive(self) -> bool:
        """Whether it can be asked."""
        return self._process.poll() is None

    def ask(self, module: bytes, *, topology: str, replicas: int) -> dict[str, Any]:
        """Return the answer of `libtpu.compile_module`.

        Raises:
          WorkerDiedError: If the process ended meanwhile.
        """
        process = self._process
        assert process.stdin is not None
        assert process.stdout is not None
        header = json.dumps({"topology": topology, "replicas": replicas, "size": len(module)})
        try:
            process.stdin.write(header.encode() + b"\n" + module)
            process.stdin.flush()
            line = process.stdout.readline()
        except OSError:
            line = b""
        except BaseException:  # out of time, interrupted: the answer will come, and must not be taken for another's
            self.close()
            raise
        if not line.endswith(b"\n"):
            process.wait()
            raise WorkerDiedError(self._last_word())
        answer: dict[str, Any] = json.loads(line)
        return answer

    def close(self) -> None:
        """End the process."""
        atexit.unregister(self.close)
        self._process.kill()
        self._process.wait()
        for stream in (self._process.stdin, self._process.stdout):
            if stream is not None:
                stream.close()

    def _last_word(self) -> str:
        self._stderr.seek(0)
        said = self._stderr.read().decode(errors="replace")
        found = _CHECK_FAILED.findall(said)
        lines = [line for line in said.splitlines() if line.strip()]
        ended = f"the process ended with exit code {self._process.returncode}"
        return f"{ended}: {(found or lines or ['without a word'])[-1][:300]}"


def main() -> None:
    """Answer requests until standard input ends."""
    requests, answers = os.fdopen(_STDIN, "rb"), os.fdopen(os.dup(_STDOUT), "wb", buffering=0)
    os.dup2(os.open(os.devnull, os.O_WRONLY), _STDOUT)  # what libraries print must not be taken for an answer
    from assay.conformance.stablehlo.versions import JaxMissingError
    from assay.conformance.targets.tpu import libtpu

    for line in requests:
        asked = json.loads(line)
        module = requests.read(asked["size"])
        try:
            answer = libtpu.compile_module(module, asked["topology"], asked["replicas"])
        except JaxMissingError as missing:
            answer = {"missing": str(missing)}
        answers.write(json.dumps(answer).encode() + b"\n")


if __name__ == "__main__":
    main()
