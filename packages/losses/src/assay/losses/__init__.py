"""Losses for TensorFlow training that stay right under weights, masks, mixed precision and replicas."""

from assay.losses._classification import CrossEntropyLoss as CrossEntropyLoss
from assay.losses._classification import SigmoidCrossEntropyLoss as SigmoidCrossEntropyLoss
from assay.losses._cross_entropy import sigmoid_cross_entropy as sigmoid_cross_entropy
from assay.losses._cross_entropy import softmax_cross_entropy as softmax_cross_entropy
