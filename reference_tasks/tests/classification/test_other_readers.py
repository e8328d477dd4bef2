"""Image folders and arrays."""

import itertools

import numpy as np
import pytest
import tensorflow as tf
from assay.reference_tasks.classification.inputs import ArraysReader, ImageFolderReader, InputFilesError, Shard


def read(reader, **options):
    return list(reader.decode(reader.records(**options)))


def values(reader, **options):
    return [(int(record["image"][0, 0, 0]), int(record["label"])) for record in read(reader, **options)]


def write_image(path, value):
    path.parent.mkdir(parents=True, exist_ok=True)
    image = np.full([6, 5, 1], value, np.uint8)
    path.write_bytes(tf.io.encode_png(image).numpy())


@pytest.fixture
def folder(tmp_path):
    for value, name in enumerate(["dog/1.png", "dog/more/2.PNG", "cat/1.png", "eel/1.png"]):
        write_image(tmp_path / name, value)
    (tmp_path / "dog" / "notes.txt").write_text("no image")
    write_image(tmp_path / "dog" / ".hidden.png", 99)
    (tmp_path / ".cache").mkdir()
    return tmp_path


def test_folders_are_classes_in_the_order_of_their_names(folder):
    reader = ImageFolderReader(str(folder), channels=1)

    assert reader.class_names == ["cat", "dog", "eel"]
    assert values(reader) == [(2, 0), (0, 1), (1, 1), (3, 2)]
    assert reader.num_units == 4


def test_image_folder_shards_divide_the_images(folder):
    reader = ImageFolderReader(str(folder), channels=1)
    parts = [values(reader, shard=Shard(index, 3)) for index in range(3)]

    assert sorted(itertools.chain(*parts)) == sorted(values(reader))


def test_image_folder_is_shuffled_as_a_whole(folder):
    for value in range(40):
        write_image(folder / "fox" / f"{value}.png", value)
    reader = ImageFolderReader(str(folder), channels=1)
    labels = [label for _, label in values(reader, seed=1)]

    assert sorted(labels) == [0, 1, 1, 2] + [3] * 40
    assert labels[-40:] != [3] * 40


def test_several_roots_must_agree_on_the_classes(folder, tmp_path):
    write_image(tmp_path / "other" / "ape" / "1.png", 7)

    with pytest.raises(InputFilesError, match=r"class folders of .*other.*\['ape'\]"):
        ImageFolderReader([str(folder), str(tmp_path / "other")])


def test_broken_image_file_is_named(folder):
    (folder / "eel" / "1.png").write_bytes(b"not an image")

    with pytest.raises(tf.errors.InvalidArgumentError, match=r"eel/1\.png: the file cannot be decoded.*12 bytes"):
        read(ImageFolderReader(str(folder), channels=1))


def test_image_file_that_went_missing_is_named(folder):
    reader = ImageFolderReader(str(folder), channels=1)
    (folder / "eel" / "1.png").unlink()

    with pytest.raises(tf.errors.NotFoundError, match=r"eel/1\.png"):
        read(reader)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda root: root / "nowhere", "is no folder"),
        (lambda root: root / "cat", "has no folder in it"),
        (lambda root: root / "empty", "no image"),
    ],
)
def test_folder_without_images_is_refused(folder, make, message):
    (folder / "empty" / "class").mkdir(parents=True)

    with pytest.raises(InputFilesError, match=message):
        ImageFolderReader(str(make(folder)))


def arrays(count=5):
    return np.arange(count, dtype=np.uint8)[:, None, None, None] * np.ones([1, 3, 3, 1], np.uint8), np.arange(count)


def test_arrays_are_read_in_order():
    assert values(ArraysReader(*arrays())) == [(i, i) for i in range(5)]


def test_arrays_without_channel_axis_have_one_channel():
    images, labels = arrays()
    (record, *_) = read(ArraysReader(images[..., 0], labels, channels=1))

    assert record["image"].shape == [3, 3, 1]


def test_array_shards_divide_the_rows():
    parts = [values(ArraysReader(*arrays(7)), shard=Shard(index, 3)) for index in range(3)]

    assert [len(part) for part in parts] == [3, 2, 2]
    assert sorted(itertools.chain(*parts)) == [(i, i) for i in range(7)]


def test_npz_file_is_read(tmp_path):
    images, labels = arrays()
    np.savez(tmp_path / "data.npz", images=images, labels=labels)

    assert values(ArraysReader.load(str(tmp_path / "data.npz"))) == [(i, i) for i in range(5)]


def test_function_is_called_for_arrays(monkeypatch, tmp_path):
    (tmp_path / "my_arrays.py").write_text("import numpy\ndef load(): return numpy.ones([2, 3, 3], 'uint8'), [0, 1]\n")
    monkeypatch.syspath_prepend(tmp_path)

    assert values(ArraysReader.load("my_arrays:load")) == [(1, 0), (1, 1)]


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("nowhere.npz", "there is no file"),
        ("something", r"expected a \.npz file or package\.module:function"),
        ("no_such_module:load", "cannot be imported"),
        ("json:no_such_function", "cannot be imported"),
        ("a.npz,b.npz", "read from one source"),
    ],
)
def test_source_of_arrays_that_does_not_exist_is_named(path, message):
    with pytest.raises(InputFilesError, match=message):
        ArraysReader.load(path)


def test_npz_without_labels_is_refused(tmp_path):
    np.savez(tmp_path / "data.npz", images=arrays()[0], targets=arrays()[1])

    with pytest.raises(InputFilesError, match=r"has no array 'labels'; it has \['images', 'targets'\]"):
        ArraysReader.load(str(tmp_path / "data.npz"))


@pytest.mark.parametrize(
    ("images", "labels", "channels", "message"),
    [
        (np.zeros([2, 3, 3, 1], np.float32), [0, 1], 1, "must be uint8"),
        (np.zeros([2, 3], np.uint8), [0, 1], 1, "must be uint8"),
        (np.zeros([2, 3, 3, 1], np.uint8), [0], 1, "one integer for each of the 2 images"),
        (np.zeros([2, 3, 3, 1], np.uint8), np.eye(2), 1, "argmax"),
        (np.zeros([0, 3, 3, 1], np.uint8), np.zeros([0], int), 1, "no example"),
        (np.zeros([2, 3, 3, 1], np.uint8), [0, 1], 3, "expected images with 3 channels; received 1"),
    ],
)
def test_arrays_of_other_shapes_are_refused(images, labels, channels, message):
    with pytest.raises(ValueError, match=message):
        ArraysReader(images, labels, channels=channels)
