"""VOCEvaluator against a slow, plain reading of the devkit's text, and for what it promises on its inputs."""

import copy
from fractions import Fraction

import numpy as np
import pytest
from assay.conformance import Subject, check
from assay.python_metrics import MissingFieldError, VOCEvaluator
from hypothesis import given, settings
from hypothesis import strategies as st

CLASSES = (1, 2, 3)


def overlap(box, other, extra=0):
    """Intersection over union as a fraction; coordinates are whole numbers."""
    height = min(box[2], other[2]) - max(box[0], other[0]) + extra
    width = min(box[3], other[3]) - max(box[1], other[1]) + extra
    if height <= 0 or width <= 0:
        return Fraction(0)
    areas = [(each[2] - each[0] + extra) * (each[3] - each[1] + extra) for each in (box, other)]
    return Fraction(height * width, sum(areas) - height * width)


def oracle(images, *, year=2010, threshold=Fraction(1, 2), extra=0):
    """Average precision of each class, detection after detection, in exact fractions."""
    results = {}
    for class_id in sorted({one for image in images for one in image["classes"]}):
        positives = sum(
            one == class_id and not hard
            for image in images
            for one, hard in zip(image["classes"], image["difficult"], strict=True)
        )
        if not positives:
            results[class_id] = Fraction(-1)
            continue
        detections = [
            (-score, image["id"], slot, image, box)
            for image in images
            for slot, (box, one, score) in enumerate(
                zip(image["found_boxes"], image["found_classes"], image["scores"], strict=True)
            )
            if one == class_id
        ]
        taken, outcomes = set(), []
        for _, identity, _, image, box in sorted(detections, key=lambda one: one[:3]):
            best, best_slot = Fraction(-1), None
            for slot, (other, one) in enumerate(zip(image["boxes"], image["classes"], strict=True)):
                if one == class_id and overlap(box, other, extra) > best:
                    best, best_slot = overlap(box, other, extra), slot
            if best < threshold:
                outcomes.append(False)
            elif not image["difficult"][best_slot]:
                outcomes.append((identity, best_slot) not in taken)
                taken.add((identity, best_slot))
        points = [
            (Fraction(sum(outcomes[: n + 1]), positives), Fraction(sum(outcomes[: n + 1]), n + 1))
            for n in range(len(outcomes))
        ]
        if year == 2007:
            tenths = [Fraction(t, 10) for t in range(11)]
            results[class_id] = sum(max([p for r, p in points if r >= t], default=0) for t in tenths) / Fraction(11)
        else:
            total, before = Fraction(0), Fraction(0)
            for number, (recall, _) in enumerate(points):
                total += (recall - before) * max(p for _, p in points[number:])
                before = recall
            results[class_id] = total
    defined = [value for value in results.values() if value != -1]
    mean = sum(defined) / len(defined) if defined else Fraction(-1)
    return {"mAP": float(mean)} | {f"AP/{class_id}": float(value) for class_id, value in results.items()}


def scene(seed, images=6, ties=False):
    """Random images: boxes on a coarse grid, so that overlaps are often equal and often exactly one half."""
    random = np.random.default_rng(seed)

    def boxes(count):
        corner, side = random.integers(0, 6, (count, 2)), random.integers(0, 6, (count, 2))
        return np.concatenate([corner, corner + side], axis=1).reshape(count, 4)

    made = []
    for number in range(images):
        objects, extra = random.integers(0, 5), random.integers(0, 4)
        truth = boxes(objects)
        near = truth[random.integers(0, objects, random.integers(0, 6))] if objects else boxes(0)
        near = near + random.integers(-1, 2, near.shape) * (random.random(near.shape) < 0.3)
        near[:, 2:] = np.maximum(near[:, 2:], near[:, :2])
        found = np.concatenate([near, boxes(extra)])
        scores = random.integers(1, 4, len(found)) / 4 if ties else random.permutation(len(found)) + random.random()
        made.append(
            {
                "id": f"{number}",
                "boxes": truth.tolist(),
                "classes": random.choice(CLASSES, objects).tolist(),
                "difficult": (random.random(objects) < 0.3).tolist(),
                "found_boxes": found.tolist(),
                "found_classes": random.choice(CLASSES, len(found)).tolist(),
                "scores": np.asarray(scores, np.float64).tolist(),
            }
        )
    return made


