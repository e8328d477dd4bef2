"""COCO files and Pascal VOC folders: what is read of them, and what is said of what is wrong in them."""

import json
import tempfile
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from assay.core import ConfigError
from assay.reference_tasks.vision.inputs import DetectionInputConfig, InputFilesError, make_detection_reader
from assay.reference_tasks.vision.inputs.annotated_images import AnnotatedImageReader
from assay.reference_tasks.vision.inputs.coco_files import load_coco
from assay.reference_tasks.vision.inputs.objects import EMPTY, OUTSIDE
from assay.reference_tasks.vision.inputs.voc_folders import CLASS_NAMES, find_voc_pairs, load_voc_boxes
from hypothesis import given, settings
from hypothesis import strategies as st
from pycocotools import mask as coco_mask

HEIGHT, WIDTH = 20, 30


def write_image(path, height=HEIGHT, width=WIDTH, value=7):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(tf.io.encode_jpeg(np.full([height, width, 3], value, np.uint8)).numpy())


def annotation(**changes):
    return {"id": 1, "image_id": 5, "category_id": 18, "bbox": [3, 4, 10, 6], "area": 33.5, "iscrowd": 0} | changes


@pytest.fixture
def write_coco(tmp_path):
    def write(*annotations, **changes):
        content = {
            "images": [
                {"id": 9, "file_name": "b.jpg", "height": HEIGHT, "width": WIDTH},
                {"id": 5, "file_name": "a.jpg", "height": HEIGHT, "width": WIDTH},
            ],
            "annotations": list(annotations),
            "categories": [{"id": 18, "name": "dog"}, {"id": 90, "name": "toothbrush"}],
        } | changes
        (tmp_path / "file.json").write_text(json.dumps(content))
        return str(tmp_path / "file.json")

    return write


