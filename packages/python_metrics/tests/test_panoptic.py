"""PanopticQualityEvaluator against a slow, plain reading of the definition, segment by segment as sets of pixels."""

import json
from fractions import Fraction
from types import SimpleNamespace

import numpy as np
import pytest
from assay.conformance import Subject, check
from assay.python_metrics import MissingFieldError, PanopticQualityEvaluator
from assay.python_metrics.panoptic import evaluate_panoptic_files, read_panoptic_files
from PIL import Image

VOID = 9
IS_THING = [False, False, True, True]
QUALITIES = ("PQ", "SQ", "RQ")


def segments_of(categories, instances, crowd=None, *, merge_stuff=True):
    """By (category, instance, crowd) the set of pixels."""
    found = {}
    for pixel in np.ndindex(categories.shape):
        category, is_crowd = int(categories[pixel]), bool(crowd is not None and crowd[pixel])
        if category != VOID:
            merged = is_crowd or (merge_stuff and not IS_THING[category])
            key = (category, None if merged else int(instances[pixel]), is_crowd)
            found.setdefault(key, set()).add(pixel)
    return found


def oracle(images, *, merge_stuff=True):
    """The results of images (categories, instances, crowd, found categories, found instances), in exact fractions."""
    counts = {category: [Fraction(0), 0, 0, 0] for category in range(len(IS_THING))}
    for categories, instances, crowd, found_categories, found_instances in images:
        truth = segments_of(categories, instances, crowd, merge_stuff=merge_stuff)
        found = segments_of(found_categories, found_instances, merge_stuff=merge_stuff)
        void = {pixel for pixel in np.ndindex(categories.shape) if categories[pixel] == VOID}
        matched = set()
        for key, pixels in truth.items():
            for other, guessed in found.items():
                iou = Fraction(len(pixels & guessed), len(pixels | (guessed - void)))
                if key[0] == other[0] and not key[2] and iou > Fraction(1, 2):
                    counts[key[0]][0] += iou
                    counts[key[0]][1] += 1
                    matched |= {("truth", key), ("found", other)}
        for key in truth:
            counts[key[0]][3] += not key[2] and ("truth", key) not in matched
        for key, guessed in found.items():
            ignored = void | truth.get((key[0], None, True), set())
            counts[key[0]][2] += ("found", key) not in matched and 2 * len(guessed & ignored) <= len(guessed)
    results = {}
    for category, (iou, tp, fp, fn) in counts.items():
        if tp + fp + fn:
            weight = tp + Fraction(fp, 2) + Fraction(fn, 2)
            results[category] = (iou / weight, iou / tp if tp else Fraction(0), tp / weight)
    table = {}
    for suffix, kinds in (("", (True, False)), ("_things", (True,)), ("_stuff", (False,))):
        rows = [row for category, row in results.items() if IS_THING[category] in kinds]
        for number, quality in enumerate(QUALITIES):
            table[quality + suffix] = float(sum(row[number] for row in rows) / len(rows)) if rows else -1.0
    for category, row in results.items():
        table |= {f"{quality}/{category}": float(value) for quality, value in zip(QUALITIES, row, strict=True)}
    return table


def scene(seed, size=(9, 8), images=3, largest_instance=2**40):
    """Random images of rectangles; predictions are the truth, shifted and with other rectangles on it."""
    random = np.random.default_rng(seed)

    def paint(categories, instances, count, others=()):
        for _ in range(count):
            top, left = random.integers(0, size[0]), random.integers(0, size[1])
            where = np.s_[top : top + random.integers(1, 6), left : left + random.integers(1, 6)]
            categories[where] = random.choice([*range(len(IS_THING)), *others])
            instances[where] = random.choice([-3, 0, 1, largest_instance])

    made = []
    for _ in range(images):
        categories, instances = np.full(size, VOID), np.zeros(size, np.int64)
        paint(categories, instances, 6, [VOID])
        crowd = np.zeros(size, np.int64)
        crowd[random.integers(0, 9) :, random.integers(0, 9) :] = random.random() < 0.5
        found_categories, found_instances = np.roll(categories, random.integers(0, 2)), np.roll(instances, 1)
        paint(found_categories, found_instances, 2, [VOID])
        made.append((categories, instances, crowd, found_categories, found_instances + random.integers(0, 5)))
    return made


