"""`assay new task`: a package of one's own, made from the source of a reference task. Needs no TensorFlow."""

from assay.reference_tasks.templates.errors import NewTaskError as NewTaskError
from assay.reference_tasks.templates.project import make_project as make_project
from assay.reference_tasks.templates.project import write_project as write_project
from assay.reference_tasks.templates.registry import TEMPLATES as TEMPLATES
from assay.reference_tasks.templates.registry import Template as Template
from assay.reference_tasks.templates.registry import find_template as find_template
