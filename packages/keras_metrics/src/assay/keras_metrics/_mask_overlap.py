"""How much masks overlap: masks of whole images, or small ones for a box each that are laid into the image.

Images are gone through in bands of rows, so that the memory does not grow with their height; in a band, what two sets
of masks share is one product of matrices. Everything has static shapes.

A mask for a box is resized as in Mask R-CNN: a border of zeros, one cell wide, is put around it and the box grown
accordingly and cut to whole pixels; values are interpolated linearly at the centres of the pixels, and a pixel is set
where they are above one half.

References:
    He, Gkioxari, Dollár, Girshick, "Mask R-CNN", section 3, 2017.
"""

from typing import Any

import tensorflow as tf
from assay.keras_metrics._box_overlap import Overlaps, over_union

THRESHOLD = 0.5
BAND = 64


class ImageMasks:
    """Masks of whole images.

    Args:
        values: `[batch, slots, height, width]`: set above one half.
    """

    def __init__(self, values: Any) -> None:
        self.batch, self.slots = tf.shape(values)[0], values.shape[1]
        height, width = values.shape[2:]
        values = values if values.dtype == tf.bool else values > tf.cast(THRESHOLD, values.dtype)
        self._values = tf.pad(values, [[0, 0], [0, 0], [0, -height % BAND], [0, 0]])
        self._width = width

    def band(self, start: Any, width: int) -> Any:
        """Which pixels of the rows from a start on are set, bool `[batch, slots, BAND, width]`."""
        return tf.slice(self._values, [0, 0, start, 0], [self.batch, self.slots, BAND, width])


class BoxMasks:
    """Masks that are for a box each.

    Args:
        values: float `[batch, slots, rows, columns]` in [0, 1].
        boxes: float32 `[batch, slots, 4]`: ymin, xmin, ymax, xmax in pixels of the canvas.
    """

    def __init__(self, values: Any, boxes: Any) -> None:
        self.batch, self.slots = tf.shape(values)[0], values.shape[1]
        rows, columns = values.shape[2:]
        self._values = tf.pad(tf.cast(values, tf.float32), [[0, 0], [0, 0], [1, 1], [1, 1]])
        half = (boxes[..., 2:] - boxes[..., :2]) * 0.5
        centre = boxes[..., :2] + half
        # Multiplied before it is divided: a half of 14 pixels, 28 cells and 30 with the border make exactly 15.
        grown = tf.maximum(half * (rows + 2) / rows, half * (columns + 2) / columns)
        self._low = _toward_zero(centre - grown)
        self._pixels = tf.maximum(_toward_zero(centre + grown) - self._low + 1, 1)
        self._wide: tuple[int, Any] | None = None

    def band(self, start: Any, width: int) -> Any:
        """Which pixels of the rows from a start on are set, bool `[batch, slots, BAND, width]`."""
        low, high, share, inside = self._cells(0, start, BAND)
        values = self._across(width)
        below, above = (tf.gather(values, cell, axis=2, batch_dims=2) for cell in (low, high))
        values = below + share[..., tf.newaxis] * (above - below)
        return tf.logical_and(values > THRESHOLD, inside[..., tf.newaxis])

    def prepare(self, width: int) -> None:
        """Interpolate along rows, once for all bands."""
        low, high, share, inside = self._cells(1, 0, width)
        turned = tf.transpose(self._values, [0, 1, 3, 2])
        left, right = (tf.gather(turned, cell, axis=2, batch_dims=2) for cell in (low, high))
        values = left + share[..., tf.newaxis] * (right - left)
        values = tf.where(inside[..., tf.newaxis], values, 0.0)
        self._wide = width, tf.transpose(values, [0, 1, 3, 2])

    def _across(self, width: int) -> Any:
        """Values `[batch, slots, rows, width]`."""
        assert self._wide is not None
        assert self._wide[0] == width
        return self._wide[1]

    def _cells(self, axis: int, start: Any, count: int) -> tuple[Any, Any, Any, Any]:
        """For some pixels along an axis: the cells before and behind, the share of the latter, and if they are inside.

        All are `[batch, slots, count]`.
        """
        cells = self._values.shape[2 + axis]
        low, pixels = self._low[..., axis : axis + 1], self._pixels[..., axis : axis + 1]
        pixel = tf.cast(start + tf.range(count), tf.float32)
        place = tf.clip_by_value((pixel - low + 0.5) * (cells / pixels) - 0.5, 0.0, cells - 1.0)
        place = tf.where(tf.math.is_nan(place), 0.0, place)
        before = tf.minimum(tf.floor(place), cells - 2.0)
        inside = tf.logical_and(pixel >= low, pixel < low + pixels)
        cell = tf.cast(before, tf.int32)
        return cell, cell + 1, place - before, inside