def batch(images, ids=None):
    columns = [np.stack(column) for column in zip(*images, strict=True)]
    truth = {"category_mask": columns[0], "instance_mask": columns[1], "crowd_mask": columns[2]}
    return truth | ({} if ids is None else {"source_id": np.asarray(ids)}), {
        "category_mask": columns[3],
        "instance_mask": columns[4],
    }


def make(**options):
    return PanopticQualityEvaluator(len(IS_THING), **({"ignored_label": VOID, "is_thing": IS_THING} | options))


def evaluate(images, **options):
    metric = make(**options)
    metric.update_state(*batch(images))
    return metric.result()


@pytest.mark.parametrize("merge_stuff", [True, False])
@pytest.mark.parametrize("largest_instance", [2**40, 7])
def test_agrees_with_the_definition_on_random_scenes(merge_stuff, largest_instance):
    for seed in range(40):
        images = scene(seed, largest_instance=largest_instance)

        actual = evaluate(images, merge_stuff=merge_stuff)

        assert actual == pytest.approx(oracle(images, merge_stuff=merge_stuff), abs=1e-12), seed


def strip(*categories):
    """A row of pixels: a category, or (category, instance), or (category, "crowd")."""
    pixels = [one if isinstance(one, tuple) else (one, 0) for one in categories]
    crowd = np.array([[instance == "crowd" for _, instance in pixels]])
    instances = np.array([[0 if instance == "crowd" else instance for _, instance in pixels]])
    return np.array([[category for category, _ in pixels]]), instances, crowd


def results_of(truth, found):
    categories, instances, crowd = strip(*truth)
    return evaluate([(categories, instances, crowd, *strip(*found)[:2])])


@pytest.mark.parametrize(
    ("truth", "found", "expected"),
    [
        ([2, 2, 2, 3], [2, 2, 2, 3], {"PQ/2": 1.0, "PQ/3": 1.0, "PQ": 1.0, "PQ_stuff": -1.0}),
        ([2, 2, VOID], [2, VOID, VOID], {"PQ/2": 0.0, "SQ/2": 0.0, "RQ/2": 0.0}),  # one half is not above it
        ([2, 2, 2], [2, 2, VOID], {"PQ/2": 2 / 3, "SQ/2": 2 / 3, "RQ/2": 1.0}),
        ([2, 2, VOID, VOID], [2, 2, 2, 2], {"PQ/2": 1.0}),  # void is in no union
        ([3, VOID, VOID], [2, 2, 2], {"PQ/3": 0.0, "PQ": 0.0}),  # mostly in void: 2 is no false positive
        ([3, 3, VOID, VOID], [3, 3, 2, VOID], {"PQ/3": 1.0, "PQ": 1.0}),
        ([(2, "crowd")] * 3 + [3], [(2, 5), (2, 5), (2, 6), 3], {"PQ/3": 1.0, "PQ": 1.0}),
        ([(2, "crowd")] * 3 + [3], [3, 3, 3, 3], {"PQ/3": 0.0}),  # a crowd of another category excuses nothing
        ([(0, 1), (0, 2), 3, 3], [(0, 7), (0, 7), 3, 3], {"PQ_stuff": 1.0, "PQ_things": 1.0}),  # stuff is one segment
        ([(2, 1), (2, 1), (2, 2)], [(2, 1), (2, 1), (2, 1)], {"PQ/2": (2 / 3) / 1.5, "RQ/2": 1 / 1.5}),
    ],
)
def test_closed_forms(truth, found, expected):
    results = results_of(truth, found)

    assert {name: results[name] for name in expected} == pytest.approx(expected, abs=1e-12)


def test_categories_that_did_not_come_are_undefined_and_left_out():
    results = evaluate([(*strip(2, 3), *strip(2, 2)[:2])], category_names={0: "sky", 2: "car"})

    assert {name for name in results if "/" in name} == {f"{q}/{c}" for q in QUALITIES for c in ("sky", "car", "3")}
    assert (results["PQ/sky"], results["PQ/3"], results["PQ"]) == (-1.0, 0.0, 0.0)
    assert set(make().result().values()) == {-1.0}


def test_merging_any_parts_gives_what_one_evaluation_does():
    images = scene(4, images=9)
    parts = [make() for _ in range(3)]
    for number, part in enumerate(parts):
        part.update_state(*batch(images[number::3], ids=range(number, 9, 3)))
    before = parts[1].result()

    parts[0].merge_state(parts[1])
    parts[0].merge_state(parts[1])  # the same images again
    parts[0].merge_state(parts[2])

    assert parts[0].result() == pytest.approx(oracle(images), abs=1e-12)
    assert parts[1].result() == before
    with pytest.raises(ValueError, match="same class and options"):
        parts[0].merge_state(make(is_thing=None))


