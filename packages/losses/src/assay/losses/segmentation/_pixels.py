"""The per-pixel losses of a label map as a plain function.

```python
import tensorflow as tf
from assay.losses import segmentation_loss

segmentation_loss(tf.constant([[[0, 255], [1, 1]]]), tf.zeros([1, 2, 2, 2]))  # log 2, and 0 where 255
```
"""

from collections.abc import Sequence
from typing import Any

import tensorflow as tf
from assay.losses._cross_entropy import sigmoid_cross_entropy, softmax_cross_entropy
from assay.losses._labels import as_predictions
from assay.losses._reduction import compute_dtype, hide
from assay.losses.segmentation._mining import check_share, mean_of_hardest
from assay.losses.segmentation._resizing import as_label_map, resize_labels, resize_logits


def segmentation_loss(
    labels: Any,
    logits: Any,
    *,
    ignore_label: int | None = 255,
    class_weights: Sequence[float] | None = None,
    label_smoothing: float = 0.0,
    use_binary_cross_entropy: bool = False,
    top_k_percent_pixels: float = 1.0,
    use_groundtruth_dimension: bool = True,
    gt_is_matting_map: bool = False,
) -> Any:
    """Cross-entropy of every pixel, or the mean over the hardest pixels of every image.

    With `m` kept pixels of an image and `cross_entropy` as in `softmax_cross_entropy` or `sigmoid_cross_entropy`:

        value[pixel] = cross_entropy(pixel), 0 where it is ignored
        value[image] = sum over its m hardest pixels of value[pixel] / m        with `top_k_percent_pixels` below 1
        m = min(max(1, floor(top_k_percent_pixels * height * width)), pixels of the image that are not ignored)

    See `SegmentationLoss` for what each option does.

    Args:
        labels: `[batch, height, width]`, or `[batch, height, width, layers]` with several ids a pixel.
        logits: `[batch, height, width, num_classes]`, of the size of the labels or another.
        ignore_label: Id of pixels to leave out; None for none.
        class_weights: One factor per class.
        label_smoothing: Share of the target spread evenly, in [0, 1].
        use_binary_cross_entropy: A sigmoid per class, and their mean, instead of a softmax.
        top_k_percent_pixels: Share of an image's pixels that are kept, in (0, 1].
        use_groundtruth_dimension: Resize the logits to the labels (bilinear), or the labels to the logits (nearest).
        gt_is_matting_map: Whether labels are the share of the foreground, in [0, 1], of two classes.

    Returns:
        `[batch, height, width]` float32 (float64 for float64 logits), at the size of the labels, or of the logits when
        `use_groundtruth_dimension` is false. 0 where all layers of a pixel are ignored; NaN for an id out of range.
        `[batch]` when pixels are mined.

    Raises:
        ValueError: If shapes or options do not fit.

    References:
        Long, Shelhamer, Darrell, "Fully Convolutional Networks for Semantic Segmentation", 2015.
        Wu, Shen, van den Hengel, "Bridging Category-level and Instance-level Semantic Image Segmentation" (mining),
        2016.
    """
    check_share(top_k_percent_pixels, argument="top_k_percent_pixels")
    labels, logits = fitted(labels, logits, use_groundtruth_dimension=use_groundtruth_dimension)
    check_layers(labels, logits, binary=use_binary_cross_entropy, matting=gt_is_matting_map)
    shared: dict[str, Any] = {"class_weights": class_weights, "label_smoothing": label_smoothing}
    if not (gt_is_matting_map or use_binary_cross_entropy):
        values = softmax_cross_entropy(labels[..., 0], logits, ignore_label=ignore_label, **shared)
    else:
        make_targets = _matting_targets if gt_is_matting_map else _multi_hot
        targets, keep = make_targets(labels, logits, ignore_label)
        if keep is not None:
            logits, targets = hide(logits, keep), hide(targets, keep)
        cross_entropy = sigmoid_cross_entropy if use_binary_cross_entropy else softmax_cross_entropy
        values = cross_entropy(targets, logits, **shared)
        values = values if keep is None else hide(values, keep)
    if top_k_percent_pixels == 1.0:
        return values
    return mean_of_hardest(values, valid_pixels(labels, ignore_label), share=top_k_percent_pixels)


def fitted(labels: Any, logits: Any, *, use_groundtruth_dimension: bool) -> tuple[Any, Any]:
    """Labels `[batch, height, width, layers]` and logits of one height and width."""
    logits = as_predictions(logits)
    labels = as_label_map(tf.convert_to_tensor(labels), logits)
    if use_groundtruth_dimension:
        return labels, resize_logits(logits, labels)
    return resize_labels(labels, logits), logits


def valid_pixels(labels: Any, ignore_label: int | None) -> Any:
    """Which pixels of `[batch, height, width, layers]` have a layer that is not ignored; None for all of them."""
    if ignore_label is None:
        return None
    return tf.reduce_any(_not_ignored(labels, ignore_label), axis=-1)


def check_layers(labels: Any, logits: Any, *, binary: bool, matting: bool) -> None:
    """Refuse several layers where a pixel has one label, and matting maps of other than two classes."""
    if labels.shape[-1] != 1 and (matting or not binary):
        why = "a matting map has one value a pixel" if matting else "a softmax is for one class a pixel"
        raise ValueError(
            f"Labels have {labels.shape[-1]} layers, and {why}. Received labels of shape {labels.shape}. Several "
            "classes a pixel need use_binary_cross_entropy=True."
        )
    if matting and logits.shape[-1] != 2:
        raise ValueError(
            f"A matting map is for two classes, background and foreground. Received logits of shape {logits.shape}."
        )


def _not_ignored(labels: Any, ignore_label: int) -> Any:
    # Compared in a signed dtype: -1 must not match 255 of an unsigned one.
    signed = labels if labels.dtype.is_floating else tf.cast(labels, tf.int64)
    return tf.not_equal(signed, tf.cast(ignore_label, signed.dtype))


def _matting_targets(labels: Any, logits: Any, ignore_label: int | None) -> tuple[Any, Any]:
    keep = valid_pixels(labels, ignore_label)
    alpha = tf.cast(labels, compute_dtype(logits))
    return tf.concat([1.0 - alpha, alpha], axis=-1), keep


def _multi_hot(labels: Any, logits: Any, ignore_label: int | None) -> tuple[Any, Any]:
    """1 for every class that a layer names; NaN where a layer names none and is not ignored."""
    dtype, num_classes = compute_dtype(logits), tf.shape(logits)[-1]
    ids = tf.cast(labels, tf.int64)
    known = tf.logical_and(ids >= 0, ids < tf.cast(num_classes, tf.int64))
    if ignore_label is not None:
        ignored = tf.equal(ids, tf.cast(ignore_label, tf.int64))
        ids = tf.where(ignored, tf.constant(-1, tf.int64), ids)
        known = tf.logical_or(known, ignored)
    named = tf.reduce_any(tf.one_hot(ids, num_classes, on_value=True, off_value=False, dtype=tf.bool), axis=-2)
    targets = tf.cast(named, dtype)
    fits = tf.reduce_all(known, axis=-1, keepdims=True)
    return tf.where(fits, targets, tf.constant(float("nan"), dtype)), valid_pixels(labels, ignore_label)
