"""Crops and transforms against plain NumPy."""

import numpy as np
import pytest
import tensorflow as tf
from assay.reference_tasks.classification.inputs import augmentation
from hypothesis import given, settings
from hypothesis import strategies as st


def picture(height=8, width=8, channels=1, seed=0):
    return np.random.default_rng(seed).uniform(0, 255, [height, width, channels]).astype(np.float32)


def seed(number):
    return tf.constant([7, number], tf.int64)


def affine(image, number=0, **changes):
    options = {"max_shift": 0.0, "scale_range": (1.0, 1.0), "max_rotation": 0.0} | changes
    return augmentation.random_affine(tf.constant(image), seed=seed(number), **options).numpy()


def affine_oracle(image, *, angle, scale, shift_x, shift_y):
    """Move each output pixel back to where it came from, interpolating between the four pixels around; 0 outside."""
    height, width, channels = image.shape
    result = np.zeros([height, width, channels])
    middle_x, middle_y = (width - 1) / 2, (height - 1) / 2
    for y in range(height):
        for x in range(width):
            dx, dy = x - middle_x - shift_x, y - middle_y - shift_y
            from_x = middle_x + (np.cos(angle) * dx + np.sin(angle) * dy) / scale
            from_y = middle_y + (-np.sin(angle) * dx + np.cos(angle) * dy) / scale
            left, top = int(np.floor(from_x)), int(np.floor(from_y))
            for row, column in ((top, left), (top, left + 1), (top + 1, left), (top + 1, left + 1)):
                if 0 <= row < height and 0 <= column < width:
                    weight = (1 - abs(from_x - column)) * (1 - abs(from_y - row))
                    result[y, x] += weight * image[row, column]
    return result


def test_affine_without_freedom_changes_nothing():
    image = picture(6, 9, 3)

    np.testing.assert_allclose(affine(image), image, atol=1e-3)


@settings(max_examples=25)
@given(number=st.integers(0, 10_000), height=st.integers(2, 9), width=st.integers(2, 9))
def test_affine_agrees_with_the_oracle(number, height, width):
    image = picture(height, width, 2)
    got = affine(image, number, max_shift=0.3, scale_range=(0.7, 1.5), max_rotation=40.0)

    draws = tf.random.stateless_uniform([4], seed(number), -1.0, 1.0).numpy().astype(np.float64)
    low, high = np.log([0.7, 1.5])
    expected = affine_oracle(
        image.astype(np.float64),
        angle=draws[0] * np.radians(40.0),
        scale=np.exp((low + high) / 2 + draws[1] * (high - low) / 2),
        shift_x=draws[2] * 0.3 * width,
        shift_y=draws[3] * 0.3 * height,
    )
    np.testing.assert_allclose(got, expected, atol=0.05)


def test_shift_stays_within_its_limit():
    image = np.zeros([9, 9, 1], np.float32)
    image[4, 4] = 1.0
    positions = []
    for number in range(60):
        moved = affine(image, number, max_shift=2 / 9)
        weights = moved[..., 0] / moved.sum()
        positions.append([(weights.sum(axis) * np.arange(9)).sum() - 4 for axis in (1, 0)])

    assert np.abs(positions).max() <= 2.0 + 1e-4
    assert np.abs(positions).max() > 1.5


@pytest.mark.parametrize("size", [(8, 8), (5, 7)])
def test_whole_center_of_the_right_size_is_the_image(size):
    image = picture(*size, 3)

    np.testing.assert_array_equal(augmentation.center_crop(tf.constant(image), size, fraction=1.0), image)


def test_center_crop_cuts_the_middle():
    image = picture(16, 24, 1)
    cropped = augmentation.center_crop(tf.constant(image), (8, 8), fraction=0.5)

    np.testing.assert_array_equal(cropped, image[4:12, 8:16])


def test_center_crop_keeps_the_aspect_ratio_of_the_result():
    image = picture(16, 16, 1)
    cropped = augmentation.center_crop(tf.constant(image), (4, 16), fraction=1.0)

    np.testing.assert_array_equal(cropped, image[6:10])


def test_center_crop_enlarges_small_images():
    cropped = augmentation.center_crop(tf.ones([2, 3, 1], tf.uint8), (8, 8), fraction=0.875)

    assert cropped.dtype == tf.float32
    np.testing.assert_array_equal(cropped, np.ones([8, 8, 1]))


@settings(max_examples=30)
@given(
    number=st.integers(0, 10_000), height=st.integers(1, 40), width=st.integers(1, 40), smallest=st.floats(0.05, 1.0)
)
def test_random_crop_has_the_size_and_range_asked_for(number, height, width, smallest):
    image = picture(height, width, 3)
    cropped = augmentation.random_resized_crop(
        tf.constant(image), (6, 5), seed=seed(number), area_range=(smallest, 1.0)
    ).numpy()

    assert cropped.shape == (6, 5, 3)
    assert image.min() - 1e-3 <= cropped.min() <= cropped.max() <= image.max() + 1e-3


def test_random_crop_covers_the_share_of_area_asked_for():
    # The image holds its own coordinates, so a crop tells where it came from.
    coordinates = np.stack(np.meshgrid(np.arange(100.0), np.arange(100.0)), axis=-1).astype(np.float32)
    shares = []
    for number in range(60):
        cropped = augmentation.random_resized_crop(
            tf.constant(coordinates), (50, 50), seed=seed(number), area_range=(0.25, 0.5)
        ).numpy()
        width, height = np.ptp(cropped, axis=(0, 1)) * 50 / 49
        shares.append(width * height / 100**2)

    assert 0.2 < min(shares) < 0.3
    assert 0.45 < max(shares) < 0.55


def test_flip_mirrors_half_of_the_images():
    image = picture()
    flipped = [augmentation.random_flip(tf.constant(image), seed=seed(number)).numpy() for number in range(100)]
    mirrored = sum(np.array_equal(result, image[:, ::-1]) for result in flipped)

    assert all(np.array_equal(result, image) or np.array_equal(result, image[:, ::-1]) for result in flipped)
    assert 35 <= mirrored <= 65
