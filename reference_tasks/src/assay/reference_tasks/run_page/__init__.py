"""One HTML page that shows a finished run: its metrics, its curves, and what the model predicts."""

from assay.reference_tasks.run_page.event_files import Curve as Curve
from assay.reference_tasks.run_page.event_files import read_curves as read_curves
from assay.reference_tasks.run_page.page import Row as Row
from assay.reference_tasks.run_page.page import RunPage as RunPage
from assay.reference_tasks.run_page.page import Section as Section
from assay.reference_tasks.run_page.page import as_html as as_html
from assay.reference_tasks.run_page.page import write_page as write_page
