"""Images and label maps of fixed size, from the readers that the vision tasks share."""

from assay.reference_tasks.segmentation.inputs.parser import Parser as Parser
from assay.reference_tasks.segmentation.inputs.pipeline import make_dataset as make_dataset
