"""The state of the evaluator: compact arrays from the first batch on."""

import numpy as np
from assay.python_metrics.coco.fields import Batch, Columns, ImageId
from assay.python_metrics.coco.table import Table

OBJECTS = {
    "image": (np.int32, ()),
    "category": (np.int64, ()),
    "box": (np.float64, (4,)),
    "area": (np.float64, ()),
    "crowd": (np.bool_, ()),
}
DETECTIONS = {"image": (np.int32, ()), "category": (np.int64, ()), "box": (np.float64, (4,)), "score": (np.float64, ())}


class DuplicateImageError(ValueError):
    """An image id came again, and the metric was told to refuse that (`duplicates="error"`).

    Common causes: the evaluation dataset repeats, or its shards overlap between workers; the last batch was filled up
    with images that were there before. With `duplicates="first"` the images are counted once, as they came first.
    """


class Store:
    """Images, objects and detections that were seen.

    Args:
        refuse_duplicates: Whether an image id that comes again is an error instead of passed over.
    """

    def __init__(self, *, refuse_duplicates: bool) -> None:
        self._refuse = refuse_duplicates
        self._index: dict[ImageId, int] = {}
        self.objects = Table(OBJECTS)
        self.detections = Table(DETECTIONS)

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
        objects = _of_images(batch.objects, image_of_row)
        detections = _of_images(batch.detections, image_of_row)
        self._index.update((batch.ids[row], int(image_of_row[row])) for row in fresh)
        self.objects.append(objects)
        self.detections.append(detections)

    def merge(self, other: "Store") -> None:
        """Add the images of another store, which stays as it is."""
        self.add(Batch(other.ids, _as_rows(other.objects), _as_rows(other.detections)))

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


def _of_images(columns: Columns, image_of_row: np.ndarray) -> Columns:
    """The columns of images that are new, with the image instead of the row of the batch."""
    image = image_of_row[columns["row"]]
    rest = {name: column for name, column in columns.items() if name != "row"}
    if (image >= 0).all():
        return {"image": image, **rest}
    new = image >= 0
    return {"image": image[new], **{name: column[new] for name, column in rest.items()}}


def _as_rows(table: Table) -> Columns:
    columns = table.columns()
    columns["row"] = columns.pop("image")
    return columns