def test_replicas_float_masks_and_a_channel_axis_are_taken():
    images = scene(6, images=4)
    truth, found = batch(images)
    metric = make()

    metric.update_state(
        {field: tuple(np.split(mask[..., None].astype(np.float64), 2)) for field, mask in truth.items()},
        {field: mask.astype(np.int64) for field, mask in found.items()},
    )

    assert metric.result() == evaluate(images)


def test_image_that_comes_again_counts_once_or_is_refused():
    images = scene(8, images=2)
    first, strict = make(), make(duplicates="error")
    for metric in (first, strict):
        metric.update_state(*batch(images, ids=["a", "b"]))
    before = first.result()

    first.update_state(*batch(scene(9, images=1), ids=["b"]))

    assert first.result() == before == evaluate(images)
    for ids in (["c", "b"], ["c", "c"]):
        with pytest.raises(ValueError, match=r"The image '[bc]' .* came before"):
            strict.update_state(*batch(scene(9, images=2), ids=ids))
    assert strict.result() == before


@pytest.mark.parametrize(
    ("side", "field", "value", "said"),
    [
        (0, "category_mask", np.full([3, 9, 8], 4), r"'category_mask' of the groundtruths holds \[4\]"),
        (1, "category_mask", np.full([3, 9, 8], -1), r"'category_mask' of the predictions holds \[-1\]"),
        (1, "category_mask", np.zeros([9, 8], int), r"must be \[batch, height, width\]. Received \[9, 8\]"),
        (1, "instance_mask", np.full([3, 9, 8], np.nan), "'instance_mask' of the predictions must hold integers"),
        (1, "instance_mask", np.full([3, 9, 8], np.inf), "must hold integers"),
        (1, "instance_mask", np.full([3, 9, 8], "a"), "must hold integers"),
        (1, "instance_mask", np.zeros([3, 9, 9], int), "they must be alike"),
        (0, "crowd_mask", np.zeros([3, 9, 9], int), "The crowd masks have masks of shape"),
        (0, "source_id", [1, 2], r"There are 2 ids \('source_id'\) for 3 images"),
    ],
)
def test_bad_batch_is_refused_and_leaves_the_state(side, field, value, said):
    metric = make()
    metric.update_state(*batch(scene(0)))
    before = metric.result()
    sides = batch(scene(1))
    sides[side][field] = np.asarray(value)

    with pytest.raises(ValueError, match=said):
        metric.update_state(*sides)

    assert metric.result() == before


def test_missing_field_is_named():
    truth, found = batch(scene(0))
    del found["instance_mask"]

    with pytest.raises(
        MissingFieldError, match=r"'panoptic_quality' needs the field 'instance_mask' of the predictions"
    ):
        make().update_state(truth, found)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"num_categories": 0}, "`num_categories`"),
        ({"is_thing": [True]}, "`is_thing`"),
        ({"duplicates": "all"}, "`duplicates`"),
        ({"category_names": {7: "car"}}, "`category_names`"),
    ],
)
def test_options_are_checked(options, said):
    with pytest.raises(ValueError, match=said):
        PanopticQualityEvaluator(**({"num_categories": 4, "ignored_label": VOID} | options))


IDS = [3, 7, 18, 200]
"""Category ids of the files, of the categories 0 to 3."""


def write_files(folder, images, *, broken=None):
    """Write images in COCO's format; the segment ids use all three colours."""
    categories = [
        {"id": IDS[number], "name": f"name {number}", "isthing": int(thing)} for number, thing in enumerate(IS_THING)
    ]
    for name, columns in (("truth", (0, 1, 2)), ("found", (3, 4, None))):
        (folder / name).mkdir()
        annotations = []
        for number, image in enumerate(images):
            crowd = image[columns[2]] if columns[2] else None
            segments = segments_of(image[columns[0]], image[columns[1]], crowd, merge_stuff=False)
            pixels, infos = np.zeros((*image[0].shape, 3), np.uint8), []
            for segment, (key, where) in enumerate(segments.items(), start=1):
                colour = (segment, (3 * segment) % 256, segment % 2)
                for pixel in where:
                    pixels[pixel] = colour
                infos.append(
                    {
                        "id": colour[0] + 256 * colour[1] + 65536 * colour[2],
                        "category_id": IDS[key[0]],
                        "iscrowd": int(key[2]),
                    }
                )
            Image.fromarray(pixels).save(folder / name / f"{number}.png")
            annotations.append({"image_id": number, "file_name": f"{number}.png", "segments_info": infos})
        content = {"annotations": annotations, "categories": categories}
        if broken is not None:
            broken(name, content)
        (folder / f"{name}.json").write_text(json.dumps(content))
    return folder / "truth.json", folder / "found.json"


