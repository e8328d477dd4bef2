"""The harness of the rules about persistence: checkpoints, runs that go on in a new process, exports."""

from assay.conformance.harness.tasks.persistence.causes import HiddenState as HiddenState
from assay.conformance.harness.tasks.persistence.causes import hidden_state as hidden_state
from assay.conformance.harness.tasks.persistence.causes import replica_local as replica_local
from assay.conformance.harness.tasks.persistence.checkpoints import checkpoint_of as checkpoint_of
from assay.conformance.harness.tasks.persistence.checkpoints import keys_of as keys_of
from assay.conformance.harness.tasks.persistence.checkpoints import read as read
from assay.conformance.harness.tasks.persistence.checkpoints import renamed as renamed
from assay.conformance.harness.tasks.persistence.checkpoints import write as write
from assay.conformance.harness.tasks.persistence.exporting import Export as Export
from assay.conformance.harness.tasks.persistence.exporting import answers_in_new_process as answers_in_new_process
from assay.conformance.harness.tasks.persistence.exporting import export as export
from assay.conformance.harness.tasks.persistence.looping import TracedLoop as TracedLoop
from assay.conformance.harness.tasks.persistence.poisoning import logged_loss as logged_loss
from assay.conformance.harness.tasks.persistence.poisoning import poison_weights as poison_weights
from assay.conformance.harness.tasks.persistence.poisoning import poisoned_batch as poisoned_batch
from assay.conformance.harness.tasks.persistence.poisoning import poisoned_variables as poisoned_variables
from assay.conformance.harness.tasks.persistence.resuming import SAVED_AT as SAVED_AT
from assay.conformance.harness.tasks.persistence.resuming import STEPS as STEPS
from assay.conformance.harness.tasks.persistence.resuming import ResumedRun as ResumedRun
from assay.conformance.harness.tasks.persistence.resuming import SavedRun as SavedRun
from assay.conformance.harness.tasks.persistence.resuming import differing_steps as differing_steps
from assay.conformance.harness.tasks.persistence.resuming import in_new_process as in_new_process
from assay.conformance.harness.tasks.persistence.resuming import resumed_run as resumed_run
from assay.conformance.harness.tasks.persistence.resuming import saved_run as saved_run
