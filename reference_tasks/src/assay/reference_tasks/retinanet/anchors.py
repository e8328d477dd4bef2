"""Anchors: the boxes of known place and shape that a detector's outputs belong to.

```python
anchors = AnchorGenerator(3, 7, num_scales=3, aspect_ratios=(0.5, 1.0, 2.0), anchor_size=4.0, image_size=(128, 128))
anchors.by_level["3"].shape  # (16, 16, 36): nine anchors of four numbers at each place
```
"""

import dataclasses
import functools
import math
from collections.abc import Sequence

import numpy as np


@dataclasses.dataclass(frozen=True)
class AnchorGenerator:
    """The anchors of an image, in Model Garden's definition and order.

    A level `l` has `ceil(height / 2**l)` times `ceil(width / 2**l)` places, spread evenly over the image; each has an
    anchor for every scale and aspect ratio, centred in it. With `base = anchor_size * 2**l * 2**(scale / num_scales)`,
    an anchor is `base / sqrt(aspect_ratio)` high and `base * sqrt(aspect_ratio)` wide. In order, levels come first,
    then rows, columns, scales and aspect ratios. Anchors may reach beyond the image.

    Attributes:
        min_level: The finest level.
        max_level: The coarsest level.
        num_scales: Sizes at each level, in equal ratios from one level to the next.
        aspect_ratios: Widths by heights.
        anchor_size: Side of the smallest square anchor of a level, in strides (`2**level` pixels).
        image_size: Height and width of the model's input in pixels.

    References:
        Lin, Goyal, Girshick, He, Dollar, "Focal Loss for Dense Object Detection", 2017, section 4.
    """

    min_level: int
    max_level: int
    num_scales: int
    aspect_ratios: Sequence[float]
    anchor_size: float
    image_size: Sequence[int]

    @property
    def anchors_per_location(self) -> int:
        """How many anchors each place of a level has."""
        return self.num_scales * len(self.aspect_ratios)

    @functools.cached_property
    def by_level(self) -> dict[str, np.ndarray]:
        """Anchors by level, finest first: float32 `[height, width, anchors_per_location * 4]`, yxyx pixels."""
        return {str(level): self._of_level(level) for level in range(self.min_level, self.max_level + 1)}

    @functools.cached_property
    def flat(self) -> np.ndarray:
        """All anchors in order: float32 `[anchors, 4]`, yxyx pixels of the model's input."""
        return np.concatenate([boxes.reshape(-1, 4) for boxes in self.by_level.values()])

    def _of_level(self, level: int) -> np.ndarray:
        counts = [math.ceil(side / 2**level) for side in self.image_size]
        centres = [(np.arange(count) + 0.5) * side / count for count, side in zip(counts, self.image_size, strict=True)]
        bases = self.anchor_size * 2**level * 2 ** (np.arange(self.num_scales) / self.num_scales)
        roots = np.sqrt(np.asarray(self.aspect_ratios, np.float64))
        half_sizes = np.stack([np.outer(bases, 1 / roots), np.outer(bases, roots)], axis=-1).reshape(-1, 2) / 2
        places = np.stack(np.meshgrid(*centres, indexing="ij"), axis=-1)[:, :, np.newaxis]
        boxes = np.concatenate([places - half_sizes, places + half_sizes], axis=-1)
        return boxes.reshape(*counts, -1).astype(np.float32)
