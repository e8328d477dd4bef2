"""S110 image-leaf: images are written as they are, at most max_outputs of them; other shapes are refused by name."""

from __future__ import annotations

from typing import Any

import numpy as np
from assay.conformance.context import Context
from assay.conformance.harness import summaries
from assay.conformance.harness.refusals import names
from assay.conformance.lazy import tf
from assay.conformance.model import Level, Mode, NotApplicable, Rule, SubjectError, Violation
from assay.conformance.specimens import IMAGE_MANAGER, SoundImageManager

RULE = Rule(
    id="S110",
    slug="image-leaf",
    level=Level.MUST,
    requirement=(
        "A manager that takes images writes [n, h, w, c], uint8 or float in [0, 1], at most `max_outputs`, and refuses "
        "other shapes by name."
    ),
    checks=(
        "Writes uint8 images, the same as floats, grey ones, and more than `max_outputs`, decodes the event files and "
        "compares pixels and numbers. An array without the batch dimension must be refused with its path. Images are "
        "recognised by a sample with arrays [n, h, w, c] or by the trait `takes_images`; their key begins with "
        "`image_prefix`. `max_outputs` is given to a factory that takes it, else the trait of that name is what counts."
    ),
    why=(
        "Images are the largest thing in an event file. TensorFlow's own limit of 3 hides the fourth example, and no "
        "limit fills the disk. Floats that were not divided by 255 become white rectangles, and an image without its "
        "batch dimension fails in a rank check that does not say which of twenty summaries it was."
    ),
    bad="""
tf.summary.image(tag, images, step=step)  # three of them; floats above 1 are white
""",
    good="""
if images.ndim != 4 or images.shape[-1] not in (1, 3, 4):
    raise ValueError(f"The image {path!r} must be [n, h, w, c]; received {images.shape}.")
tf.summary.image(tag, images, step=step, max_outputs=self.max_outputs)
""",
    modes=(Mode.EAGER,),
    traits=("takes_images", "image_prefix", "max_outputs"),
)

NAME = "assay_images"
FEW, MANY, LIMIT = 2, 7, 5
HEIGHT, WIDTH = 4, 6


def check(ctx: Context) -> None:
    """Write images of each kind, too many of them, and something that is none."""
    samples = summaries.sample_images(ctx)
    if not ctx.trait("takes_images") and not samples:
        raise NotApplicable("The subject takes no images: its sample holds none, and it declares no 'takes_images'.")
    key = next(iter(samples), f"{ctx.trait('image_prefix')}{NAME}")
    with summaries.sandbox() as root:
        colours = _images(FEW, 3)
        for number, (what, images, pixels) in enumerate(
            (
                ("uint8 images", colours, colours),
                ("float images", (colours / 255.0).astype(np.float32), colours),
                ("grey images", _images(FEW, 1), _images(FEW, 1)),
            )
        ):
            _check_pixels(ctx, root / f"run{number}", key, what, images, pixels)
        _check_limit(ctx, root / "many", key)
        _check_refused(ctx, root / "bad", key)


def _check_pixels(ctx: Context, directory: Any, key: str, what: str, images: Any, pixels: np.ndarray) -> None:
    found = _written(ctx, directory, key, images)
    if len(found) != len(pixels):
        raise Violation(
            f"of {len(pixels)} {what}, {len(found)} were written",
            cause="the key is not taken for that of an image, or the batch is taken for one image",
            fix="Write every image of the batch with `tf.summary.image`, up to `max_outputs`.",
        )
    for number, (image, expected) in enumerate(zip(found, pixels, strict=True), start=1):
        if image.shape != expected.shape or not ctx.tolerance("pixels").allows(image, expected):
            far = np.abs(image.astype(int) - expected).max() if image.shape == expected.shape else "all of it"
            raise Violation(
                f"of {what}, image {number} came back as {list(image.shape)} instead of {list(expected.shape)}, up to "
                f"{far} of 255 away",
                cause="values are scaled twice, or not at all, or channels change their places",
                fix="Hand uint8 to `tf.summary.image` as it is, and floats in [0, 1].",
            )