def test_files_in_the_format_of_coco_give_the_same(tmp_path):
    images = scene(3, images=4)

    results = evaluate_panoptic_files(*write_files(tmp_path, images))

    expected = oracle(images, merge_stuff=False)
    named = {(name if "/" not in name else f"{name[:3]}name {name[3:]}"): value for name, value in expected.items()}
    assert {name: value for name, value in results.items() if value != -1 or name in named} == pytest.approx(
        named, abs=1e-12
    )


def test_comparing_many_files_says_how_far_it_is(tmp_path, monkeypatch, capsys):
    files = write_files(tmp_path, scene(3, images=4))
    evaluate_panoptic_files(*files)
    assert capsys.readouterr().err == ""

    monkeypatch.setattr(
        "assay.python_metrics._progress.time", SimpleNamespace(monotonic=iter(range(0, 90, 9)).__next__)
    )
    evaluate_panoptic_files(*files)

    said = [f"panoptic_quality: comparing images, {share}%" for share in (0, 25, 50, 75)]
    assert capsys.readouterr().err.splitlines() == said


def test_files_are_read_as_batches_of_one(tmp_path):
    images = scene(3, images=2)
    truth, _ = write_files(tmp_path, images)

    read = dict(read_panoptic_files(truth, tmp_path / "truth"))

    assert list(read) == ["0", "1"]
    for (categories, _, crowd, *_), fields in zip(images, read.values(), strict=True):
        expected = np.array([*IDS, -1])[np.where(categories == VOID, 4, categories)]
        np.testing.assert_array_equal(fields["category_mask"][0], expected)
        np.testing.assert_array_equal(fields["crowd_mask"][0], crowd * (categories != VOID))


def drop_image(name, content):
    if name == "found":
        del content["annotations"][1]


def drop_segment(name, content):
    if name == "found":
        del content["annotations"][0]["segments_info"][0]


def other_category(name, content):
    if name == "found":
        content["annotations"][0]["segments_info"][0]["category_id"] = 5


@pytest.mark.parametrize(
    ("broken", "said"),
    [
        (drop_image, "no prediction for 1 of 2 images of the groundtruth; the first is '1'"),
        (
            drop_segment,
            r"0\.png are not those of its annotation: only the image has \[\d+\], only the annotation has \[\]",
        ),
        (other_category, "has the category 5, which the groundtruth has not"),
    ],
)
def test_files_that_do_not_fit_are_refused(tmp_path, broken, said):
    with pytest.raises(ValueError, match=said):
        evaluate_panoptic_files(*write_files(tmp_path, scene(3, images=2), broken=broken))


SCENES = scene(21, images=7)


def images_of(batches):
    """The images of batches, each once."""
    images = {}
    for truth, found in batches:
        for row, identity in enumerate(np.asarray(truth["source_id"]).tolist()):
            fields = (truth["category_mask"], truth["instance_mask"], truth["crowd_mask"], *found.values())
            images.setdefault(identity, tuple(np.asarray(field)[row] for field in fields))
    return list(images.values())


def test_passes_every_rule_of_the_conformance_suite():
    sample = [batch(SCENES[start : start + 3], ids=range(start, min(start + 3, 7))) for start in range(0, 7, 3)]
    subject = Subject(
        make,
        sample=sample,
        name="panoptic",
        traits={
            "duplicates": "counted_once",
            "id_field": "source_id",
            "no_data": "undefined",
            "reference": lambda batches: oracle(images_of(batches)),
        },
    )

    report = check(subject)

    outcomes = {str(result.rule): str(result.outcome) for result in report.results}
    assert report.conformant, [failure.message for failure in report.failures]
    # A map has no slots to pad, and no prediction that could be left out.
    assert {rule for rule, outcome in outcomes.items() if outcome != "pass"} <= {"H202", "H206", "H207"}, outcomes
