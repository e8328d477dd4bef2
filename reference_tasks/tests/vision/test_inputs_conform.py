"""Rules of the conformance suite for input pipelines, on a dataset of each reader."""

import numpy as np
import pytest
import tensorflow as tf
from assay.conformance import Subject, check
from assay.reference_tasks.vision.inputs import (
    DetectionInputConfig,
    SegmentationInputConfig,
    make_dataset,
    make_detection_reader,
    make_segmentation_reader,
    make_sources,
    numeric_source_id,
)

from tools import make_digit_scenes
from tools.digit_scenes.records import CLASS_NAMES

COUNTS = {"train": 18, "validation": 7}
SIDE = 16
MOST_OBJECTS = 8


@pytest.fixture(scope="module")
def scenes(tmp_path_factory):
    """Digit scenes in all forms that there are readers for."""
    folder = tmp_path_factory.mktemp("scenes")
    for split in make_digit_scenes.SPLITS:
        make_digit_scenes.make_split(split, COUNTS[split], folder, images=True)
        write_voc(folder, split)
    (folder / "labels.txt").write_text("\n".join(CLASS_NAMES))
    return folder


def write_voc(folder, split):
    """Write the same scenes as a Pascal VOC folder."""
    names = [path.stem for path in sorted((folder / "images" / split).iterdir())]
    for kind, source in (("JPEGImages", "images"), ("SegmentationClass", "label_maps")):
        (folder / "voc" / kind).mkdir(parents=True, exist_ok=True)
        for path in (folder / source / split).iterdir():
            (folder / "voc" / kind / path.name).symlink_to(path)
    for kind in ("Main", "Segmentation"):
        (folder / "voc" / "ImageSets" / kind).mkdir(parents=True, exist_ok=True)
        (folder / "voc" / "ImageSets" / kind / f"{split}.txt").write_text("\n".join(names))
    (folder / "voc" / "Annotations").mkdir(exist_ok=True)
    size = "<size><width>128</width><height>128</height></size>"
    for number, name in enumerate(names):
        box = "<xmin>3</xmin><ymin>5</ymin><xmax>90</xmax><ymax>100</ymax>"
        found = f"<object><name>{CLASS_NAMES[number % 10]}</name><bndbox>{box}</bndbox></object>" * (number % 3)
        (folder / "voc" / "Annotations" / f"{name}.xml").write_text(f"<annotation>{size}{found}</annotation>")


def image_of(record, seed=None):
    image = tf.image.resize(record["image"], [SIDE, SIDE]) / 255.0
    return image if seed is None else tf.image.stateless_random_flip_left_right(image, tf.cast(seed, tf.int32))


def segmentation(record, seed=None):
    mask = tf.image.resize(record["mask"], [SIDE, SIDE], method="nearest")
    return image_of(record, seed), {"id": numeric_source_id(record["source_id"]), "mask": mask}


def detection(record, seed=None):
    def padded(values):
        return tf.pad(values, [[0, MOST_OBJECTS - tf.shape(values)[0]]] + [[0, 0]] * (values.shape.rank - 1))

    truth = {
        "source_id": numeric_source_id(record["source_id"]),
        "num_detections": tf.size(record["groundtruth_classes"]),
        "boxes": tf.ensure_shape(padded(record["groundtruth_boxes"]), [MOST_OBJECTS, 4]),
        "classes": tf.ensure_shape(padded(record["groundtruth_classes"]), [MOST_OBJECTS]),
    }
    return image_of(record, seed), {"groundtruths": truth}


def pipeline(make_reader, parse):
    def make(params, input_context=None):
        return make_dataset(
            params,
            make_sources(params, lambda path: make_reader(params, path, num_classes=11)),
            parse_train=parse,
            parse_eval=parse,
            input_context=input_context,
        )

    return make


def options_of(reader, folder, split):
    return {
        "tfrecord": {"input_path": f"{folder}/{split}-*"},
        "coco": {"input_path": f"{folder}/instances_{split}.json", "image_folder": f"{folder}/images/{split}"},
        "voc": {"input_path": f"{folder}/voc", "split": split},
        "folder": {
            "input_path": f"{folder}/images/{split}",
            "label_map_folder": f"{folder}/label_maps/{split}",
        },
    }[reader]


# What a reader decides: which records there are, in which order, for which pipeline, and what an iterator saves.
OF_A_READER = ("I101", "I201", "I301", "I302")
CASES = {
    # Of readers that share their records, one is checked by more rules; TFRecords are checked with each task, too.
    "coco": (make_detection_reader, DetectionInputConfig, detection, (*OF_A_READER, "I203")),
    "folder": (make_segmentation_reader, SegmentationInputConfig, segmentation, OF_A_READER),
    "voc, boxes": (make_detection_reader, DetectionInputConfig, detection, ("I201",)),
    "voc, label maps": (make_segmentation_reader, SegmentationInputConfig, segmentation, ("I201",)),
    "tfrecord": (make_detection_reader, DetectionInputConfig, detection, ("I104", "I105")),
}


@pytest.mark.slow
@pytest.mark.parametrize("case", CASES)
def test_data_of_a_reader_conforms(scenes, case):
    make_reader, config, parse, rules = CASES[case]
    reader, _, boxes = case.partition(", ")
    labels = {"label_file": f"{scenes}/labels.txt"} if boxes == "boxes" else {}
    sample = {
        role: config(
            reader=reader,
            is_training=role == "training",
            global_batch_size=4,
            shuffle_buffer_size=8,
            **options_of(reader, scenes, split),
            **labels,
        )
        for role, split in (("training", "train"), ("validation", "validation"))
    }
    traits = {"value_ranges": {"features": (0, 1)}}
    subject = Subject(pipeline(make_reader, parse), sample, kind="input_pipeline", name=case, traits=traits)

    report = check(subject, select=rules)

    assert {result.rule: result.outcome.value for result in report.results} == dict.fromkeys(rules, "pass"), [
        failure.message for failure in report.failures
    ]


def test_all_forms_hold_the_same_images(scenes):
    found = []
    for reader, make in (("tfrecord", make_detection_reader), ("coco", make_detection_reader)):
        params = DetectionInputConfig(
            reader=reader, is_training=False, global_batch_size=1, **options_of(reader, scenes, "validation")
        )
        source = make(params, params.input_path)
        found.append([record["image"] for record in source.decode(source.records()).as_numpy_iterator()])

    np.testing.assert_array_equal(*found)
