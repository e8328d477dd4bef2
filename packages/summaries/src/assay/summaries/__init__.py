"""Summary managers: nested dicts of values, written durably and once per step."""

from assay.summaries._errors import DroppedSummaryWarning as DroppedSummaryWarning
from assay.summaries._errors import UnwritableSummaryError as UnwritableSummaryError
from assay.summaries._interface import SummaryManagerInterface as SummaryManagerInterface
from assay.summaries._manager import SummaryManager as SummaryManager
from assay.summaries._null import NullSummaryManager as NullSummaryManager
