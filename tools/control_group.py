"""Check the control group, the built-in components of Keras, against what is on record about each.

```
python -m tools.control_group                         every kind, Keras 3
python -m tools.control_group --kind loss             one kind
TF_USE_LEGACY_KERAS=1 python -m tools.control_group   tf_keras
```

A control group is a module of `conformance/tests` with `control_subjects(keras)`, the subjects, and
`findings_of(flavour, name)`, the MUST rules that each is known to break (`docs/findings.md` has the reproductions).
Prints a line for each component, and exits with 1 when one breaks another rule, or one less.
"""

from __future__ import annotations

import argparse
import importlib
import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

from assay.conformance import Subject, check
from assay.conformance.harness import keras_for
from assay.conformance.harness.flavour import default_flavour
from assay.conformance.model import Level, Outcome

TESTS = Path(__file__).parents[1] / "conformance" / "tests"
GROUPS = {"loss": "control_losses", "keras_metric": "control_metrics"}
"""The module of each kind's control group."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Check the groups that are asked for, and return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tools.control_group", description=__doc__.splitlines()[0])
    parser.add_argument("--kind", action="append", choices=list(GROUPS), help="only this kind; may come again")
    parser.add_argument("--name", action="append", default=[], help="only components with this in their name")
    options = parser.parse_args(arguments)
    flavour = default_flavour()
    differing = 0
    for kind in options.kind or GROUPS:
        group = load(GROUPS[kind])
        if group is None:
            print(f"{kind}: there is no control group yet")
            continue
        subjects = [
            one
            for one in group.control_subjects(keras_for(flavour))
            if not options.name or any(part in one.name for part in options.name)
        ]
        differing += print_group(kind, flavour, subjects, group)
    return 1 if differing else 0


def load(name: str) -> Any:
    """Import a control group from the tests of the suite; None where there is none."""
    if not (TESTS / f"{name}.py").is_file():
        return None
    if str(TESTS) not in sys.path:
        sys.path.insert(0, str(TESTS))
    return importlib.import_module(name)


def print_group(kind: str, flavour: str, subjects: Sequence[Subject], group: Any) -> int:
    """Check the subjects of a group, print a table, and return how many differ from the record."""
    print(f"{kind}, {flavour}: {len(subjects)} components")
    print(f"{'component':<42} {'CPU s':>6} {'pass':>5} {'n/a':>4}  MUST rules broken")
    differing, findings, start = 0, 0, time.process_time()
    for one in subjects:
        before = time.process_time()
        results = check(one).results
        broken = {result.rule for result in results if result.outcome is Outcome.FAIL and result.level is Level.MUST}
        broken |= {
            f"{result.rule} ({result.outcome})"
            for result in results
            if result.outcome in (Outcome.ERROR, Outcome.NOT_RUN)
        }
        known = group.findings_of(flavour, one.name)
        said = ", ".join(sorted(broken & known)) or "none"
        said += "".join(f"; NOT ON RECORD: {rule}" for rule in sorted(broken - known))
        said += "".join(f"; NO LONGER BROKEN: {rule}" for rule in sorted(known - broken))
        counts = [sum(result.outcome is outcome for result in results) for outcome in (Outcome.PASS, _LIFTED)]
        print(f"{one.name:<42} {time.process_time() - before:6.1f} {counts[0]:5} {counts[1]:4}  {said}", flush=True)
        differing += broken != known
        findings += len(broken & known)
    seconds = time.process_time() - start
    print(
        f"{len(subjects)} components, {findings} findings on record, {differing} that differ, {seconds:.0f} s of CPU\n"
    )
    return differing


_LIFTED = Outcome.NOT_APPLICABLE


if __name__ == "__main__":
    sys.exit(main())
