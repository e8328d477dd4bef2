"""`assay-convert` writes what the readers of the original data read, completely or not at all."""

import json

import numpy as np
import pytest
import tensorflow as tf
from assay.reference_tasks.vision.convert import cli
from assay.reference_tasks.vision.inputs import DetectionDecoder, SegmentationDecoder, TFRecordReader
from PIL import Image

from tools import make_digit_scenes

SCENES = 6


@pytest.fixture(scope="module")
def scenes(tmp_path_factory):
    folder = tmp_path_factory.mktemp("scenes")
    make_digit_scenes.make_split("train", SCENES, folder, images=True)
    return folder


def decoded(path, decoder):
    reader = TFRecordReader(str(path), decoder)
    return {
        record.pop("source_id"): {key: value for key, value in record.items() if key != "source"}
        for record in reader.decode(reader.records()).as_numpy_iterator()
    }


def pixels(value):
    """PNG files as their pixels, since two encoders may write the same mask differently."""
    return [tf.io.decode_png(one).numpy() for one in value] if value.dtype == object else value


def assert_same_records(found, expected):
    assert set(found) == set(expected)
    for source_id, record in found.items():
        assert set(record) == set(expected[source_id])
        for key, value in record.items():
            np.testing.assert_equal(pixels(value), pixels(expected[source_id][key]), err_msg=f"{source_id}: {key}")
            assert value.dtype == expected[source_id][key].dtype


def convert_coco(scenes, output, *options):
    images = scenes / "images" / "train"
    annotations = scenes / "instances_train.json"
    arguments = ["coco", "--annotations", annotations, "--images", images, "--to", "tfrecord", "--output", output]
    return cli.main([str(argument) for argument in (*arguments, *options)])


def test_scenes_come_back_from_a_coco_file(scenes, tmp_path, capsys):
    assert convert_coco(scenes, tmp_path / "out" / "train", "--include_masks", "--num_shards", 2) == 0

    shards = sorted(path.name for path in (tmp_path / "out").iterdir())
    assert shards == ["train-00000-of-00002.tfrecord", "train-00001-of-00002.tfrecord"]
    assert capsys.readouterr().out.startswith(f"wrote {SCENES} images with ")
    decoder = DetectionDecoder(num_classes=11, include_mask=True)
    assert_same_records(decoded(tmp_path / "out" / "train-*", decoder), decoded(scenes / "train-*", decoder))


def test_label_maps_come_back_from_folders(scenes, tmp_path):
    (tmp_path / "labels.txt").write_text("\n".join(["background", *"0123456789"]))
    images, maps = scenes / "images" / "train", scenes / "label_maps" / "train"
    arguments = ["--images", images, "--label_maps", maps, "--label_file", tmp_path / "labels.txt"]

    assert cli.main([str(one) for one in ("folder", *arguments, "--output", tmp_path / "maps")]) == 0
    found = decoded(tmp_path / "maps-*", SegmentationDecoder(num_classes=11))
    expected = decoded(scenes / "train-*", SegmentationDecoder(num_classes=11))
    names = {f"train-{int(source_id) - 1:06d}".encode(): record for source_id, record in expected.items()}
    assert_same_records(found, names)


def test_conversion_is_the_same_each_time(scenes, tmp_path):
    for name in ("one", "two"):
        assert convert_coco(scenes, tmp_path / name) == 0

    first, second = (tmp_path / f"{name}-00000-of-00001.tfrecord" for name in ("one", "two"))
    assert first.read_bytes() == second.read_bytes()


def test_earlier_files_are_kept_unless_told_otherwise(scenes, tmp_path, capsys):
    assert convert_coco(scenes, tmp_path / "train", "--num_shards", 3) == 0
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}

    assert convert_coco(scenes, tmp_path / "train") == 2
    assert "3 files of an earlier conversion" in capsys.readouterr().err
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before
    assert convert_coco(scenes, tmp_path / "train", "--overwrite") == 0
    assert [path.name for path in tmp_path.iterdir()] == ["train-00000-of-00001.tfrecord"]


@pytest.fixture
def small(tmp_path):
    """A COCO file of two images, of which a test may break what it likes."""
    folder = tmp_path / "small"
    folder.mkdir()
    for name in "ab":
        (folder / f"{name}.jpg").write_bytes(tf.io.encode_jpeg(np.zeros([8, 8, 3], np.uint8)).numpy())
    content = {
        "images": [
            {"id": i, "file_name": f"{name}.jpg", "height": 8, "width": 8} for i, name in enumerate("ab", start=1)
        ],
        "annotations": [
            {"image_id": 1, "category_id": 1, "bbox": box} for box in ([0, 0, 2, 2], [0, 0, 0, 2], [5, 5, 9, 9])
        ],
        "categories": [{"id": 1, "name": "dot"}],
    }

    def convert(**changes):
        (folder / "file.json").write_text(json.dumps(content | changes))
        return cli.main(["coco", "--annotations", f"{folder}/file.json", "--output", f"{tmp_path}/out/x"])

    convert.content, convert.folder, convert.output = content, folder, tmp_path / "out"
    return convert


