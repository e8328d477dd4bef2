"""Masks against pycocotools: their runs, their overlaps, and all precisions and recalls."""

import io
import json

import numpy as np
import pytest
from assay.python_metrics import COCOEvaluator
from assay.python_metrics.coco import join_runs, read_segmentation, rle
from assay.python_metrics.coco.mask_iou import MaskOverlap
from assay.python_metrics.coco.paste import paste
from assay.python_metrics.coco.runs import of_images
from hypothesis import given, settings
from hypothesis import strategies as st
from pycocotools import mask as api

from packages.python_metrics.tests.coco_scenes import NAMES, answer, numbers

SEEDS = st.integers(0, 2**32 - 1)
SIZES = ((40, 50), (61, 33), (40, 50))


def random_masks(random, count, height, width):
    """Ellipses, some with holes, some empty, some full: `[count, height, width]` bool."""
    down, across = np.mgrid[:height, :width] + 0.5
    made = np.zeros((count, height, width), bool)
    for index in range(count):
        centre, radius = random.random(2) * (height, width), 2 + random.random(2) * (height, width) / 2
        made[index] = ((down - centre[0]) / radius[0]) ** 2 + ((across - centre[1]) / radius[1]) ** 2 < 1
        if random.random() < 0.3:
            made[index] &= random.random((height, width)) < 0.8
        if random.random() < 0.1:
            made[index] = random.random() < 0.5
    return made


def encoded(masks):
    return [api.encode(np.asfortranarray(mask, np.uint8)) for mask in masks]


def random_images(seed, images=3):
    """Images of different sizes with masks of objects and detections, which are objects, moved, or anything."""
    random = np.random.default_rng(seed)
    made = []
    for number in range(images):
        size = SIZES[number % len(SIZES)]
        objects, found = random.integers(0, 5), random.integers(0, 9)
        masks, guesses = random_masks(random, objects, *size), random_masks(random, found, *size)
        for index in range(found if objects else 0):
            if random.random() < 0.7:
                guesses[index] = np.roll(masks[random.integers(objects)], random.integers(0, 4), axis=1)
        made.append(
            {
                "id": 10 * number + 3,
                "size": size,
                "masks": masks,
                "classes": random.integers(1, 3, objects),
                "crowd": random.random(objects) < 0.2,
                "found_masks": guesses,
                "found_classes": random.integers(1, 3, found),
                "scores": random.integers(1, 6, found) / 8,
            }
        )
    return made


def boxes_around(masks):
    boxes = np.array([api.toBbox(one) for one in encoded(masks)]).reshape(-1, 4)
    return np.stack([boxes[:, 1], boxes[:, 0], boxes[:, 1] + boxes[:, 3], boxes[:, 0] + boxes[:, 2]], axis=1)


def feed(metric, images, form=encoded):
    """One image a batch, so that sizes may differ; masks in a form of their own."""
    for image in images:
        metric.update_state(
            {
                "source_id": [image["id"]],
                "height": [image["size"][0]],
                "width": [image["size"][1]],
                "num_detections": [len(image["classes"])],
                "boxes": boxes_around(image["masks"])[None],
                "classes": image["classes"][None],
                "is_crowds": image["crowd"][None],
                "masks": [form(image["masks"])] if len(image["masks"]) else np.zeros((1, 0, *image["size"])),
            },
            {
                "source_id": [image["id"]],
                "num_detections": [len(image["scores"])],
                "detection_boxes": boxes_around(image["found_masks"])[None],
                "detection_classes": image["found_classes"][None],
                "detection_scores": image["scores"][None],
                "detection_masks": [form(image["found_masks"])],
            },
        )
    return metric


def evaluator(**options):
    return COCOEvaluator(**{"include_mask": True, "need_rescale_bboxes": False, "progress": None, **options})


