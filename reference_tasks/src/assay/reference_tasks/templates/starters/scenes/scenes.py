"""REPLACE THIS MODULE: a little generated data, so that everything runs before your own data is in its place."""

import dataclasses
from collections.abc import Iterator

import numpy as np

CLASS_NAMES = ("background", "disc", "square", "triangle")
"""What the classes are called, by class id."""
SIDE = 64
"""Height and width of the images."""
EXAMPLES = {"train": 96, "validation": 24}
"""How many scenes each split has."""

_MOST_OBJECTS = 3
_EMPTY = 12  # every so many scenes have no object
_COLOURS = {1: (215, 70, 60), 2: (70, 180, 80), 3: (70, 90, 220)}  # about; the task is meant to be easy
_TINT = 35.0
_NOISE = 3.0


@dataclasses.dataclass(frozen=True)
class Scene:
    """An image, and what there is to know about it.

    Attributes:
        number: Its number; no two scenes of the two splits share one.
        image: uint8 `[height, width, 3]`.
        label_map: uint8 `[height, width]`, the class of each pixel; 0 is the background.
        boxes: float `[objects, 4]`, ymin, xmin, ymax, xmax in pixels.
        classes: Integers `[objects]`, 1 and up.
    """

    number: int
    image: np.ndarray
    label_map: np.ndarray
    boxes: np.ndarray
    classes: np.ndarray


def scenes(split: str) -> Iterator[Scene]:
    """Yield the scenes of `train` or `validation`: coloured shapes on a background, now and then none at all."""
    first = sum(EXAMPLES[other] for other in EXAMPLES if other < split)
    for number in range(first, first + EXAMPLES[split]):
        yield _scene(number)


def _scene(number: int) -> Scene:
    random = np.random.default_rng(number)
    background = random.uniform(40, 215) + random.uniform(-_TINT, _TINT, [3])
    image = np.broadcast_to(background, [SIDE, SIDE, 3]).copy()
    label_map = np.zeros([SIDE, SIDE], np.uint8)
    boxes, classes = [], []
    for _ in range(0 if number % _EMPTY == 0 else random.integers(1, _MOST_OBJECTS + 1)):
        class_id = int(random.integers(1, len(CLASS_NAMES)))
        size = random.uniform(14, 26)
        centre = random.uniform(size / 2, SIDE - size / 2, [2])
        shape = _shape(CLASS_NAMES[class_id], centre, size)
        if (label_map[shape] > 0).any():  # objects do not hide one another
            continue
        image[shape] = _COLOURS[class_id] + random.uniform(-_TINT, _TINT, [3])
        label_map[shape] = class_id
        rows, columns = np.nonzero(shape)
        boxes.append([rows.min(), columns.min(), rows.max() + 1, columns.max() + 1])
        classes.append(class_id)
    image = np.clip(np.rint(image + random.normal(0, _NOISE, image.shape)), 0, 255).astype(np.uint8)
    return Scene(number, image, label_map, np.reshape(boxes, [-1, 4]).astype(float), np.array(classes, np.int64))


def _shape(name: str, centre: np.ndarray, size: float) -> np.ndarray:
    """The pixels of a shape, bool `[height, width]`."""
    y, x = np.indices([SIDE, SIDE]) + 0.5 - centre[:, np.newaxis, np.newaxis]
    half = size / 2
    if name == "disc":
        return y**2 + x**2 <= half**2
    if name == "square":
        return np.maximum(np.abs(y), np.abs(x)) <= half * 0.9
    return (np.abs(y) <= half) & (np.abs(x) <= (y + half) / 2)
