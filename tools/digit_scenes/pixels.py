"""The pixels of a scene: crops of photographs, and handwritten digits drawn at any size and angle.

Only single elementwise operations on float64 and sums of integers are used, so that the result is the same everywhere:
no trigonometry, no sum of fractions whose order a library chooses.
"""

import dataclasses
import importlib.resources

import numpy as np
import tensorflow as tf

PHOTOS = ("china.jpg", "flower.jpg")
CELLS = 8  # a digit of the source is 8x8 cells, each of 0 to INK_LEVELS
INK_LEVELS = 16
EDGE = 0.52  # the share of ink at which a digit ends
EDGE_WIDTH = 4.0  # over how much of a share it fades out, times the share that one pixel is of the digit's size


def load_photos() -> dict[str, np.ndarray]:
    """Return the photographs that scikit-learn ships, uint8 `[427, 640, 3]` each, by file name."""
    folder = importlib.resources.files("sklearn.datasets.images")
    return {
        name: tf.io.decode_jpeg((folder / name).read_bytes(), channels=3, dct_method="INTEGER_ACCURATE").numpy()
        for name in PHOTOS
    }


def crop(photo: np.ndarray, *, top: int, left: int, side: int, size: int, mirrored: bool) -> np.ndarray:
    """Return a square of a photograph, resized bilinearly.

    Args:
        photo: uint8 `[height, width, 3]`.
        top: First row.
        left: First column.
        side: Rows and columns taken.
        size: Rows and columns of the result.
        mirrored: Whether left becomes right.

    Returns:
        float64 `[size, size, 3]`, 0 to 255.
    """
    square = photo[top : top + side, left : left + side].astype(np.float64)
    if mirrored:
        square = square[:, ::-1]
    position = np.clip((np.arange(size) + 0.5) * (side / size) - 0.5, 0, side - 1)
    first = np.minimum(position.astype(np.int64), side - 2)
    share = position - first
    rows = square[first] * (1 - share)[:, None, None] + square[first + 1] * share[:, None, None]
    return rows[:, first] * (1 - share)[None, :, None] + rows[:, first + 1] * share[None, :, None]


@dataclasses.dataclass(frozen=True)
class Placement:
    """Where a digit is drawn.

    Attributes:
        centre: Row and column of its middle, in pixels.
        size: Rows and columns of its 8x8 cells, in pixels.
        turn: Tangent of half the angle that it is turned by.
    """

    centre: tuple[float, float]
    size: float
    turn: float


def draw(digit: np.ndarray, placement: Placement, canvas: int) -> tuple[np.ndarray, int]:
    """Draw a digit, smooth at any size: a Catmull-Rom spline through its cells, cut at the share of ink `EDGE`.

    Args:
        digit: `[8, 8]` counts of ink, 0 to 16.
        placement: Where.
        canvas: Rows and columns of the result.

    Returns:
        How far each pixel is covered, float64 `[canvas, canvas]`, and the number of pixels covered by half or more,
        those outside of the canvas included.
    """
    reach = int(placement.size) + 1  # beyond the half diagonal
    row, column = (int(value) for value in placement.centre)
    rows, columns = np.arange(row - reach, row + reach + 1), np.arange(column - reach, column + reach + 1)
    down, right = rows[:, None] + 0.5 - placement.centre[0], columns[None, :] + 0.5 - placement.centre[1]
    # cos and sin as fractions of the tangent of the half angle, which are exact to the last bit on any machine
    square = placement.turn * placement.turn
    cosine, sine = (1 - square) / (1 + square), 2 * placement.turn / (1 + square)
    cells_per_pixel = CELLS / placement.size
    ink = _spline(
        digit / INK_LEVELS,
        (down * cosine - right * sine) * cells_per_pixel + (CELLS - 1) / 2,
        (down * sine + right * cosine) * cells_per_pixel + (CELLS - 1) / 2,
    )
    cover = np.clip((ink - EDGE) / (EDGE_WIDTH / placement.size) + 0.5, 0, 1)
    whole = np.zeros([canvas, canvas])
    inside_rows, inside_columns = (rows >= 0) & (rows < canvas), (columns >= 0) & (columns < canvas)
    whole[np.ix_(rows[inside_rows], columns[inside_columns])] = cover[np.ix_(inside_rows, inside_columns)]
    return whole, int((cover >= 0.5).sum())


def _spline(values: np.ndarray, row: np.ndarray, column: np.ndarray) -> np.ndarray:
    """Return the Catmull-Rom spline through `[8, 8]` values (0 outside) at fractional rows and columns."""
    padded = np.pad(values, 3)
    row, column = (np.clip(position, -2, CELLS + 0.999) for position in (row, column))
    first_row, first_column = np.floor(row).astype(np.int64), np.floor(column).astype(np.int64)
    result = np.zeros(row.shape)
    for step_row, weight_row in enumerate(_weights(row - first_row)):
        for step_column, weight_column in enumerate(_weights(column - first_column)):
            taken = padded[
                np.clip(first_row + step_row + 2, 0, CELLS + 5), np.clip(first_column + step_column + 2, 0, CELLS + 5)
            ]
            result = result + taken * (weight_row * weight_column)
    return result


def _weights(share: np.ndarray) -> list[np.ndarray]:
    """Return the weights of the four neighbours, of which the second is `share` before the point."""
    rest = 1 - share
    return [
        -0.5 * share * rest * rest,
        1 + share * share * (1.5 * share - 2.5),
        1 + rest * rest * (1.5 * rest - 2.5),
        -0.5 * rest * share * share,
    ]
