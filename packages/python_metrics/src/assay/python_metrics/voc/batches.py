"""One batch as a list of images, each with its objects and detections, checked before anything is counted."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

SOURCE_ID, NUM_DETECTIONS = "source_id", "num_detections"
BOXES, CLASSES, IS_DIFFICULT = "boxes", "classes", "is_difficult"
DETECTION_BOXES, DETECTION_CLASSES, DETECTION_SCORES = "detection_boxes", "detection_classes", "detection_scores"

# Dimensions of what a slot holds, counting the slots themselves.
OBJECT_RANKS = {BOXES: 2, CLASSES: 1, IS_DIFFICULT: 1}
DETECTION_RANKS = {DETECTION_BOXES: 2, DETECTION_CLASSES: 1, DETECTION_SCORES: 1}


@dataclass(frozen=True)
class Image:
    """The objects and detections of one image.

    Attributes:
        identity: Its `source_id` as text.
        boxes: `[objects, 4]` float64, ymin, xmin, ymax, xmax.
        classes: `[objects]` int64.
        difficult: `[objects]` bool.
        found_boxes: `[detections, 4]` float64.
        found_classes: `[detections]` int64.
        scores: `[detections]` float64.
    """

    identity: str
    boxes: np.ndarray
    classes: np.ndarray
    difficult: np.ndarray
    found_boxes: np.ndarray
    found_classes: np.ndarray
    scores: np.ndarray


def images_of(
    groundtruths: Mapping[str, np.ndarray], predictions: Mapping[str, np.ndarray], *, refuse_repeated: bool
) -> Iterator[Image]:
    """Yield the images of a batch, in the order of the groundtruths; those without predictions have no detection.

    Args:
        groundtruths: The fields of the objects.
        predictions: The fields of the detections.
        refuse_repeated: Whether an image may not be there twice; else its first row counts.

    Raises:
        ValueError: If shapes do not fit, a number in use is not finite, a class is no integer, an image is there
            twice, or predictions are for an image that the groundtruths do not have.
    """
    truths = _rows("groundtruths", groundtruths, OBJECT_RANKS, refuse_repeated)
    found = _rows("predictions", predictions, DETECTION_RANKS, refuse_repeated)
    strangers = [identity for identity in found if identity not in truths]
    if strangers:
        raise ValueError(
            f"The predictions are for the image {strangers[0]!r} ({SOURCE_ID}), which the groundtruths of this batch "
            f"do not have. They have: {', '.join(map(repr, list(truths)[:5])) or 'none'}."
        )
    nothing = {
        DETECTION_BOXES: np.zeros((0, 4)),
        DETECTION_CLASSES: np.zeros(0, np.int64),
        DETECTION_SCORES: np.zeros(0),
    }
    for identity, truth in truths.items():
        guesses = found.get(identity, nothing)
        yield Image(
            identity,
            truth[BOXES],
            truth[CLASSES],
            truth.get(IS_DIFFICULT, np.zeros(len(truth[CLASSES]))).astype(bool),
            guesses[DETECTION_BOXES],
            guesses[DETECTION_CLASSES],
            guesses[DETECTION_SCORES],
        )


def identity_of(source_id: object) -> str:
    """An image id as text; 7, `"7"` and `b"7"` are the same image."""
    return source_id.decode("utf-8", "surrogateescape") if isinstance(source_id, bytes) else str(source_id)


def _rows(
    side: str, fields: Mapping[str, np.ndarray], slot_ranks: Mapping[str, int], refuse_repeated: bool
) -> dict[str, dict[str, np.ndarray]]:
    """By image, the slots in use of each field that is there."""
    identities = [identity_of(one) for one in np.ravel(fields[SOURCE_ID]).tolist()]
    counts = np.ravel(fields[NUM_DETECTIONS])
    if len(counts) != len(identities):
        raise ValueError(
            f"The {side} have {len(identities)} images by {SOURCE_ID!r} and {len(counts)} by {NUM_DETECTIONS!r}."
        )
    if counts.size and (counts.dtype.kind not in "iuf" or not _are_counts(counts)):
        raise ValueError(f"{NUM_DETECTIONS!r} of the {side} must hold counts. Received {counts.tolist()[:5]}.")
    used = [name for name in slot_ranks if name in fields]
    slots = {_slots(side, name, fields[name], len(identities), slot_ranks[name]) for name in used}
    if len(slots) > 1:
        shapes = {name: fields[name].shape for name in used}
        raise ValueError(f"The fields of the {side} have different numbers of slots: {shapes}.")
    rows: dict[str, dict[str, np.ndarray]] = {}
    for row, (identity, count) in enumerate(zip(identities, counts.tolist(), strict=True)):
        if identity in rows:
            if refuse_repeated:
                raise ValueError(f"The {side} of one batch hold the image {identity!r} ({SOURCE_ID}) twice.")
            continue
        rows[identity] = {
            name: _checked(side, name, fields[name][row, : int(count)], identity, slot_ranks[name]) for name in used
        }
    return rows


def _are_counts(counts: np.ndarray) -> bool:
    return bool((np.isfinite(counts) & (counts >= 0) & (counts == np.floor(counts))).all())


def _slots(side: str, name: str, array: np.ndarray, images: int, slot_rank: int) -> int:
    expected = f"[{images}, slots{', 4' if slot_rank == 2 else ''}]"
    if array.ndim != 1 + slot_rank or len(array) != images or (slot_rank == 2 and array.shape[2] != 4):
        raise ValueError(f"The field {name!r} of the {side} must be {expected}. Received {list(array.shape)}.")
    return int(array.shape[1])


def _checked(side: str, name: str, values: np.ndarray, identity: str, slot_rank: int) -> np.ndarray:
    if values.dtype.kind not in "biuf" and values.dtype.name != "bfloat16":
        raise ValueError(f"The field {name!r} of the {side} must hold numbers. Received {values.dtype.name}.")
    numbers = values.astype(np.float64)
    if not np.isfinite(numbers).all():
        raise ValueError(f"The field {name!r} of the {side} is not finite in the image {identity!r}.")
    if name not in (CLASSES, DETECTION_CLASSES):
        return numbers
    if (numbers != np.floor(numbers)).any():
        raise ValueError(f"The field {name!r} of the {side} must hold class ids. Received {numbers.tolist()[:5]}.")
    return numbers.astype(np.int64)