def batch(images, *, padding=2):
    """Images as padded arrays; what is in the padding would be found if it were looked at."""

    def padded(name, *shape):
        slots = max((len(image[name]) for image in images), default=0) + padding
        array = np.full((len(images), slots, *shape), 1, np.float32 if shape or name == "scores" else np.int64)
        for row, image in enumerate(images):
            if image[name]:
                array[row, : len(image[name])] = image[name]
        return array

    ids = np.array([image["id"] for image in images])
    counts = [np.array([len(image[name]) for image in images], np.int32) for name in ("classes", "scores")]
    return (
        {
            "source_id": ids,
            "num_detections": counts[0],
            "boxes": padded("boxes", 4),
            "classes": padded("classes"),
            "is_difficult": padded("difficult"),
        },
        {
            "source_id": ids,
            "num_detections": counts[1],
            "detection_boxes": padded("found_boxes", 4),
            "detection_classes": padded("found_classes"),
            "detection_scores": padded("scores"),
        },
    )


def evaluate(images, size=3, **options):
    metric = VOCEvaluator(**options)
    for start in range(0, len(images), size):
        metric.update_state(*batch(images[start : start + size]))
    return metric.result()


@pytest.mark.parametrize("year", [2007, 2010])
@pytest.mark.parametrize(("inclusive", "extra"), [(False, 0), (True, 1)])
@pytest.mark.parametrize("ties", [False, True])
def test_agrees_with_the_devkit_on_random_scenes(year, inclusive, extra, ties):
    for seed in range(40):
        images = scene(seed, ties=ties)

        actual = evaluate(images, year=year, inclusive_boxes=inclusive)

        expected = oracle(images, year=year, extra=extra)
        assert actual == pytest.approx(expected, abs=1e-12), seed


@settings(max_examples=60, derandomize=True, deadline=None)
@given(st.integers(1000, 2000), st.sampled_from([2007, 2010]), st.sampled_from([Fraction(1, 4), Fraction(3, 4)]))
def test_agrees_with_the_devkit_at_other_thresholds(seed, year, threshold):
    images = scene(seed, images=3, ties=True)

    actual = evaluate(images, year=year, iou_threshold=float(threshold))

    assert actual == pytest.approx(oracle(images, year=year, threshold=threshold), abs=1e-12)


def one_class(objects, found, difficult=None):
    """An image of class 1 with boxes [0, 10 * k, 10, 10 * k + 10]; `found` holds the k of each detection in turn."""
    place = [[0, 10 * k, 10, 10 * k + 10] for k in range(100)]
    return {
        "id": "a",
        "boxes": [place[k] for k in range(objects)],
        "classes": [1] * objects,
        "difficult": difficult or [False] * objects,
        "found_boxes": [place[k] for k in found],
        "found_classes": [1] * len(found),
        "scores": [1 - n / 100 for n in range(len(found))],
    }


@pytest.mark.parametrize(
    ("image", "eleven", "area"),
    [
        (one_class(1, [0]), 1.0, 1.0),
        (one_class(1, [5]), 0.0, 0.0),
        (one_class(1, [5, 0]), 0.5, 0.5),
        (one_class(2, [0]), 6 / 11, 0.5),  # recalls 0 to 0.5 are reached
        (one_class(2, [0, 0, 1]), (6 + 5 * 2 / 3) / 11, 0.5 + 0.5 * 2 / 3),  # the second one is a repetition
        (one_class(2, [1, 1, 0], [False, True]), 1.0, 1.0),  # those of a difficult object do not count
        (one_class(10, range(3)), 4 / 11, 0.3),  # recall 3/10 reaches 0.3, although 3 * 0.1 > 0.3
    ],
)
def test_closed_forms(image, eleven, area):
    assert evaluate([image], year=2007)["mAP"] == pytest.approx(eleven, abs=1e-12)
    assert evaluate([image], year=2010)["mAP"] == pytest.approx(area, abs=1e-12)


