"""Affine transforms of images and label maps against plain NumPy."""

import numpy as np
import pytest
import tensorflow as tf
from assay.core import ConfigError
from assay.reference_tasks.vision.images.affine import AffineConfig, moved, moved_mask, random_affine
from hypothesis import given, settings
from hypothesis import strategies as st


def picture(height=8, width=8, channels=1, seed=0):
    return np.random.default_rng(seed).uniform(0, 255, [height, width, channels]).astype(np.float32)


def seed(number):
    return tf.constant([7, number], tf.int64)


def affine(image, number=0, **changes):
    return moved(tf.constant(image), random_affine(image.shape[:2], AffineConfig(**changes), seed=seed(number))).numpy()


def matrix_and_shift(number, config, height, width):
    """What the draws of a seed mean: the matrix from (x, y) around the middle to where that goes, and the shift."""
    draws = tf.random.stateless_uniform([4], seed(number), -1.0, 1.0).numpy().astype(np.float64)
    forms = tf.random.stateless_uniform([2], tf.random.experimental.stateless_fold_in(seed(number), 1), -1.0, 1.0)
    slant, stretch = forms.numpy().astype(np.float64)
    low, high = np.log([config.min_scale, config.max_scale])
    angle, scale = draws[0] * np.radians(config.max_rotation), np.exp((low + high) / 2 + draws[1] * (high - low) / 2)
    stretch, slant = np.exp(stretch * np.log(config.max_stretch)), np.tan(slant * np.radians(config.max_shear))
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    matrix = scale * turn @ np.array([[stretch, slant], [0, 1 / stretch]])
    return matrix, draws[2:] * config.max_shift * np.array([width, height])


def origins(number, config, height, width):
    """Where each pixel comes from, `[height, width, 2]` of (x, y)."""
    matrix, shift = matrix_and_shift(number, config, height, width)
    middle = np.array([width - 1, height - 1]) / 2
    places = np.stack(np.meshgrid(np.arange(width), np.arange(height)), axis=-1)
    return (places - middle - shift) @ np.linalg.inv(matrix).T + middle


def moved_oracle(image, places):
    """Interpolate between the four pixels around; 0 outside."""
    height, width, channels = image.shape
    result = np.zeros([height, width, channels])
    for y in range(height):
        for x in range(width):
            from_x, from_y = places[y, x]
            left, top = int(np.floor(from_x)), int(np.floor(from_y))
            for row, column in ((top, left), (top, left + 1), (top + 1, left), (top + 1, left + 1)):
                if 0 <= row < height and 0 <= column < width:
                    weight = (1 - abs(from_x - column)) * (1 - abs(from_y - row))
                    result[y, x] += weight * image[row, column]
    return result


ANY = AffineConfig(max_shift=0.3, min_scale=0.7, max_scale=1.5, max_rotation=40.0, max_shear=30.0, max_stretch=1.4)


def test_affine_without_freedom_changes_nothing():
    image = picture(6, 9, 3)

    np.testing.assert_allclose(affine(image), image, atol=1e-3)


@settings(max_examples=25)
@given(number=st.integers(0, 10_000), height=st.integers(2, 9), width=st.integers(2, 9))
def test_images_go_where_the_draws_say(number, height, width):
    image = picture(height, width, 2)
    got = moved(tf.constant(image), random_affine([height, width], ANY, seed=seed(number)))

    expected = moved_oracle(image.astype(np.float64), origins(number, ANY, height, width))
    np.testing.assert_allclose(got, expected, atol=0.05)


@settings(max_examples=25)
@given(number=st.integers(0, 10_000), height=st.integers(2, 9), width=st.integers(2, 9))
def test_label_maps_take_the_nearest_pixel(number, height, width):
    mask = np.random.default_rng(number).integers(0, 255, [height, width, 1], np.uint8)
    got = moved_mask(tf.constant(mask), random_affine([height, width], ANY, seed=seed(number)), fill=255)

    places = origins(number, ANY, height, width)
    nearest = np.rint(places).astype(int)
    inside = ((nearest >= 0) & (nearest < [width, height])).all(axis=-1)
    column, row = np.clip(nearest, 0, [width - 1, height - 1]).transpose(2, 0, 1)
    expected = np.where(inside, mask[row, column, 0], 255)
    clear = (np.abs(places - np.floor(places) - 0.5) > 1e-3).all(axis=-1)  # elsewhere rounding decides
    assert got.dtype == tf.uint8
    np.testing.assert_array_equal(got[..., 0].numpy()[clear], expected[clear])


def test_what_comes_in_from_outside_is_the_filling():
    away = AffineConfig(max_shift=1.0)
    number = next(n for n in range(100) if np.abs(matrix_and_shift(n, away, 8, 8)[1]).max() > 4)
    shift = np.rint(matrix_and_shift(number, away, 8, 8)[1])
    result = moved(tf.ones([8, 8, 3], tf.uint8), random_affine([8, 8], away, seed=seed(number)), fill=[5.0, 6.0, 7.0])
    corner = result[0 if shift[1] > 0 else -1, 0 if shift[0] > 0 else -1]

    np.testing.assert_allclose(corner, [5.0, 6.0, 7.0], atol=1e-5)


def test_shift_stays_within_its_limit():
    image = np.zeros([9, 9, 1], np.float32)
    image[4, 4] = 1.0
    positions = []
    for number in range(60):
        result = affine(image, number, max_shift=2 / 9)
        weights = result[..., 0] / result.sum()
        positions.append([(weights.sum(axis) * np.arange(9)).sum() - 4 for axis in (1, 0)])

    assert np.abs(positions).max() <= 2.0 + 1e-4
    assert np.abs(positions).max() > 1.5


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"max_shear": 90.0}, r"max_shear: must be in degrees, from 0 to below 90; received 90"),
        ({"max_stretch": 0.5}, r"max_stretch: must be at least 1; received 0\.5"),
        ({"max_rotation": -1.0}, r"max_rotation: must not be negative"),
    ],
)
def test_numbers_out_of_range_are_named(changes, message):
    with pytest.raises(ConfigError, match=message):
        AffineConfig(**changes).validate()