class TestCoco:
    def test_images_in_the_order_of_the_file_with_their_objects(self, write_coco, tmp_path):
        others = annotation(image_id=9, category_id=90, bbox=[0, 0, 30, 20], iscrowd=1), annotation(bbox=[0, 0, 1, 1])

        images = load_coco(write_coco(annotation(), *others))

        assert images.paths == [f"{tmp_path}/b.jpg", f"{tmp_path}/a.jpg"]
        assert images.source_ids == ["9", "5"]
        assert images.counts.tolist() == [1, 2]
        assert images.boxes.tolist() == [[0, 0, 20, 30], [4, 3, 10, 13], [0, 0, 1, 1]]
        assert images.classes.tolist() == [90, 18, 18]
        assert images.is_crowd.tolist() == [True, False, False]
        assert images.class_names == {18: "dog", 90: "toothbrush"}

    def test_record_is_that_of_detection(self, write_coco, tmp_path):
        for name in "ab":
            write_image(tmp_path / f"{name}.jpg")
        reader = make_detection_reader(
            DetectionInputConfig(reader="coco", is_training=False), write_coco(annotation()), num_classes=91
        )
        empty, record = list(reader.decode(reader.records()).as_numpy_iterator())

        assert empty["groundtruth_boxes"].shape == (0, 4)
        assert record["image"].shape == (HEIGHT, WIDTH, 3)
        np.testing.assert_allclose(record["groundtruth_boxes"], [[4 / 20, 3 / 30, 10 / 20, 13 / 30]], rtol=1e-6)
        assert record["groundtruth_area"].tolist() == [33.5]
        assert (record["source_id"], record["height"], record["width"]) == (b"5", HEIGHT, WIDTH)

    def test_image_of_another_size_is_named(self, write_coco, tmp_path):
        write_image(tmp_path / "b.jpg", height=WIDTH, width=HEIGHT)
        reader = AnnotatedImageReader(load_coco(write_coco()))

        with pytest.raises(tf.errors.InvalidArgumentError, match=r"b\.jpg: height is 20, but the image has 30"):
            next(iter(reader.decode(reader.records())))

    def test_contiguous_ids_follow_the_order_of_the_ids(self, write_coco):
        images = load_coco(write_coco(annotation(category_id=90), annotation()), category_ids="contiguous")

        assert images.classes.tolist() == [2, 1]
        assert images.class_names == {1: "dog", 2: "toothbrush"}

    def test_missing_area_is_that_of_the_box(self, write_coco):
        one = annotation()
        del one["area"], one["iscrowd"]

        assert load_coco(write_coco(one)).areas.tolist() == [60]

    def test_boxes_that_cannot_be_are_left_out_and_counted(self, write_coco):
        boxes = ([0, 0, 0, 5], [0, 0, 5, -1], [25, 0, 6, 5], [0, -1, 5, 5], [1, 1, 29, 19], [0.1, 0, 29.9000001, 20])

        images = load_coco(write_coco(*(annotation(bbox=list(box)) for box in boxes)))

        assert images.left_out == {EMPTY: 2, OUTSIDE: 2}
        assert images.boxes[:, 2:].tolist() == [[20, 30], [20, 30]]

    @settings(max_examples=20)
    @given(st.data())
    def test_masks_are_what_pycocotools_draws(self, data):
        height, width = 6, 9
        kind = data.draw(st.sampled_from(["polygon", "text", "counts"]))
        if kind == "polygon":
            numbers = st.integers(3, 5).flatmap(lambda n: st.lists(st.floats(0, 9), min_size=2 * n, max_size=2 * n))
            segmentation = data.draw(st.lists(numbers, min_size=1, max_size=2))
            expected = coco_mask.decode(coco_mask.merge(coco_mask.frPyObjects(segmentation, height, width)))
        else:
            bits = data.draw(st.integers(0, 2 ** (height * width) - 1))
            expected = np.array([bits >> place & 1 for place in range(height * width)], np.uint8)
            expected = expected.reshape([height, width])
            segmentation = coco_mask.encode(np.asfortranarray(expected))
            segmentation["counts"] = segmentation["counts"].decode()
            if kind == "counts":
                edges = np.flatnonzero(np.diff(expected.T.ravel().astype(int), prepend=0)).tolist()
                segmentation["counts"] = np.diff([0, *edges, height * width]).tolist()
        content = {
            "images": [{"id": 5, "file_name": "a.jpg", "height": height, "width": width}],
            "annotations": [annotation(segmentation=segmentation, bbox=[0, 0, 2, 2])],
            "categories": [{"id": 18, "name": "dog"}],
        }
        with tempfile.TemporaryDirectory() as folder:
            (Path(folder) / "file.json").write_text(json.dumps(content))
            reader = AnnotatedImageReader(load_coco(f"{folder}/file.json", include_mask=True))
        size = {"height": tf.constant(height, tf.int64), "width": tf.constant(width, tf.int64)}
        (png,) = reader._masks.encode(tf.constant(0, tf.int64), tf.constant(1, tf.int64), **size)

        np.testing.assert_array_equal(tf.io.decode_png(png)[..., 0], expected)

    @pytest.mark.parametrize(
        ("bad", "message"),
        [
            ({"image_id": 6}, r"annotations\[1\]: image_id 6 is no image"),
            ({"category_id": 17}, r"annotations\[1\]: category_id 17 is no category"),
            ({"bbox": [1, 2, 3]}, r"annotations\[1\]: 'bbox' must be \[x, y, width, height\]"),
            ({"bbox": [1, 2, float("nan"), 3]}, r"annotations\[1\]: 'bbox'"),
            ({"area": "large"}, r"annotations\[1\]: 'area' must be int or float; received 'large'"),
        ],
    )
    def test_bad_annotation_is_named(self, write_coco, bad, message):
        with pytest.raises(InputFilesError, match=message):
            load_coco(write_coco(annotation(), annotation(**bad)))

    @pytest.mark.parametrize("segmentation", [None, [[1, 2, 3]], {"size": [1, 1], "counts": [1]}, "text"])
    def test_bad_mask_is_named(self, write_coco, segmentation):
        with pytest.raises(InputFilesError, match=r"annotations\[0\]: 'segmentation'"):
            load_coco(write_coco(annotation(segmentation=segmentation)), include_mask=True)

    def test_missing_mask_is_named_where_masks_are_asked_for(self, write_coco):
        with pytest.raises(InputFilesError, match=r"annotations\[0\]: 'segmentation' is missing"):
            load_coco(write_coco(annotation()), include_mask=True)

    @pytest.mark.parametrize(
        ("changes", "message"),
        [
            ({"images": None}, "has no list 'images'"),
            (
                {"images": [{"id": 1, "file_name": "x", "height": 0, "width": 3}]},
                r"images\[0\]: 'height' must",
            ),
            ({"images": [{"id": 1, "height": 2, "width": 3}]}, r"images\[0\]: 'file_name' must be str"),
            ({"images": [{"id": 1, "height": 2, "width": 3}] * 2}, "images: the id 1 occurs more than once"),
            ({"categories": [{"id": 0, "name": "background"}]}, r"categories\[0\]: 'id' must be int above 0"),
        ],
    )
    def test_bad_file_is_named(self, write_coco, changes, message):
        with pytest.raises(InputFilesError, match=rf"file\.json: {message}"):
            load_coco(write_coco(**changes))

    def test_file_that_is_no_json_is_named(self, tmp_path):
        (tmp_path / "file.json").write_text("{")

        with pytest.raises(InputFilesError, match=r"file\.json: is no JSON file"):
            load_coco(str(tmp_path / "file.json"))
        with pytest.raises(InputFilesError, match="there is no COCO file"):
            load_coco(str(tmp_path / "other.json"))

    def test_class_beyond_the_number_of_classes_is_refused(self, write_coco):
        with pytest.raises(InputFilesError, match=r"a\.jpg' has an object of class 18 \('dog'\).*classes, 18"):
            AnnotatedImageReader(load_coco(write_coco(annotation())), num_classes=18)


