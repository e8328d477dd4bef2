"""Average precision of detections on data in which not every category is annotated in every image, as LVIS has it."""

from assay.python_metrics.lvis.evaluator import LVISEvaluator as LVISEvaluator
