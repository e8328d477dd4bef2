"""Images and label maps are read from TFRecords, and what is broken in them is named."""

import io

import numpy as np
import pytest
import tensorflow as tf
from assay.reference_tasks.vision.inputs import SegmentationDecoder, TFRecordReader
from assay.reference_tasks.vision.inputs.label_maps import decode_label_map, explain_label_map
from PIL import Image

IDS = np.array([[0, 1, 2], [3, 255, 0]], np.uint8)


def png(array, **options):
    content = io.BytesIO()
    array.save(content, "PNG", **options)
    return content.getvalue()


def grey(ids):
    return png(Image.fromarray(ids))


def with_palette(ids, palette):
    image = Image.fromarray(ids, "P")
    image.putpalette(palette)
    return png(image)


def example(**changes):
    values = {
        "image/encoded": png(Image.fromarray(np.full([2, 3, 3], 9, np.uint8))),
        "image/segmentation/class/encoded": grey(IDS),
        "image/height": 2,
        "image/width": 3,
        "image/source_id": b"17",
    }
    values |= {key.replace("__", "/"): value for key, value in changes.items()}
    made = tf.train.Example()
    for key, value in values.items():
        if value is not None:
            feature = made.features.feature[key]
            (feature.bytes_list if isinstance(value, bytes) else feature.int64_list).value.append(value)
    return made.SerializeToString()


@pytest.fixture
def read(tmp_path):
    def read(*records, **options):
        path = str(tmp_path / "maps.tfrecord")
        with tf.io.TFRecordWriter(path) as writer:
            for record in records:
                writer.write(record)
        reader = TFRecordReader(path, SegmentationDecoder(**options))
        return list(reader.decode(reader.records()).as_numpy_iterator())

    return read


def ids_of(encoded):
    return decode_label_map(tf.constant(encoded))[..., 0]


def test_record_has_image_mask_and_id(read):
    (record,) = read(example())

    assert (record["image"].shape, record["image"].dtype) == ((2, 3, 3), np.uint8)
    assert record["mask"].dtype == np.int32
    np.testing.assert_array_equal(record["mask"][..., 0], IDS)
    assert record["source_id"] == b"17"
    assert record["source"].endswith(b"maps.tfrecord, record 0")


def test_palette_index_is_the_class_not_its_colour():
    colours = np.random.RandomState(0).permutation(256**3)[:256]
    palette = np.stack([colours >> 16, colours >> 8 & 255, colours & 255], axis=-1).astype(np.uint8)

    np.testing.assert_array_equal(ids_of(with_palette(IDS, palette.ravel().tolist())), IDS)


def test_palette_with_a_colour_twice_means_the_lower_index():
    palette = [0, 0, 0, 7, 7, 7] + [9, 9, 9] * 254

    np.testing.assert_array_equal(ids_of(with_palette(IDS, palette)), np.where(IDS > 1, 2, IDS).astype(np.int32))


@pytest.mark.parametrize("bits", [1, 2, 4])
def test_palette_of_few_bits_is_read(bits):
    ids = np.array([[0, 1, 1], [1, 0, 0]], np.uint8)
    image = Image.fromarray(ids, "P")
    image.putpalette([10, 20, 30, 40, 50, 60])

    np.testing.assert_array_equal(ids_of(png(image, bits=bits)), ids)


def test_grey_levels_of_one_bit_are_0_and_1():
    ids = np.array([[0, 1, 1], [1, 0, 0]], np.uint8)

    np.testing.assert_array_equal(ids_of(png(Image.fromarray(ids * 255).convert("1"))), ids)


def test_grey_levels_of_sixteen_bits_are_read():
    ids = np.array([[0, 1, 300], [65535, 5, 256]], np.uint16)

    np.testing.assert_array_equal(ids_of(png(Image.fromarray(ids))), ids)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"image__segmentation__class__encoded": None}, "image/segmentation/class/encoded.*required"),
        ({"image__segmentation__class__encoded": grey(IDS)[:-20]}, "class/encoded cannot be decoded.*cut off"),
        ({"image__encoded": b"nothing"}, "image/encoded cannot be decoded"),
    ],
)
def test_broken_file_in_a_label_map_record_is_named(read, changes, message):
    with pytest.raises(tf.errors.InvalidArgumentError, match=message) as caught:
        read(example(), example(**changes))
    assert "maps.tfrecord, record 1" in caught.value.message


@pytest.mark.parametrize(
    ("encoded", "reason"),
    [
        (b"\xff\xd8jpeg", "is no PNG file"),
        (b"\x89PNG", "is no PNG file"),
        (png(Image.fromarray(np.zeros([2, 3, 3], np.uint8))), "has several channels: colours"),
        (grey(IDS)[:40], "is likely damaged"),
        (with_palette(IDS, [0, 0, 0, 1, 1, 1])[:33], "is likely damaged"),
        (with_palette(IDS, [0, 0, 0, 1, 1, 1])[:45], "is likely damaged"),
        (with_palette(IDS, [0, 0, 0, 1, 1, 1]).replace(b"PLTE", b"PLTF"), "is likely damaged"),
    ],
)
def test_what_is_no_label_map_is_refused_with_the_reason(encoded, reason):
    with pytest.raises(tf.errors.InvalidArgumentError):
        decode_label_map(tf.constant(encoded))

    said = explain_label_map(tf.constant(encoded), tf.constant("a.png")).numpy().decode()
    assert said.startswith("a.png cannot be decoded as a PNG image of class ids. ")
    assert reason in said


def parsed(**changes):
    """What is parsed and decoded of a record."""
    values = {
        "source": "file, record 3",
        "image": np.zeros([2, 3, 3], np.uint8),
        "mask": IDS.astype(np.int32)[..., None],
        "image/encoded": b"bytes",
        "image/source_id": b"17",
        "image/height": np.int64(2),
        "image/width": np.int64(3),
    }
    return {key: tf.constant(value) for key, value in (values | changes).items()}


def finished(record, **options):
    return SegmentationDecoder(**options).finish(record)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"mask": np.zeros([3, 2, 1], np.int32)}, r"class/encoded has the size 3 x 2 .*, but the image has 2 x 3"),
        ({"image/height": np.int64(3)}, "image/height is 3, but the image has 2"),
        ({"image/width": np.int64(4)}, "image/width is 4, but the image has 3"),
    ],
)
def test_sizes_that_contradict_are_named(changes, message):
    with pytest.raises(tf.errors.InvalidArgumentError, match=f"file, record 3: .*{message}"):
        finished(parsed(**changes))


def test_missing_id_becomes_a_hash_of_the_image():
    first, again, other = (
        finished(parsed(**{"image/source_id": b"", "image/encoded": encoded}))["source_id"].numpy()
        for encoded in (b"one", b"one", b"two")
    )

    assert first == again != other
    assert first.isdigit()


@pytest.mark.parametrize("unknown", [0, -1])
def test_size_that_is_not_stated_is_that_of_the_image(unknown):
    finished(parsed(**{"image/height": np.int64(unknown), "image/width": np.int64(unknown)}))


def test_class_id_beyond_the_number_of_classes_is_named():
    finished(parsed(), num_classes=4)

    with pytest.raises(tf.errors.InvalidArgumentError, match=r"record 3: .* has the class id 3, .* classes, 3"):
        finished(parsed(), num_classes=3)
    with pytest.raises(tf.errors.InvalidArgumentError, match="has the class id 255"):
        finished(parsed(), num_classes=4, ignore_label=254)
