"""Losses of what a network has learnt rather than of its labels: from a teacher, or from other examples."""

from assay.losses.representation._contrastive import SupervisedContrastiveLoss as SupervisedContrastiveLoss
from assay.losses.representation._contrastive import supervised_contrastive_loss as supervised_contrastive_loss
from assay.losses.representation._distillation import DistillationLoss as DistillationLoss
from assay.losses.representation._distillation import distillation_loss as distillation_loss