def test_boxes_left_out_are_counted(small, capsys):
    assert small() == 0

    out = capsys.readouterr().out
    assert "wrote 2 images with 1 objects" in out
    assert "left out 1 objects: width or height of 0 or below\nleft out 1 objects: outside of the image" in out


@pytest.mark.parametrize(
    ("content", "message"),
    [(b"broken", "b.jpg: image/encoded cannot be decoded"), (None, "b.jpg: image/encoded cannot be read")],
)
def test_broken_image_is_named_and_nothing_is_written(small, capsys, content, message):
    path = small.folder / "b.jpg"
    path.unlink() if content is None else path.write_bytes(content)

    assert small() == 1
    assert message in capsys.readouterr().err
    assert list(small.output.iterdir()) == []


def test_image_of_another_size_than_annotated_is_named(small, capsys):
    (small.folder / "a.jpg").write_bytes(tf.io.encode_jpeg(np.zeros([4, 8, 3], np.uint8)).numpy())

    assert small() == 1
    assert "a.jpg: image/height and image/width are 8 x 8 by its annotation, but the image has 4 x 8" in (
        capsys.readouterr().err
    )


def test_list_without_images_is_refused(small, capsys):
    assert small(images=[], annotations=[]) == 2
    assert "lists no image" in capsys.readouterr().err


def write_voc(root):
    for folder in ("JPEGImages", "SegmentationClass", "Annotations", "ImageSets/Main", "ImageSets/Segmentation"):
        (root / folder).mkdir(parents=True)
    (root / "JPEGImages" / "2008_1.jpg").write_bytes(tf.io.encode_jpeg(np.zeros([4, 6, 3], np.uint8)).numpy())
    label_map = Image.fromarray(np.full([4, 6], 5, np.uint8), "P")
    label_map.putpalette([0, 0, 0, 128, 0, 0, 0, 128, 0, 128, 128, 0, 0, 0, 128, 128, 0, 128])
    label_map.save(root / "SegmentationClass" / "2008_1.png")
    sides = "<xmin>1</xmin><ymin>1</ymin><xmax>6</xmax><ymax>2</ymax>"
    (root / "Annotations" / "2008_1.xml").write_text(
        "<annotation><size><width>6</width><height>4</height></size>"
        f"<object><name>bottle</name><bndbox>{sides}</bndbox></object></annotation>"
    )
    for kind in ("Main", "Segmentation"):
        (root / "ImageSets" / kind / "train.txt").write_text("2008_1\n")


def test_pascal_voc_becomes_boxes_and_grey_label_maps(tmp_path):
    write_voc(tmp_path / "voc")
    for task in ("detection", "segmentation"):
        arguments = ["voc", "--root", tmp_path / "voc", "--split", "train", "--task", task]
        assert cli.main([str(one) for one in (*arguments, "--output", tmp_path / task)]) == 0

    (boxes,) = decoded(tmp_path / "detection-*", DetectionDecoder(num_classes=21)).values()
    np.testing.assert_array_equal(boxes["groundtruth_boxes"], [[0, 0, 0.5, 1]])
    assert boxes["groundtruth_classes"].tolist() == [5]
    (record,) = tf.data.TFRecordDataset(str(tmp_path / "segmentation-00000-of-00001.tfrecord"))
    features = tf.train.Example.FromString(record.numpy()).features.feature
    encoded = features["image/segmentation/class/encoded"].bytes_list.value[0]
    np.testing.assert_array_equal(tf.io.decode_png(encoded), np.full([4, 6, 1], 5))  # no palette: any decoder will do
    assert features["image/height"].int64_list.value[0] == 4


@pytest.mark.parametrize(
    "arguments", [[], ["coco"], ["coco", "--annotations", "x", "--output", "y", "--num_shards", "0"]]
)
def test_mistakes_in_the_command_are_explained(arguments, capsys):
    with pytest.raises(SystemExit) as stopped:
        cli.main(arguments)

    assert stopped.value.code == 2
    assert "usage: assay-convert" in capsys.readouterr().err


def test_missing_annotation_file_is_named(tmp_path, capsys):
    assert cli.main(["coco", "--annotations", f"{tmp_path}/none.json", "--output", f"{tmp_path}/x"]) == 2
    assert "there is no COCO file" in capsys.readouterr().err