def _check_limit(ctx: Context, directory: Any, key: str) -> None:
    given = "max_outputs" in summaries.parameters(ctx)
    limit = (ctx.trait("max_outputs") or LIMIT) if given else ctx.trait("max_outputs")
    if limit is None:
        return  # nobody says how many there may be
    options = {"max_outputs": limit} if given else {}
    found = _written(ctx, directory, key, _images(limit + MANY - LIMIT, 3), **options)
    if len(found) != limit:
        raise Violation(
            f"with max_outputs={limit}, {len(found)} of {limit + MANY - LIMIT} images were written",
            cause="max_outputs is not passed on, so that TensorFlow's own limit of 3, or none, holds",
            fix="Pass `max_outputs=self.max_outputs` to `tf.summary.image`.",
        )


def _check_refused(ctx: Context, directory: Any, key: str) -> None:
    name = key.rpartition("/")[2]
    for what, bad in (("[h, w, c]", _images(1, 3)[0]), ("a vector", np.zeros(3, np.float32))):
        try:
            found = _written(ctx, directory, key, bad)
        except SubjectError as error:
            if names(error.original, name):
                continue
            said = " ".join(str(error.original).split())
            raise Violation(
                f"for {what} at {key!r} the manager raised {type(error.original).__name__}: {said[:160]}, which does "
                "not name it",
                cause="the array is handed to TensorFlow without a look at its shape",
                fix="Check the shape first, and name the path of the image that is refused.",
            ) from error
        raise Violation(
            f"{what} at {key!r} was taken without a word, and {len(found)} images were written for it",
            cause="what is no batch of images is passed over or forced into one",
            fix="Raise a ValueError that names the path and the shape.",
        )


def _written(ctx: Context, directory: Any, key: str, images: Any, **options: Any) -> list[np.ndarray]:
    """Write images and return what is in the event files, decoded."""
    with summaries.managed(ctx, directory, **options) as one:
        one.write({key: images}, step=1)
        records = [record for record in one.finish() if isinstance(record.value, list)]
    return [np.asarray(tf.io.decode_image(image)) for record in records for image in record.value]


def _images(count: int, channels: int) -> np.ndarray:
    """Images `[count, HEIGHT, WIDTH, channels]` uint8, of which no two pixels or channels are alike by chance."""
    return np.random.default_rng(0).integers(0, 256, size=(count, HEIGHT, WIDTH, channels)).astype(np.uint8)


class _OwnLimit(SoundImageManager):
    def emit_image(self, tag: str, image: np.ndarray, step: int) -> None:
        tf.summary.image(tag, image, step=step)


class _NoLimit(SoundImageManager):
    def emit_image(self, tag: str, image: np.ndarray, step: int) -> None:
        tf.summary.image(tag, image, step=step, max_outputs=len(image))


class _DividesAll(SoundImageManager):
    def emit_image(self, tag: str, image: np.ndarray, step: int) -> None:
        super().emit_image(tag, (image / 255.0).astype(np.float32), step)


class _HandsOver(SoundImageManager):
    def image(self, where: str, image: np.ndarray) -> np.ndarray:
        return image


class _AddsADimension(SoundImageManager):
    def image(self, where: str, image: np.ndarray) -> np.ndarray:
        return super().image(where, image[None] if image.ndim == 3 else image)


class _BlueFirst(SoundImageManager):
    def emit_image(self, tag: str, image: np.ndarray, step: int) -> None:
        super().emit_image(tag, image[..., ::-1], step)


MUTANTS = (
    IMAGE_MANAGER.replace(factory=_OwnLimit, name="TensorFlow's own limit"),
    IMAGE_MANAGER.replace(factory=_NoLimit, name="no limit"),
    IMAGE_MANAGER.replace(factory=_DividesAll, name="divides floats by 255 as well"),
    IMAGE_MANAGER.replace(factory=_HandsOver, name="hands any shape to TensorFlow"),
    IMAGE_MANAGER.replace(factory=_AddsADimension, name="takes one image for a batch"),
    IMAGE_MANAGER.replace(factory=_BlueFirst, name="exchanges channels"),
)
TWIN = IMAGE_MANAGER
