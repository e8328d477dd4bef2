"""The twins that the rules for Python metrics share."""

from __future__ import annotations

from typing import Any

from assay.conformance.model.kinds import Kind
from assay.conformance.model.subject import Subject
from assay.conformance.specimens.host_metrics import SoundAccuracy, SoundDetectionMetric
from assay.conformance.specimens.host_samples import class_scores, detection_reference, scenes
from assay.conformance.specimens.host_sequences import SoundTokenAccuracy, token_batches


class _ResettingMetric(SoundDetectionMetric):
    """Forgets everything when asked for its result, as some evaluators do."""

    def result(self) -> dict[str, Any]:
        numbers = super().result()
        self.reset_state()
        return numbers


DETECTION_METRIC = Subject(
    SoundDetectionMetric,
    scenes(),
    kind=Kind.PYTHON_METRIC,
    traits={"reference": detection_reference, "no_data": "undefined", "duplicates": "counted_once"},
    name="sound detection metric",
)
"""Has ids, counts and slots: every rule applies to it."""

RESETTING_METRIC = Subject(
    _ResettingMetric,
    scenes(seed=1),
    kind=Kind.PYTHON_METRIC,
    traits={"result_resets": True},
    name="sound detection metric, result resets",
)
"""Its `result()` resets, and it says so."""

ACCURACY_METRIC = Subject(
    SoundAccuracy, class_scores(), kind=Kind.PYTHON_METRIC, traits={"no_data": "undefined"}, name="sound accuracy"
)
"""Plain arrays, counters, `reset_states`."""

TOKEN_METRIC = Subject(SoundTokenAccuracy, token_batches(), kind=Kind.PYTHON_METRIC, name="sound token accuracy")
"""Sequences with a mask; its result is a number."""

HOST_SPECIMENS = (DETECTION_METRIC, RESETTING_METRIC, ACCURACY_METRIC, TOKEN_METRIC)
"""Every sound Python metric."""
