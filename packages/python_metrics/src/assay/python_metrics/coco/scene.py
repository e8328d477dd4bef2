"""The state laid out for evaluation: images by rank, categories by index, detections of known categories only."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from assay.python_metrics.coco.annotations import Annotations
from assay.python_metrics.coco.fields import Columns
from assay.python_metrics.coco.iou import box_iou
from assay.python_metrics.coco.keypoints import KeypointOverlap, extents
from assay.python_metrics.coco.mask_iou import MaskOverlap
from assay.python_metrics.coco.protocol import IOU_THRESHOLDS, Kind
from assay.python_metrics.coco.question import Detections, Objects, Overlap, Question
from assay.python_metrics.coco.runs import Runs, joined
from assay.python_metrics.coco.segments import places, starts_of
from assay.python_metrics.coco.store import Store


@dataclass(frozen=True, eq=False)
class Scene:
    """All images, and what is and was found in them.

    Attributes:
        sizes: `[images, 2]` height and width of the images, by rank.
        categories: Sorted ids of the categories that are evaluated.
        objects: Columns image (rank), category (index), box, area, crowd; with keypoints points and labelled. The
            column mask is the index into `object_masks`.
        detections: Columns image (rank), category (index), box, score, mask; with keypoints points; excused (bool,
            whether it counts as wrong nowhere), if there are any.
        object_masks: Masks of the objects, also of those of other categories.
        found_masks: Masks of the detections, likewise.
        sigmas: One for each keypoint.
        judged: Columns image (rank), category (index), exhaustive: see `Batch`; empty when all categories are annotated
            in all images.
    """

    sizes: np.ndarray
    categories: tuple[int, ...]
    objects: Columns
    detections: Columns
    object_masks: Runs = field(default_factory=lambda: joined([]))
    found_masks: Runs = field(default_factory=lambda: joined([]))
    sigmas: Sequence[float] = ()
    judged: Columns = field(default_factory=dict)

    @property
    def num_images(self) -> int:
        """Number of images."""
        return len(self.sizes)

    def question(self, kind: Kind) -> Question:
        """What an engine is asked about one kind."""
        objects, found = self.objects, self.detections
        ignore = objects["crowd"]
        if kind is Kind.KEYPOINTS:
            ignore = ignore | ~objects["labelled"].any(axis=1)
        return Question(
            objects=Objects(objects["image"], objects["category"], objects["area"], objects["crowd"], ignore),
            detections=Detections(
                found["image"],
                found["category"],
                self.found_areas(kind),
                found["score"],
                found.get("excused", np.zeros(len(found["score"]), bool)),
            ),
            overlap=self._overlap(kind),
            num_images=self.num_images,
            num_categories=len(self.categories),
        )

    def found_areas(self, kind: Kind) -> np.ndarray:
        """Area of each detection, `[D]` float64: of its mask, of its box, or of the box around its keypoints."""
        if kind is Kind.MASKS:
            return self._mask_areas[self.detections["mask"]]
        if kind is Kind.KEYPOINTS:
            return extents(self.detections["points"])
        boxes = self.detections["box"]
        return boxes[:, 2] * boxes[:, 3]

    @cached_property
    def _mask_areas(self) -> np.ndarray:
        return self.found_masks.areas()

    def _overlap(self, kind: Kind) -> Overlap:
        found, objects = self.detections, self.objects
        if kind is Kind.KEYPOINTS:
            boxes, areas = objects["box"], objects["area"]
            return KeypointOverlap(found["points"], objects["points"], objects["labelled"], boxes, areas, self.sigmas)
        if kind is Kind.MASKS:
            return MaskOverlap(
                _chosen(self.found_masks, found["mask"]),
                _chosen(self.object_masks, objects["mask"]),
                found_heights=self.sizes[found["image"], 0],
                object_heights=self.sizes[objects["image"], 0],
                crowd=objects["crowd"],
                lowest=float(IOU_THRESHOLDS.min()),
            )
        return lambda mine, theirs: box_iou(found["box"][mine], objects["box"][theirs], objects["crowd"][theirs])


def lay_out(
    store: Store,
    annotations: Annotations | None,
    sigmas: Sequence[float] = (),
    *,
    most_an_image: int | None = None,
) -> Scene:
    """Lay the state out.

    Args:
        store: What was seen.
        annotations: The groundtruth of a file, of which the images seen are taken; else it is in the store.
        sigmas: One for each keypoint.
        most_an_image: How many detections of an image count, of whatever categories, the best ones; None for all.
    """
    ranks = store.ranks()
    if annotations is None:
        objects, masks, judged = store.objects.columns(), store.object_masks.all(), store.judged.columns()
        categories = np.unique(objects["category"])
    else:
        objects, masks, judged = _of_file(annotations, store)
        categories = np.array(annotations.categories, np.int64)
    return Scene(
        sizes=store.images["size"][np.argsort(ranks)],
        categories=tuple(categories.tolist()),
        objects=_placed(objects, ranks, categories),
        detections=_placed(store.detections.columns(), ranks, categories, most_an_image),
        object_masks=masks,
        found_masks=store.found_masks.all(),
        sigmas=sigmas,
        judged=_placed(judged, ranks, categories),
    )


def _chosen(masks: Runs, indices: np.ndarray) -> Runs:
    """The masks of indices, which are increasing; the same arrays when those are all."""
    return masks if len(indices) == len(masks) else masks.take(indices)


def _of_file(annotations: Annotations, store: Store) -> tuple[Columns, Runs, Columns]:
    """The objects of the images that were seen, their masks, and what is known of categories in them."""
    image_of = np.full(len(annotations.index), -1)
    image_of[[annotations.index[identity] for identity in store.ids]] = np.arange(len(store.ids))
    seen = np.flatnonzero(image_of[annotations.objects["row"]] >= 0)
    masks = annotations.masks.take(seen) if len(annotations.masks) else annotations.masks
    judged = store.judged.columns() if annotations.judged is None else _of_images(annotations.judged, image_of)
    return _of_images(annotations.objects, image_of), masks, judged


def _of_images(columns: Columns, image_of: np.ndarray) -> Columns:
    """The columns of the images that were seen, with the image instead of the row of the file."""
    image = image_of[columns["row"]]
    seen = np.flatnonzero(image >= 0)
    return {"image": image[seen], **{name: column[seen] for name, column in columns.items() if name != "row"}}


def _placed(
    columns: Mapping[str, np.ndarray], ranks: np.ndarray, categories: np.ndarray, most_an_image: int | None = None
) -> Columns:
    """Columns of the categories that are evaluated, with ranks for images and indices for categories."""
    placed = {**columns, "mask": np.arange(len(columns["category"]))}
    if most_an_image is not None:
        best = _best(columns["image"], columns["score"], most_an_image)
        placed = {name: column[best] for name, column in placed.items()}
    ids = placed["category"]
    index = np.searchsorted(categories, ids)
    known = categories[np.minimum(index, len(categories) - 1)] == ids if len(categories) else np.zeros(len(ids), bool)
    if not known.all():
        placed = {name: column[known] for name, column in placed.items()}
        index = index[known]
    return {**placed, "image": ranks[placed["image"]], "category": index}


def _best(image: np.ndarray, score: np.ndarray, most: int) -> np.ndarray:
    """Indices, increasing, of the detections with the highest scores of each image; of equal ones the first."""
    order = np.lexsort((-score, image))
    rank = places(starts_of(image[order]), len(order))
    return np.sort(order[rank < most])