def voc_object(name="dog", box=(1, 2, 30, 20), difficult=0):
    sides = "".join(
        f"<{side}>{value}</{side}>" for side, value in zip(("xmin", "ymin", "xmax", "ymax"), box, strict=True)
    )
    return f"<object><name>{name}</name><difficult>{difficult}</difficult><bndbox>{sides}</bndbox></object>"


@pytest.fixture
def write_voc(tmp_path):
    def write(*objects, name="2007_000027", size=(WIDTH, HEIGHT)):
        write_image(tmp_path / "JPEGImages" / f"{name}.jpg")
        for folder, content in (
            (f"Annotations/{name}.xml", "<annotation><size><width>{}</width><height>{}</height></size>{}</annotation>"),
            ("ImageSets/Main/train.txt", f"{name}\n"),
            ("ImageSets/Segmentation/train.txt", f"{name}\n"),
        ):
            (tmp_path / folder).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / folder).write_text(content.format(*size, "".join(objects)))
        return str(tmp_path)

    return write


class TestVoc:
    def test_boxes_count_pixels_from_1_with_the_last_inside(self, write_voc):
        images = load_voc_boxes(write_voc(voc_object(), voc_object("person", (5, 6, 5, 6), 1)), split="train")

        assert images.boxes.tolist() == [[1, 0, 20, 30], [5, 4, 6, 5]]
        assert [CLASS_NAMES[label - 1] for label in images.classes] == ["dog", "person"]
        assert images.is_crowd.tolist() == [False, True]
        assert images.areas.tolist() == [570, 1]
        assert images.source_ids == ["2007_000027"]

    def test_voc_record_is_that_of_detection(self, write_voc):
        params = DetectionInputConfig(reader="voc", split="train", is_training=False)
        reader = make_detection_reader(params, write_voc(voc_object()), num_classes=21)
        (record,) = reader.decode(reader.records()).as_numpy_iterator()

        np.testing.assert_allclose(record["groundtruth_boxes"], [[1 / 20, 0, 1, 1]])
        assert record["image"].shape == (HEIGHT, WIDTH, 3)

    def test_other_classes_come_from_a_label_file(self, write_voc, tmp_path):
        (tmp_path / "labels.txt").write_text("# mine\ncat\nzebra\n")

        images = load_voc_boxes(write_voc(voc_object("zebra")), split="train", label_file=f"{tmp_path}/labels.txt")
        assert images.classes.tolist() == [2]

    @pytest.mark.parametrize(
        ("objects", "message"),
        [
            ([voc_object("zebra")], r"000027\.xml: object 0: the class 'zebra' is none of"),
            ([voc_object(), voc_object(box=("a", 1, 2, 3))], r"000027\.xml: object 1: 'bndbox/xmin' must be a number"),
            (["<object>"], r"000027\.xml: is no XML file"),
        ],
    )
    def test_bad_voc_annotation_is_named(self, write_voc, objects, message):
        with pytest.raises(InputFilesError, match=message):
            load_voc_boxes(write_voc(*objects), split="train")

    def test_missing_list_and_missing_annotation_are_named(self, write_voc, tmp_path):
        root = write_voc()
        with pytest.raises(InputFilesError, match=r"`split`: there is no list of images .*Main/val\.txt"):
            load_voc_boxes(root, split="val")
        (tmp_path / "ImageSets/Main/train.txt").write_text("2007_000027 1\nnowhere -1\n")
        with pytest.raises(InputFilesError, match=r"nowhere\.xml: there is no such file"):
            load_voc_boxes(root, split="train")

    def test_pairs_of_label_maps(self, write_voc, tmp_path):
        (pair,) = find_voc_pairs(write_voc(), split="train")

        assert (pair.source_id, pair.label_map) == ("2007_000027", f"{tmp_path}/SegmentationClass/2007_000027.png")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"reader": "voc", "input_path": "root"}, "split: must be set for `reader: voc`"),
        ({"split": "train"}, "split: has no effect, because `reader` is 'tfrecord'"),
        ({"image_folder": "x"}, "image_folder: has no effect"),
        (
            {"reader": "voc", "input_path": "root", "split": "train", "include_mask": True},
            "include_mask: must be false",
        ),
    ],
)
def test_options_of_another_reader_are_refused(options, message):
    with pytest.raises(ConfigError, match=message):
        DetectionInputConfig(is_training=False, global_batch_size=1, **options).validate()
