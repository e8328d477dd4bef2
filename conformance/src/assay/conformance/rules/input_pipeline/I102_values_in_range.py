"""I102 values-in-range: numbers are finite and in their range, images alike in both roles, boxes ordered and inside."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from assay.conformance.context import Context
from assay.conformance.harness.pipelines.boxes import as_yxyx, dense, find_sizes, is_boxes, is_image, rows_in_use
from assay.conformance.harness.pipelines.elements import matches_name, read_elements
from assay.conformance.lazy import tf
from assay.conformance.model import Level, Mode, NotApplicable, NotRun, Rule, Target, Violation
from assay.conformance.specimens import DETECTION_PIPELINE, IMAGE_PIPELINE, SoundDetection, SoundImages
from assay.conformance.suggestions import did_you_mean
from assay.conformance.tolerances import Tolerance

RULE = Rule(
    id="I102",
    slug="values-in-range",
    level=Level.MUST,
    requirement=(
        "Numbers are finite and in their declared range, images of the same scale in training and evaluation, boxes "
        "ordered and inside their image, and labels class ids."
    ),
    checks=(
        "Looks at the first 128 examples of both roles. Floating-point tensors must be finite, and within what the "
        "trait `value_ranges` declares. Images (`[batch, height, width, 1, 3 or 4]`) of training and evaluation must "
        "not differ 20-fold in their largest value. Tensors named `boxes` or `bbox` `[batch, slots, 4]`, rows of four "
        "equal numbers aside, must have ymin <= ymax and xmin <= xmax and lie in 0..1, or in pixels inside the image, "
        "the `height` and `width` beside them or `image_info`. One label an example must not be negative; where there "
        "are more, one negative value may stand for padding. The trait `ignore_label` names a negative label."
    ),
    why=(
        "One NaN pixel makes every weight NaN. A model that is trained on 0..1 and evaluated on 0..255 looks broken "
        "for no visible reason. A box whose edges are swapped by a flip, or that a crop left outside, matches no "
        "anchor or gives a negative size and a NaN logarithm; a label of -1 indexes the last class, or nothing on a "
        "GPU."
    ),
    bad="""
flipped = tf.stack([ymin, 1 - xmin, ymax, 1 - xmax], axis=-1)  # the left edge is now on the right
""",
    good="""
