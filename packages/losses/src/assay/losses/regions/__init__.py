"""Losses of regions: how well predicted masks cover the true ones, class by class."""

from assay.losses.regions._losses import DiceLoss as DiceLoss
from assay.losses.regions._losses import LovaszSoftmaxLoss as LovaszSoftmaxLoss
from assay.losses.regions._losses import TverskyLoss as TverskyLoss
from assay.losses.regions._lovasz import lovasz_softmax_loss as lovasz_softmax_loss
from assay.losses.regions._overlap import dice_loss as dice_loss
from assay.losses.regions._overlap import tversky_loss as tversky_loss
