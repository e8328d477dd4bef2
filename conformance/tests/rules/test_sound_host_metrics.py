"""Sound ways of writing a host metric, which no rule may blame, and inputs that are easily taken for something else."""

import numpy as np
import pytest
import tensorflow as tf
from assay.conformance.model import Kind, Outcome, Subject
from assay.conformance.registry import rules_for
from assay.conformance.runner import run_subject

RANDOM = np.random.default_rng(11)
SIZES = (4, 3, 1)


def array(value):
    return np.concatenate([np.asarray(part) for part in value]) if isinstance(value, tuple) else np.asarray(value)


def parts(value):
    return value if isinstance(value, tuple) else (value,)


def needs(side, batch, *fields):
    for field in fields:
        if field not in batch:
            raise ValueError(f"{side}: {field!r} is missing, there is {sorted(batch)}")


class Metric:
    """Collects what `examples` makes of a batch, and averages it; -1 without any."""

    def __init__(self):
        self.reset_state()

    def reset_state(self):
        self.collected = []

    def update_state(self, groundtruths, predictions):
        self.collected.extend(float(value) for value in self.examples(groundtruths, predictions))

    def result(self):
        return {"mean": float(np.mean(self.collected)) if self.collected else -1.0}


class AbsoluteDifference(Metric):
    def examples(self, truth, found):
        return np.abs(array(truth) - array(found))


class NestedResult(AbsoluteDifference):
    def result(self):
        return {"error": {"mean": super().result()["mean"], "count": len(self.collected)}}


class Scalar(AbsoluteDifference):
    def result(self):
        return super().result()["mean"]


class NumpyOnly(AbsoluteDifference):
    def examples(self, truth, found):
        for value in (truth, found):
            if not isinstance(value, np.ndarray):
                raise TypeError(f"NumpyOnly takes NumPy arrays, not {type(value).__name__}")
        return super().examples(truth, found)


class TensorsOnly(Metric):
    def examples(self, truth, found):
        return tf.abs(tf.concat(parts(truth), 0) - tf.concat(parts(found), 0)).numpy()

    def update_state(self, truth, found):
        for value in (*parts(truth), *parts(found)):
            if not tf.is_tensor(value):
                raise TypeError(f"TensorsOnly takes tensors, not {type(value).__name__}")
        super().update_state(truth, found)


class WordErrorRate(Metric):
    """Plain lists of texts."""

    def examples(self, references, hypotheses):
        for reference, hypothesis in zip(references, hypotheses, strict=True):
            words, others = reference.split(), hypothesis.split()
            row = list(range(len(others) + 1))
            for at, word in enumerate(words, start=1):
                before, row[0] = row[0], at
                for index, other in enumerate(others, start=1):
                    before, row[index] = row[index], min(row[index] + 1, row[index - 1] + 1, before + (word != other))
            yield row[-1] / len(words)


class KeyPoints(Metric):
    """Share of the visible key points that are near; the number of key points is part of the model."""

    points = 5

    def examples(self, truth, found):
        needs("groundtruths", truth, "points", "mask")
        needs("predictions", found, "points")
        points, mask, others = array(truth["points"]), array(truth["mask"]), array(found["points"])
        assert points.shape[1] == self.points
        near = np.linalg.norm(points - others, axis=-1) < 1.0
        return (near & mask).sum(axis=-1) / np.maximum(mask.sum(axis=-1), 1)


class MultiLabel(Metric):
    """Recall of as many of the best classes as there are labels; five slots for labels, and five classes."""

    def examples(self, truth, found):
        needs("groundtruths", truth, "num_labels", "labels")
        needs("predictions", found, "scores")
        counts, labels, scores = array(truth["num_labels"]), array(truth["labels"]), array(found["scores"])
        for count, row, score in zip(counts, labels, scores, strict=True):
            best = set(np.argsort(-score, kind="stable")[:count].tolist())
            yield len(best & set(row[:count].tolist())) / count if count else 1.0


class DetrRecall(Metric):
    """Predictions fill their slots always; groundtruths have a mask of objects."""

    def examples(self, truth, found):
        needs("groundtruths", truth, "boxes", "valid")
        needs("predictions", found, "boxes", "scores")
        boxes, valid, others = array(truth["boxes"]), array(truth["valid"]), array(found["boxes"])
        for row, keep, candidates in zip(boxes, valid, others, strict=True):
            for box in row[keep]:
                yield len(candidates) > 0 and np.abs(candidates - box).max(axis=-1).min() < 2.0