def in_coco_format(images):
    truth, found = [], []
    for image in images:
        rows = zip(encoded(image["masks"]), image["classes"].tolist(), image["crowd"].tolist(), strict=True)
        for mask, category, crowd in rows:
            one = {"id": len(truth) + 1, "image_id": image["id"], "category_id": category, "iscrowd": int(crowd)}
            truth.append(
                {**one, "segmentation": mask, "area": float(api.area(mask)), "bbox": api.toBbox(mask).tolist()}
            )
        rows = zip(
            encoded(image["found_masks"]), image["found_classes"].tolist(), image["scores"].tolist(), strict=True
        )
        for mask, category, score in rows:
            one = {"id": len(found) + 1, "image_id": image["id"], "category_id": category, "score": score}
            found.append({**one, "segmentation": mask, "area": float(api.area(mask))})
    sizes = [dict(zip(("id", "height", "width"), (image["id"], *image["size"]), strict=True)) for image in images]
    categories = [{"id": category} for category in sorted({one["category_id"] for one in truth})]
    return {"images": sizes, "annotations": truth, "categories": categories}, found


@pytest.mark.parametrize("engine", ["vectorized", "pycocotools"])
@settings(max_examples=25)
@given(seed=SEEDS)
def test_all_precisions_and_recalls_equal_pycocotools(engine, seed):
    images = random_images(seed)
    metric = feed(evaluator(engine=engine, per_category_metrics=True), images)
    answered = answer(*in_coco_format(images), "segm")

    curves, results = metric.curves("segm"), metric.result()

    if answered is not None:
        np.testing.assert_allclose(curves.precision, answered["precision"], rtol=0, atol=1e-9)
        np.testing.assert_allclose(curves.recall, answered["recall"], rtol=0, atol=1e-9)
    assert {name: results[f"mask_{name}"] for name in NAMES} == pytest.approx(numbers(answered), abs=1e-9)
    assert len([key for key in results if "/" not in key]) == 24


@settings(max_examples=25)
@given(seed=SEEDS, size=st.sampled_from([(1, 1), (5, 7), (40, 30)]), lowest=st.sampled_from([0.0, 0.5]))
def test_overlaps_areas_and_bounds_equal_pycocotools(seed, size, lowest):
    random = np.random.default_rng(seed)
    found, objects = random_masks(random, 6, *size), random_masks(random, 5, *size)
    crowd = random.random(5) < 0.3
    sizes = np.tile(size, (6, 1))
    expected = api.iou(encoded(found), encoded(objects), crowd.astype(np.uint8))
    for read in (lambda masks: rle.decode(encoded(masks), sizes[: len(masks)]), of_images):
        mine, theirs = read(found), read(objects)
        heights = {"found_heights": sizes[:, 0], "object_heights": sizes[:5, 0]}
        overlap = MaskOverlap(mine, theirs, crowd=crowd, lowest=lowest, **heights)

        actual = overlap(*(index.ravel() for index in np.indices(expected.shape))).reshape(expected.shape)

        enough = expected >= lowest
        np.testing.assert_allclose(actual[enough], expected[enough], rtol=0, atol=1e-12)
        assert (actual[~enough] < lowest).all()
        np.testing.assert_array_equal(mine.areas(), api.area(encoded(found)))
        top, left, bottom, right = mine.bounds(sizes[:, 0]).T
        np.testing.assert_array_equal(np.stack([left, top, right - left, bottom - top], 1), api.toBbox(encoded(found)))


@settings(max_examples=15)
@given(seed=SEEDS, size=st.sampled_from([(1, 1), (5, 7), (40, 30), (300, 200)]))
def test_encodings_are_read_and_written_as_pycocotools_does(seed, size):
    masks = random_masks(np.random.default_rng(seed), 4, *size)
    sizes = np.tile(size, (4, 1))

    written = rle.encode(rle.decode(encoded(masks), sizes), sizes)

    assert [api.frPyObjects(one, *size) for one in written] == encoded(masks)
    assert rle.encode(rle.decode(written, sizes), sizes) == rle.encode(of_images(masks), sizes) == written
    texts = [{**one, "counts": one["counts"].decode()} for one in encoded(masks)]
    assert rle.encode(rle.decode(texts, sizes), sizes) == written


def pasted(mask, box, height, width):
    """Values of a mask at the pixels of an image, by linear interpolation along one axis after the other."""
    rows, columns = mask.shape
    framed = np.pad(mask.astype(np.float64), 1)
    half = np.array(box[2:]) / 2
    grown = half * max((rows + 2) / rows, (columns + 2) / columns)
    low, high = ((box[:2] + half + sign * grown).astype(int) for sign in (-1, 1))
    cells = np.array([columns + 2, rows + 2])
    places = [
        ((np.arange(size) - low[axis] + 0.5) * cells[axis] / max(high[axis] - low[axis] + 1, 1) - 0.5)
        for axis, size in enumerate((width, height))
    ]
    wide = np.stack([np.interp(places[0], np.arange(cells[0]), row) for row in framed])
    return np.stack([np.interp(places[1], np.arange(cells[1]), column) for column in wide.T], axis=1)