flipped = tf.stack([ymin, 1 - xmax, ymax, 1 - xmin], axis=-1)
""",
    modes=(Mode.EAGER,),
    targets=(Target.CPU,),
    traits=("value_ranges", "box_format", "ignore_label"),
    references=("tensorflow/models: official/vision/ops/box_ops.py", "Everingham et al., Pascal VOC development kit"),
)

_RULED = "Mend the transformation that makes them, or declare the range with the trait 'value_ranges'."


def check(ctx: Context) -> None:
    """Look at the values of both roles, then at both together."""
    largest: dict[str, dict[str, float]] = {}
    names: list[str] = []
    for training in (True, False):
        try:
            elements = read_elements(ctx, training=training)
        except NotApplicable:
            continue
        role = "training" if training else "evaluation"
        for leaves in elements.batches:
            names = names or list(leaves)
            for name, leaf in leaves.items():
                if _is_number(leaf):
                    _check_leaf(ctx, leaves, name, leaf, role)
                    if is_image(name, leaf):
                        top = float(np.max(np.abs(dense(leaf).astype(np.float64)), initial=0.0))
                        ranges = largest.setdefault(name, {})
                        ranges[role] = max(ranges.get(role, 0.0), top)
    _refuse_unknown(ctx, names)
    for name, found in largest.items():
        _check_scales(ctx, name, found)


def _is_number(leaf: Any) -> bool:
    dtype = getattr(leaf, "dtype", None)
    return dtype is not None and (dtype.is_floating or dtype.is_integer) and hasattr(leaf, "shape")


def _check_leaf(ctx: Context, leaves: Mapping[str, Any], name: str, leaf: Any, role: str) -> None:
    declared, bounds = _declared(ctx, name)
    if declared and bounds is None:
        return
    array = dense(leaf)
    if leaf.dtype.is_floating:
        _check_finite(name, array.astype(np.float64), role)
    if bounds is not None:
        _check_bounds(ctx.tolerance("range"), name, array.astype(np.float64), bounds, role)
    if is_boxes(name, leaf):
        _check_boxes(ctx, leaves, name, leaf, role)
    elif leaf.dtype.is_integer and name.startswith("labels") and bounds is None:
        _check_labels(ctx, name, array, role)


def _declared(ctx: Context, name: str) -> tuple[bool, Any]:
    """Whether the range of a tensor is declared, and the range."""
    for pattern, bounds in ctx.trait("value_ranges").items():
        if matches_name(pattern, name):
            return True, bounds
    return False, None


def _refuse_unknown(ctx: Context, names: list[str]) -> None:
    for pattern in ctx.trait("value_ranges"):
        if names and not any(matches_name(pattern, name) for name in names):
            raise NotRun(
                f"The trait 'value_ranges' names {pattern!r}; {did_you_mean(pattern, names)}.", remedy="Correct it."
            )


def _check_finite(name: str, array: np.ndarray, role: str) -> None:
    broken = ~np.isfinite(array)
    if broken.any():
        rows = np.unique(np.nonzero(broken)[0]) if array.ndim else np.array([0])
        kinds = [word for word, mask in (("NaN", np.isnan(array)), ("infinite", np.isinf(array))) if mask.any()]
        raise Violation(
            f"{role}: {int(broken.sum())} values of {name} are {' or '.join(kinds)}, in {len(rows)} of "
            f"{array.shape[0] if array.ndim else 1} examples of a batch",
            cause="a division by a standard deviation or a size of zero, a logarithm of zero, or missing values as NaN",
            fix="Guard the division (tf.math.divide_no_nan, an epsilon); give missing values a weight of zero instead.",
        )


def _check_bounds(near: Tolerance, name: str, array: np.ndarray, bounds: Any, role: str) -> None:
    low, high = (float(bound) for bound in bounds)
    slack = near.absolute + near.relative * (high - low)
    if array.size and (array.min() < low - slack or array.max() > high + slack):
        raise Violation(
            f"{role}: {name} reaches from {array.min():.4g} to {array.max():.4g}, and {low:g} to {high:g} is declared",
            cause="pixels are scaled twice or not at all, or an augmentation leaves the range and nothing clips it",
            fix=_RULED,
        )


def _check_scales(ctx: Context, name: str, found: Mapping[str, float]) -> None:
    """Compare the largest absolute values of training and evaluation images."""
    if len(found) < 2 or _declared(ctx, name)[0] or min(found.values()) == 0:
        return
    small, large = sorted(found.values())
    if not ctx.tolerance("scale").allows(large, small):
        raise Violation(
            f"the largest absolute value of {name} is {found['training']:.4g} in training and "
            f"{found['evaluation']:.4g} in evaluation, {large / small:.3g} times apart",
            cause="only one of the two is divided by 255 or normalised",
            fix="Put the scaling of pixels into one function that both roles call, outside the augmentation.",
        )


def _check_boxes(ctx: Context, leaves: Mapping[str, Any], name: str, leaf: Any, role: str) -> None:
    box_format = ctx.trait("box_format")
    boxes, used = as_yxyx(dense(leaf), box_format), rows_in_use(leaf)
    if not used.any():
        return
    near = ctx.tolerance("boxes")
    flat = boxes[used]
    swapped = flat[:, :2] > flat[:, 2:] + near.absolute
    if swapped.any():
        row = flat[np.nonzero(swapped.any(axis=-1))[0][0]]
        edges = " and ".join(side for side, mask in zip(("y", "x"), swapped.T, strict=True) if mask.any())
        raise Violation(
            f"{role}: {int(swapped.any(axis=-1).sum())} of {len(flat)} boxes in {name} have their {edges} edges in the "
            f"wrong order, such as {_shown(row)} (ymin, xmin, ymax, xmax)",
            cause=(
                "a flip does not swap the edges: the new left edge is 1 - xmax"
                if edges != "y and x"
                else "the boxes are in another format"
            ),
            fix="Swap the edges where the image is mirrored. Boxes of another format: declare the trait 'box_format'.",
        )
    sizes = [np.ones((len(boxes), 2))] if np.max(flat) <= 1 + near.absolute else find_sizes(leaves, name)
    if not sizes:
        return
    limits = np.max(np.stack([size for size in sizes if len(size) == len(boxes)] or [np.full((1, 2), np.inf)]), axis=0)
    limits = np.repeat(np.tile(limits, 2)[:, np.newaxis], boxes.shape[1], axis=1)[used]
    slack = near.absolute * np.maximum(limits, 1.0)
    outside = np.any((flat < -slack) | (flat > limits + slack), axis=-1)
    if outside.any():
        first = int(np.nonzero(outside)[0][0])
        raise Violation(
            f"{role}: {int(outside.sum())} of {len(flat)} boxes in {name} leave their image, such as "
            f"{_shown(flat[first])} in {limits[first][0]:g} x {limits[first][1]:g} (height x width)",
            cause="boxes are not clipped after a crop, are scaled with x and y exchanged, or are of another format",
            fix="Clip boxes to the image and drop those that become empty; scale y by height and x by width.",
        )


def _shown(box: np.ndarray) -> str:
    return f"[{', '.join(f'{edge:.4g}' for edge in box)}]"


def _check_labels(ctx: Context, name: str, array: np.ndarray, role: str) -> None:
    ignored = ctx.trait("ignore_label")
    negative = sorted({int(value) for value in np.unique(array) if value < 0} - {ignored})
    if not negative:
        return
    others = np.unique(array[array >= 0])
    # One negative value may pad a list of labels; and targets such as -1 and +1, or any counted number, are no ids.
    if (len(negative) > 1 and ignored is not None) if array.ndim > 1 else (negative == [-1] and 0 in others):
        raise Violation(
            f"{role}: {name} holds {negative[0]} beside class ids up to {int(others.max(initial=0))}, in "
            f"{int(np.sum(array < 0))} of {array.size} places of a batch",
            cause="records without a label pass, or labels that begin at 0 are shifted by one",
            fix="Leave such records out, or declare the trait 'ignore_label' if the loss ignores that value.",
        )


class _EvaluationNotScaled(SoundImages):
    def __call__(self, params: Any, input_context: Any = None) -> Any:
        self.training = params.is_training
        return super().__call__(params, input_context)

    def scaled(self, image: Any) -> Any:
        return super().scaled(image) if self.training else tf.cast(image, tf.float32)


class _ScaledTwice(SoundImages):
    def scaled(self, image: Any) -> Any:
        return super().scaled(image) * 2.0 - 1.0


class _DividesByTheDeviation(SoundImages):
    """Standardises each image, and one is constant."""

    def read(self, params: Any) -> Any:
        def blank(features: Any, label: Any) -> Any:
            keep = tf.cast(features["id"] != 5, tf.uint8)
            return {**features, "image": features["image"] * keep}, label

        return super().read(params).map(blank)

    def augment(self, image: Any, key: Any) -> Any:
        return image

    def scaled(self, image: Any) -> Any:
        image = tf.cast(image, tf.float32)
        return (image - tf.reduce_mean(image)) / tf.math.reduce_std(image)


class _MissingLabels(SoundImages):
    def finished(self, features: Any, label: Any) -> Any:
        features, label = super().finished(features, label)
        return features, tf.where(features["id"] == 3, -1, label)


class _FlipsWithoutSwapping(SoundDetection):
    def flipped(self, image: Any, boxes: Any) -> Any:
        ymin, xmin, ymax, xmax = tf.unstack(boxes, axis=-1)
        return tf.image.flip_left_right(image), tf.stack([ymin, 1.0 - xmin, ymax, 1.0 - xmax], axis=-1)


class _ScalesBySidesExchanged(SoundDetection):
    def to_network(self, boxes: Any, original: Any, scale: Any) -> Any:
        return super().to_network(boxes, tf.reverse(original, [0]), scale) * 1.5


UNDECLARED = IMAGE_PIPELINE.replace(traits={})
MUTANTS = (
    UNDECLARED.replace(factory=_EvaluationNotScaled, name="evaluation images are not scaled"),
    IMAGE_PIPELINE.replace(factory=_ScaledTwice, name="another range than declared"),
    UNDECLARED.replace(factory=_DividesByTheDeviation, name="divides by the deviation of a constant image"),
    UNDECLARED.replace(factory=_MissingLabels, name="records without a label"),
    DETECTION_PIPELINE.replace(factory=_FlipsWithoutSwapping, name="flips boxes without swapping edges"),
    DETECTION_PIPELINE.replace(factory=_ScalesBySidesExchanged, name="boxes leave the image"),
)
TWIN = DETECTION_PIPELINE
