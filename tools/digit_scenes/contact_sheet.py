"""Shows scenes side by side, with their masks tinted and their boxes drawn."""

from collections.abc import Sequence

import numpy as np

from tools.digit_scenes.scene import Scene

COLUMNS = 6
ZOOM = 2
COLOURS = np.array([[255, 80, 80], [80, 255, 80], [90, 140, 255], [255, 230, 60], [255, 90, 255], [70, 255, 255]])
WHITE = np.array([255, 255, 255])


def contact_sheet(scenes: Sequence[Scene]) -> np.ndarray:
    """Return uint8 `[height, width, 3]`: each scene as it is, and beside it with masks and boxes (white for crowds)."""
    tiles = [np.concatenate([scene.image, _annotated(scene)], axis=1) for scene in scenes]
    tiles += [np.zeros_like(tiles[0])] * (-len(tiles) % COLUMNS)
    rows = [np.concatenate(tiles[first : first + COLUMNS], axis=1) for first in range(0, len(tiles), COLUMNS)]
    return np.concatenate(rows).repeat(ZOOM, axis=0).repeat(ZOOM, axis=1)


def _annotated(scene: Scene) -> np.ndarray:
    image = scene.image.astype(np.int64)
    for instance in scene.instances:
        colour = WHITE if instance.is_crowd else COLOURS[instance.digit % len(COLOURS)]
        image[instance.mask] = (image[instance.mask] + 2 * colour) // 3
        ymin, xmin, ymax, xmax = instance.box
        image[[ymin, ymax - 1], xmin:xmax] = colour
        image[ymin:ymax, [xmin, xmax - 1]] = colour
    return image.astype(np.uint8)
