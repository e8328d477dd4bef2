"""Composes one scene from its seed: what lies where, what hides what, and what is left to see of each object."""

import dataclasses

import numpy as np

from tools.digit_scenes.pixels import PHOTOS, Placement, crop, draw

SIZE = 128  # rows and columns of a scene
SCENE_SEED = 8
SPLITS = ("train", "validation")

# Columns of the photographs that each split may show.
PHOTO_COLUMNS = {"train": (0, 384), "validation": (384, 640)}
CROP_SIDES = (96, 176)
BRIGHTNESS = (0.75, 1.2)

EMPTY_SHARE = 0.05
CROWD_SHARE = 0.06
DIGITS = (1, 5)
DIGIT_SIZES = (16, 56)
LARGEST_TURN = 0.22  # tangent of the half angle: 24.8 degrees to either side, so that a 6 is no 9

CROWD_DIGITS = (8, 14)
CROWD_DIGIT_SIZES = (11, 15)
CROWD_SIDES = (44, 64)

TRIES = 12  # places tried for a digit
LEAST_VISIBLE = 0.5  # of a digit, or of a crowd; a digit that would hide more of another goes elsewhere
LEAST_PIXELS = 20
LEAST_CONTRAST = 60  # of the ink to what it covers, in levels of brightness
SHADING = 0.25  # how much lighter or darker the ink becomes towards one side
OPACITY = (0.85, 1.0)


@dataclasses.dataclass
class Instance:
    """One digit, or one crowd of digits of one class.

    Attributes:
        digit: 0 to 9.
        pixels: Pixels that it covers, hidden ones and those outside of the scene included.
        mask: bool `[128, 128]`, what is visible of it.
        is_crowd: Whether it is many digits that are not told apart.
    """

    digit: int
    pixels: int
    mask: np.ndarray
    is_crowd: bool = False

    @property
    def area(self) -> int:
        """The number of visible pixels."""
        return int(self.mask.sum())

    @property
    def box(self) -> tuple[int, int, int, int]:
        """The tight box of what is visible: ymin, xmin, ymax, xmax in pixels, the last two exclusive."""
        rows, columns = np.flatnonzero(self.mask.any(axis=1)), np.flatnonzero(self.mask.any(axis=0))
        return int(rows[0]), int(columns[0]), int(rows[-1]) + 1, int(columns[-1]) + 1


@dataclasses.dataclass
class Scene:
    """An image and all that is known about it.

    Attributes:
        image: uint8 `[128, 128, 3]`.
        instances: What is visible, from the back to the front.
    """

    image: np.ndarray
    instances: list[Instance]

    @property
    def label_map(self) -> np.ndarray:
        """uint8 `[128, 128]`: 0 is background, 1 to 10 the digits 0 to 9."""
        labels = np.zeros([SIZE, SIZE], np.uint8)
        for instance in self.instances:
            labels[instance.mask] = instance.digit + 1
        return labels


