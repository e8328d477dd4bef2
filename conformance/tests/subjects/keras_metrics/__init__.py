"""Realistic Keras metrics, good and bad, each with the rules that it is known to break, and why."""

from assay.conformance.model import Kind, Subject

from conformance.tests.subjects.keras_metrics import classification, regression, samples, segmentation
from conformance.tests.subjects.verdicts import case


def metric(factory, sample, name, **traits):
    return Subject(factory, sample, kind=Kind.KERAS_METRIC, name=name, traits=traits)


def mean_of_errors():
    return regression.FunctionMean(regression.mean_error)


IGNORING = {"ignore_label": 255, "bounds": (0.0, 1.0)}

CASES = [
    case(metric(classification.Calibration, samples.PROBABILITIES, "calibration error", bounds=(0.0, 1.0))),
    case(metric(classification.TwoHeads, samples.HEADS, "two heads in dicts")),
    case(metric(classification.TokenAccuracy, samples.TOKENS, "token accuracy with an argument more", bounds=(0, 1))),
    case(metric(segmentation.DepthDeviation, samples.DEPTH, "depth error of valid pixels")),
    case(metric(regression.Pearson, samples.NUMBERS, "Pearson from sums", bounds=(-1.0, 1.0))),
    case(metric(regression.SquaredErrors, samples.COORDINATES, "RMSE without Keras", best=0.0)),
    case(
        # Sound, but a float32 count ends at 2^24, which is advice.
        metric(segmentation.SegmentationIoU, samples.SEGMENTS, "segmentation IoU", **IGNORING),
        fails="K302",
    ),
    case(
        # A moving average is order-dependent by design, and says so.
        metric(regression.MovingAverage, samples.COORDINATES, "moving average, declared", order_dependent=True),
    ),
    case(
        metric(regression.MovingAverage, samples.COORDINATES, "moving average, not declared"),
        fails="K201 K202",
        may_fail="K502",
    ),
    case(
        # Traced, `float(tensor)` raises; saved, the counts are lost; NaN compares as not positive; and labels [n, 1]
        # meet predictions [n] in a table.
        metric(classification.HostSideFBeta, samples.CLICKS, "F-beta on the host"),
        fails="K105 K303 K402 K405 K501 K601",
        may_fail="K301 K401 K404 K502",
    ),
    case(
        metric(classification.MeanOfBatches, samples.SCORES, "mean of batch means"),
        fails="K201 K501",
        may_fail="K202",
    ),
    case(
        # `in_top_k` finds no label in a row with NaN, so that it shows as a miss.
        metric(classification.HalfTopK, samples.SCORES, "top-k with float16 counts"),
        fails="K301 K302",
    ),
    case(
        metric(classification.MacroRecall, samples.SCORES, "recall of absent classes", absent_class="excluded"),
        fails="K209",
    ),
    case(
        metric(classification.ResetsWhenRead, samples.SCORES, "resets when read"),
        fails="K103 K404",
        may_fail="K106 K201 K402 K405 K501 K502 K601",
    ),
    case(
        metric(segmentation.LateIoU, samples.SEGMENTS, "variables of the first batch", **IGNORING),
        fails="K302 K401",
        may_fail="K402 K403 K404 K405 K501 K502 K601",
    ),
    case(
        metric(segmentation.CountsIgnoredPixels, samples.SEGMENTS, "counts ignored pixels", **IGNORING),
        fails="K210 K302",
    ),
    case(
        metric(segmentation.WeightedSumOverPixels, samples.DEPTH, "weighted sums over unweighted pixels"),
        fails="K204 K205 K206",
        may_fail="K105",
    ),
    case(
        # The sums of running means over replicas, and of merged metrics, are no means.
        metric(regression.RunningPearson, samples.NUMBERS, "Pearson from running means"),
        fails="K501",
        may_fail="K502",
    ),
    case(
        # The list is no variable: traced it holds symbols, saved it is lost.
        metric(regression.MedianError, samples.COORDINATES, "median from a list"),
        fails="K402 K405 K501 K601",
        may_fail="K301 K401 K404 K502",
    ),
    case(
        # Keras' own Mean multiplies NaN by zero, and stops at 2^24.
        metric(mean_of_errors, samples.COORDINATES, "mean of a function"),
        fails="K001 K204 K302",
        may_fail="K002 K003",
    ),
    case(
        # Nothing can be compared with a new metric when there is none. The variables have no names either.
        metric(regression.CountsInADefault, samples.COORDINATES, "sums in a default argument"),
        fails="K002 K106",
        may_fail="K102 K104 K302 K501",
    ),
]
