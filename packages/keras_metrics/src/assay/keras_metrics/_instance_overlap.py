"""How much detections and objects overlap, and how large they are, by their boxes or by their masks."""

from typing import Any, NamedTuple

import tensorflow as tf
from assay.keras_metrics._box_overlap import Overlaps, box_areas, box_overlaps
from assay.keras_metrics._instances import (
    AREAS,
    BOXES,
    DETECTION_BOXES,
    DETECTION_MASKS,
    DETECTION_OUTER_BOXES,
    MASKS,
    Detections,
    Objects,
    Side,
    to_original_boxes,
)
from assay.keras_metrics._mask_overlap import BoxMasks, ImageMasks, fit_to_canvas, mask_overlaps

BOX, IMAGE = "box", "image"


class OverlapOptions(NamedTuple):
    """What is compared.

    Attributes:
        use_masks: Whether masks are, and not boxes.
        rescale: Whether boxes of detections are in pixels of the model's input.
        groundtruth_mask_format: `BOX` or `IMAGE`.
        detection_mask_format: Likewise.
        canvas: Height and width of the canvas for masks that are all for their boxes.
    """

    use_masks: bool
    rescale: bool
    groundtruth_mask_format: str
    detection_mask_format: str
    canvas: tuple[int, int]


def overlaps_of(
    truth: Side, found: Side, detections: Detections, objects: Objects, options: OverlapOptions
) -> Overlaps:
    """Compare a batch; areas of objects are those that came with them, if any did."""
    compare = _of_masks if options.use_masks else _of_boxes
    overlaps = compare(truth, found, detections, objects, options)
    if AREAS not in truth:
        return overlaps
    return overlaps._replace(object_areas=tf.cast(truth.slots(AREAS, objects.classes), tf.float32))


def _of_boxes(truth: Side, found: Side, detections: Detections, objects: Objects, options: OverlapOptions) -> Overlaps:
    boxes = _found_boxes(truth, found, DETECTION_BOXES, detections, options)
    wanted = truth.boxes(BOXES, objects.classes)
    return Overlaps(box_overlaps(boxes, wanted, objects.crowd), box_areas(boxes), box_areas(wanted))


def _of_masks(truth: Side, found: Side, detections: Detections, objects: Objects, options: OverlapOptions) -> Overlaps:
    values = found.slots(DETECTION_MASKS, detections.classes, None, None)
    wanted_values = truth.slots(MASKS, objects.classes, None, None)
    in_box, wanted_in_box = options.detection_mask_format == BOX, options.groundtruth_mask_format == BOX
    outer = DETECTION_OUTER_BOXES if DETECTION_OUTER_BOXES in found else DETECTION_BOXES
    boxes = _found_boxes(truth, found, outer, detections, options) if in_box else None
    wanted = truth.boxes(BOXES, objects.classes) if wanted_in_box else None
    if not (in_box and wanted_in_box):
        size = (values if wanted_in_box else wanted_values).shape[2:]
        if not (in_box or wanted_in_box) and values.shape[2:] != size:
            raise ValueError(
                f"Masks of images differ in size: {values.shape[2:]} in {DETECTION_MASKS!r}, {size} in {MASKS!r}."
            )
        scale = tf.ones([1])
    else:
        size = options.canvas
        known = tf.concat([detections.classes, objects.classes], axis=1) >= 0
        both, scale = fit_to_canvas(tf.concat([boxes, wanted], axis=1), known, height=size[0], width=size[1])
        boxes, wanted = both[:, : values.shape[1]], both[:, values.shape[1] :]
    masks = BoxMasks(values, boxes) if in_box else ImageMasks(values)
    wanted_masks = BoxMasks(wanted_values, wanted) if wanted_in_box else ImageMasks(wanted_values)
    shared = mask_overlaps(masks, wanted_masks, objects.crowd, height=size[0], width=size[1])
    pixel = scale[:, tf.newaxis] ** 2
    return Overlaps(shared.overlaps, shared.areas / pixel, shared.object_areas / pixel)


def _found_boxes(truth: Side, found: Side, key: str, detections: Detections, options: OverlapOptions) -> Any:
    boxes = found.boxes(key, detections.classes)
    return to_original_boxes(boxes, truth, found) if options.rescale else boxes
