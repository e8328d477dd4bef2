"""Placement of images and masks, against resizing, cutting and padding one after the other."""

import numpy as np
import pytest
import tensorflow as tf
from assay.reference_tasks.vision.images.geometry import (
    mirrored,
    place_image,
    place_mask,
    placement,
    random_flip,
)
from hypothesis import given, settings
from hypothesis import strategies as st

SEEDS = st.tuples(st.integers(0, 2**62), st.integers(0, 2**62))
SIDES = st.integers(1, 13)
SIZES = st.tuples(SIDES, SIDES)


def photo(height, width, channels=3):
    return np.random.default_rng(height * 31 + width).integers(0, 256, [height, width, channels]).astype(np.uint8)


def by_steps(image, info, size, *, nearest=False, fill=0.0):
    """Resize the whole image with TensorFlow, then cut and pad with NumPy."""
    info = np.asarray(info)
    scaled = np.rint(info[0] * info[2]).astype(int)
    y, x = info[3].astype(int)
    window = info[1].astype(int)
    if nearest:
        rows, columns = (
            ((2 * np.arange(n) + 1) * side) // (2 * n) for n, side in zip(scaled, image.shape, strict=False)
        )
        whole = image[rows][:, columns]
    else:
        whole = tf.image.resize(image, scaled, method="bilinear").numpy()
    part = whole[y : y + window[0], x : x + window[1]]
    out = np.full([*size, *image.shape[2:]], fill, whole.dtype)
    out[: part.shape[0], : part.shape[1]] = part
    return out


@settings(max_examples=60)
@given(SIZES, SIZES, SIZES, st.tuples(st.floats(0.3, 1.0), st.floats(1.0, 2.5)), SEEDS, st.booleans())
def test_image_and_mask_are_placed_as_by_resizing_cutting_and_padding(original, size, window, scales, seed, keeps):
    image = photo(*original)
    info = placement(
        tf.constant(original), size, window=window, scale_range=scales, seed=tf.constant(seed, tf.int64),
        keep_aspect_ratio=keeps,
    )  # fmt: skip
    padded = [window[0] + 2, window[1] + 1]

    placed = place_image(tf.constant(image), info, padded, fill=7.0)
    mask = place_mask(tf.constant(image[..., :1], tf.int32), info, padded, fill=255)

    assert info.shape == [4, 2]
    assert (placed.shape, placed.dtype) == ([*padded, 3], tf.float32)
    np.testing.assert_allclose(placed, by_steps(image, info, padded, fill=7.0), atol=0.02)
    np.testing.assert_array_equal(mask, by_steps(image[..., :1].astype(np.int32), info, padded, nearest=True, fill=255))


@pytest.mark.parametrize(
    ("original", "scaled"), [((100, 50), (64, 32)), ((50, 100), (32, 64)), ((64, 64), (64, 64)), ((10, 10), (64, 64))]
)
def test_image_is_fitted_into_the_size_and_lies_at_the_top_left(original, scaled):
    info = placement(tf.constant(original), (64, 64)).numpy()

    np.testing.assert_array_equal(info[:2], [original, (64, 64)])
    np.testing.assert_allclose(info[2], np.divide(scaled, original), rtol=1e-6)
    np.testing.assert_array_equal(info[3], [0, 0])


def test_without_aspect_ratio_both_sides_fill_the_size():
    info = placement(tf.constant([100, 50]), (64, 32), keep_aspect_ratio=False).numpy()
    other = placement(tf.constant([10, 50]), (64, 32), keep_aspect_ratio=False).numpy()

    np.testing.assert_allclose(info[2], [0.64, 0.64], rtol=1e-6)
    np.testing.assert_allclose(other[2], [6.4, 0.64], rtol=1e-6)


@settings(max_examples=30)
@given(SIZES, SEEDS)
def test_a_constant_image_stays_so_and_padding_is_told_from_it(original, seed):
    info = placement(tf.constant(original), (16, 20), scale_range=(0.5, 2.0), seed=tf.constant(seed, tf.int64))
    placed = place_image(tf.fill([*original, 1], 9), info, (16, 20), fill=-1.0).numpy()[..., 0]
    mask = place_mask(tf.fill([*original, 1], 3), info, (16, 20), fill=255).numpy()[..., 0]

    assert set(np.unique(np.round(placed, 4))) <= {-1.0, 9.0}
    np.testing.assert_array_equal(mask == 255, np.round(placed, 4) == -1.0)
    assert mask[0, 0] == 3


def test_a_point_of_the_image_comes_to_lie_where_the_scale_and_offset_say():
    # A lone bright pixel, three times as large: its corners follow `point * scale - offset`.
    image = np.zeros([12, 12, 1], np.float32)
    image[7, 5] = 1
    for seed in range(20):
        info = placement(tf.constant([12, 12]), (24, 24), scale_range=(1.5, 1.5), seed=tf.constant([seed, 0], tf.int64))
        mask = place_mask(tf.constant(image), info, (24, 24), fill=0).numpy()[..., 0]
        scale, offset = info.numpy()[2], info.numpy()[3]
        corners = np.clip(np.array([[7, 5], [8, 6]]) * scale - offset, 0, 24)
        expected = np.zeros([24, 24])
        (top, left), (bottom, right) = corners.astype(int)
        expected[top:bottom, left:right] = 1

        np.testing.assert_array_equal(scale, [3, 3])
        np.testing.assert_array_equal(mask, expected)


def test_draws_fill_their_ranges_and_follow_from_the_seed():
    seeds = [tf.constant([seed, 1], tf.int64) for seed in range(200)]
    infos = np.stack([placement(tf.constant([40, 40]), (20, 20), scale_range=(0.5, 2), seed=seed) for seed in seeds])
    scaled = np.rint(infos[:, 0] * infos[:, 2])[:, 0]
    again = np.stack([placement(tf.constant([40, 40]), (20, 20), scale_range=(0.5, 2), seed=seed) for seed in seeds])
    room = np.maximum(scaled - 20, 0)

    np.testing.assert_array_equal(infos, again)
    assert 10 <= scaled.min() <= 12
    assert 38 <= scaled.max() <= 40
    assert (infos[:, 3] <= room[:, None]).all()
    assert np.abs((infos[room > 4, 3, 0] / room[room > 4]).mean() - 0.5) < 0.1
    assert len(np.unique(infos[:, 3, 1])) > 10


def test_half_of_the_images_are_mirrored():
    flips = [bool(random_flip(tf.constant([seed, 3], tf.int64))) for seed in range(200)]
    image = tf.constant(photo(4, 5))

    assert 70 < sum(flips) < 130
    np.testing.assert_array_equal(mirrored(image, tf.constant(True)), image.numpy()[:, ::-1])
    np.testing.assert_array_equal(mirrored(image, tf.constant(False)), image)


def test_shapes_are_static_when_the_image_is_of_unknown_size():
    @tf.function(input_signature=[tf.TensorSpec([None, None, 3], tf.uint8), tf.TensorSpec([None, None, 1], tf.int32)])
    def both(image, mask):
        info = placement(tf.shape(image)[:2], (8, 12))
        image, mask = place_image(image, info, (8, 12)), place_mask(mask, info, (8, 12), fill=255)
        assert image.shape == [8, 12, 3]
        assert mask.shape == [8, 12, 1]
        return image, mask

    image, mask = both(photo(5, 3), photo(5, 3, 1).astype(np.int32))

    assert (image.shape, mask.dtype) == ([8, 12, 3], tf.int32)
