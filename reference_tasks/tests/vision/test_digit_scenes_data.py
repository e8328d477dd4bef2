"""The scenes in the package are what the tool composes, and their annotations agree with one another."""

import hashlib
import importlib.resources
import json

import numpy as np
import pytest
import tensorflow as tf
from pycocotools import mask as coco_mask
from sklearn import datasets

from tools import make_digit_scenes, make_digits
from tools.digit_scenes.crops import CROP_SIDE, crop_records
from tools.digit_scenes.records import FIRST_IDS, make_record
from tools.digit_scenes.scene import LEAST_VISIBLE, PHOTO_COLUMNS, Composer

SHIPPED = importlib.resources.files("assay.reference_tasks.vision") / "data" / "digit_scenes"
SCENES = {"train": 1200, "validation": 200}


@pytest.fixture(scope="module")
def composers():
    return make_digit_scenes.composers()


def shards(split):
    return sorted(str(entry) for entry in SHIPPED.iterdir() if entry.name.startswith(f"{split}-"))


def serialized(split):
    paths = shards(split)
    records = [[record.numpy() for record in tf.data.TFRecordDataset(path)] for path in paths]
    return [records[number % len(paths)][number // len(paths)] for number in range(sum(map(len, records)))]


def features(record):
    return tf.train.Example.FromString(record).features.feature


def floats(feature):
    return np.array(feature.float_list.value)


@pytest.fixture(scope="module")
def validation():
    return [features(record) for record in serialized("validation")]


@pytest.fixture(scope="module")
def coco():
    return json.loads((SHIPPED / "instances_validation.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize("split", SCENES)
def test_tool_composes_the_shipped_scenes_byte_for_byte(composers, split):
    shipped = serialized(split)

    assert len(shipped) == SCENES[split]
    for number in (0, 1, 4, SCENES[split] - 1):
        assert make_record(composers[split].scene(number), split, number) == shipped[number], number


def test_command_writes_what_the_package_holds(tmp_path, monkeypatch):
    monkeypatch.setattr(make_digit_scenes, "SCENES_PER_SHARD", 2)

    written = make_digit_scenes.make(tmp_path, {"train": 3, "validation": 1}, images=True, sheet=tmp_path / "s.png")

    assert [path.name for path in written] == [
        "train-00000-of-00002.tfrecord",
        "train-00001-of-00002.tfrecord",
        "instances_train.json",
        "validation-00000-of-00001.tfrecord",
        "instances_validation.json",
        "PROVENANCE.md",
    ]
    (record,) = tf.data.TFRecordDataset(str(tmp_path / "train-00001-of-00002.tfrecord"))
    assert record.numpy() == serialized("train")[1]
    assert (tmp_path / "images/train/train-000001.jpg").read_bytes() == features(record.numpy())[
        "image/encoded"
    ].bytes_list.value[0]


def test_processes_compose_the_same_scenes_in_the_same_order(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(make_digit_scenes, "SCENES_PER_TASK", 2)
    monkeypatch.setattr(make_digit_scenes, "SCENES_TOLD", 4)

    paths, _ = make_digit_scenes.make_split("train", 5, tmp_path, progress=True)

    shards = tf.data.TFRecordDataset(str(paths[0]))
    assert [record.numpy() for record in shards] == serialized("train")[:5]
    annotations = json.loads(paths[1].read_text(encoding="utf-8"))["annotations"]
    assert [one["id"] for one in annotations] == list(range(1, len(annotations) + 1))
    assert capsys.readouterr().out == "  4 of 5 scenes of train\n  5 of 5 scenes of train\n"


def test_splits_share_no_digit_and_no_column_of_a_photograph(composers):
    labels = datasets.load_digits().target
    train, validation = make_digits.split(labels)

    assert not set(train) & set(validation)
    assert len(composers["train"]._digits) == len(train)
    np.testing.assert_array_equal(composers["validation"]._digits, datasets.load_digits().images[validation])
    assert PHOTO_COLUMNS["train"][1] <= PHOTO_COLUMNS["validation"][0]


def test_pixels_of_the_other_split_do_not_show(composers):
    """Photographs that are black in the columns of validation give the training scenes all the same."""
    composer = composers["train"]
    blackened = {name: np.array(photo) for name, photo in composer._photos.items()}
    for photo in blackened.values():
        photo[:, PHOTO_COLUMNS["validation"][0] :] = 0
    other = Composer("train", blackened, composer._digits, composer._labels)

    for number in range(6):
        np.testing.assert_array_equal(other.scene(number).image, composer.scene(number).image)


def test_masks_boxes_areas_and_label_maps_agree(validation):
    for example in validation:
        masks = [tf.io.decode_png(png).numpy()[..., 0] for png in example["image/object/mask"].bytes_list.value]
        labels = list(example["image/object/class/label"].int64_list.value)
        label_map = np.zeros([128, 128], np.uint8)
        boxes = np.stack(
            [floats(example[f"image/object/bbox/{side}"]) for side in ("ymin", "xmin", "ymax", "xmax")], axis=-1
        )
        for mask, label, box in zip(masks, labels, boxes * 128, strict=True):
            assert not label_map[mask > 0].any()  # no pixel belongs to two
            label_map[mask > 0] = label
            rows, columns = np.nonzero(mask)
            assert box.tolist() == [rows.min(), columns.min(), rows.max() + 1, columns.max() + 1]
        png = example["image/segmentation/class/encoded"].bytes_list.value[0]
        np.testing.assert_array_equal(tf.io.decode_png(png).numpy()[..., 0], label_map)
        assert floats(example["image/object/area"]).tolist() == [mask.sum() for mask in masks]
        assert set(labels) <= set(range(1, 11))


def test_coco_file_says_the_same_as_the_records(validation, coco):
    by_image = {image["id"]: [] for image in coco["images"]}
    for annotation in coco["annotations"]:
        by_image[annotation["image_id"]].append(annotation)

    assert len(by_image) == len(validation)
    assert len({annotation["id"] for annotation in coco["annotations"]}) == len(coco["annotations"])
    for example in validation:
        annotations = by_image[int(example["image/source_id"].bytes_list.value[0])]
        masks = [tf.io.decode_png(png).numpy()[..., 0] for png in example["image/object/mask"].bytes_list.value]
        assert [one["category_id"] for one in annotations] == list(example["image/object/class/label"].int64_list.value)
        assert [one["iscrowd"] for one in annotations] == list(example["image/object/is_crowd"].int64_list.value)
        for annotation, mask in zip(annotations, masks, strict=True):
            encoding = annotation["segmentation"]
            if annotation["iscrowd"]:
                assert isinstance(encoding["counts"], list)
                encoding = coco_mask.frPyObjects(encoding, 128, 128)
            np.testing.assert_array_equal(coco_mask.decode(encoding), mask)
            assert coco_mask.toBbox(encoding).tolist() == annotation["bbox"]
            assert coco_mask.area(encoding) == annotation["area"]


def test_there_are_empty_scenes_crowds_and_all_classes(validation):
    labels = [list(example["image/object/class/label"].int64_list.value) for example in validation]
    crowds = [sum(example["image/object/is_crowd"].int64_list.value) for example in validation]

    assert 4 <= sum(not one for one in labels) <= 20
    assert 4 <= sum(crowds) <= 24
    assert {label for one in labels for label in one} == set(range(1, 11))


def test_enough_of_each_object_is_visible(composers):
    for number in range(40):
        for instance in composers["train"].scene(number).instances:
            assert instance.area >= LEAST_VISIBLE * instance.pixels


def test_scene_records_have_the_standard_keys(validation):
    example = validation[0]
    encoded = example["image/encoded"].bytes_list.value[0]

    assert set(example) == {
        *(f"image/{key}" for key in ("encoded", "format", "height", "width", "filename", "source_id", "key/sha256")),
        *(f"image/segmentation/class/{key}" for key in ("encoded", "format")),
        *(f"image/object/bbox/{key}" for key in ("ymin", "xmin", "ymax", "xmax")),
        *(f"image/object/{key}" for key in ("class/label", "class/text", "area", "is_crowd", "mask")),
    }
    assert example["image/source_id"].bytes_list.value[0] == b"%d" % FIRST_IDS["validation"]
    assert example["image/key/sha256"].bytes_list.value[0].decode() == hashlib.sha256(encoded).hexdigest()
    assert tf.io.decode_jpeg(encoded).shape == [128, 128, 3]


def test_provenance_of_the_scenes_lists_licences_and_files_as_they_are():
    text = (SHIPPED / "PROVENANCE.md").read_text(encoding="utf-8")

    for expected in ("CC BY 4.0", "CC BY", "danielbuechele", "vultilion", "10.24432/C50P49", "1200 training"):
        assert expected in text
    for entry in SHIPPED.iterdir():
        if entry.name != "PROVENANCE.md":
            assert f"| {entry.name} | `{hashlib.sha256(entry.read_bytes()).hexdigest()}` |" in text
            assert len(entry.read_bytes()) < 1_000_000


def test_crops_have_each_digit_in_their_middle(validation):
    crops = [features(record) for record in crop_records(shards("validation"))]
    by_id = {crop["image/source_id"].bytes_list.value[0].decode(): crop for crop in crops}
    middle, expected = CROP_SIDE // 2, 0
    for scene in validation:
        pixels = tf.io.decode_jpeg(scene["image/encoded"].bytes_list.value[0]).numpy().astype(int)
        crowds = scene["image/object/is_crowd"].int64_list.value
        boxes = np.stack([floats(scene[f"image/object/bbox/{side}"]) for side in ("ymin", "xmin", "ymax", "xmax")], 1)
        for number, (is_crowd, box) in enumerate(zip(crowds, np.rint(boxes * 128).astype(int), strict=True)):
            source_id = f"{scene['image/source_id'].bytes_list.value[0].decode()}-{number}"
            assert (source_id in by_id) != bool(is_crowd)
            if is_crowd:
                continue
            expected += 1
            crop = by_id[source_id]
            assert (
                crop["image/class/label"].int64_list.value[0] + 1
                == (scene["image/object/class/label"].int64_list.value[number])
            )
            cut = tf.io.decode_jpeg(crop["image/encoded"].bytes_list.value[0]).numpy().astype(int)
            height, width = box[2] - box[0], box[3] - box[1]
            top, left = middle - height // 2, middle - width // 2
            assert cut.shape == (CROP_SIDE, CROP_SIDE, 3)
            # Off by a pixel where a side is odd, and JPEG twice: 9 at most; cut elsewhere, 25 and more.
            errors = [
                np.abs(cut[y : y + height, x : x + width] - pixels[box[0] : box[2], box[1] : box[3]]).mean()
                for y in (top - 1, top)
                for x in (left - 1, left)
            ]
            assert min(errors) < 15
    assert len(crops) == expected > 400
