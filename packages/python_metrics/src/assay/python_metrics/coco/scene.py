"""The state laid out for evaluation: images by rank, categories by index, detections of known categories only."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from assay.python_metrics.coco.annotations import Annotations
from assay.python_metrics.coco.fields import Columns
from assay.python_metrics.coco.iou import box_iou
from assay.python_metrics.coco.protocol import Kind
from assay.python_metrics.coco.question import Detections, Objects, Overlap, Question
from assay.python_metrics.coco.store import Store


@dataclass(frozen=True, eq=False)
class Scene:
    """All images, and what is and was found in them.

    Attributes:
        num_images: Number of images.
        categories: Sorted ids of the categories that are evaluated.
        objects: Columns image (rank), category (index), box, area, crowd.
        detections: Columns image (rank), category (index), box, score.
    """

    num_images: int
    categories: tuple[int, ...]
    objects: Columns
    detections: Columns

    def question(self, kind: Kind) -> Question:
        """What an engine is asked about one kind."""
        objects, found = self.objects, self.detections
        return Question(
            objects=Objects(objects["image"], objects["category"], objects["area"], objects["crowd"], objects["crowd"]),
            detections=Detections(found["image"], found["category"], self.found_areas(kind), found["score"]),
            overlap=self._overlap(kind),
            num_images=self.num_images,
            num_categories=len(self.categories),
        )

    def found_areas(self, kind: Kind) -> np.ndarray:
        """Area of each detection, `[D]` float64."""
        boxes = self.detections["box"]
        return boxes[:, 2] * boxes[:, 3]

    def _overlap(self, kind: Kind) -> Overlap:
        found, objects, crowd = self.detections["box"], self.objects["box"], self.objects["crowd"]
        return lambda mine, theirs: box_iou(found[mine], objects[theirs], crowd[theirs])


def lay_out(store: Store, annotations: Annotations | None) -> Scene:
    """Lay the state out.

    Args:
        store: What was seen.
        annotations: The groundtruth of a file, of which the images seen are taken; else it is in the store.
    """
    ranks = store.ranks()
    if annotations is None:
        objects = store.objects.columns()
        categories = np.unique(objects["category"])
    else:
        objects = _of_file(annotations, store)
        categories = np.array(annotations.categories, np.int64)
    return Scene(
        num_images=len(ranks),
        categories=tuple(categories.tolist()),
        objects=_placed(objects, ranks, categories),
        detections=_placed(store.detections.columns(), ranks, categories),
    )


def _of_file(annotations: Annotations, store: Store) -> Columns:
    """The objects of the images that were seen."""
    image_of = np.full(len(annotations.index), -1)
    image_of[[annotations.index[identity] for identity in store.ids]] = np.arange(len(store.ids))
    image = image_of[annotations.objects["row"]]
    seen = image >= 0
    columns = {name: column[seen] for name, column in annotations.objects.items() if name != "row"}
    return {"image": image[seen], **columns}


def _placed(columns: Mapping[str, np.ndarray], ranks: np.ndarray, categories: np.ndarray) -> Columns:
    """Columns of the categories that are evaluated, with ranks for images and indices for categories."""
    placed = dict(columns)
    ids = placed["category"]
    index = np.searchsorted(categories, ids)
    known = categories[np.minimum(index, len(categories) - 1)] == ids if len(categories) else np.zeros(len(ids), bool)
    if not known.all():
        placed = {name: column[known] for name, column in placed.items()}
        index = index[known]
    return {**placed, "image": ranks[placed["image"]], "category": index}
