"""Specimens: small sound components, which rules use as twins and subclass for mutants."""

from assay.conformance.specimens.host_metrics import SoundAccuracy as SoundAccuracy
from assay.conformance.specimens.host_metrics import SoundDetectionMetric as SoundDetectionMetric
from assay.conformance.specimens.host_sequences import SoundTokenAccuracy as SoundTokenAccuracy
from assay.conformance.specimens.host_twins import ACCURACY_METRIC as ACCURACY_METRIC
from assay.conformance.specimens.host_twins import DETECTION_METRIC as DETECTION_METRIC
from assay.conformance.specimens.host_twins import RESETTING_METRIC as RESETTING_METRIC
from assay.conformance.specimens.host_twins import TOKEN_METRIC as TOKEN_METRIC
from assay.conformance.specimens.loss import SoundBinaryCrossEntropy as SoundBinaryCrossEntropy
from assay.conformance.specimens.loss import SoundCrossEntropy as SoundCrossEntropy
from assay.conformance.specimens.loss import SoundDice as SoundDice
from assay.conformance.specimens.loss import SoundHuber as SoundHuber
from assay.conformance.specimens.loss import SoundLoss as SoundLoss
from assay.conformance.specimens.loss_twins import CROSS_ENTROPY as CROSS_ENTROPY
from assay.conformance.specimens.loss_twins import DICE_LOSS as DICE_LOSS
from assay.conformance.specimens.loss_twins import HUBER_LOSS as HUBER_LOSS
from assay.conformance.specimens.loss_twins import IGNORING_LOSS as IGNORING_LOSS
from assay.conformance.specimens.loss_twins import PROBABILITY_LOSS as PROBABILITY_LOSS
from assay.conformance.specimens.loss_twins import SOFT_LABEL_LOSS as SOFT_LABEL_LOSS
from assay.conformance.specimens.loss_twins import SUMMING_LOSS as SUMMING_LOSS
from assay.conformance.specimens.task import SoundTask as SoundTask
from assay.conformance.specimens.twins import ALL_SPECIMENS as ALL_SPECIMENS
from assay.conformance.specimens.twins import BATCH_NORM_TASK as BATCH_NORM_TASK
from assay.conformance.specimens.twins import CONFIGURED_TASK as CONFIGURED_TASK
from assay.conformance.specimens.twins import DROPOUT_TASK as DROPOUT_TASK
from assay.conformance.specimens.twins import SOUND_TASK as SOUND_TASK
