"""Draws boxes with their classes into images, in NumPy."""

from typing import Any

import numpy as np

COLOURS = (
    (230, 25, 75), (60, 180, 75), (255, 225, 25), (0, 130, 200), (245, 130, 48),
    (145, 30, 180), (70, 240, 240), (240, 50, 230), (210, 245, 60), (250, 190, 212),
)  # fmt: skip
"""Red, green and blue of the classes, which share them beyond these."""

# Rows of 3 pixels, from the top: 0b101 is on, off, on.
_DIGITS = (
    "75557", "26227", "71747", "71717", "55711", "74717", "74757", "71111", "75757", "75717",
)  # fmt: skip
_ROWS, _COLUMNS = 5, 3
_BLACK = (0, 0, 0)


def draw_boxes(image: Any, boxes: Any, classes: Any, *, scale: int = 1) -> np.ndarray:
    """Return a copy of an image with boxes, each with the number of its class at its top left.

    Args:
        image: uint8 `[height, width, channels]`, 1 or 3 channels.
        boxes: `[n, 4]` yxyx in pixels of the image. The first one lies on top.
        classes: Integers `[n]`, not negative.
        scale: How many times larger the result is.

    Returns:
        uint8 `[height * scale, width * scale, 3]`.
    """
    canvas = np.repeat(np.repeat(np.asarray(image), scale, axis=0), scale, axis=1)
    canvas = np.array(np.broadcast_to(canvas, [*canvas.shape[:2], 3]))
    limits = np.array([canvas.shape[0], canvas.shape[1]] * 2) - 1
    for box, number in reversed(list(zip(np.asarray(boxes), np.asarray(classes), strict=True))):
        colour = COLOURS[int(number) % len(COLOURS)]
        ymin, xmin, ymax, xmax = (int(side) for side in np.clip(np.rint(box * scale), 0, limits))
        canvas[[ymin, ymax], xmin : xmax + 1] = colour
        canvas[ymin : ymax + 1, [xmin, xmax]] = colour
        _write(canvas, str(int(number)), ymin, xmin, colour)
    return canvas


def side_by_side(*images: np.ndarray) -> np.ndarray:
    """Return images of one size in a row, with a black column in between."""
    gap = np.zeros([images[0].shape[0], 2, 3], np.uint8)
    return np.concatenate([part for image in images for part in (gap, image)][1:], axis=1)


def _write(canvas: np.ndarray, digits: str, top: int, left: int, colour: tuple[int, int, int]) -> None:
    """Write digits on a black ground, as far as they lie in the image."""
    for position, digit in enumerate(digits):
        begin = left + 1 + position * (_COLUMNS + 1)
        ground = canvas[top + 1 : top + _ROWS + 3, begin : begin + _COLUMNS + 2]
        ground[:] = _BLACK
        for row, bits in enumerate(_DIGITS[int(digit)], start=1):
            for column in range(_COLUMNS):
                lit = int(bits) >> (_COLUMNS - 1 - column) & 1
                if lit and row < ground.shape[0] and column + 1 < ground.shape[1]:
                    ground[row, column + 1] = colour
