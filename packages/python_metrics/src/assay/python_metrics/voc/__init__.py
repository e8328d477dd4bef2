"""Average precision of detections as the PASCAL VOC challenge defines it."""

from assay.python_metrics.voc.evaluator import VOCEvaluator as VOCEvaluator