def test_classes_have_names_and_absent_ones_are_undefined():
    images = [one_class(1, [0])]
    images[0]["found_boxes"].append([0, 0, 1, 1])
    images[0]["found_classes"].append(4)  # of a class without an object: not looked at
    images[0]["scores"].append(0.9)

    assert evaluate(images, class_names={1: "cat", 2: "dog"}) == {"mAP": 1.0, "AP/cat": 1.0, "AP/dog": -1.0}
    assert evaluate(images) == {"mAP": 1.0, "AP/1": 1.0}
    assert evaluate([one_class(1, [0], [True])]) == {"mAP": -1.0, "AP/1": -1.0}
    assert VOCEvaluator(class_names={1: "cat"}).result() == {"mAP": -1.0, "AP/cat": -1.0}


def test_merging_any_parts_gives_what_one_evaluation_does():
    images = scene(5, images=9, ties=True)
    parts = [VOCEvaluator() for _ in range(3)]
    for number, part in enumerate(parts):
        part.update_state(*batch(images[number::3]))
    before = parts[1].result()

    parts[0].merge_state(parts[1])
    parts[0].merge_state(parts[2])

    assert parts[0].result() == evaluate(images)
    assert parts[1].result() == before
    with pytest.raises(ValueError, match="same class and options"):
        parts[0].merge_state(VOCEvaluator(year=2007))


def test_replicas_are_concatenated_and_predictions_may_come_in_another_order():
    images = scene(7, images=4)
    truth, found = batch(images)
    metric = VOCEvaluator()

    metric.update_state(
        {field: tuple(np.split(array, 2)) for field, array in truth.items()},
        {field: array[::-1] for field, array in found.items()},
    )

    assert metric.result() == evaluate(images)


def test_image_that_comes_again_counts_once_or_is_refused():
    images = scene(3)
    other = [copy.deepcopy(image) | {"found_boxes": [], "found_classes": [], "scores": []} for image in images]
    first, strict = VOCEvaluator(), VOCEvaluator(duplicates="error")
    for metric in (first, strict):
        metric.update_state(*batch(images))

    first.update_state(*batch(other))

    assert first.result() == strict.result() == evaluate(images)
    assert evaluate([images[0], other[0], *images[1:]], size=7) == evaluate(images)
    with pytest.raises(ValueError, match=r"The image '0' \(source_id\) came before"):
        strict.update_state(*batch(other))
    clone = VOCEvaluator(duplicates="error")
    clone.update_state(*batch(images[:1]))
    with pytest.raises(ValueError, match="came before"):
        strict.merge_state(clone)
    assert strict.result() == evaluate(images)


def test_image_without_predictions_counts():
    truth, found = batch(scene(3))
    metric = VOCEvaluator()

    metric.update_state(truth, {field: array[:0] for field, array in found.items()})

    assert metric.result()["mAP"] == 0.0


