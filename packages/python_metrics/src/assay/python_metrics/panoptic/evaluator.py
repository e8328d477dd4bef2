"""Panoptic quality: how well things and stuff are told apart, found, and outlined.

```python
import numpy as np
from assay.python_metrics import PanopticQualityEvaluator

metric = PanopticQualityEvaluator(3, ignored_label=255, is_thing=[False, True, True])
categories = np.array([[[0, 0, 1, 1], [0, 0, 1, 1]]])  # one image of sky and a car
instances = np.array([[[0, 0, 7, 7], [0, 0, 7, 7]]])
found = np.array([[[0, 0, 0, 1], [0, 0, 1, 1]]])  # a pixel of the car is taken for sky
metric.update_state(
    {"category_mask": categories, "instance_mask": instances},
    {"category_mask": found, "instance_mask": found},
)
metric.result()["PQ"]  # (4 / 5 + 3 / 4) / 2 = 0.775
```
"""

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np
from assay.python_metrics._host_metric import UNDEFINED, BaseHostMetric
from assay.python_metrics.panoptic.segments import Tally, cut, runs_of, tally

SOURCE_ID, CATEGORY_MASK, INSTANCE_MASK, CROWD_MASK = "source_id", "category_mask", "instance_mask", "crowd_mask"
LARGEST_CATEGORIES = 1 << 20
QUALITIES = ("PQ", "SQ", "RQ")


