"""Records are found through whatever field names them, and written again with changes."""

from types import SimpleNamespace

import pytest
import tensorflow as tf
from assay.conformance import Kind, Subject
from assay.conformance.context import Context
from assay.conformance.harness.pipelines.records import read_records, without_objects
from assay.conformance.model import NotApplicable
from assay.conformance.session import Session


def example(number, objects=2):
    made = tf.train.Example()
    made.features.feature["image/encoded"].bytes_list.value.append(b"image")
    made.features.feature["image/object/bbox/ymin"].float_list.value.extend([0.1] * objects)
    made.features.feature["image/object/class/label"].int64_list.value.extend([number] * objects)
    return made


def write(path, count, compression=""):
    with tf.io.TFRecordWriter(str(path), compression) as writer:
        for number in range(count):
            writer.write(example(number).SerializeToString())


def records_of(params):
    subject = Subject(lambda params: None, {"training": params}, kind=Kind.INPUT_PIPELINE)
    return read_records(Context("I900", Session(subject)), training=True)


@pytest.mark.parametrize("form", ["path", "glob", "two", "list", "compressed"])
def test_field_with_records_is_found(tmp_path, form):
    compression = "GZIP" if form == "compressed" else ""
    for name in ("a", "b"):
        write(tmp_path / f"{name}.tfrecord", 2, compression)
    a, b = (str(tmp_path / f"{name}.tfrecord") for name in ("a", "b"))
    value = {"path": a, "glob": str(tmp_path / "*"), "two": f"{a},{b}", "list": [a, b], "compressed": a}[form]

    records = records_of(SimpleNamespace(name="x", files=value, other=3))

    assert (records.field, records.is_list, records.compression) == ("files", form == "list", compression)
    assert len(records.examples) == (2 if form in ("path", "compressed") else 4)
    assert records.object_keys == ["image/object/bbox/ymin", "image/object/class/label"]
    assert records.encoded_key == "image/encoded"


def test_path_of_a_scheme_of_its_own_is_resolved_by_the_dataset(tmp_path):
    write(tmp_path / "a.tfrecord", 2)

    def make(params):
        return tf.data.TFRecordDataset(params["source"].replace("mine://data", str(tmp_path))).batch(2)

    subject = Subject(make, {"training": {"source": "mine://data/a.tfrecord"}}, kind=Kind.INPUT_PIPELINE)
    records = read_records(Context("I900", Session(subject)), training=True)

    assert (records.field, records.is_list, len(records.examples)) == ("source", False, 2)


def test_changed_records_are_written_where_the_field_leads(tmp_path):
    write(tmp_path / "a.tfrecord", 2)
    records = records_of({"input_path": str(tmp_path / "a.tfrecord")})

    with records.written([records.examples[1]]) as (changes, path):
        (text,) = tf.data.TFRecordDataset(changes["input_path"]).as_numpy_iterator()

    assert tf.train.Example.FromString(text) == example(1)
    assert not tf.io.gfile.exists(path)


def test_objects_are_emptied_in_a_copy():
    whole = example(1)

    empty = without_objects(whole, ["image/object/bbox/ymin", "image/object/class/label", "absent"])

    assert empty == example(1, objects=0)
    assert whole == example(1)


def test_other_files_and_values_are_no_records(tmp_path):
    (tmp_path / "notes.txt").write_text("no records")

    with pytest.raises(NotApplicable, match="name TFRecord files"):
        records_of(SimpleNamespace(path=str(tmp_path / "notes.txt"), folder=str(tmp_path), absent="/nowhere/*", n=3))