@pytest.mark.parametrize(
    ("side", "field", "value", "said"),
    [
        (0, "boxes", np.zeros([2, 3, 5]), r"'boxes' of the groundtruths must be \[2, slots, 4\]. Received \[2, 3, 5\]"),
        (0, "boxes", np.zeros([2, 9, 4]), "different numbers of slots"),
        (0, "num_detections", [1, -1], "must hold counts"),
        (0, "num_detections", [1, np.nan], "must hold counts"),
        (0, "num_detections", [1, 0.5], "must hold counts"),
        (0, "num_detections", [1, np.inf], "must hold counts"),
        (0, "num_detections", [1], "2 images by 'source_id' and 1"),
        (0, "source_id", ["0", "0"], "hold the image '0' .* twice"),
        (0, "boxes", "nan", "'boxes' of the groundtruths is not finite in the image '0'"),
        (0, "classes", 0.5, "must hold class ids"),
        (1, "detection_scores", "nan", "'detection_scores' of the predictions is not finite"),
        (1, "source_id", ["0", "x"], "for the image 'x' .*, which the groundtruths of this batch do not have"),
        (1, "detection_classes", np.full([2, 4], "cat"), "must hold numbers"),
    ],
)
def test_bad_batch_is_refused_and_leaves_the_state(side, field, value, said):
    images = [one_class(2, [0, 1]), one_class(2, [0, 1]) | {"id": "b"}]
    metric = VOCEvaluator(duplicates="error")
    metric.update_state(*batch(images[:1]))
    before = metric.result()
    sides = batch([image | {"id": str(number)} for number, image in enumerate(images)])
    sides[side][field] = (
        np.full(sides[side][field].shape, np.nan if value == "nan" else value)
        if isinstance(value, str | float)
        else np.asarray(value)
    )

    with pytest.raises(ValueError, match=said):
        metric.update_state(*sides)

    assert metric.result() == before


def test_missing_field_is_named():
    truth, found = batch(scene(0))
    del found["detection_scores"]

    with pytest.raises(MissingFieldError, match=r"'voc_metric' needs the field 'detection_scores'.*'detection_boxes'"):
        VOCEvaluator().update_state(truth, found)


@pytest.mark.parametrize(
    "options", [{"year": 2011}, {"iou_threshold": 0}, {"duplicates": "all"}, {"class_names": {1: "a", 2: "a"}}]
)
def test_options_are_checked(options):
    with pytest.raises(ValueError, match=f"`{next(iter(options))}`"):
        VOCEvaluator(**options)


def found_well(seed):
    """Images in which each object but the last is found, so that every part of an image matters."""
    images = scene(seed, images=8)
    for image in images:
        image["difficult"] = [False] * len(image["difficult"])
        kept = image["boxes"][:-1]
        image["found_boxes"] = kept + image["found_boxes"][:2]
        image["found_classes"] = image["classes"][:-1] + image["found_classes"][:2]
        image["scores"] = [0.9 - 0.01 * n - int(image["id"]) / 1000 for n in range(len(image["found_boxes"]))]
    return images


SAMPLE = [batch(found_well(11)[start : start + 3]) for start in range(0, 8, 3)]


def images_of(batches):
    """The images of batches, which may be cut and exchanged, each once."""
    images = {}
    for truth, found in batches:
        rows = {str(identity): row for row, identity in enumerate(np.asarray(found["source_id"]).tolist())}
        for row, identity in enumerate(map(str, np.asarray(truth["source_id"]).tolist())):
            objects, guesses = int(truth["num_detections"][row]), int(found["num_detections"][rows[identity]])
            image = {"id": identity}
            for name, field in {"boxes": "boxes", "classes": "classes", "difficult": "is_difficult"}.items():
                image[name] = np.asarray(truth[field])[row, :objects].tolist()
            for name, field in {"found_boxes": "boxes", "found_classes": "classes", "scores": "scores"}.items():
                image[name] = np.asarray(found[f"detection_{field}"])[rows[identity], :guesses].tolist()
            images.setdefault(identity, image)
    return list(images.values())


def with_whole_numbers(images):
    return [
        image | {name: np.asarray(image[name]).reshape(-1, 4).astype(int).tolist() for name in ("boxes", "found_boxes")}
        for image in images
    ]


@pytest.mark.parametrize("year", [2007, 2010])
def test_passes_every_rule_of_the_conformance_suite(year):
    def make():
        return VOCEvaluator(year=year)

    subject = Subject(
        make,
        sample=SAMPLE,
        name=f"VOC {year}",
        traits={
            "duplicates": "counted_once",
            "no_data": "undefined",
            "reference": lambda batches: oracle(with_whole_numbers(images_of(batches)), year=year),
        },
    )

    report = check(subject)

    outcomes = {str(result.rule): str(result.outcome) for result in report.results}
    assert report.conformant, [failure.message for failure in report.failures]
    assert set(outcomes.values()) == {"pass"}, outcomes