Masks = ImageMasks | BoxMasks


def mask_overlaps(found: Masks, objects: Masks, crowd: Any, *, height: int, width: int) -> Overlaps:
    """Overlaps of all pairs.

    Args:
        found: Masks of detections.
        objects: Masks of objects.
        crowd: bool `[batch, G]`.
        height: Rows of the canvas.
        width: Its columns.
    """
    for masks in (found, objects):
        if isinstance(masks, BoxMasks):
            masks.prepare(width)

    def body(start: Any, both: Any, mine: Any, theirs: Any) -> tuple[Any, ...]:
        rows = tf.range(BAND)[:, tf.newaxis] + start < height
        bands = []
        for masks in (found, objects):
            band = tf.cast(tf.logical_and(masks.band(start, width), rows), tf.float32)
            bands.append(tf.reshape(band, [masks.batch, masks.slots, BAND * width]))
        # Zeros and ones are exact in any precision of the product, and sums up to 2^24 pixels in float32.
        both += tf.matmul(bands[0], bands[1], transpose_b=True)
        return start + BAND, both, mine + tf.reduce_sum(bands[0], axis=2), theirs + tf.reduce_sum(bands[1], axis=2)

    shapes = ([found.slots, objects.slots], [found.slots], [objects.slots])
    _, both, mine, theirs = tf.while_loop(
        lambda start, *_: start < height,
        body,
        (tf.constant(0), *(tf.zeros([found.batch, *shape]) for shape in shapes)),
        shape_invariants=(tf.TensorShape([]), *(tf.TensorShape([None, *shape]) for shape in shapes)),
        parallel_iterations=1,
    )
    return Overlaps(over_union(both, mine[..., tf.newaxis], theirs[:, tf.newaxis], crowd), mine, theirs)


def fit_to_canvas(boxes: Any, known: Any, *, height: int, width: int) -> tuple[Any, Any]:
    """Move and shrink the boxes of each image that reach over the edge of a canvas.

    They are moved to the top left by whole pixels, and shrunk, keeping their proportions, if that is not enough.

    Args:
        boxes: float32 `[batch, slots, 4]`.
        known: bool `[batch, slots]`: which boxes count.
        height: Rows of the canvas.
        width: Its columns.

    Returns:
        The boxes, and by how much they were shrunk, float32 `[batch]`, at most 1.
    """
    known = tf.logical_and(known, tf.reduce_all(boxes[..., 2:] > boxes[..., :2], axis=-1))[..., tf.newaxis]
    canvas = tf.constant([height, width], tf.float32)
    high = tf.reduce_max(tf.where(known, boxes[..., 2:], 0.0), axis=1, keepdims=True)
    low = tf.floor(tf.reduce_min(tf.where(known, boxes[..., :2], high), axis=1, keepdims=True))
    low = tf.where(tf.reduce_any(high > canvas, axis=-1, keepdims=True), low, 0.0)
    scale = tf.minimum(tf.reduce_min(canvas / tf.maximum(high - low, 1.0), axis=[1, 2]), 1.0)
    return (boxes - tf.tile(low, [1, 1, 2])) * scale[:, tf.newaxis, tf.newaxis], scale


def _toward_zero(values: Any) -> Any:
    return tf.sign(values) * tf.floor(tf.abs(values))
