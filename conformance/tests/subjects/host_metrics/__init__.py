"""Realistic host metrics, good and bad, each with the rules that it is known to break."""

from assay.conformance.model import Kind, Subject

from conformance.tests.subjects.host_metrics import classification, coco, detection, samples
from conformance.tests.subjects.verdicts import case


def metric(factory, sample, name, **traits):
    return Subject(factory, sample, kind=Kind.PYTHON_METRIC, name=name, traits=traits)


CASES = [
    *coco.CASES,
    *detection.CASES,
    case(metric(classification.RetrievalTopK, samples.retrieval(), "retrieval top-k")),
    case(metric(classification.TieShuffledTop1, samples.class_scores(), "top-1, ties by lot")),
    case(metric(classification.F1Counter, samples.decisions(), "f1 from counters")),
    case(
        metric(classification.RunningF1, samples.decisions(), "f1, running mean of batches"),
        fails="H201",
        may_fail="H205",
    ),
    case(metric(classification.ExactAuc, samples.decisions(), "exact auc")),
    case(metric(classification.CalibrationError, samples.class_scores(), "calibration error")),
    case(metric(classification.UnigramPrecision, samples.captions(), "caption words")),
    case(metric(classification.SegmentQuality, samples.segments(), "segment quality")),
    case(
        metric(classification.DepthErrors, samples.depths(), "depth errors"),
        # KeyError without the keys received; writes into the predictions; NaN without data, and a float32.
        fails="H102 H103 H105 H106",
        may_fail="H101",  # a tensor's array cannot be written to
    ),
    case(metric(classification.TokenAccuracy, samples.tokens(), "token accuracy")),
    case(
        metric(classification.LeakyTokenAccuracy, samples.tokens(), "token accuracy, counts padding"),
        fails="H202",
    ),
    case(
        metric(classification.SharedCounters, samples.decisions(), "counters on the class"),
        fails="H104",
        may_fail="H101 H103 H201 H205",
    ),
]
