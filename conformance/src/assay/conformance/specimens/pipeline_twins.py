"""The twins that the rules for input pipelines share."""

from __future__ import annotations

from assay.conformance.model.kinds import Kind
from assay.conformance.model.subject import Subject
from assay.conformance.specimens.pipelines import SoundDetection, SoundImages, detection_params

IMAGE_PIPELINE = Subject(
    SoundImages, kind=Kind.INPUT_PIPELINE, traits={"value_ranges": {"image": (0, 1)}}, name="sound image pipeline"
)
"""Augments; simple parameters."""

DETECTION_PIPELINE = Subject(
    SoundDetection, detection_params, kind=Kind.INPUT_PIPELINE, name="sound detection pipeline"
)
"""Reads TFRecords with boxes; parameters of its own."""

PIPELINE_SPECIMENS = (IMAGE_PIPELINE, DETECTION_PIPELINE)
"""Every sound input pipeline."""