class BoxPrecision(Metric):
    """Looks at predictions alone: what is missed does not matter."""

    def examples(self, truth, found):
        needs("groundtruths", truth, "source_id", "num_boxes", "boxes")
        needs("predictions", found, "num_detections", "boxes")
        columns = [array(truth["source_id"]), array(truth["num_boxes"]), array(truth["boxes"])]
        columns += [array(found["num_detections"]), array(found["boxes"])]
        for name, count, boxes, detections, others in zip(*columns, strict=True):
            if bytes(name) in self.names:
                continue
            self.names.add(bytes(name))
            for box in others[: detections.item()]:
                boxes_here = boxes[: count.item()]
                yield len(boxes_here) > 0 and np.abs(boxes_here - box).max(axis=-1).min() < 2.0

    def reset_state(self):
        super().reset_state()
        self.names = set()


class IgnoresIds(Metric):
    """Gets more fields than it looks at."""

    def examples(self, truth, found):
        needs("groundtruths", truth, "label")
        needs("predictions", found, "label")
        return array(truth["label"]) == array(found["label"])


class RowMask(IgnoresIds):
    def examples(self, truth, found):
        needs("groundtruths", truth, "label", "valid")
        return super().examples(truth, found)[array(truth["valid"])]


class MovingAverage(Metric):
    def result(self):
        value = -1.0
        for error in self.collected:
            value = error if value < 0 else 0.5 * value + 0.5 * error
        return {"smoothed": value}

    def examples(self, truth, found):
        return np.abs(array(truth) - array(found))


class Bootstrap(AbsoluteDifference):
    def result(self):
        if not self.collected:
            return {"upper": -1.0}
        chosen = np.random.default_rng().choice(self.collected, size=(20, len(self.collected)))
        return {"upper": float(np.quantile(chosen.mean(axis=-1), 0.9))}


class NanWithoutData(AbsoluteDifference):
    def result(self):
        return {"mean": float(np.mean(self.collected)) if self.collected else float("nan")}


class RefusesNothing(AbsoluteDifference):
    def result(self):
        if not self.collected:
            raise ValueError("no example was added")
        return super().result()


class RaggedLengths(Metric):
    """Lists of one array an example, of any length."""

    def examples(self, truth, found):
        needs("groundtruths", truth, "spans")
        needs("predictions", found, "spans")
        for one, other in zip(truth["spans"], found["spans"], strict=True):
            yield len(set(one.tolist()) & set(other.tolist())) / max(len(set(one.tolist())), 1)


class Perplexity(Metric):
    """Counts tokens by a length; probabilities of each token of the vocabulary."""

    def examples(self, truth, found):
        needs("groundtruths", truth, "tokens", "num_tokens")
        needs("predictions", found, "probabilities")
        tokens, lengths = array(truth["tokens"]), array(truth["num_tokens"])
        for row, length, probabilities in zip(tokens, lengths, array(found["probabilities"]), strict=True):
            yield from -np.log(probabilities[np.arange(length), row[:length]])

    def result(self):
        return {"perplexity": float(np.exp(np.mean(self.collected))) if self.collected else -1.0}


def batches(make):
    return [make(size) for size in SIZES]


def numbers(size):
    return RANDOM.normal(size=size).astype(np.float32), RANDOM.normal(size=size).astype(np.float32)


def labels(size):
    label = RANDOM.integers(0, 3, size=size)
    found = np.where(RANDOM.uniform(size=size) < 0.6, label, 0)
    identity = RANDOM.permutation(10_000)[:size]
    return {"image_id": identity, "label": label, "valid": np.ones(size, bool)}, {"label": found}


def texts(size):
    words = np.array(["a", "dog", "runs", "far", "home"])
    return tuple([" ".join(RANDOM.choice(words, 4)) for _ in range(size)] for _ in range(2))


def key_points(size):
    points = RANDOM.normal(size=(size, 5, 2))
    mask = RANDOM.uniform(size=(size, 5)) < 0.7
    return {"points": points, "mask": mask}, {"points": points + RANDOM.normal(size=points.shape)}


def multi_label(size):
    counts = RANDOM.integers(1, 4, size=size).astype(np.int32)
    padded = np.stack([np.where(np.arange(5) < count, RANDOM.permutation(5), -1) for count in counts])
    return {"num_labels": counts, "labels": padded}, {"scores": RANDOM.uniform(size=(size, 5))}


