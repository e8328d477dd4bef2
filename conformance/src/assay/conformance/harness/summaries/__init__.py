"""The harness for summary managers: one in a directory of its own, a step to move, and what it wrote read back."""

from assay.conformance.harness.summaries.managers import Drive as Drive
from assay.conformance.harness.summaries.managers import Managed as Managed
from assay.conformance.harness.summaries.managers import follows_step as follows_step
from assay.conformance.harness.summaries.managers import make_manager as make_manager
from assay.conformance.harness.summaries.managers import managed as managed
from assay.conformance.harness.summaries.managers import parameters as parameters
from assay.conformance.harness.summaries.managers import read_ledger as read_ledger
from assay.conformance.harness.summaries.managers import sandbox as sandbox
from assay.conformance.harness.summaries.managers import written as written
from assay.conformance.harness.summaries.records import IMAGES as IMAGES
from assay.conformance.harness.summaries.records import Record as Record
from assay.conformance.harness.summaries.records import files_in as files_in
from assay.conformance.harness.summaries.records import read_in_another_process as read_in_another_process
from assay.conformance.harness.summaries.records import read_records as read_records
from assay.conformance.harness.summaries.values import DEFAULT_SAMPLE as DEFAULT_SAMPLE
from assay.conformance.harness.summaries.values import Ledger as Ledger
from assay.conformance.harness.summaries.values import as_ledger as as_ledger
from assay.conformance.harness.summaries.values import by_path as by_path
from assay.conformance.harness.summaries.values import ledger_of as ledger_of
from assay.conformance.harness.summaries.values import listed as listed
from assay.conformance.harness.summaries.values import missing as missing
from assay.conformance.harness.summaries.values import name_of as name_of
from assay.conformance.harness.summaries.values import sample_images as sample_images
from assay.conformance.harness.summaries.values import sample_values as sample_values
from assay.conformance.harness.summaries.values import scaled as scaled
from assay.conformance.harness.summaries.values import unwritten as unwritten
