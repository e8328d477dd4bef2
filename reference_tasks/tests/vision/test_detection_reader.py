"""Images and boxes are read from TFRecords, and what is broken in them is named."""

import numpy as np
import pytest
import tensorflow as tf
from assay.reference_tasks.vision.inputs import DetectionDecoder, TFRecordReader, numeric_source_id
from hypothesis import given, settings
from hypothesis import strategies as st

HEIGHT, WIDTH = 20, 40
SIDES = ("ymin", "xmin", "ymax", "xmax")


def parsed(boxes=((0.1, 0.2, 0.5, 0.9), (0.0, 0.0, 1.0, 1.0)), **changes):
    """What is parsed of a record: a list for each feature key."""
    boxes = np.reshape(np.array(boxes, np.float32), [-1, 4])
    values = {
        "source": "file, record 3",
        "image": np.zeros([HEIGHT, WIDTH, 3], np.uint8),
        "image/encoded": b"bytes",
        "image/source_id": b"17",
        "image/height": np.int64(HEIGHT),
        "image/width": np.int64(WIDTH),
        "image/object/class/label": np.arange(1, len(boxes) + 1, dtype=np.int64),
        "image/object/area": np.zeros([0], np.float32),
        "image/object/is_crowd": np.zeros([0], np.int64),
        **{f"image/object/bbox/{side}": boxes[:, index] for index, side in enumerate(SIDES)},
    }
    values |= {key.replace("__", "/"): value for key, value in changes.items()}
    return {key: tf.constant(value) for key, value in values.items()}


def decoded(record, **options):
    return {key: value.numpy() for key, value in DetectionDecoder(**options).finish(record).items()}


def test_boxes_are_yxyx_shares():
    record = decoded(parsed())

    np.testing.assert_allclose(record["groundtruth_boxes"], [[0.1, 0.2, 0.5, 0.9], [0, 0, 1, 1]], rtol=1e-6)
    assert record["groundtruth_classes"].tolist() == [1, 2]
    assert (record["height"], record["width"], record["source_id"]) == (HEIGHT, WIDTH, b"17")


def test_missing_area_is_that_of_the_box_in_pixels_of_the_image():
    np.testing.assert_allclose(
        decoded(parsed())["groundtruth_area"], [0.4 * HEIGHT * 0.7 * WIDTH, HEIGHT * WIDTH], rtol=1e-5
    )


def test_stated_area_is_kept():
    stated = np.array([7, 8], np.float32)

    assert decoded(parsed(image__object__area=stated))["groundtruth_area"].tolist() == [7, 8]


def test_missing_crowd_flags_are_false():
    assert decoded(parsed())["groundtruth_is_crowd"].tolist() == [False, False]
    assert decoded(parsed(image__object__is_crowd=np.array([0, 1])))["groundtruth_is_crowd"].tolist() == [False, True]


def test_record_without_objects_has_empty_lists():
    record = decoded(parsed(boxes=()))

    assert record["groundtruth_boxes"].shape == (0, 4)
    for key in ("classes", "is_crowd", "area"):
        assert record[f"groundtruth_{key}"].shape == (0,)


def test_size_that_is_not_stated_is_taken_from_the_image():
    record = decoded(parsed(image__height=np.int64(-1), image__width=np.int64(-1)))

    assert (record["height"], record["width"]) == (HEIGHT, WIDTH)