class PanopticQualityEvaluator(BaseHostMetric):
    """Panoptic, segmentation and recognition quality, by category and as means.

    A *segment* is the pixels of one category and instance; of a category of stuff, all its pixels in an image
    (without `merge_stuff`, stuff has instances too). A
    groundtruth and a predicted segment of one category match when their intersection over union is above 0.5, so that
    each has one match at most. With `TP` matching pairs, `FP` predicted and `FN` groundtruth segments without a match:

    | result | formula |
    |---|---|
    | `SQ/<category>` | sum of the IoU of matching pairs / TP |
    | `RQ/<category>` | TP / (TP + FP / 2 + FN / 2) |
    | `PQ/<category>` | SQ * RQ |
    | `PQ`, `SQ`, `RQ` | mean over the categories that have a segment that counts, in groundtruth or prediction |
    | `PQ_things`, `PQ_stuff`, ... | the same over the things, and over the stuff |

    All are in [0, 1], and -1 (`UNDEFINED`) where no such segment came; of a category without a match, SQ is 0.

    *Void*: pixels with `ignored_label` belong to no segment. What a predicted segment has in void of the groundtruth is
    left out of its union. *Crowd*: the pixels in `crowd_mask` are one segment per category that is matched with
    nothing and need not be found. A predicted segment without a match that lies by more than half in void and in crowd
    of its own category is not counted.

    Groundtruth fields: `category_mask` `[batch, height, width]`, category ids in [0, num_categories) or
    `ignored_label`; `instance_mask` of the same shape, any integers; optionally `crowd_mask` of the same shape, 0 or 1;
    optionally `source_id` `[batch]`, integers or text, by which an image that comes again is known. Prediction fields:
    `category_mask` and `instance_mask`. A trailing axis of size 1 may be there. For batches of one, images may differ
    in size; an image that is padded has `ignored_label` there.

    Args:
        num_categories: Number of categories.
        ignored_label: Category of void pixels. It may be one of the categories, which then has no segments.
        is_thing: For each category whether it is of things, rather than of stuff; None takes all for things.
        merge_stuff: Whether all pixels of a category of stuff are one segment, whatever their instance.
        category_names: Category ids to names for the results; a category without one goes by its id, and has results
            once a segment of it came.
        duplicates: What to do with an image that came before: `first` counts the first one only, `error` refuses.
        name: Name of the metric.

    Raises:
        ValueError: If an option is out of range.

    References:
        Kirillov, He, Girshick, Rother, Dollar, "Panoptic Segmentation", section 4, CVPR 2019 (arXiv:1801.00868).
    """

    required_groundtruths = (CATEGORY_MASK, INSTANCE_MASK)
    optional_groundtruths = (SOURCE_ID, CROWD_MASK)
    required_predictions = (CATEGORY_MASK, INSTANCE_MASK)

    def __init__(
        self,
        num_categories: int,
        *,
        ignored_label: int,
        is_thing: Sequence[bool] | None = None,
        merge_stuff: bool = True,
        category_names: Mapping[int, str] | None = None,
        duplicates: Literal["first", "error"] = "first",
        name: str = "panoptic_quality",
    ) -> None:
        if isinstance(num_categories, bool) or not 1 <= int(num_categories) <= LARGEST_CATEGORIES:
            raise ValueError(f"`num_categories` must be in [1, {LARGEST_CATEGORIES}]. Received {num_categories!r}.")
        things = np.ones(int(num_categories), bool) if is_thing is None else np.asarray(is_thing, bool)
        if things.shape != (int(num_categories),):
            raise ValueError(
                f"`is_thing` must say of each of {num_categories} categories whether it is of things. Received shape "
                f"{things.shape}."
            )
        if duplicates not in ("first", "error"):
            raise ValueError(f"`duplicates` must be 'first' or 'error'. Received {duplicates!r}.")
        names = {int(category): str(label) for category, label in (category_names or {}).items()}
        if len(set(names.values())) < len(names) or any(not 0 <= one < num_categories for one in names):
            raise ValueError(
                f"`category_names` must give names of their own to ids in [0, {num_categories}). Received {names}."
            )
        self.num_categories = int(num_categories)
        self.ignored_label = int(ignored_label)
        self.is_thing = things
        self.merge_stuff = bool(merge_stuff)
        self.category_names = names
        self.duplicates = duplicates
        super().__init__(name=name)

    def options(self) -> dict[str, Any]:
        """What must be equal for two metrics to be merged."""
        return {
            "num_categories": self.num_categories,
            "ignored_label": self.ignored_label,
            "is_thing": self.is_thing.tolist(),
            "merge_stuff": self.merge_stuff,
            "category_names": self.category_names,
            "duplicates": self.duplicates,
        }

    def reset_state(self) -> None:
        """Forget all batches."""
        self._total = Tally.empty(self.num_categories)
        # By image, where images have ids: two workers may have seen the same one.
        self._images: dict[str, Tally] = {}

    def update(self, groundtruths: dict[str, np.ndarray], predictions: dict[str, np.ndarray]) -> None:
        """Match the segments of each new image."""
        maps = [*_masks("groundtruths", groundtruths), *_masks("predictions", predictions)]
        if CROWD_MASK in groundtruths:
            maps.append(_maps("groundtruths", CROWD_MASK, groundtruths[CROWD_MASK]).astype(bool))
        for what, other in zip(("predictions", "crowd masks"), maps[2::2], strict=False):
            if other.shape != maps[0].shape:
                raise ValueError(
                    f"The {what} have masks of shape {list(other.shape)}, the groundtruths of {list(maps[0].shape)}: "
                    "they must be alike."
                )
        identities = self._identities(groundtruths.get(SOURCE_ID), len(maps[0]))
        pixels = maps[0].shape[1] * maps[0].shape[2]
        flat = [one.reshape(-1, pixels) if pixels else np.zeros((len(one), 0), one.dtype) for one in maps]
        starts, edges = runs_of(flat)
        lengths = np.diff(starts, append=pixels * len(identities))
        columns = [one.ravel()[starts].astype(np.int64) for one in flat]
        for side, categories in zip(("groundtruths", "predictions"), columns[::2], strict=False):
            self._check_categories(side, categories)
        tallies: list[tuple[str | None, Tally]] = []
        for row, identity in enumerate(identities):
            if identity is not None and (identity in self._images or identity in identities[:row]):
                if self.duplicates == "error":
                    raise _repeated(identity)
                continue
            runs = slice(edges[row], edges[row + 1])
            tallies.append((identity, self._tally([column[runs] for column in columns], lengths[runs])))
        for identity, counts in tallies:
            self._add(identity, counts)

    def _tally(self, columns: Sequence[np.ndarray], lengths: np.ndarray) -> Tally:
        """Match the segments of an image, of which the runs of equal pixels are given."""
        options: dict[str, Any] = {"ignored_label": self.ignored_label, "merged": ~self.is_thing & self.merge_stuff}
        crowd = columns[4].astype(bool) if len(columns) > 4 else None
        truth = cut(columns[0], columns[1], crowd=crowd, **options)
        found = cut(columns[2], columns[3], **options)
        return tally(truth, found, lengths, num_categories=self.num_categories)

    def merge(self, other: "PanopticQualityEvaluator") -> None:
        """Add the images of another metric."""
        repeated = [identity for identity in other._images if identity in self._images]
        if repeated and self.duplicates == "error":
            raise _repeated(repeated[0])
        self._total += other._total
        self._images = other._images | self._images

    def result(self) -> dict[str, float]:
        """Every number of the table of the class, by name."""
        total = self._summed()
        counted = total.matched + total.spurious + total.missed
        weight = total.matched + 0.5 * total.spurious + 0.5 * total.missed
        by_category = {
            "PQ": _ratio(total.iou, weight),
            "SQ": _ratio(total.iou, total.matched),
            "RQ": _ratio(total.matched, weight),
        }
        results = {}
        for suffix, chosen in (("", True), ("_things", self.is_thing), ("_stuff", ~self.is_thing)):
            there = (counted > 0) & chosen
            for quality in QUALITIES:
                values = by_category[quality][there]
                results[f"{quality}{suffix}"] = float(values.mean()) if len(values) else UNDEFINED
        for category in sorted(set(np.nonzero(counted)[0].tolist()) | set(self.category_names)):
            label = self.category_names.get(category, category)
            for quality in QUALITIES:
                value = by_category[quality][category]
                results[f"{quality}/{label}"] = float(value) if counted[category] else UNDEFINED
        return results

    def _add(self, identity: str | None, counts: Tally) -> None:
        if identity is None:
            self._total += counts
        else:
            self._images[identity] = counts

    def _summed(self) -> Tally:
        # In the order of the ids, so that sums do not depend on the order of batches.
        images = [self._images[identity] for identity in sorted(self._images)]
        return sum(images, self._total)

    def _check_categories(self, side: str, categories: np.ndarray) -> None:
        wrong = (categories != self.ignored_label) & ((categories < 0) | (categories >= self.num_categories))
        if wrong.any():
            raise ValueError(
                f"The field {CATEGORY_MASK!r} of the {side} holds {np.unique(categories[wrong])[:5].tolist()}, which "
                f"are no category ids in [0, {self.num_categories}) and not `ignored_label` ({self.ignored_label})."
            )

    def _identities(self, source_ids: np.ndarray | None, images: int) -> list[str | None]:
        if source_ids is None:
            return [None] * images
        identities = [one.decode() if isinstance(one, bytes) else str(one) for one in np.ravel(source_ids).tolist()]
        if len(identities) != images:
            raise ValueError(f"There are {len(identities)} ids ({SOURCE_ID!r}) for {images} images.")
        return list(identities)


