"""Turns the fields of a batch into what the state keeps; says which fields it needs for that."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from assay.python_metrics.coco import fields
from assay.python_metrics.coco.annotations import Annotations
from assay.python_metrics.coco.fields import Batch, Columns, Fields, Side, rows_by_id
from assay.python_metrics.coco.masks import MaskFormat, listed
from assay.python_metrics.coco.runs import Runs, joined


@dataclass(frozen=True)
class Reader:
    """Reads batches.

    Attributes:
        annotations: The groundtruth of a file; None when it comes with the batches.
        include_mask: Whether there are masks.
        num_keypoints: How many keypoints there are; 0 for none.
        need_rescale_bboxes: Whether detection boxes are in pixels of the model's input.
        need_rescale_keypoints: Whether detection keypoints are.
        mask_format: What arrays of detection masks are.
        federated: Whether images say which categories are known to be absent or not all annotated.
    """

    annotations: Annotations | None
    include_mask: bool
    num_keypoints: int
    need_rescale_bboxes: bool
    need_rescale_keypoints: bool
    mask_format: MaskFormat
    federated: bool = False

    def groundtruth_fields(self) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """The fields that groundtruths need, and those that they may have."""
        required = [fields.SOURCE_ID, fields.COUNT, fields.BOXES, fields.CLASSES]
        required += [fields.HEIGHT, fields.WIDTH, fields.MASKS] if self.include_mask else []
        required += [fields.KEYPOINTS] if self.num_keypoints else []
        required += [fields.ABSENT, fields.NOT_EXHAUSTIVE] if self.federated else []
        return tuple(required), (fields.AREAS,) if self.federated else (fields.CROWDS, fields.AREAS)

    def prediction_fields(self) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """The fields that predictions need, and those that they may have."""
        required = [fields.SOURCE_ID, fields.COUNT, fields.FOUND_BOXES, fields.FOUND_CLASSES, fields.SCORES]
        required += [fields.IMAGE_INFO] if self.need_rescale_bboxes or self.need_rescale_keypoints else []
        required += [fields.FOUND_MASKS] if self.include_mask else []
        required += [fields.FOUND_KEYPOINTS] if self.num_keypoints else []
        return tuple(required), (fields.OUTER_BOXES,) if self.include_mask else ()

    def read(self, groundtruths: Fields, predictions: Fields) -> Batch:
        """Read a batch that has all required fields.

        Raises:
            ValueError: If a field cannot be used, or the two sides are not about the same images.
        """
        found = Side("predictions", predictions, slots=fields.FOUND_CLASSES)
        if self.annotations is not None:
            ids = [self.annotations.known_as(identity) for identity in found.ids]
            sizes = self.annotations.sizes[[self.annotations.index[identity] for identity in ids]].reshape(-1, 2)
            detections, masks = self._detections(found, sizes)
            return Batch(ids, sizes, None, detections, joined([]), masks)
        truth = Side("groundtruths", groundtruths, slots=fields.CLASSES)
        row = rows_by_id(truth.ids, found.ids)
        sizes = truth.sizes() if self.include_mask else np.zeros((len(truth.ids), 2), np.int64)
        objects, object_masks = self._objects(truth, sizes)
        detections, found_masks = self._detections(found, sizes[row])
        detections["row"] = row[found.rows]
        judged = _judged(truth) if self.federated else None
        return Batch(truth.ids, sizes, objects, detections, object_masks, found_masks, judged)

    def _objects(self, truth: Side, sizes: np.ndarray) -> tuple[Columns, Runs]:
        boxes, masks = truth.boxes(fields.BOXES), joined([])
        area = boxes[:, 2] * boxes[:, 3]
        if self.include_mask:
            masks = truth.masks(fields.MASKS, sizes, None, "image")
            area = masks.areas()
        objects = {
            "row": truth.rows,
            "category": truth.classes(fields.CLASSES),
            "box": boxes,
            "area": truth.values(fields.AREAS) if fields.AREAS in truth.fields else area,
            "crowd": truth.flags(fields.CROWDS) if fields.CROWDS in truth.fields else np.zeros(len(boxes), bool),
        }
        if self.num_keypoints:
            objects["points"], objects["labelled"] = truth.points(fields.KEYPOINTS, self.num_keypoints)
        return objects, masks

    def _detections(self, found: Side, sizes: np.ndarray) -> tuple[Columns, Runs]:
        scale = found.scale() if fields.IMAGE_INFO in found.fields else None
        box_scale = scale if self.need_rescale_bboxes else None
        boxes, masks = found.boxes(fields.FOUND_BOXES, box_scale), joined([])
        if self.include_mask:
            around = found.boxes(fields.OUTER_BOXES, box_scale) if fields.OUTER_BOXES in found.fields else boxes
            masks = found.masks(fields.FOUND_MASKS, sizes, around, self.mask_format)
        detections = {
            "row": found.rows,
            "category": found.classes(fields.FOUND_CLASSES),
            "box": boxes,
            "score": found.values(fields.SCORES),
        }
        if self.num_keypoints:
            point_scale = scale if self.need_rescale_keypoints else None
            detections["points"], _ = found.points(
                fields.FOUND_KEYPOINTS, self.num_keypoints, point_scale, complete=True
            )
        return detections, masks


def _judged(truth: Side) -> Columns:
    (rows, absent), (more_rows, partial) = truth.listed(fields.ABSENT), truth.listed(fields.NOT_EXHAUSTIVE)
    return {
        "row": np.concatenate([rows, more_rows]),
        "category": np.concatenate([absent, partial]),
        "exhaustive": np.arange(len(absent) + len(partial)) < len(absent),
    }


def with_arrays_of_masks(side: Any) -> Any:
    """A side whose lists of lists of masks, if it has such, are arrays of objects."""
    if not isinstance(side, Mapping):
        return side
    return {
        field: listed(value) if field in (fields.MASKS, fields.FOUND_MASKS) else value for field, value in side.items()
    }
