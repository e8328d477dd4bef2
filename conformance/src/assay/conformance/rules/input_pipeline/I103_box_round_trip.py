"""I103 box-round-trip: `image_info`, and decoded box targets, lead back to the boxes of the original image."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from assay.conformance.context import Context
from assay.conformance.harness.pipelines import build_dataset, data_params, make_component
from assay.conformance.harness.pipelines.box_targets import decoded_targets
from assay.conformance.harness.pipelines.boxes import (
    as_yxyx,
    dense,
    find_image_info,
    find_sizes,
    is_boxes,
    is_truth,
    rows_in_use,
    to_original,
)
from assay.conformance.harness.pipelines.elements import keep_elements, read_elements
from assay.conformance.harness.pipelines.records import Records, read_records
from assay.conformance.lazy import tf
from assay.conformance.model import Level, Mode, NotApplicable, Rule, Target, Violation
from assay.conformance.specimens import DETECTION_PIPELINE, SoundDetection
from assay.conformance.tolerances import Tolerance

RULE = Rule(
    id="I103",
    slug="box-round-trip",
    level=Level.MUST,
    requirement="The boxes given to the network, taken back through `image_info`, are those of the original image.",
    checks=(
        "For evaluation data with `image_info` `[batch, 4, 2]` (original size, desired size, scale, offset, each y, "
        "x): takes each box of the network's coordinates back, `(box + offset) / scale`, and looks for it among the "
        "boxes of the original image. Those are the ground truth beside it (`groundtruths/boxes`, or another tensor "
        "that says so), or what is in the record: a TFRecord with one record at a time, where the parameters name "
        "such files with `.../bbox/ymin` and so on. Encoded `box_targets` of positive `anchor_boxes` are decoded and "
        "taken back too."
    ),
    why=(
        "Evaluation maps detections to the original image by the same numbers. When they are wrong for images that are "
        "not square, the loss falls as it should and the average precision is low, and nothing says why."
    ),
    bad="""
scale = tf.cast(desired_size, tf.float32) / original_size  # the image was resized with its aspect ratio kept
""",
    good="""
scale = scaled_size / original_size
image_info = tf.stack([original_size, desired_size, scale, offset])
""",
    modes=(Mode.EAGER,),
    targets=(Target.CPU,),
    traits=("box_format",),
    references=(
        "tensorflow/models: official/vision/ops/preprocess_ops.py and box_ops.py",
        "Ren et al., Faster R-CNN, 2015, section 3.1.2 (parametrization of boxes)",
    ),
)

MOST_RECORDS = 6  # one file and one reading each
_EDGES = ("ymin", "xmin", "ymax", "xmax")


def check(ctx: Context) -> None:
    """Take boxes and box targets back, and compare them with the ground truth or the record."""
    elements = read_elements(ctx, training=False)
    looked = False
    for leaves in elements.batches:
        looked |= _check_batch(ctx, leaves)
    if not looked:
        looked = _check_records(ctx)
    if not looked:
        raise NotApplicable(
            "The evaluation data holds no image_info [batch, 4, 2] with boxes of the network's input, and boxes of the "
            "original image beside it or in its records."
        )


def _check_batch(ctx: Context, leaves: Mapping[str, Any]) -> bool:
    """Compare the boxes of a batch with the ground truth in it; return whether there was anything to compare."""
    truths = [name for name, leaf in leaves.items() if is_boxes(name, leaf) and is_truth(name)]
    info = find_image_info(leaves)
    if not truths or info is None:
        return False
    originals = _by_example(ctx, leaves[truths[0]])
    _check_sizes(ctx, leaves, truths[0], info)
    looked = False
    for name, boxes in _network_boxes(ctx, leaves):
        looked = True
        for row, (found, expected) in enumerate(zip(boxes, originals, strict=True)):
            taken_back = to_original(found, info[row])
            _compare(ctx.tolerance("boxes"), name, truths[0], taken_back, expected, info[row])
    return looked


def _network_boxes(ctx: Context, leaves: Mapping[str, Any]) -> list[tuple[str, list[np.ndarray]]]:
    """The boxes in the network's coordinates, by example: as they are, and as targets of anchors."""
    found = [
        (name, _by_example(ctx, leaf)) for name, leaf in leaves.items() if is_boxes(name, leaf) and not is_truth(name)
    ]
    found = [(name, boxes) for name, boxes in found if _in_pixels(boxes)]
    targets = decoded_targets(leaves)
    return [*found, ("the decoded box targets", targets)] if targets is not None else found


