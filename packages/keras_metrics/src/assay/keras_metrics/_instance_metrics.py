"""Average precision and recall of detected objects, by their boxes or by their masks.

```python
from assay.keras_metrics import InstanceMetrics

metric = InstanceMetrics(num_classes=3, need_rescale_bboxes=False, max_detections=1000)
metric.update_state(
    {"boxes": [[[10.0, 10, 50, 60]]], "classes": [[1]]},
    {
        "detection_boxes": [[[10.0, 10, 50, 60], [0, 0, 0, 0]]],  # class 0 is background: this slot is padding
        "detection_classes": [[1, 0]],
        "detection_scores": [[0.9, 0.0]],
    },
)
metric.result()["AP"]  # 1.0
```
"""

import math
import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import tensorflow as tf
from assay.keras_metrics._average_precision import (
    ALGORITHMS,
    COCO,
    HITS,
    IGNORED,
    IMAGES,
    PLACES,
    RANK_BITS,
    SCORES,
    WEIGHTS,
    Axes,
    curves,
    number_of_score,
    place_number,
    score_number,
)
from assay.keras_metrics._coco_matching import match, words
from assay.keras_metrics._exact_sum import UNITS_PER_ONE, ExactSum
from assay.keras_metrics._flavour import FlavourMetric, serialisable
from assay.keras_metrics._instance_numbers import AREA_RANGES, numbers, outside_ranges
from assay.keras_metrics._instance_overlap import BOX, IMAGE, OverlapOptions, overlaps_of
from assay.keras_metrics._instances import Side, image_numbers, read_detections, read_objects
from assay.keras_metrics._labels import align_weights
from assay.keras_metrics._options import check_choice, whole_number
from assay.keras_metrics._predicted_class import compiled_by_xla
from assay.keras_metrics._row_buffer import NUMBER_BITS, RowBuffer

IOU_THRESHOLDS = (0.5, 0.55, 0.6, 0.65, 0.7, 0.75, 0.8, 0.85, 0.9, 0.95)
MASK_PREFIX = "mask_"
# As many as 100 detections of each of the 5,000 images of COCO's validation set need, and some more.
DEFAULT_CAPACITY = 2**19
LARGEST_WEIGHT = 2.0 ** (NUMBER_BITS - 20)