def boxes(size, slots=4):
    corners = RANDOM.uniform(0, 50, size=(size, slots, 2))
    return np.concatenate([corners, corners + 10], axis=-1)


def detr(size):
    truth = boxes(size)
    valid = np.arange(4) < RANDOM.integers(1, 5, size=(size, 1))
    found = truth[:, ::-1] + RANDOM.normal(size=truth.shape)
    return {"boxes": truth, "valid": valid}, {"boxes": found, "scores": RANDOM.uniform(size=(size, 4))}


def counted_boxes(size):
    truth = boxes(size)
    counts = RANDOM.integers(1, 5, size=(size, 1)).astype(np.int32)
    names = np.array([f"image-{RANDOM.integers(1_000_000)}.png".encode() for _ in range(size)])
    return (
        {"source_id": names, "num_boxes": counts, "boxes": truth},
        {"num_detections": counts[:, 0], "boxes": truth + RANDOM.normal(size=truth.shape)},
    )


def spans(size):
    side = lambda: {"spans": [RANDOM.integers(0, 9, size=RANDOM.integers(1, 6)) for _ in range(size)]}  # noqa: E731
    return side(), side()


def token_probabilities(size):
    tokens = RANDOM.integers(0, 6, size=(size, 5))
    probabilities = RANDOM.dirichlet(np.ones(6), size=(size, 5))
    return {"tokens": tokens, "num_tokens": RANDOM.integers(1, 6, size=size)}, {"probabilities": probabilities}


def as_tensors(sample):
    """Made when it is asked for: importing the tests must not start TensorFlow."""
    return lambda: [tuple(map(tf.constant, batch)) for batch in sample]


def without_valid(sample):
    return [({"image_id": truth["image_id"], "label": truth["label"]}, found) for truth, found in sample]


def as_replicas(sample):
    return [tuple((side[:2], side[2:]) for side in batch) for batch in sample]


SUBJECTS = {
    "absolute error": (AbsoluteDifference, batches(numbers), {}),
    "absolute error, from replicas": (AbsoluteDifference, as_replicas(batches(numbers)), {}),
    "absolute error, one batch": (AbsoluteDifference, numbers(5), {}),
    "nested result": (NestedResult, batches(numbers), {"no_data": "undefined"}),
    "scalar result": (Scalar, batches(numbers), {}),
    "numpy only": (NumpyOnly, batches(numbers), {}),
    "tensors only": (TensorsOnly, as_tensors(batches(numbers)), {}),
    "tensors only, a sample of arrays": (TensorsOnly, batches(numbers), {}),
    "word error rate": (WordErrorRate, batches(texts), {}),
    "key points": (KeyPoints, batches(key_points), {}),
    "multi label": (MultiLabel, batches(multi_label), {}),
    "detr recall": (DetrRecall, batches(detr), {}),
    "box precision": (BoxPrecision, batches(counted_boxes), {"duplicates": "counted_once"}),
    "ids not looked at": (IgnoresIds, without_valid(batches(labels)), {}),
    "row mask": (RowMask, batches(labels), {}),
    "moving average": (MovingAverage, batches(numbers), {"order_dependent": True}),
    "bootstrap": (Bootstrap, batches(numbers), {"random_result": True}),
    "nan without data": (NanWithoutData, batches(numbers), {"undefined_value": float("nan")}),
    "refuses nothing": (RefusesNothing, batches(numbers), {"no_data": "error"}),
    "ragged lengths": (RaggedLengths, batches(spans), {}),
    "perplexity": (Perplexity, batches(token_probabilities), {}),
}


@pytest.mark.parametrize("name", SUBJECTS)
def test_no_rule_blames_a_sound_host_metric(name):
    factory, sample, traits = SUBJECTS[name]
    subject = Subject(factory, sample, kind=Kind.PYTHON_METRIC, traits=traits, name=name)

    results = list(run_subject(subject, rules_for(Kind.PYTHON_METRIC), kind=Kind.PYTHON_METRIC))

    blamed = [result.message for result in results if result.outcome not in (Outcome.PASS, Outcome.NOT_APPLICABLE)]
    assert not blamed, "\n".join(blamed)
    assert sum(result.outcome is Outcome.PASS for result in results) >= (3 if name == "bootstrap" else 7)
