"""The detector as a Keras functional model of either flavour."""

from assay.reference_tasks.retinanet.model.heads import AttributeHead as AttributeHead
from assay.reference_tasks.retinanet.model.heads import build_heads as build_heads
from assay.reference_tasks.retinanet.model.retinanet import RetinaNet as RetinaNet
from assay.reference_tasks.retinanet.model.retinanet import build_retinanet as build_retinanet
