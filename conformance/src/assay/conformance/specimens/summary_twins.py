"""The twins that the rules for summary managers share."""

from __future__ import annotations

from assay.conformance.model.kinds import Kind
from assay.conformance.model.subject import Subject
from assay.conformance.specimens.summaries import SoundImageManager, SoundSummaryManager

SCALAR_MANAGER = Subject(SoundSummaryManager, kind=Kind.SUMMARY_MANAGER, name="sound summary manager")
"""Scalars in event files."""

IMAGE_MANAGER = Subject(
    SoundImageManager, kind=Kind.SUMMARY_MANAGER, traits={"takes_images": True}, name="sound image manager"
)
"""Scalars and images in event files."""

SUMMARY_SPECIMENS = (SCALAR_MANAGER, IMAGE_MANAGER)
"""Every sound summary manager."""