def _masks(side: str, fields: Mapping[str, np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    categories = _maps(side, CATEGORY_MASK, fields[CATEGORY_MASK])
    instances = _maps(side, INSTANCE_MASK, fields[INSTANCE_MASK])
    if categories.shape != instances.shape:
        raise ValueError(
            f"The fields {CATEGORY_MASK!r} and {INSTANCE_MASK!r} of the {side} have shapes "
            f"{list(categories.shape)} and {list(instances.shape)}: they must be alike."
        )
    return categories, instances


def _maps(side: str, field: str, array: np.ndarray) -> np.ndarray:
    """Maps `[batch, height, width]` of whole numbers, of the dtype that they came in."""
    if array.ndim == 4 and array.shape[-1] == 1:
        array = array[..., 0]
    if array.ndim != 3:
        raise ValueError(
            f"The field {field!r} of the {side} must be [batch, height, width]. Received {list(array.shape)}."
        )
    if array.dtype.kind not in "biuf":
        raise ValueError(f"The field {field!r} of the {side} must hold integers. Received {array.dtype.name}.")
    if array.dtype.kind == "f" and not (np.isfinite(array).all() and (array == np.floor(array)).all()):
        raise ValueError(f"The field {field!r} of the {side} must hold integers; it holds others, NaN or infinity.")
    return array


def _ratio(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    return np.divide(part, whole, out=np.zeros(len(part)), where=whole > 0)


def _repeated(identity: str) -> ValueError:
    return ValueError(
        f"The image {identity!r} ({SOURCE_ID}) came before: `duplicates` is 'error'. Is the dataset repeated, or "
        "padded with images to fill the last batch?"
    )
