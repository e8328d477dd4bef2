"""Summary managers: nested dicts of values, written durably and once per step."""

from assay.summaries._errors import DroppedSummaryWarning as DroppedSummaryWarning
from assay.summaries._errors import UnwritableSummaryError as UnwritableSummaryError
from assay.summaries._image_manager import ImageScalarSummaryManager as ImageScalarSummaryManager
from assay.summaries._interface import SummaryManagerInterface as SummaryManagerInterface
from assay.summaries._interface import SummarySink as SummarySink
from assay.summaries._json_lines import JSONLinesSummaryManager as JSONLinesSummaryManager
from assay.summaries._json_lines_file import read_json_lines as read_json_lines
from assay.summaries._kinds import LeafKind as LeafKind
from assay.summaries._manager import SummaryManager as SummaryManager
from assay.summaries._null import NullSummaryManager as NullSummaryManager
from assay.summaries._standard_kinds import standard_kinds as standard_kinds
from assay.summaries._tee import TeeSummaryManager as TeeSummaryManager
