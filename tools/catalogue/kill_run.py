"""Run every mutant and twin in this process's Keras flavour, and print the rows as one line of JSON."""

from __future__ import annotations

import json

from assay.conformance.devices import quieten_python, set_up_devices
from assay.conformance.kill import as_dict, mutant_rows, twin_rows
from assay.conformance.quiet import silenced


def main() -> None:
    """Print `{"mutants": [...], "twins": [...]}`."""
    with silenced() as out:
        set_up_devices(hide_others=True)
        quieten_python()
        rows = {
            "mutants": [as_dict(row) for row in mutant_rows()],
            "twins": [as_dict(row) for row in twin_rows()],
        }
        out.write(json.dumps(rows) + "\n")


if __name__ == "__main__":
    main()
