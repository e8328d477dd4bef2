"""TFRecords are read in a fixed order, and what is broken is named: the file, the record, the key."""

import numpy as np
import pytest
import tensorflow as tf
from assay.reference_tasks.classification.inputs import Shard, TFRecordReader


def read(reader, **options):
    return list(reader.decode(reader.records(**options)))


def labels(reader, **options):
    return [int(record["label"]) for record in read(reader, **options)]


def test_images_labels_and_sources_are_read(write_records, make_example):
    (record, other) = read(TFRecordReader(write_records([7, 13]), channels=1))

    np.testing.assert_array_equal(record["image"], np.full([4, 4, 1], 7))
    assert record["image"].dtype == tf.uint8
    assert (int(record["label"]), int(other["label"])) == (7, 3)
    assert record["source"].numpy().endswith(b"data-00000-of-00001.tfrecord, record 0")
    assert other["source"].numpy().endswith(b", record 1")


def test_grey_image_becomes_colour_when_three_channels_are_asked_for(write_records):
    (record,) = read(TFRecordReader(write_records([7]), channels=3))

    np.testing.assert_array_equal(record["image"], np.full([4, 4, 3], 7))


def test_jpeg_is_read(write_records, make_example):
    pixels = np.full([16, 24, 3], 100, np.uint8)
    jpeg = make_example(0, {"image/encoded": tf.io.encode_jpeg(pixels, quality=100).numpy()})
    (record,) = read(TFRecordReader(write_records([jpeg])))

    np.testing.assert_allclose(record["image"], pixels, atol=2)


def test_files_are_interleaved_by_blocks(write_records):
    reader = TFRecordReader(write_records([0, 1, 2], [5, 6, 7]), channels=1, block_length=2)

    assert labels(reader) == [0, 1, 5, 6, 2, 7]


def test_cycle_length_limits_the_files_read_at_once(write_records):
    reader = TFRecordReader(write_records([0, 1], [5, 6], [8, 9]), channels=1, cycle_length=1)

    assert labels(reader) == [0, 1, 5, 6, 8, 9]


def test_files_of_a_shard(write_records):
    reader = TFRecordReader(write_records([0], [1], [2]), channels=1)

    assert reader.num_units == 3
    assert labels(reader, shard=Shard(0, 2)) == [0, 2]
    assert labels(reader, shard=Shard(1, 2)) == [1]


def test_seed_draws_a_new_order_of_files_for_each_epoch(write_records):
    reader = TFRecordReader(write_records(*([i] for i in range(10))), channels=1)
    epochs = reader.decode(reader.records(seed=3).repeat(2))
    order = [int(record["label"]) for record in epochs]

    assert sorted(order[:10]) == sorted(order[10:]) == list(range(10))
    assert order[:10] != order[10:]


def test_compressed_files_are_read(write_records):
    path = write_records([3, 4], compression="GZIP")

    assert labels(TFRecordReader(path, channels=1, compressed=True)) == [3, 4]


def test_more_records_than_a_group_keep_their_order(write_records):
    reader = TFRecordReader(write_records(list(range(200))), channels=1)

    assert [int(record["image"][0, 0, 0]) for record in read(reader)] == list(range(200))


BROKEN = {
    "missing image": ({"image/encoded": None}, "Feature: image/encoded .* is required but could not be found"),
    "image of another type": ({"image/encoded": 5}, "Key: image/encoded.*Data types don't match"),
    "label of another type": ({"image/class/label": b"5"}, "Key: image/class/label.*Data types don't match"),
    "image cut off": ({"image/encoded": b"\x89PNG\r\n\x1a\n..."}, "image/encoded cannot be decoded as a JPEG, PNG"),
    "image of another format": ({"image/encoded": b"hello"}, "image/encoded cannot be decoded as a JPEG, PNG.*5 bytes"),
}


@pytest.mark.parametrize("case", BROKEN)
@pytest.mark.parametrize("position", [0, 70, 99])
def test_broken_example_is_named(write_records, make_example, case, position):
    changes, expected = BROKEN[case]
    records = [make_example(1)] * 100
    records[position] = make_example(1, changes)
    reader = TFRecordReader(write_records([2] * 100, records), channels=1)

    with pytest.raises(tf.errors.InvalidArgumentError, match=expected) as caught:
        read(reader)
    assert f"data-00001-of-00002.tfrecord, record {position}" in caught.value.message


def test_records_before_a_broken_one_are_given(write_records, make_example):
    path = write_records([1, 2, make_example(3, {"image/encoded": b""}), 4])
    reader = TFRecordReader(path, channels=1)
    iterator = iter(reader.decode(reader.records()))

    assert [int(next(iterator)["label"]) for _ in range(2)] == [1, 2]
    with pytest.raises(tf.errors.InvalidArgumentError, match="record 2: image/encoded"):
        next(iterator)


def test_record_that_is_no_example_is_named(write_records):
    reader = TFRecordReader(write_records([1, b"hello"]), channels=1)

    with pytest.raises(tf.errors.InvalidArgumentError, match=r"tfrecord, record 1: image/encoded .* is no tf.train.Ex"):
        read(reader)


def test_empty_record_is_named(write_records):
    reader = TFRecordReader(write_records([1, b""]), channels=1)

    with pytest.raises(tf.errors.InvalidArgumentError, match="record 1, Feature: image/encoded"):
        read(reader)


def test_wrong_checksum_is_named(write_records, tmp_path):
    path = write_records([1], [2, 3, 4])
    file = tmp_path / "data-00001-of-00002.tfrecord"
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)

    with pytest.raises(
        tf.errors.InvalidArgumentError, match=r"data-00001-of-00002\.tfrecord: the file is damaged at record 1,"
    ):
        read(TFRecordReader(path, channels=1))


def test_cut_off_file_is_named(write_records, tmp_path):
    path = write_records([1, 2])
    file = tmp_path / "data-00000-of-00001.tfrecord"
    file.write_bytes(file.read_bytes()[:-5])

    with pytest.raises(tf.errors.InvalidArgumentError, match="tfrecord: the file is damaged at record 1,"):
        read(TFRecordReader(path, channels=1))
