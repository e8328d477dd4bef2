"""The HTML report: one self-contained file that needs neither a network nor a script."""

from assay.conformance.reports.html.page import as_html as as_html
from assay.conformance.reports.html.page import write_html as write_html
