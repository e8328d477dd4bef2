"""REPLACE THIS MODULE: a little generated data, so that everything runs before your own data is in its place."""

import numpy as np

CLASSES = ("rows", "columns", "checks")
"""What the images show; the label is the position in this list."""
SIDE = 16
"""Height and width of the images."""
MEAN, STD = 0.5, 0.33
"""Of all training pixels, as shares of the full range."""
TRAIN_EXAMPLES, VALIDATION_EXAMPLES = 240, 60

_NOISE = 24.0


def training_examples() -> tuple[np.ndarray, np.ndarray]:
    """Return the images to train on: uint8 `[examples, height, width, 3]`, and int64 labels `[examples]`."""
    return _examples(TRAIN_EXAMPLES, seed=0)


def validation_examples() -> tuple[np.ndarray, np.ndarray]:
    """Return the images to validate on, as `training_examples` does."""
    return _examples(VALIDATION_EXAMPLES, seed=1)


def _examples(count: int, *, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Draw stripes and checks of random width, place, colours and noise; each class equally often."""
    random = np.random.default_rng(seed)
    labels = np.arange(count) % len(CLASSES)
    images = np.zeros([count, SIDE, SIDE, 3], np.uint8)
    for image, label in zip(images, labels, strict=True):
        width, shift = random.integers(2, 5), random.integers(0, 8, [2])
        rows, columns = (np.arange(SIDE) + shift[:, np.newaxis]) // width % 2
        pattern = {
            "rows": rows[:, np.newaxis] | np.zeros_like(columns),
            "columns": columns | np.zeros_like(rows)[:, np.newaxis],
            "checks": rows[:, np.newaxis] ^ columns,
        }[CLASSES[label]]
        dark, light = random.integers(0, 100, [3]), random.integers(156, 256, [3])
        pixels = np.where(pattern[..., np.newaxis], light, dark) + random.normal(0, _NOISE, image.shape)
        image[:] = np.clip(np.rint(pixels), 0, 255)
    return images, labels
