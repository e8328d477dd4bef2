"""The command `assay`: check subjects, explain rules, list rules."""

from assay.conformance.cli.main import main as main
