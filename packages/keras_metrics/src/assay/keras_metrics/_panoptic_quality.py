"""Panoptic quality: how well segments are found, and how well they fit.

```python
from assay.keras_metrics import PanopticQuality

metric = PanopticQuality(num_classes=2, thing_class_ids=[1])
labels = {"category_mask": [[[0, 0, 1, 1]]], "instance_mask": [[[0, 0, 1, 2]]]}
metric.update_state(labels, labels)
metric.result()["pq"]  # 1.0
```
"""

from collections.abc import Mapping, Sequence
from typing import Any

import tensorflow as tf
from assay.keras_metrics._class_mean import EXCLUDED, mean_over_classes
from assay.keras_metrics._exact_sum import ExactSum
from assay.keras_metrics._flavour import FlavourMetric, serialisable
from assay.keras_metrics._labels import align_weights
from assay.keras_metrics._options import whole_number
from assay.keras_metrics._panoptic_matching import match, segments_of
from assay.keras_metrics._rescale import resize, to_original

CATEGORIES, INSTANCES, VALID_MASKS, IMAGE_INFO = "category_mask", "instance_mask", "valid_masks", "image_info"
DEFAULT_INSTANCES = DEFAULT_SEGMENTS = 256


@serialisable
class PanopticQuality(FlavourMetric):
    """Panoptic, segmentation and recognition quality over the classes.

        a labelled and a predicted segment of one class match when their IoU is above 1/2 (at most one can)
        sq[c] = mean IoU of the matches of the class
        rq[c] = matches / (matches + unmatched predictions / 2 + unmatched labels / 2)
        pq[c] = sq[c] * rq[c]

    `pq`, `sq` and `rq` are means over the classes that are labelled or predicted, `pq_things`, ... `rq_stuff` those
    over the things and the stuff. All are 0 when nothing was counted.

    A segment is all pixels of an image with one class and one instance id; of stuff, with one class. Pixels that do not
    count (`ignore_label`, `valid_masks`, padding by `image_info`) are taken out of predicted segments before these are
    matched; an unmatched prediction that lies on them with more than half of its area is not counted. This is the
    published definition; a crowd region is to be given the ignored label. A class id out of range makes no segment.
    Inputs are integers, so that there is no NaN to see, except in a weight, which shows in the result.

    Args:
        num_classes: Number of classes, at least 2.
        name: Name of the metric.
        thing_class_ids: Classes with instances. None: all classes, and no results for things and stuff.
        ignore_label: Class id of labelled pixels that do not count, for example 255.
        max_instances_per_class: Instance ids are below this number. A larger one is refused, and taken for the largest
            where XLA leaves the check out.
        max_segments_per_image: Segments of an image that can be matched; further ones, in the order of class and
            instance, count as not found.
        rescale_predictions: Whether predictions are brought back to the original image, as in `MeanIoU`.
        input_size: `(height, width)` of the model's input with padding; None when row 1 of `image_info` is it.
        dtype: Dtype of the result; None means float32.

    Raises:
        ValueError: If an option is out of range.

    References:
        Kirillov, He, Girshick, Rother, Dollár, "Panoptic Segmentation", section 4, 2019.
    """

    def __init__(
        self,
        num_classes: int,
        name: str = "panoptic_quality",
        *,
        thing_class_ids: Sequence[int] | None = None,
        ignore_label: int | None = None,
        max_instances_per_class: int = DEFAULT_INSTANCES,
        max_segments_per_image: int = DEFAULT_SEGMENTS,
        rescale_predictions: bool = False,
        input_size: Sequence[int] | None = None,
        dtype: Any = None,
    ) -> None:
        super().__init__(name=name, dtype=dtype)
        self.num_classes = whole_number("num_classes", num_classes, least=2)
        things = None if thing_class_ids is None else tuple(int(one) for one in thing_class_ids)
        if things is not None and any(not 0 <= one < self.num_classes for one in things):
            raise ValueError(
                f"`thing_class_ids` must be some of the classes 0 to {self.num_classes - 1}. Received: {things}."
            )
        if input_size is not None and (len(input_size) != 2 or min(input_size) < 1):
            raise ValueError(f"`input_size` must be (height, width), both positive. Received: {input_size!r}.")
        self.thing_class_ids = things
        self.ignore_label = None if ignore_label is None else int(ignore_label)
        self.max_instances_per_class = whole_number("max_instances_per_class", max_instances_per_class)
        self.max_segments_per_image = whole_number("max_segments_per_image", max_segments_per_image)
        self.rescale_predictions = bool(rescale_predictions)
        self.input_size = None if input_size is None else (int(input_size[0]), int(input_size[1]))
        places = (self.num_classes,)
        self.iou = ExactSum(self, "iou", shape=places)
        self.found = ExactSum(self, "found", shape=places)
        self.labelled = ExactSum(self, "labelled", shape=places)
        self.predicted = ExactSum(self, "predicted", shape=places)

    def update_state(self, y_true: Mapping[str, Any], y_pred: Mapping[str, Any], sample_weight: Any = None) -> None:
        """Count a batch.

        Args:
            y_true: `category_mask` and `instance_mask`, integers `[batch, height, width]` (or `[..., 1]`); optionally
                `valid_masks` of that shape, whose false (or zero) pixels do not count, and `image_info`, `[batch, 4,
                2]`, for `rescale_predictions`.
            y_pred: `category_mask` and `instance_mask`. Those of another size than the labels are resized to the
                nearest.
            sample_weight: None, a scalar, or one weight an image, `[batch]`.

        Raises:
            ValueError: If a key is missing, or the shapes do not fit.
        """
        categories, instances = (self._map(y_true, key, "y_true") for key in (CATEGORIES, INSTANCES))
        if not categories.shape.is_compatible_with(instances.shape):
            raise ValueError(
                f"`category_mask` {categories.shape} and `instance_mask` {instances.shape} of `y_true` differ in shape."
            )
        counted = tf.ones_like(categories, tf.bool)
        if self.ignore_label is not None:
            counted = tf.not_equal(categories, self.ignore_label)
        if VALID_MASKS in y_true:
            counted = tf.logical_and(counted, self._map(y_true, VALID_MASKS, "y_true") != 0)
        found, inside = [], None
        for key in (CATEGORIES, INSTANCES):
            side, inside = self._at_labels(self._map(y_pred, key, "y_pred"), y_true, categories.shape)
            found.append(side)
        if inside is not None:
            counted = tf.logical_and(counted, inside)
        counted = tf.reshape(counted, [tf.shape(categories)[0], -1])
        size = {"num_classes": self.num_classes, "instances": self.max_instances_per_class}
        most = self.max_segments_per_image
        labels = segments_of(self._codes(categories, instances, counted), most=most, **size)
        predictions = segments_of(self._codes(found[0], found[1], None), most=most, **size)
        self._count(labels, predictions, match(labels, predictions, counted, most=most), sample_weight)

    def result(self) -> dict[str, Any]:
        """The qualities so far, in [0, 1]: `pq`, `sq` and `rq`, alone, with `_things`, `_stuff`, and `_per_class`."""
        found = self.found.value(self.dtype)
        segments = self.labelled.value(self.dtype) + self.predicted.value(self.dtype)
        iou = self.iou.value(self.dtype)
        by_class = {
            "pq": tf.math.divide_no_nan(2 * iou, segments),
            "sq": tf.math.divide_no_nan(iou, found),
            "rq": tf.math.divide_no_nan(2 * found, segments),
        }
        groups: dict[str, Sequence[int] | None] = {"": None}
        if self.thing_class_ids is not None:
            stuff = [one for one in range(self.num_classes) if one not in self.thing_class_ids]
            groups |= {"_things": self.thing_class_ids, "_stuff": stuff}
        present = tf.not_equal(segments, 0)
        means = {
            f"{name}{group}": tf.cast(
                mean_over_classes(values, present, absent_class=EXCLUDED, target_class_ids=ids), self.dtype
            )
            for group, ids in groups.items()
            for name, values in by_class.items()
        }
        return means | {f"{name}_per_class": tf.cast(values, self.dtype) for name, values in by_class.items()}

    def get_config(self) -> dict[str, Any]:
        """Every constructor argument, as JSON values."""
        return {
            **super().get_config(),
            "num_classes": self.num_classes,
            "thing_class_ids": None if self.thing_class_ids is None else [*self.thing_class_ids],
            "ignore_label": self.ignore_label,
            "max_instances_per_class": self.max_instances_per_class,
            "max_segments_per_image": self.max_segments_per_image,
            "rescale_predictions": self.rescale_predictions,
            "input_size": None if self.input_size is None else [*self.input_size],
        }

    def _map(self, side: Mapping[str, Any], key: str, argument: str) -> Any:
        """One label map, int32 `[batch, height, width]`."""
        if key not in side:
            raise ValueError(f"`{argument}` of {self.name!r} lacks {key!r}. Received: {sorted(side)}.")
        values = tf.convert_to_tensor(side[key])
        if values.shape.rank == 4 and values.shape[-1] == 1:
            values = tf.squeeze(values, axis=-1)
        if values.shape.rank != 3:
            raise ValueError(
                f"{key!r} of `{argument}` must have shape [batch, height, width] or [batch, height, width, 1]. "
                f"Received: {values.shape}."
            )
        return tf.cast(values, tf.int32)

    def _at_labels(self, predictions: Any, y_true: Mapping[str, Any], shape: Any) -> tuple[Any, Any]:
        """Predictions of the size of the labels, and which pixels have one (None: all)."""
        size = shape[1:3] if shape[1:3].is_fully_defined() else tf.shape(y_true[CATEGORIES])[1:3]
        if self.rescale_predictions:
            if IMAGE_INFO not in y_true:
                raise ValueError(f"`y_true` of {self.name!r} lacks {IMAGE_INFO!r}. Received: {sorted(y_true)}.")
            return to_original(predictions, y_true[IMAGE_INFO], size, input_size=self.input_size)
        same = shape[1:3].is_fully_defined() and predictions.shape[1:3] == shape[1:3]
        return (predictions if same else resize(predictions, size)), None

    def _codes(self, categories: Any, instances: Any, counted: Any) -> Any:
        """One number for each segment of an image, int32 `[batch, pixels]`."""
        shape, most = [tf.shape(categories)[0], -1], self.max_instances_per_class
        categories, instances = tf.reshape(categories, shape), tf.reshape(instances, shape)
        kept = tf.logical_and(categories >= 0, categories < self.num_classes)
        if counted is not None:
            kept = tf.logical_and(kept, counted)
        if self.thing_class_ids is not None:
            is_thing = tf.constant([one in self.thing_class_ids for one in range(self.num_classes)])
            thing = tf.gather(is_thing, tf.clip_by_value(categories, 0, self.num_classes - 1))
            instances = tf.where(thing, instances, tf.zeros_like(instances))
        fits = tf.logical_or(tf.logical_not(kept), tf.logical_and(instances >= 0, instances < most))
        tf.debugging.assert_equal(
            tf.reduce_all(fits), True, f"An instance id is not in [0, {most}): raise `max_instances_per_class`."
        )
        codes = categories * most + tf.clip_by_value(instances, 0, most - 1)
        return tf.where(kept, codes, self.num_classes * most)

    def _count(self, labels: Any, predictions: Any, matches: Any, sample_weight: Any) -> None:
        weights = tf.ones_like(matches.iou[:, 0])
        if sample_weight is not None:
            weights = tf.cast(align_weights(tf.convert_to_tensor(sample_weight), weights), tf.float32)
        weights = weights[:, tf.newaxis]
        classes = tf.where(matches.found, labels.classes, -1)
        self.iou.add_at(weights * matches.iou, classes)
        self.found.add_at(weights * tf.ones_like(matches.iou), classes)
        every = tf.broadcast_to(tf.range(self.num_classes), tf.shape(labels.present))
        self.labelled.add_at(weights * tf.cast(labels.present, tf.float32), every)
        self.predicted.add_at(weights * tf.cast(predictions.present - matches.void, tf.float32), every)
