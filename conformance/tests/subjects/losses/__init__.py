"""Realistic losses, good and bad, each with the rules that it is known to break."""

from assay.conformance.model import Kind, Subject

from conformance.tests.subjects.losses import classification, dense, regression, samples
from conformance.tests.subjects.verdicts import case

KERAS = "L105 L206 L502"
"""What every loss inherits from the base class of Keras 3: an empty batch stays empty, and 0 * NaN is NaN."""
UNREGISTERED = "L004"
"""A class that is not registered cannot be copied by Keras 3."""
RANKS = "L104"
"""Labels [n] meet predictions [n, 1] as they come, in a table [n, n]."""


def loss(factory, sample, name, **traits):
    return Subject(factory, sample, kind=Kind.LOSS, name=name, traits=traits)


CASES = [
    case(
        loss(lambda: classification.FocalLoss(gamma=1.5), samples.one_hot(), "focal, log of a softmax"),
        # 0 * log(0) at saturated logits; gamma is neither kept by a rebuild nor in the config.
        fails=f"{KERAS} {UNREGISTERED} L302 L002 L003",
        may_fail="L005 L304 L305",
    ),
    case(
        loss(classification.SigmoidFocalLoss, samples.several_labels(), "focal in log space"),
        # Neither the loss nor Keras' base class compares the ranks.
        fails=f"{KERAS} {UNREGISTERED} {RANKS}",
    ),
    case(
        loss(lambda: classification.sparse_focal, samples.class_ids(), "sparse focal, labels through bfloat16"),
        fails="L107 L405",  # a gather: an error on the CPU, a clamped index under XLA
    ),
    case(
        loss(
            classification.SmoothedSegmentationLoss,
            samples.label_maps(),
            "smoothed void pixels",
            ignore_label=255,
            normaliser="valid",
        ),
        fails="L209",
        may_fail="L210 L503",
    ),
    case(
        loss(lambda: classification.weighted_bce, samples.decisions(), "weighted bce that squeezes"),
        fails="L101",  # a batch of one loses its axis; the op refuses ranks that differ
    ),
    case(
        loss(classification.ClassWeighted, samples.class_ids(), "class weights in numpy"),
        fails="L106 L401 L402",
        may_fail="L105 L403 L405 L501 L502",
    ),
    case(loss(lambda: classification.distillation, samples.teacher_and_student(), "distillation", zero_at_target=True)),
    case(
        loss(classification.AveragesInCall, samples.several_labels(), "averages in call"),
        # One number has no rows that weights could mask, and Keras shares means under a strategy, not numbers.
        fails=f"L105 L502 {UNREGISTERED} L101 L501",
    ),
    case(
        loss(classification.ForgetsWeights, samples.class_ids(), "forgets its weights"),
        fails="L205 L206 L210",
    ),
    case(
        loss(classification.RunningScale, samples.class_ids(), "divides by a running mean"),
        fails="L404",
        may_fail="L105 L502",  # the mean of nothing
    ),
    case(
        loss(dense.BatchDice, samples.binary_masks(), "dice over the batch, undeclared"),
        fails=f"{RANKS} L212",
        may_fail="L214 L501 L503",
    ),
    case(loss(dense.BatchDice, samples.binary_masks(), "dice over the batch", mixes_examples=True), fails=RANKS),
    case(
        loss(lambda: dense.tversky, samples.binary_masks(), "tversky in the dtype of the predictions"),
        fails="L103",
        may_fail="L108 L302",
    ),
    case(
        loss(
            lambda: dense.pixel_loss,
            samples.label_maps(),
            "pixels, logits first",
            arguments=("y_pred", "y_true"),
            ignore_label=255,
            normaliser="valid",
        ),
        fails="L503",  # replicas divide by their own count
    ),
    case(
        # That the top of nothing raises is no defect of a loss that couples examples.
        loss(dense.HardPixels, samples.sure_label_maps(), "hard pixels", mixes_examples=True),
    ),
    case(loss(lambda: dense.giou, samples.boxes(), "giou", non_negative=True)),
    case(loss(dense.TwoHeads, samples.heads(), "two heads")),
    case(
        loss(regression.MaskedError, samples.numbers(), "masked error over the batch size", normaliser="weights"),
        fails=f"{RANKS} L205 L206",  # masks the values, and the slope of what is masked is 0 * NaN
        may_fail="L102 L503",
    ),
    case(
        loss(regression.WeightedHuber, samples.numbers(), "weighted huber", normaliser="weights", zero_at_target=True),
        may_fail="L503",
    ),
    case(loss(lambda: regression.pinball, samples.quantiles(), "pinball in float64")),
    case(
        loss(lambda: regression.distance, samples.numbers(), "euclidean distance"),
        fails=f"{RANKS} L302",
    ),
    case(
        loss(lambda: regression.rmse, samples.one_number(), "root mean squared error"),
        fails=f"{RANKS} L105 L212 L302",
        may_fail="L502 L503",
    ),
    case(loss(lambda: regression.log_cosh, samples.numbers(), "log cosh", zero_at_target=True)),
    case(loss(lambda: regression.ranking_hinge, samples.grades(), "ranking hinge", mixes_examples=True)),
    case(loss(lambda: regression.info_nce, samples.two_views(), "in-batch contrast", mixes_examples=True)),
    case(loss(lambda: regression.siamese, samples.distances(), "siamese distances")),
    case(
        loss(regression.charbonnier, samples.numbers(), "charbonnier in Keras' wrapper"),
        fails=f"{KERAS} {UNREGISTERED} L002",  # its function is not registered either
        may_fail="L005",
    ),
]
