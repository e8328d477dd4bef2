"""Run every mutant and twin of some kinds in this process's Keras flavour, and print the rows as one line of JSON."""

from __future__ import annotations

import json
import sys

from assay.conformance import Kind
from assay.conformance.devices import quieten_python, set_up_devices
from assay.conformance.kill import as_dict, mutant_rows, twin_rows
from assay.conformance.quiet import silenced


def main() -> None:
    """Print `{"task": {"mutants": [...], "twins": [...]}, ...}` for the kinds in the arguments."""
    with silenced() as out:
        set_up_devices(hide_others=True)
        quieten_python()
        rows = {
            kind.value: {
                "mutants": [as_dict(row) for row in mutant_rows(kind)],
                "twins": [as_dict(row) for row in twin_rows(kind)],
            }
            for kind in map(Kind, sys.argv[1:])
        }
        out.write(json.dumps(rows) + "\n")


if __name__ == "__main__":
    main()