def _in_pixels(boxes: Sequence[np.ndarray]) -> bool:
    return any(one.size and one.max() > 2.0 for one in boxes)


def _by_example(ctx: Context, leaf: Any) -> list[np.ndarray]:
    """The boxes in use of each example, yxyx."""
    boxes, used = as_yxyx(dense(leaf), ctx.trait("box_format")), rows_in_use(leaf)
    return [one[mask] for one, mask in zip(boxes, used, strict=True)]


def _check_sizes(ctx: Context, leaves: Mapping[str, Any], near: str, info: np.ndarray) -> None:
    """Compare the first row of `image_info` with the height and width beside the ground truth."""
    sizes = find_sizes(leaves, near)
    if f"{near.rpartition('/')[0]}/height" in leaves and sizes and len(sizes[0]) == len(info):
        wrong = ~np.all(np.isclose(info[:, 0], sizes[0], atol=ctx.tolerance("boxes").absolute), axis=-1)
        if wrong.any():
            row = int(np.nonzero(wrong)[0][0])
            raise Violation(
                f"image_info says that an original image is {info[row, 0, 0]:g} x {info[row, 0, 1]:g}, and its height "
                f"and width are {sizes[0][row, 0]:g} x {sizes[0][row, 1]:g}",
                cause="x and y are exchanged in image_info, or its first row is the size after resizing",
                fix="Let row 0 be the original (height, width), row 2 the scale (y, x) and row 3 the offset (y, x).",
            )


def _compare(near: Tolerance, name: str, truth: str, found: np.ndarray, expected: np.ndarray, info: np.ndarray) -> None:
    """Look for each box taken back among those of the original image."""
    if not len(found):
        return
    slack = near.absolute + near.relative * max(info[0].max(), 1.0)
    if not len(expected):
        distance = np.full(len(found), np.inf)
    else:
        distance = np.abs(found[:, np.newaxis] - expected[np.newaxis]).max(axis=-1).min(axis=-1)
    slack = max(slack, float(np.max(1.0 / np.maximum(info[2], 1e-6))) * near.absolute)
    if np.all(distance <= slack):
        return
    worst = int(np.argmax(distance))
    nearest = expected[np.abs(expected - found[worst]).max(axis=-1).argmin()] if len(expected) else None
    raise Violation(
        f"{name}: {int(np.sum(distance > slack))} of {len(found)} boxes of an image of {info[0, 0]:g} x "
        f"{info[0, 1]:g}, taken back through image_info (scale {info[2, 0]:.4g}, {info[2, 1]:.4g}; offset "
        f"{info[3, 0]:g}, {info[3, 1]:g}), are not in {truth}: {_shown(found[worst])} is "
        + (
            "there, and no box"
            if nearest is None
            else f"nearest to {_shown(nearest)}, {distance[worst]:.3g} pixels off"
        ),
        cause=_cause(found, expected, info, slack),
        fix=(
            "Scale boxes by exactly what image_info states: row 2 is scaled size / original size, (y, x), and the "
            "offset of row 3 is subtracted after scaling."
        ),
    )


