"""What the parser makes of a record: sizes, padding, labels, and that all that is random follows from the seed."""

import numpy as np
import pytest
import tensorflow as tf
from assay.reference_tasks.segmentation.config import SegmentationDataConfig
from assay.reference_tasks.segmentation.inputs import Parser
from assay.reference_tasks.vision.images.affine import AffineConfig
from assay.reference_tasks.vision.images.photometric import PhotometricConfig

MEAN, STD = (0.2, 0.4, 0.6), (0.1, 0.2, 0.3)


def seed(number):
    return tf.constant([number, 9], tf.int64)


def record(height=12, width=20, square=4):
    """The pixels of class c have the colour 10 * c, so that image and label map can be compared."""
    mask = np.random.default_rng(0).integers(0, 11, [height // square, width // square, 1])
    mask = mask.repeat(square, 0).repeat(square, 1)
    return {
        "source": tf.constant("data, record 3"),
        "image": tf.constant(np.repeat(mask * 10, 3, -1), tf.uint8),
        "mask": tf.constant(mask, tf.int32),
    }


def parser(is_training=True, **changes):
    options = {"output_size": [24, 24], "image_mean": MEAN, "image_std": STD, "aug_rand_hflip": False} | changes
    return Parser(SegmentationDataConfig(is_training=is_training, **options))


def pixels(image):
    return (image.numpy() * STD + MEAN) * 255


def test_evaluation_pads_to_the_size_and_marks_the_padding():
    image, labels = parser(is_training=False).parse_eval(record())
    valid = labels["valid_masks"].numpy()[..., 0]

    assert {name: (tuple(value.shape), value.dtype.name) for name, value in labels.items()} == {
        "masks": ((24, 24, 1), "int32"),
        "valid_masks": ((24, 24, 1), "bool"),
        "image_info": ((4, 2), "float32"),
    }
    np.testing.assert_allclose(labels["image_info"], [[12, 20], [24, 24], [14 / 12, 1.2], [0, 0]], rtol=1e-6)
    assert valid[:14].all()
    assert not valid[14:].any()
    assert (labels["masks"].numpy()[14:] == 255).all()
    np.testing.assert_allclose(image[14:], 0, atol=1e-5)


def test_ignored_pixels_of_the_data_do_not_count():
    one = record()
    one["mask"] = tf.where(one["mask"] == 3, 255, one["mask"])
    _, labels = parser(is_training=False, output_size=[12, 20]).parse_eval(one)

    np.testing.assert_array_equal(labels["valid_masks"], one["mask"].numpy() != 255)


def test_evaluation_at_the_original_size_keeps_the_label_map():
    options = {"resize_eval_groundtruth": False, "groundtruth_padded_size": [16, 22]}
    image, labels = parser(is_training=False, **options).parse_eval(record())
    masks = labels["masks"].numpy()

    assert image.shape == [24, 24, 3]
    assert masks.shape == (16, 22, 1)
    np.testing.assert_array_equal(masks[:12, :20], record()["mask"])
    assert (masks[12:] == 255).all()
    assert (masks[:, 20:] == 255).all()


def test_label_map_larger_than_the_padded_size_is_named():
    options = {"resize_eval_groundtruth": False, "groundtruth_padded_size": [16, 19]}

    with pytest.raises(
        tf.errors.InvalidArgumentError, match=r"data, record 3: .*12 by 20 pixels, more than .*16 by 19"
    ):
        parser(is_training=False, **options).parse_eval(record())


@pytest.mark.parametrize(
    "options",
    [
        {"aug_rand_hflip": False},
        {"aug_rand_hflip": True},
        {"aug_affine": AffineConfig(max_shift=0.1, max_rotation=20.0, max_shear=20.0, max_stretch=1.3)},
    ],
    ids=["scaled", "mirrored", "another shape"],
)
def test_image_and_label_map_are_augmented_alike(options):
    augmented = parser(crop_size=[40, 40], aug_scale_min=2.0, aug_scale_max=4.0, **options)
    reach, compared = 5, 0
    for number in range(10):
        image, labels = augmented.parse_train(record(36, 60, square=12), seed(number))
        masks, shown = labels["masks"].numpy()[..., 0], pixels(image)
        # Away from the borders between classes, an enlarged image has the colour of its class.
        around = np.lib.stride_tricks.sliding_window_view(masks, (2 * reach + 1, 2 * reach + 1))
        inner = (slice(reach, -reach), slice(reach, -reach))
        alike = (around.min(axis=(2, 3)) == around.max(axis=(2, 3))) & (masks[inner] < 255)

        np.testing.assert_array_equal(labels["image_info"][1], [40, 40])
        compared += alike.any()
        for channel in range(3):
            colours = shown[(*inner, channel)][alike]
            np.testing.assert_allclose(colours, 10 * masks[inner][alike], atol=0.01)
    assert compared >= 5


def test_pixels_follow_from_the_seed():
    light = PhotometricConfig(brightness=0.2, hue=0.2)
    shape = AffineConfig(max_rotation=30.0)
    augmented = parser(
        aug_scale_min=0.5, aug_scale_max=2.0, aug_rand_hflip=True, aug_affine=shape, aug_photometric=light
    )
    one, again, other = (augmented.parse_train(record(), seed(number)) for number in (1, 1, 2))

    np.testing.assert_array_equal(one[0], again[0])
    tf.nest.map_structure(np.testing.assert_array_equal, one[1], again[1])
    assert not np.array_equal(one[0], other[0])


def test_dtype_of_images_is_the_one_asked_for():
    image, _ = parser(is_training=False, dtype="bfloat16").parse_eval(record())

    assert image.dtype == tf.bfloat16