@settings(max_examples=40)
@given(
    seed=SEEDS,
    shape=st.sampled_from([(28, 28), (14, 28), (3, 3), (1, 1)]),
    box=st.tuples(
        *[st.floats(-30, 60, width=32)] * 2, *[st.sampled_from([0.0, 0.5, 3.0, 17.3, 28.0, 60.0, 200.0])] * 2
    ),
)
def test_pasted_masks_are_those_above_one_half(seed, shape, box):
    random = np.random.default_rng(seed)
    soft = random.random(shape) if seed % 2 else random.integers(0, 2, shape)
    values = pasted(soft, box, 40, 50)

    runs = paste(soft[None].astype(np.float32), np.array([box], float), np.array([40]), np.array([50]))

    drawn = np.zeros(50 * 40, bool)
    for start, length in zip(runs.start, runs.length, strict=True):
        assert not drawn[start : start + length].any()
        drawn[start : start + length] = True
    differing = (values > 0.5) != drawn.reshape(50, 40).T
    assert not differing[np.abs(values - 0.5) > 1e-4].any()


def png(masks):
    image = pytest.importorskip("PIL.Image")
    files = []
    for mask in masks:
        file = io.BytesIO()
        image.fromarray(np.uint8(mask) * 255).save(file, "PNG")
        files.append(file.getvalue())
    return files


@pytest.mark.parametrize(
    "form", [list, np.asarray, lambda masks: masks.astype(np.float32), png], ids=["list", "bool", "float", "png"]
)
def test_all_forms_of_masks_give_the_same(form):
    images = random_images(5)

    assert feed(evaluator(), images, form).result() == feed(evaluator(), images).result()


def test_padded_batch_of_masks_gives_the_same():
    images = [image for image in random_images(6) if image["size"] == SIZES[0]]
    most, most_found = (max(len(image[name]) for image in images) for name in ("masks", "found_masks"))

    def padded(values, width, shape=()):
        array = np.zeros((len(values), width, *shape))
        for row, value in enumerate(values):
            array[row, : len(value)] = value
        return array

    large = (45, 60)  # masks are padded too
    frame = [(0, 0), (0, large[0] - SIZES[0][0]), (0, large[1] - SIZES[0][1])]
    metric = evaluator(mask_format="image")
    metric.update_state(
        {
            "source_id": [image["id"] for image in images],
            "height": [image["size"][0] for image in images],
            "width": [image["size"][1] for image in images],
            "num_detections": [len(image["classes"]) for image in images],
            "boxes": padded([boxes_around(image["masks"]) for image in images], most, (4,)),
            "classes": padded([image["classes"] for image in images], most),
            "is_crowds": padded([image["crowd"] for image in images], most),
            "masks": padded([np.pad(image["masks"], frame) for image in images], most, large),
        },
        {
            "source_id": [image["id"] for image in images],
            "num_detections": [len(image["scores"]) for image in images],
            "detection_boxes": padded([boxes_around(image["found_masks"]) for image in images], most_found, (4,)),
            "detection_classes": padded([image["found_classes"] for image in images], most_found),
            "detection_scores": padded([image["scores"] for image in images], most_found),
            "detection_masks": padded([np.pad(image["found_masks"], frame) for image in images], most_found, large),
        },
    )

    assert metric.result() == feed(evaluator(), images).result()


def test_merge_and_duplicates_keep_masks_beside_their_detections():
    images = random_images(7, images=6)
    merged = feed(evaluator(), images[4:])
    other = feed(evaluator(), images[:5])  # one image is in both

    merged.merge_state(other)

    assert merged.result() == feed(evaluator(), images).result()


