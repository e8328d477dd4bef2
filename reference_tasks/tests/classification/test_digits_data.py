"""The digits in the package are what the tool writes, and what the source holds."""

import hashlib
import importlib.resources
import importlib.util

import numpy as np
import pytest
import tensorflow as tf
from sklearn import datasets

SHIPPED = importlib.resources.files("assay.reference_tasks.classification") / "data" / "digits"


@pytest.fixture(scope="module")
def tool(repository):
    spec = importlib.util.spec_from_file_location("make_digits", repository / "tools" / "make_digits.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def read(split):
    paths = sorted(str(SHIPPED / entry.name) for entry in SHIPPED.iterdir() if entry.name.startswith(split))
    return [tf.train.Example.FromString(record.numpy()).features.feature for record in tf.data.TFRecordDataset(paths)]


def rows(split):
    return [int(features["image/source_id"].bytes_list.value[0]) for features in read(split)]


def test_tool_writes_the_shipped_files_byte_for_byte(tool, tmp_path):
    written = tool.make(tmp_path)

    assert sorted(path.name for path in written) == sorted(entry.name for entry in SHIPPED.iterdir())
    for path in written:
        assert path.read_bytes() == (SHIPPED / path.name).read_bytes(), path.name


def test_splits_divide_the_source():
    train, validation = rows("train"), rows("validation")

    assert sorted(train + validation) == list(range(1797))
    assert (len(train), len(validation)) == (1438, 359)


def test_a_fifth_of_each_class_is_for_validation():
    labels = datasets.load_digits().target
    validation = np.bincount(labels[rows("validation")])

    np.testing.assert_allclose(validation / np.bincount(labels), 0.2, atol=0.005)


@pytest.mark.parametrize("split", ["train", "validation"])
def test_records_hold_the_source(split):
    source = datasets.load_digits()

    for features in read(split):
        row = int(features["image/source_id"].bytes_list.value[0])
        pixels = tf.io.decode_png(features["image/encoded"].bytes_list.value[0]).numpy()
        np.testing.assert_array_equal(np.rint(pixels[..., 0] * (16 / 255)), source.images[row])
        assert features["image/class/label"].int64_list.value[0] == source.target[row]


def test_records_have_the_standard_keys():
    features = read("validation")[0]
    encoded = features["image/encoded"].bytes_list.value[0]

    assert sorted(features) == [
        "image/channels",
        "image/class/label",
        "image/encoded",
        "image/filename",
        "image/format",
        "image/height",
        "image/key/sha256",
        "image/source_id",
        "image/width",
    ]
    assert features["image/key/sha256"].bytes_list.value[0].decode() == hashlib.sha256(encoded).hexdigest()
    assert features["image/format"].bytes_list.value[0] == b"png"
    assert [features[f"image/{key}"].int64_list.value[0] for key in ("height", "width", "channels")] == [8, 8, 1]


def test_provenance_lists_the_files_as_they_are():
    text = (SHIPPED / "PROVENANCE.md").read_text(encoding="utf-8")

    assert "CC BY 4.0" in text
    assert "10.24432/C50P49" in text
    for entry in SHIPPED.iterdir():
        if entry.name.endswith(".tfrecord"):
            assert f"| {entry.name} | " in text
            assert hashlib.sha256(entry.read_bytes()).hexdigest() in text
