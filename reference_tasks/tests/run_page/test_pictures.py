"""Pictures of arrays."""

import base64

import numpy as np
import pytest
import tensorflow as tf
from assay.reference_tasks.run_page.pictures import colour_of, data_uri, hex_colour_of, label_picture


@pytest.mark.parametrize("channels", [1, 3])
def test_address_holds_the_pixels(channels):
    image = np.random.default_rng(0).integers(0, 256, [5, 4, channels], np.uint8)
    kind, _, encoded = data_uri(image).partition(",")

    assert kind == "data:image/png;base64"
    np.testing.assert_array_equal(tf.io.decode_png(base64.b64decode(encoded)), image)


def test_colours_of_classes_differ():
    colours = np.array([colour_of(number) for number in range(20)], int)
    distances = np.abs(colours[:, np.newaxis] - colours).sum(-1) + 1000 * np.eye(20, dtype=int)

    assert distances.min() > 30


def test_colour_is_written_as_html_has_it():
    assert hex_colour_of(3) == "#{:02x}{:02x}{:02x}".format(*colour_of(3))


def test_labels_colour_their_pixels_and_background_stays_grey():
    image = np.full([8, 8, 3], 100, np.uint8)
    labels = np.zeros([8, 8], int)
    labels[2, 3], labels[5, 5] = 1, 2
    shown = label_picture(image, labels)

    np.testing.assert_array_equal(shown[0, 0], [100] * 3)
    for place, class_id in (((2, 3), 1), ((5, 5), 2)):
        np.testing.assert_array_equal(shown[place], np.rint(0.4 * 100 + 0.6 * np.array(colour_of(class_id))))


def test_ignored_pixels_are_striped():
    shown = label_picture(np.zeros([16, 16, 1], np.uint8), np.full([16, 16], 255))

    assert set(np.unique(shown)) == {0, 153}
    assert np.mean(shown > 0) == pytest.approx(0.5, abs=0.1)
