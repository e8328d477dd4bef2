"""Other processes: work that must be done in a new one, and a second one that shares the work."""

from assay.conformance.processes.carrying import Parcel as Parcel
from assay.conformance.processes.carrying import pack as pack
from assay.conformance.processes.carrying import unpack as unpack
from assay.conformance.processes.folders import KeptFolder as KeptFolder
from assay.conformance.processes.new_process import run_in_new_process as run_in_new_process
from assay.conformance.processes.new_process import warm_up as warm_up
