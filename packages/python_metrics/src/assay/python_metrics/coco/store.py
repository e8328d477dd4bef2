"""The state of the evaluator: compact arrays from the first batch on."""

from typing import Any

import numpy as np
from assay.python_metrics.coco.fields import Batch, Columns, ImageId
from assay.python_metrics.coco.runs import Runs, RunTable, joined
from assay.python_metrics.coco.table import Table


class DuplicateImageError(ValueError):
    """An image id came again, and the metric was told to refuse that (`duplicates="error"`).

    Common causes: the evaluation dataset repeats, or its shards overlap between workers; the last batch was filled up
    with images that were there before. With `duplicates="first"` the images are counted once, as they came first.
    """


class Store:
    """Images, objects and detections that were seen.

    Args:
        refuse_duplicates: Whether an image id that comes again is an error instead of passed over.
        num_keypoints: How many keypoints objects and detections have; 0 for none.
    """

    def __init__(self, *, refuse_duplicates: bool, num_keypoints: int = 0) -> None:
        self._refuse = refuse_duplicates
        self._index: dict[ImageId, int] = {}
        common: dict[str, tuple[Any, tuple[int, ...]]] = {
            "image": (np.int32, ()),
            "category": (np.int64, ()),
            "box": (np.float64, (4,)),
        }
        points: dict[str, tuple[Any, tuple[int, ...]]] = {}
        labels: dict[str, tuple[Any, tuple[int, ...]]] = {}
        if num_keypoints:
            points = {"points": (np.float64, (num_keypoints, 2))}
            labels = {"labelled": (np.bool_, (num_keypoints,))}
        self.images = Table({"size": (np.int64, (2,))})
        self.objects = Table({**common, "area": (np.float64, ()), "crowd": (np.bool_, ()), **points, **labels})
        self.detections = Table({**common, "score": (np.float64, ()), **points})
        self.judged = Table({"image": (np.int32, ()), "category": (np.int64, ()), "exhaustive": (np.bool_, ())})
        self.object_masks, self.found_masks = RunTable(), RunTable()

    @property
    def ids(self) -> list[ImageId]:
        """The image ids in the order in which they came; columns `image` are indices into it."""
        return list(self._index)

    def add(self, batch: Batch) -> None:
        """Add what is new in a batch.

        Raises:
            DuplicateImageError: If an image was there before, and that is refused; nothing is added then.
        """
        fresh = self._fresh(batch.ids)
        image_of_row = np.full(len(batch.ids), -1)
        image_of_row[fresh] = len(self._index) + np.arange(len(fresh))
        detections, found_masks = _of_images(batch.detections, batch.found_masks, image_of_row)
        if batch.objects is not None:
            objects, object_masks = _of_images(batch.objects, batch.object_masks, image_of_row)
            self.objects.append(objects)
            self.object_masks.append(object_masks)
        if batch.judged is not None:
            self.judged.append(_of_images(batch.judged, joined([]), image_of_row)[0])
        self._index.update((batch.ids[row], int(image_of_row[row])) for row in fresh)
        self.images.append({"size": batch.sizes[fresh]})
        self.detections.append(detections)
        self.found_masks.append(found_masks)

    def merge(self, other: "Store") -> None:
        """Add the images of another store, which stays as it is."""
        batch = Batch(
            ids=other.ids,
            sizes=other.images["size"],
            objects=_as_rows(other.objects),
            detections=_as_rows(other.detections),
            object_masks=other.object_masks.all(),
            found_masks=other.found_masks.all(),
            judged=_as_rows(other.judged),
        )
        self.add(batch)

    def ranks(self) -> np.ndarray:
        """The place of each image among the sorted ids (numbers before text), `[images]`.

        It decides which of two detections with equal scores comes first, and does not depend on the order of batches.
        """
        ids = self.ids
        order = sorted(range(len(ids)), key=lambda index: (isinstance(ids[index], str), ids[index]))
        ranks = np.empty(len(ids), np.int64)
        ranks[order] = np.arange(len(ids))
        return ranks

    def _fresh(self, ids: list[ImageId]) -> list[int]:
        seen = set()
        fresh, again = [], []
        for row, identity in enumerate(ids):
            if identity in self._index or identity in seen:
                again.append(identity)
            else:
                seen.add(identity)
                fresh.append(row)
        if again and self._refuse:
            raise DuplicateImageError(f"These images were added before: {again[:5]} ({len(again)} of {len(ids)}).")
        return fresh


def _of_images(columns: Columns, masks: Runs, image_of_row: np.ndarray) -> tuple[Columns, Runs]:
    """The columns and masks of images that are new, with the image instead of the row of the batch."""
    image = image_of_row[columns["row"]]
    rest = {name: column for name, column in columns.items() if name != "row"}
    new = image >= 0
    if new.all():
        return {"image": image, **rest}, masks
    kept = masks.take(np.flatnonzero(new)) if len(masks) else masks
    return {"image": image[new], **{name: column[new] for name, column in rest.items()}}, kept


def _as_rows(table: Table) -> Columns:
    columns = table.columns()
    columns["row"] = columns.pop("image")
    return columns
