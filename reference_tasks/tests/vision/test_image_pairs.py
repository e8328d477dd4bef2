"""Folders of images and label maps."""

import io

import numpy as np
import pytest
import tensorflow as tf
from assay.reference_tasks.vision.inputs import InputFilesError, SegmentationInputConfig, make_segmentation_reader
from assay.reference_tasks.vision.inputs.image_pairs import find_pairs, load_image_folder
from assay.reference_tasks.vision.inputs.label_files import load_class_names
from PIL import Image

IDS = np.array([[0, 1, 2], [3, 255, 0]], np.uint8)


def write(path, array, palette=None):
    path.parent.mkdir(parents=True, exist_ok=True)
    image = Image.fromarray(array) if palette is None else Image.fromarray(array, "P")
    if palette is not None:
        image.putpalette(palette)
    content = io.BytesIO()
    image.save(content, "PNG")
    path.write_bytes(content.getvalue())


@pytest.fixture
def folders(tmp_path):
    for name in ("town/b", "a"):
        write(tmp_path / "images" / f"{name}.png", np.full([2, 3, 3], 9, np.uint8))
        write(tmp_path / "maps" / f"{name}.png", IDS)
    (tmp_path / "images" / "notes.txt").write_text("no image")
    return tmp_path


def read(folder, **options):
    reader = load_image_folder(f"{folder}/images", f"{folder}/maps", **options)
    return list(reader.decode(reader.records()).as_numpy_iterator())


def test_pairs_have_the_same_names(folders):
    first, second = read(folders)

    assert (first["source_id"], second["source_id"]) == (b"a", b"town/b")
    assert first["source"] == f"{folders}/images/a.png".encode()
    np.testing.assert_array_equal(first["mask"][..., 0], IDS)
    assert first["image"].shape == (2, 3, 3)


def test_suffixes_are_no_part_of_the_name(tmp_path):
    write(tmp_path / "images/x_left.png", np.zeros([2, 3, 3], np.uint8))
    write(tmp_path / "images/x_right.png", np.zeros([2, 3, 3], np.uint8))
    write(tmp_path / "maps/x_ids.png", IDS)
    write(tmp_path / "maps/x_colour.png", IDS)

    (pair,) = find_pairs(f"{tmp_path}/images", f"{tmp_path}/maps", image_suffix="_left", label_map_suffix="_ids")
    assert (pair.source_id, pair.image) == ("x", f"{tmp_path}/images/x_left.png")


@pytest.mark.parametrize(("alone", "missing"), [("images/c", "label map"), ("maps/c", "image")])
def test_file_without_its_other_half_is_named(folders, alone, missing):
    write(folders / f"{alone}.png", IDS)

    with pytest.raises(InputFilesError, match=rf"{alone}\.png: has no {missing} of that name.* 1 of 3"):
        read(folders)


def test_broken_label_map_file_is_named(folders):
    (folders / "maps/town/b.png").write_bytes(b"\x89PNG")

    with pytest.raises(tf.errors.InvalidArgumentError, match=r"town/b\.png: the file cannot be decoded.* class ids"):
        read(folders)


def test_label_map_of_another_size_is_named(folders):
    write(folders / "maps/a.png", IDS.T.copy())

    with pytest.raises(tf.errors.InvalidArgumentError, match=r"maps/a\.png: the label map has the size 3 x 2"):
        read(folders)


def test_id_that_the_label_file_lacks_is_named(folders):
    (folders / "labels.txt").write_text("sky\nroad\ncar\n")

    with pytest.raises(tf.errors.InvalidArgumentError, match=r"maps/a\.png: the class id 3 is not in the label file"):
        read(folders, label_file=f"{folders}/labels.txt")


def test_more_classes_than_the_model_has_are_refused(folders):
    (folders / "labels.txt").write_text("sky\nroad\ncar\n")

    with pytest.raises(InputFilesError, match=r"class 2 \('car'\) is beyond the number of classes, 2"):
        read(folders, label_file=f"{folders}/labels.txt", num_classes=2)


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("sky\ntraffic light\n", {0: "sky", 1: "traffic light"}),
        ("# ids\n7 road\n\n11 traffic light\n", {7: "road", 11: "traffic light"}),
    ],
)
def test_label_files(tmp_path, text, names):
    (tmp_path / "labels.txt").write_text(text)

    assert load_class_names(f"{tmp_path}/labels.txt") == names


@pytest.mark.parametrize("text", ["", "# nothing\n", "sky\nsky\n", "1 sky\n1 road\n", "1 sky\nroad\n"])
def test_bad_label_files_are_refused(tmp_path, text):
    (tmp_path / "labels.txt").write_text(text)

    with pytest.raises(InputFilesError, match=r"labels\.txt: "):
        load_class_names(f"{tmp_path}/labels.txt")


def test_voc_label_maps_have_a_palette_and_a_border(tmp_path):
    palette = np.zeros([256, 3], np.uint8)
    for index in range(256):  # the colour map of Pascal VOC, from its definition: bits of the index spread over RGB
        for bit in range(8):
            for channel in range(3):
                if 3 * bit + channel < 8:
                    palette[index, channel] |= ((index >> (3 * bit + channel)) & 1) << (7 - bit)
    ids = np.array([[0, 20, 255], [7, 1, 1]], np.uint8)
    write(tmp_path / "SegmentationClass/2007_000032.png", ids, palette.ravel().tolist())
    (tmp_path / "JPEGImages").mkdir()
    image = tf.io.encode_jpeg(np.zeros([2, 3, 3], np.uint8)).numpy()
    (tmp_path / "JPEGImages/2007_000032.jpg").write_bytes(image)
    (tmp_path / "ImageSets/Segmentation").mkdir(parents=True)
    (tmp_path / "ImageSets/Segmentation/val.txt").write_text("2007_000032\n")
    params = SegmentationInputConfig(reader="voc", split="val", is_training=False)
    reader = make_segmentation_reader(params, str(tmp_path), num_classes=21)
    (record,) = reader.decode(reader.records()).as_numpy_iterator()

    np.testing.assert_array_equal(record["mask"][..., 0], ids)