def test_box_that_leaves_the_image_by_less_than_a_pixel_is_cut_off():
    record = decoded(parsed(boxes=[[-0.01, 0.5, 1.01, 1.01]]))

    np.testing.assert_array_equal(record["groundtruth_boxes"], [[0, 0.5, 1, 1]])


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"boxes": [[0.5, 0, 0.1, 1]]}, "bbox/ymin and image/object/bbox/ymax of object 0 must rise"),
        (
            {"boxes": [[0, 0, 1, 1], [0, 3, 1, 30]]},
            "bbox/xmin and .*xmax of object 1 .* 3 and 30.*must be divided",
        ),
        ({"boxes": [[0, float("nan"), 1, 1]]}, "xmin and .* of object 0 .*received nan"),
        ({"image__object__bbox__xmax": np.array([1], np.float32)}, "xmax has 1 values, but .*ymin has 2"),
        ({"image__object__class__label": np.array([1])}, "class/label has 1 values, but .* has 2"),
        ({"image__object__area": np.array([1], np.float32)}, "object/area has 1 values"),
        ({"image__object__is_crowd": np.array([1, 0, 1])}, "object/is_crowd has 3 values"),
        ({"image__object__class__label": np.array([1, 0])}, "class/label must be at least 1; received 0"),
        ({"image__height": np.int64(21)}, "image/height is 21, but the image has 20.*EXIF"),
    ],
)
def test_what_is_broken_in_a_box_record_is_named(changes, message):
    with pytest.raises(tf.errors.InvalidArgumentError, match=f"file, record 3: .*{message}"):
        decoded(parsed(**changes))


def test_class_beyond_the_number_of_classes_is_named():
    decoded(parsed(), num_classes=3)

    with pytest.raises(tf.errors.InvalidArgumentError, match="below the number of classes, 2; received 2"):
        decoded(parsed(), num_classes=2)


def test_masks_come_along_when_asked_for():
    masks = np.array([b"one", b"two"])

    record = decoded(parsed(image__object__mask=masks), include_mask=True)
    assert record["groundtruth_instance_masks_png"].tolist() == [b"one", b"two"]
    with pytest.raises(tf.errors.InvalidArgumentError, match="object/mask has 1 values"):
        decoded(parsed(image__object__mask=masks[:1]), include_mask=True)


def test_attributes_come_along_when_asked_for():
    sizes = {"depth": 1, "place": 2}
    values = {"image__object__attribute__depth": np.array([3, 4]), "image__object__attribute__place": np.arange(4)}

    found = DetectionDecoder(attributes=sizes).finish(parsed(**values))["groundtruth_attributes"]
    assert found["depth"].numpy().tolist() == [[3], [4]]
    assert found["place"].numpy().tolist() == [[0, 1], [2, 3]]
    with pytest.raises(tf.errors.InvalidArgumentError, match=r"attribute/place has 3 values.*needs 2 of each"):
        decoded(parsed(**values | {"image__object__attribute__place": np.arange(3)}), attributes=sizes)


def test_broken_box_record_in_a_file_is_named(tmp_path):
    example = tf.train.Example()
    feature = example.features.feature
    feature["image/encoded"].bytes_list.value.append(tf.io.encode_png(np.zeros([4, 4, 3], np.uint8)).numpy())
    good = example.SerializeToString()
    feature["image/object/class/label"].int64_list.value.append(1)
    path = str(tmp_path / "boxes.tfrecord")
    with tf.io.TFRecordWriter(path) as writer:
        for record in (good, example.SerializeToString()):
            writer.write(record)
    reader = TFRecordReader(path, DetectionDecoder())
    iterator = iter(reader.decode(reader.records()))

    assert next(iterator)["groundtruth_boxes"].shape == [0, 4]
    with pytest.raises(
        tf.errors.InvalidArgumentError, match=r"boxes\.tfrecord, record 1: image/object/class/label has 1 values"
    ):
        next(iterator)


@settings(max_examples=50)
@given(st.integers(-(10**17), 10**17))
def test_decimal_ids_are_their_numbers(number):
    assert int(numeric_source_id(tf.constant(str(number)))) == number


def test_zeros_before_an_id_do_not_count():
    assert int(numeric_source_id(tf.constant("000000139"))) == 139


def test_other_ids_are_hashed_beyond_all_numbers():
    names = ["2007_000027", "2007_000032", "", "x" * 100, "1" * 30]
    numbers = numeric_source_id(tf.constant(names)).numpy()

    assert len(set(numbers.tolist())) == len(names)
    assert (numbers >= 2**62).all()
    np.testing.assert_array_equal(numeric_source_id(tf.constant(names)).numpy(), numbers)