def _cause(found: np.ndarray, expected: np.ndarray, info: np.ndarray, slack: float) -> str:
    """Try the usual mistakes, and name the one that explains the boxes."""
    network = found * np.tile(info[2], 2) - np.tile(info[3], 2)
    sides = info[1] / np.maximum(info[0], 1e-6)
    guesses = {
        "x and y are exchanged, in the boxes or in the scale": found[:, [1, 0, 3, 2]],
        "the scale (y, x) in image_info is (x, y)": network / np.tile(info[2][::-1], 2),
        "the scale in image_info is its inverse": network * np.tile(info[2], 2),
        "the boxes are scaled to the desired size, and image_info states another scale": network / np.tile(sides, 2),
        "the offset in image_info has the wrong sign": (network - np.tile(info[3], 2)) / np.tile(info[2], 2),
        "the offset is not part of the boxes, or of image_info": network / np.tile(info[2], 2),
        "the boxes are in pixels of the original image already": network,
    }
    for words, guess in guesses.items():
        if len(expected) and np.all(np.abs(guess[:, np.newaxis] - expected).max(axis=-1).min(axis=-1) <= slack):
            return words
    return "image_info does not describe how the boxes were scaled and cropped, or box targets are encoded otherwise"


def _shown(box: np.ndarray) -> str:
    return f"[{', '.join(f'{edge:.4g}' for edge in box)}]"


def _check_records(ctx: Context) -> bool:
    """Compare the boxes of single records with what the records hold; return whether that could be done."""
    leaves = next(iter(read_elements(ctx, training=False).batches), {})
    if find_image_info(leaves) is None or not _network_boxes(ctx, leaves):
        return False
    try:
        records = read_records(ctx, training=False)
    except NotApplicable:
        return False
    keys = [next((key for key in records.object_keys if key.endswith(f"/{edge}")), "") for edge in _EDGES]
    if not all(keys):
        return False
    task = ctx.share("task for data", lambda: make_component(ctx))
    for example in records.examples[:MOST_RECORDS]:
        _check_record(ctx, task, records, example, keys)
    return True


def _check_record(ctx: Context, task: Any, records: Records, example: Any, keys: Sequence[str]) -> None:
    normalised = np.stack([np.array(example.features.feature[key].float_list.value) for key in keys], axis=-1)
    with records.written([example]) as (changes, _):
        params = data_params(task, training=False, global_batch_size=1, drop_remainder=False, **changes)
        elements = keep_elements(build_dataset(task, params), at_most=1, name="validation")
    for leaves in elements.batches:
        info = find_image_info(leaves)
        assert info is not None
        expected = normalised * np.tile(info[0, 0], 2)
        for name, boxes in _network_boxes(ctx, leaves):
            _compare(ctx.tolerance("boxes"), name, "the record", to_original(boxes[0], info[0]), expected, info[0])


class _DesiredScale(SoundDetection):
    """States the scale of a resize that does not keep the aspect ratio."""

    def image_info(self, original: Any, scale: Any) -> Any:
        return super().image_info(original, 16.0 / original)


class _ExchangedScale(SoundDetection):
    def to_network(self, boxes: Any, original: Any, scale: Any) -> Any:
        return tf.gather(super().to_network(boxes, original, scale), [1, 0, 3, 2], axis=-1)


class _InverseScale(SoundDetection):
    def image_info(self, original: Any, scale: Any) -> Any:
        return super().image_info(original, 1.0 / scale)


class _OriginalSizeExchanged(SoundDetection):
    def image_info(self, original: Any, scale: Any) -> Any:
        return super().image_info(tf.reverse(original, [0]), scale)


class _OnlyTheRecordTells(SoundDetection):
    """Gives no ground truth beside the boxes, and scales them to the desired size."""

    def to_network(self, boxes: Any, original: Any, scale: Any) -> Any:
        return boxes * 16.0

    def with_statistics(self, labels: Any, boxes: Any) -> Any:
        return {name: value for name, value in labels.items() if name != "groundtruths"}


MUTANTS = (
    DETECTION_PIPELINE.replace(factory=_DesiredScale, name="states the desired scale"),
    DETECTION_PIPELINE.replace(factory=_ExchangedScale, name="exchanges x and y"),
    DETECTION_PIPELINE.replace(factory=_InverseScale, name="states the inverse scale"),
    DETECTION_PIPELINE.replace(factory=_OriginalSizeExchanged, name="states width by height"),
    DETECTION_PIPELINE.replace(factory=_OnlyTheRecordTells, name="scales both sides alike, no ground truth beside"),
)
TWIN = DETECTION_PIPELINE