@serialisable
class InstanceMetrics(FlavourMetric):
    """Average precision and recall of detected objects, as COCO defines them.

    | result | mean over the classes and IoU thresholds of |
    |---|---|
    | `AP` | precision, over the recalls 0, 0.01, ..., 1 |
    | `AP50`, `AP75` | the same at one IoU threshold, where it is among the thresholds |
    | `APs`, `APm`, `APl` | the same for objects of `area <= 32**2`, up to `96**2`, and from there, pixels squared |
    | `ARmax1`, `ARmax10`, `ARmax100` | recall with the best 1, 10, 100 detections of an image and class |
    | `ARs`, `ARm`, `ARl` | recall by area, with the best 100 detections of an image and class |

    With `use_masks` the numbers are those of masks, and their names begin with `mask_`. The 100 is
    `max_num_eval_detections`. A class without an object (in an area range) has the number -1 and is left out of means;
    a mean over no class at all is -1, so that a metric without updates says -1 everywhere.

    *Matching*: in an image, each detection takes, from the highest score down, the free object of its class that it
    overlaps most, by the threshold or more; objects out of the area range and crowds come last, and a detection that
    takes one, or that takes none and is out of the range itself, counts neither way. A crowd can be taken any number of
    times, and the overlap with it is intersection over area of the detection. An object that `is_difficult` can be,
    too, by intersection over union, and need not be found.

    *Interpolation*: the precision at a recall is the highest at that recall or a higher one. `coco` averages it over
    101 recalls; `voc2010` is the area under it.

    *Ties*: equal scores of a class are taken in the order of `source_id`, and in an image by slot, as pycocotools does.
    Where that does not decide, because there is no `source_id`, they are one step of the curve. No result depends on
    the order or split of the batches.

    *State*: scores are kept, since no sum of numbers gives the exact value: `max_detections` rows of 48 bytes on each
    replica, 24 MiB by default (and 16 bytes more a row for each further 10 IoU thresholds). Only detections of known
    classes and within the limit of an image take a row; replicas share the rows equally, each taking every n-th. When
    there are more, all results are NaN until `reset_state`, and eagerly a warning says how many too many; the state is
    no smaller and no larger than asked for. A checkpoint written on n replicas restores on m.

    *NaN*: a NaN score ranks below all others, and a box with a NaN overlaps nothing: both are as wrong as can be. A
    weight that is NaN, negative or infinite shows as NaN in the result until `reset_state`.

    `result` sorts all detections (500,000 in about a second on a CPU): call it once an evaluation. It is not for
    `tf.distribute.ParameterServerStrategy`, whose workers write to one state at any time.

    Args:
        num_classes: Number of classes, with the background: class ids are below it.
        use_masks: Whether masks are compared, and not boxes.
        iou_thresholds: Thresholds of the overlap, in (0, 1].
        confidence_thresholds: If there are any, the result has `precisions` and `recalls`
            `[len(confidence_thresholds), len(iou_thresholds), num_classes]` too: those of the detections whose score is
            at least that; -1 for classes without an object.
        average_precision_algorithms: Name in the result to `coco` or `voc2010`; `{"AP": "coco"}` when left out. The
            names `AP50` and so on follow from it.
        need_rescale_bboxes: Whether detection boxes are in pixels of the model's input; they are then brought to the
            original image by `image_info`: `(box + offset) / scale`.
        groundtruth_mask_format: What masks of objects are: `box`, small ones that are resized into their box; or
            `image`, of the original image, or larger where they are padded on the right and below.
        detection_mask_format: The same for masks of detections.
        mask_output_boundary: `(height, width)` of the canvas for masks when both are `box`. Where boxes of an image
            reach over it, all of them are moved, and shrunk if need be, which rounds overlaps; areas are those of the
            original size. Masks are not cut at the edge of the image, which the canvas does not know.
        background_class_id: Class id that counts for nothing, in detections and objects, such as padding. None: every
            id is a class.
        max_num_eval_detections: How many detections of a class and image count, at most 65536.
        max_detections: How many detections there is place for in all.
        per_class_metrics: Whether every number of the table also comes for each class, `[num_classes]`, under its name
            and `_per_class`.
        name: Name of the metric.
        dtype: Dtype of the results; None means float32.

    Raises:
        ValueError: If an option is out of range.

    References:
        Lin et al., "Microsoft COCO: Common Objects in Context", 2014; https://cocodataset.org/#detection-eval.
        Everingham et al., "The PASCAL Visual Object Classes (VOC) Challenge", section 4.2, 2010.
    """

    def __init__(
        self,
        num_classes: int,
        use_masks: bool = False,
        *,
        iou_thresholds: Sequence[float] = IOU_THRESHOLDS,
        confidence_thresholds: Sequence[float] = (),
        average_precision_algorithms: Mapping[str, str] | None = None,
        need_rescale_bboxes: bool = True,
        groundtruth_mask_format: str = BOX,
        detection_mask_format: str = BOX,
        mask_output_boundary: Sequence[int] = (640, 640),
        background_class_id: int | None = 0,
        max_num_eval_detections: int = 100,
        max_detections: int = DEFAULT_CAPACITY,
        per_class_metrics: bool = False,
        name: str = "instance_metrics",
        dtype: Any = None,
    ) -> None:
        super().__init__(name=name, dtype=dtype)
        self.num_classes = whole_number("num_classes", num_classes)
        self.use_masks = bool(use_masks)
        self.iou_thresholds = tuple(float(one) for one in iou_thresholds)
        if not self.iou_thresholds or not all(0 < one <= 1 for one in self.iou_thresholds):
            raise ValueError(f"`iou_thresholds` must be some numbers above 0, at most 1. Received: {iou_thresholds!r}.")
        self.confidence_thresholds = tuple(float(one) for one in confidence_thresholds)
        if any(math.isnan(one) for one in self.confidence_thresholds):
            raise ValueError(f"`confidence_thresholds` must be numbers. Received: {confidence_thresholds!r}.")
        self.average_precision_algorithms = dict(average_precision_algorithms or {"AP": COCO})
        for algorithm in self.average_precision_algorithms.values():
            check_choice("average_precision_algorithms", algorithm, ALGORITHMS)
        self.need_rescale_bboxes = bool(need_rescale_bboxes)
        self.groundtruth_mask_format = check_choice("groundtruth_mask_format", groundtruth_mask_format, (BOX, IMAGE))
        self.detection_mask_format = check_choice("detection_mask_format", detection_mask_format, (BOX, IMAGE))
        if len(mask_output_boundary) != 2 or min(mask_output_boundary) < 1:
            raise ValueError(
                f"`mask_output_boundary` must be (height, width), both positive. Received: {mask_output_boundary!r}."
            )
        self.mask_output_boundary = (int(mask_output_boundary[0]), int(mask_output_boundary[1]))
        self.background_class_id = None if background_class_id is None else int(background_class_id)
        self.max_num_eval_detections = whole_number(
            "max_num_eval_detections", max_num_eval_detections, most=2**RANK_BITS
        )
        self.max_detections = whole_number("max_detections", max_detections, most=2**30)
        self.per_class_metrics = bool(per_class_metrics)
        self._compared = OverlapOptions(
            self.use_masks, self.need_rescale_bboxes, self.groundtruth_mask_format, self.detection_mask_format,
            self.mask_output_boundary,
        )  # fmt: skip
        most = self.max_num_eval_detections
        self._limits = (1, min(10, most), most)
        count = words(len(AREA_RANGES) * len(self.iou_thresholds))
        self._words = [f"{column}_{word}" for column in (HITS, IGNORED) for word in range(count)]
        self._rows = RowBuffer(self, [PLACES, SCORES, IMAGES, WEIGHTS, *self._words], self.max_detections)
        # In units of 2^-20, as the weights of detections are: recalls are shares of whole numbers.
        self.add_state("objects", (len(AREA_RANGES) * self.num_classes,), "int64")
        self.lost = ExactSum(self, "lost")

    def update_state(self, y_true: Mapping[str, Any], y_pred: Mapping[str, Any], sample_weight: Any = None) -> None:
        """Count a batch.

        Args:
            y_true: Objects, padded to any number of slots G: `boxes` `[batch, G, 4]` (ymin, xmin, ymax, xmax in pixels
                of the original image) and `classes` `[batch, G]`. Optional: `is_crowds` and `is_difficult`
                `[batch, G]`; `areas` `[batch, G]` in pixels squared (otherwise those of the boxes or masks);
                `num_detections` `[batch]`, how many slots are used; `source_id` `[batch]`, integers, of which 43 bits
                count; `image_info` `[batch, 4, 2]`, with `need_rescale_bboxes`; with `use_masks` `masks`, `[batch, G,
                h, w]`, for their box or of the image, set above one half.
            y_pred: Detections, padded to any number of slots D: `detection_boxes` `[batch, D, 4]`,
                `detection_classes` and `detection_scores` `[batch, D]`; optional `num_detections`, `source_id` and
                `image_info`; with `use_masks` `detection_masks` `[batch, D, h, w]`, and `detection_outer_boxes`, the
                boxes that they are for, if these are others. Boxes of `image` masks are not looked at.
            sample_weight: None, a scalar, or one weight an image, `[batch]`, rounded to multiples of 2^-20: detections
                and objects of the image count so much. An image of weight 0 is not looked at.

        Raises:
            ValueError: If a key is missing, or the shapes do not fit.
            RuntimeError: If there is a strategy and this is called outside of its replicas.
        """
        truth, found = Side(y_true, "y_true", self.name), Side(y_pred, "y_pred", self.name)
        num_classes, background = self.num_classes, self.background_class_id
        detections = read_detections(found, num_classes=num_classes, background=background)
        objects = read_objects(truth, num_classes=num_classes, background=background)
        if not objects.classes.shape[:1].is_compatible_with(detections.classes.shape[:1]):
            raise ValueError(
                f"`y_true` and `y_pred` of {self.name!r} differ in the number of images: "
                f"{objects.classes.shape[0]} and {detections.classes.shape[0]}."
            )
        compared = overlaps_of(truth, found, detections, objects, self._compared)
        object_outside = outside_ranges(compared.object_areas)
        matches = match(
            detections, objects, compared.overlaps, outside=outside_ranges(compared.areas),
            object_outside=object_outside, iou_thresholds=self.iou_thresholds, most=self.max_num_eval_detections,
        )  # fmt: skip
        units = self._weight_units(sample_weight, detections.classes)
        columns = {
            PLACES: place_number(detections.classes, matches.ranks),
            SCORES: score_number(detections.scores),
            IMAGES: image_numbers(truth, found, detections.classes, bits=NUMBER_BITS)[:, tf.newaxis],
            WEIGHTS: units[:, tf.newaxis],
        }
        bits = tf.concat([matches.hits, matches.ignored], axis=-1)
        columns |= {name: bits[..., word] for word, name in enumerate(self._words)}
        like = tf.zeros_like(columns[PLACES])
        kept = tf.logical_and(matches.kept, units[:, tf.newaxis] > 0)
        lost = self._rows.append(
            {name: tf.reshape(column + like, [-1]) for name, column in columns.items()}, tf.reshape(kept, [-1])
        )
        self.lost.add(lost)
        self._count_objects(objects, object_outside, units)

    def result(self) -> dict[str, Any]:
        """The numbers of the table of the class by name, scalars in [0, 1], or -1; and what options add to them."""
        if tf.executing_eagerly():
            self._warn_of_lost()
        static = compiled_by_xla()
        work = tf.float32 if static and tf.as_dtype(self.dtype) != tf.float64 else tf.float64
        axes = Axes(
            self.num_classes,
            len(AREA_RANGES),
            len(self.iou_thresholds),
            self._limits,
            tuple(number_of_score(one) for one in self.confidence_thresholds),
            tuple(sorted(set(self.average_precision_algorithms.values()))),
        )
        objects = tf.reshape(tf.convert_to_tensor(self.objects), [len(AREA_RANGES), self.num_classes])
        found = curves(self._rows.rows(), objects, axes, static=static, dtype=work)
        results = numbers(
            found, algorithms=self.average_precision_algorithms, iou_thresholds=self.iou_thresholds,
            limits=self._limits, per_class=self.per_class_metrics,
        )  # fmt: skip
        if self.confidence_thresholds:
            results |= {"precisions": found.precision_above, "recalls": found.recall_above}
        prefix = MASK_PREFIX if self.use_masks else ""
        complete = tf.equal(self.lost.value(), 0)
        return {
            f"{prefix}{name}": tf.cast(tf.where(complete, value, tf.constant(float("nan"), work)), self.dtype)
            for name, value in results.items()
        }

    def get_config(self) -> dict[str, Any]:
        """Every constructor argument, as JSON values."""
        return {
            **super().get_config(),
            "num_classes": self.num_classes,
            "use_masks": self.use_masks,
            "iou_thresholds": [*self.iou_thresholds],
            "confidence_thresholds": [*self.confidence_thresholds],
            "average_precision_algorithms": dict(self.average_precision_algorithms),
            "need_rescale_bboxes": self.need_rescale_bboxes,
            "groundtruth_mask_format": self.groundtruth_mask_format,
            "detection_mask_format": self.detection_mask_format,
            "mask_output_boundary": [*self.mask_output_boundary],
            "background_class_id": self.background_class_id,
            "max_num_eval_detections": self.max_num_eval_detections,
            "max_detections": self.max_detections,
            "per_class_metrics": self.per_class_metrics,
        }

    @tf.autograph.experimental.do_not_convert
    def _warn_of_lost(self) -> None:
        lost = float(self.lost.value())
        if lost == 0:
            return
        why = f"there was no place for {lost:.0f} detections: raise `max_detections` ({self.max_detections})"
        if math.isnan(lost):
            why = "a weight was NaN, negative, infinite or too large"
        warnings.warn(f"The results of {self.name!r} are NaN: {why}.", stacklevel=3)

    def _merge(self, others: Sequence["InstanceMetrics"]) -> None:
        lost = self._rows.merge([other._rows for other in others])
        for name in ("objects", "lost_units", "lost_remainder"):
            for other in others:
                getattr(self, name).assign_add(tf.convert_to_tensor(getattr(other, name)))
        self.lost.add(lost)

    def _weight_units(self, sample_weight: Any, like: Any) -> Any:
        """The weight of each image in units of 2^-20, int64 `[batch]`; an impossible one is 0 and noted down."""
        if sample_weight is None:
            return UNITS_PER_ONE * tf.ones_like(like[:, 0], tf.int64)
        weights = tf.cast(align_weights(tf.convert_to_tensor(sample_weight), like[:, 0]), tf.float32)
        possible = tf.logical_and(weights >= 0, weights < LARGEST_WEIGHT)
        self.lost.add(tf.where(possible, 0.0, float("nan")))
        return tf.cast(tf.round(tf.where(possible, weights, 0.0) * UNITS_PER_ONE), tf.int64)

    def _count_objects(self, objects: Any, outside: Any, units: Any) -> None:
        counts = tf.logical_and(objects.classes >= 0, tf.logical_not(objects.optional))
        counts = tf.logical_and(counts[..., tf.newaxis], tf.logical_not(outside))
        areas = tf.range(len(AREA_RANGES)) * self.num_classes
        places = tf.where(counts, objects.classes[..., tf.newaxis] + areas, -1)
        weights = units[:, tf.newaxis, tf.newaxis] + tf.zeros_like(places, tf.int64)
        self.objects.assign_add(
            tf.math.unsorted_segment_sum(
                tf.reshape(weights, [-1]), tf.reshape(places, [-1]), len(AREA_RANGES) * self.num_classes
            )
        )
