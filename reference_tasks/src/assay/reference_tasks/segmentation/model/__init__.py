"""Encoder-decoder models of either Keras flavour, from images to logits for each pixel."""

from assay.reference_tasks.segmentation.model.segmenter import Segmenter as Segmenter
from assay.reference_tasks.segmentation.model.segmenter import build_segmenter as build_segmenter
