"""Actions: what is done with the logs after a training loop or an evaluation. Each is called with them."""

from assay.core.actions.averaged_checkpoint import SaveAveragedCheckpoint as SaveAveragedCheckpoint
from assay.core.actions.best_checkpoint import ExportBestCheckpoint as ExportBestCheckpoint
from assay.core.actions.conditional import ConditionalAction as ConditionalAction
from assay.core.actions.new_best_metric import NewBestMetric as NewBestMetric
from assay.core.actions.persisted_value import JSONPersistedValue as JSONPersistedValue
from assay.core.actions.preemption import SaveCheckpointIfPreempted as SaveCheckpointIfPreempted
from assay.core.actions.recovery import RecoverFromDivergence as RecoverFromDivergence
from assay.core.actions.saved_model import ExportFileManager as ExportFileManager
from assay.core.actions.saved_model import ExportSavedModel as ExportSavedModel
