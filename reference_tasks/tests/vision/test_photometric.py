"""Light and normalisation of images, against NumPy."""

import numpy as np
import pytest
import tensorflow as tf
from assay.core import ConfigError
from assay.reference_tasks.vision.images.normalization import normalize
from assay.reference_tasks.vision.images.photometric import PhotometricConfig, distort_light


def seed(number):
    return tf.constant([number, 5], tf.int64)


def photo(channels=3):
    return np.random.default_rng(0).integers(60, 190, [6, 5, channels]).astype(np.uint8)


def distorted(image, number=0, **options):
    return distort_light(tf.constant(image), PhotometricConfig(**options), seed=seed(number)).numpy()


def test_normalize_divides_by_the_full_range():
    image = photo().astype(np.float32)
    mean, std = np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225])

    np.testing.assert_allclose(
        normalize(tf.constant(image), mean=tuple(mean), std=tuple(std)),
        (image.astype(np.float64) / 255 - mean) / std,
        rtol=1e-5,
        atol=1e-5,
    )


def test_brightness_shifts_all_pixels_alike_within_its_range():
    image = photo()
    shifts = np.stack([distorted(image, number, brightness=0.2) - image for number in range(60)]) / 255

    np.testing.assert_allclose(np.ptp(shifts, axis=(1, 2, 3)), 0, atol=1e-5)
    assert -0.2 <= shifts.min() < -0.12
    assert 0.12 < shifts.max() <= 0.2 + 1e-6


def test_contrast_changes_the_distance_from_the_mean_of_each_channel():
    image = photo().astype(np.float64)
    mean = image.mean(axis=(0, 1))
    factors = np.stack([(distorted(photo(), number, contrast=0.3) - mean) / (image - mean) for number in range(60)])

    np.testing.assert_allclose(np.ptp(factors, axis=(1, 2, 3)), 0, atol=1e-3)
    assert 0.7 - 1e-4 <= factors.min() < 0.8
    assert 1.2 < factors.max() <= 1.3 + 1e-4


def test_saturation_and_hue_leave_grey_pixels_alone_and_move_coloured_ones():
    grey = np.repeat(photo(1), 3, axis=-1)

    np.testing.assert_allclose(distorted(grey, saturation=0.5, hue=0.5), grey, atol=0.01)
    for option in ({"saturation": 0.5}, {"hue": 0.2}):
        image = photo()
        moved = distorted(image, **option)
        np.testing.assert_allclose(moved.max(axis=-1), image.max(axis=-1), atol=0.01)  # the value of HSV
        assert np.abs(moved - image).max() > 1


@pytest.mark.parametrize("channels", [1, 3, 4])
def test_light_follows_from_the_seed_and_stays_in_range(channels):
    options = {"brightness": 1.0, "contrast": 1.0, "saturation": 1.0, "hue": 0.5}
    one, again, other = (distorted(photo(channels), number, **options) for number in (0, 0, 1))

    np.testing.assert_array_equal(one, again)
    assert not np.array_equal(one, other)
    assert (one.shape, one.dtype) == ((6, 5, channels), np.float32)
    assert all(image.min() >= 0 and image.max() <= 255 for image in (one, other))


def test_without_options_the_image_stays():
    np.testing.assert_allclose(distorted(photo()), photo(), atol=1e-4)


def test_options_out_of_range_are_refused_by_name():
    with pytest.raises(ConfigError, match=r"hue: must be from 0 to 0.5; received 0.7"):
        PhotometricConfig(hue=0.7).validate()
