"""Focal losses: cross-entropy that leaves the many easy examples to themselves."""

from assay.losses.focal._losses import SigmoidFocalLoss as SigmoidFocalLoss
from assay.losses.focal._losses import SoftmaxFocalLoss as SoftmaxFocalLoss
from assay.losses.focal._sigmoid import sigmoid_focal_loss as sigmoid_focal_loss
from assay.losses.focal._softmax import softmax_focal_loss as softmax_focal_loss
