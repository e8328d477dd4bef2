"""Specimens: small sound components, which rules use as twins and subclass for mutants."""

from assay.conformance.specimens.task import SoundTask as SoundTask
from assay.conformance.specimens.twins import ALL_SPECIMENS as ALL_SPECIMENS
from assay.conformance.specimens.twins import BATCH_NORM_TASK as BATCH_NORM_TASK
from assay.conformance.specimens.twins import CONFIGURED_TASK as CONFIGURED_TASK
from assay.conformance.specimens.twins import DROPOUT_TASK as DROPOUT_TASK
from assay.conformance.specimens.twins import SOUND_TASK as SOUND_TASK
