"""Crops against plain NumPy."""

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
