"""The fingerprint of what checks called: the ids that a bundle of the same calls would have."""

from __future__ import annotations

from assay.conformance.bundles.exporting import export
from assay.conformance.bundles.manifest import calls_by_rule
from assay.conformance.bundles.recording import Recorder
from assay.conformance.model.errors import UsageError
from assay.conformance.stablehlo.versions import JaxMissingError


def fingerprint(recorder: Recorder) -> dict[str, list[str]]:
    """Return the ids of the calls of each rule, as often as there are calls with this id.

    Raises:
      UsageError: If jax, which makes StableHLO of what TensorFlow lowers, is not there.
    """
    try:
        made = export(recorder, recorder.rules, references=False)
    except JaxMissingError as missing:
        raise UsageError(f"Merging a replay compares programs, which needs jax. {missing}") from missing
    return calls_by_rule(made.programs)
