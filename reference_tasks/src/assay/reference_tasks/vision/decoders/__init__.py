"""Decoders: layers on top of a backbone's feature maps."""

from assay.reference_tasks.vision.decoders.aspp import build_aspp as build_aspp
from assay.reference_tasks.vision.decoders.fpn import build_fpn as build_fpn