def test_annotation_file_may_have_encodings_and_polygons(tmp_path):
    images = random_images(8, images=4)
    truth, found = in_coco_format(images)
    for number, one in enumerate(truth["annotations"]):
        if number % 2:
            one["segmentation"] = [[5.0, 5.0, 30.0, 6.0, 28.0, 30.0, 4.0, 25.0], [31.0, 31.0, 33.0, 31.0, 33.0, 33.0]]
        else:
            one["segmentation"] = {**one["segmentation"], "counts": one["segmentation"]["counts"].decode()}
    path = tmp_path / "annotations.json"
    path.write_text(json.dumps(truth))
    metric = feed(evaluator(annotation_file=path), images[:3])

    in_file = {**truth, "images": truth["images"][:3]}
    in_file["annotations"] = [one for one in truth["annotations"] if one["image_id"] != images[3]["id"]]
    answered = answer(in_file, [one for one in found if one["image_id"] != images[3]["id"]], "segm")

    np.testing.assert_allclose(metric.curves("segm").precision, answered["precision"], rtol=0, atol=1e-9)


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("masks", [[{"size": [9, 9], "counts": [81]}]], "must have that size"),
        ("masks", [[{"size": [40, 50], "counts": [7]}]], "as many pixels"),
        ("masks", [[{"size": [40, 50]}]], "'size' and 'counts'"),
        ("masks", np.zeros((1, 1, 28, 28)), "as large as their image"),
        ("masks", np.zeros((1, 2, 40, 50)), r"needs shape \[1, 1, ...\]"),
        ("masks", [[b"no image"]], "bytes that are no image file"),
        ("masks", np.full((1, 1, 40, 50), "a"), "must hold numbers"),
        ("height", [0], "needs positive sizes"),
    ],
)
def test_wrong_masks_are_refused_and_leave_the_state(field, value, message):
    metric = feed(evaluator(), random_images(9))
    before = metric.result()
    groundtruths = {
        "source_id": [99],
        "height": [40],
        "width": [50],
        "num_detections": [1],
        "boxes": np.zeros((1, 1, 4)),
        "classes": [[1]],
        "masks": np.zeros((1, 1, 40, 50)),
    }
    predictions = {
        "source_id": [99],
        "num_detections": [0],
        "detection_boxes": np.zeros((1, 0, 4)),
        "detection_classes": np.zeros((1, 0)),
        "detection_scores": np.zeros((1, 0)),
        "detection_masks": np.zeros((1, 0, 28, 28)),
    }

    with pytest.raises(ValueError, match=message):
        metric.update_state({**groundtruths, field: value}, predictions)

    assert metric.result() == before
    metric.update_state(groundtruths, predictions)


def test_work_in_small_pieces_gives_the_same(monkeypatch):
    images = random_images(10, images=9)
    rng = np.random.default_rng(0)
    soft, boxes = rng.random((20, 5, 5)), rng.uniform(1, 30, (20, 4))
    sizes = np.tile([40, 50], (20, 1))
    expected, whole = feed(evaluator(), images).result(), paste(soft, boxes, *sizes.T)

    for name in ("runs.RUNS_AT_ONCE", "mask_iou.RUNS_AT_ONCE", "matching.PAIRS_AT_ONCE", "paste.COLUMNS_AT_ONCE"):
        monkeypatch.setattr(f"assay.python_metrics.coco.{name}", 7)

    assert feed(evaluator(), images).result() == expected
    assert rle.encode(paste(soft, boxes, *sizes.T), sizes) == rle.encode(whole, sizes)


@pytest.mark.parametrize(
    ("segmentation", "pixels"),
    [
        pytest.param({"size": [3, 4], "counts": [4, 2, 6]}, [(1, 1), (2, 1)], id="run-length encoding"),
        pytest.param([[1, 1, 3, 1, 3, 2, 1, 2]], [(1, 1), (1, 2)], id="polygon"),
        pytest.param([], [], id="nothing"),
    ],
)
def test_segmentations_of_an_annotation_file_are_read_as_runs(segmentation, pixels):
    runs = join_runs([read_segmentation(segmentation, 3, 4)] * 2)

    expected = sorted(x * 3 + y for y, x in pixels)
    found = [start + step for start, length in zip(runs.start, runs.length, strict=True) for step in range(length)]
    assert len(runs) == 2
    assert found == expected * 2


def test_a_segmentation_of_another_size_is_refused():
    with pytest.raises(ValueError, match=r"must have that size.*Received: size \[2, 2\]"):
        read_segmentation({"size": [2, 2], "counts": [4]}, 3, 4)