class Composer:
    """Composes the scenes of a split.

    Args:
        split: `train` or `validation`.
        photos: The photographs, by name.
        digits: `[rows, 8, 8]` counts of ink, those of the split alone.
        labels: `[rows]`, 0 to 9.
    """

    def __init__(self, split: str, photos: dict[str, np.ndarray], digits: np.ndarray, labels: np.ndarray) -> None:
        self._split = split
        self._photos = photos
        self._digits = digits
        self._labels = labels

    def scene(self, number: int) -> Scene:
        """Return a scene; the same each time, however many there are."""
        random = np.random.RandomState([SCENE_SEED, SPLITS.index(self._split), number])
        canvas = self._background(random)
        instances: list[Instance] = []
        chance = random.random_sample()
        if chance >= EMPTY_SHARE:
            if chance < EMPTY_SHARE + CROWD_SHARE:
                canvas = self._add_crowd(random, canvas, instances)
            for _ in range(_between(random, DIGITS)):
                canvas = self._add_digit(random, canvas, instances)
        return Scene(np.rint(np.clip(canvas, 0, 255)).astype(np.uint8), instances)

    def _background(self, random: np.random.RandomState) -> np.ndarray:
        photo = self._photos[PHOTOS[random.randint(len(PHOTOS))]]
        first, end = PHOTO_COLUMNS[self._split]
        side = _between(random, CROP_SIDES)
        top, left = random.randint(photo.shape[0] - side + 1), first + random.randint(end - first - side + 1)
        square = crop(photo, top=top, left=left, side=side, size=SIZE, mirrored=bool(random.randint(2)))
        return np.clip(square * random.uniform(*BRIGHTNESS), 0, 255)

    def _add_digit(self, random: np.random.RandomState, canvas: np.ndarray, instances: list[Instance]) -> np.ndarray:
        """Draw a digit where it hides no other one too much, if there is such a place among those tried."""
        row = random.randint(len(self._digits))
        for _ in range(TRIES):
            size = random.uniform(*DIGIT_SIZES)
            margin = size * 0.4
            centre = (random.uniform(margin, SIZE - margin), random.uniform(margin, SIZE - margin))
            turn = random.uniform(-LARGEST_TURN, LARGEST_TURN)
            cover, pixels = draw(self._digits[row], Placement(centre, size, turn), SIZE)
            added = Instance(int(self._labels[row]), pixels, cover >= 0.5)
            if _is_visible(added, added.area) and all(
                _is_visible(other, int((other.mask & ~added.mask).sum())) for other in instances
            ):
                _put_in_front(added, instances)
                return _painted(random, canvas, cover)
        return canvas

    def _add_crowd(self, random: np.random.RandomState, canvas: np.ndarray, instances: list[Instance]) -> np.ndarray:
        """Draw many small digits of one class close together."""
        digit = random.randint(10)
        rows = np.flatnonzero(self._labels == digit)
        side = _between(random, CROWD_SIDES)
        top, left = random.randint(SIZE - side + 1), random.randint(SIZE - side + 1)
        mask = np.zeros([SIZE, SIZE], bool)
        for _ in range(_between(random, CROWD_DIGITS)):
            size = random.uniform(*CROWD_DIGIT_SIZES)
            centre = (top + random.uniform(size / 2, side - size / 2), left + random.uniform(size / 2, side - size / 2))
            turn = random.uniform(-LARGEST_TURN, LARGEST_TURN)
            cover, _ = draw(self._digits[rows[random.randint(len(rows))]], Placement(centre, size, turn), SIZE)
            canvas = _painted(random, canvas, cover)
            mask |= cover >= 0.5
        instances.append(Instance(digit, int(mask.sum()), mask, is_crowd=True))
        return canvas


def _between(random: np.random.RandomState, bounds: tuple[int, int]) -> int:
    return int(random.randint(bounds[0], bounds[1] + 1))


def _is_visible(instance: Instance, area: int) -> bool:
    return area >= max(LEAST_PIXELS, LEAST_VISIBLE * instance.pixels)


def _put_in_front(added: Instance, instances: list[Instance]) -> None:
    for other in instances:
        other.mask = other.mask & ~added.mask
    instances.append(added)


def _painted(random: np.random.RandomState, canvas: np.ndarray, cover: np.ndarray) -> np.ndarray:
    """Return the canvas under ink of a random colour, shaded towards one side, that stands out from what it covers."""
    covered = np.rint(canvas[cover >= 0.5]).astype(np.int64)
    behind = _brightness(covered.sum(axis=0) // max(len(covered), 1))
    for _ in range(TRIES):
        colour = random.randint(0, 256, 3)
        if abs(_brightness(colour) - behind) >= LEAST_CONTRAST:
            break
    else:
        colour = np.full(3, 0 if behind >= 128 else 255)
    slope_down, slope_right = random.uniform(-SHADING, SHADING, 2)
    place = np.arange(SIZE) / SIZE - 0.5
    shade = 1 + slope_down * place[:, None] + slope_right * place[None, :]
    ink = np.clip(colour[None, None, :] * shade[..., None], 0, 255)
    share = (cover * random.uniform(*OPACITY))[..., None]
    return canvas * (1 - share) + ink * share


def _brightness(colour: np.ndarray) -> int:
    """Return the luma of a colour, 0 to 255 (ITU-R BT.601, in thousandths)."""
    return (299 * int(colour[0]) + 587 * int(colour[1]) + 114 * int(colour[2])) // 1000
