"""Scores over plain arrays and small dicts: ranking, counting, calibration, text, label maps."""

import numpy as np


def array(value):
    return np.concatenate([np.asarray(part) for part in value]) if isinstance(value, tuple) else np.asarray(value)


class RetrievalTopK:
    """Share of queries whose label is among the first k ids that were retrieved."""

    def __init__(self, ks=(1, 3)):
        self.ks = ks
        self.reset_state()

    def reset_state(self):
        self.hits, self.queries = dict.fromkeys(self.ks, 0), 0

    def update_state(self, groundtruths, predictions):
        for side, batch, name in (("groundtruths", groundtruths, "label_id"), ("predictions", predictions, "ids")):
            if name not in batch:
                raise KeyError(f"RetrievalTopK: no {name!r} in the {side}, only {list(batch)}")
        labels, ids = array(groundtruths["label_id"]), array(predictions["ids"])
        for k in self.ks:
            self.hits[k] += int((ids[:, :k] == labels[:, None]).any(axis=-1).sum())
        self.queries += len(labels)

    def result(self):
        return {f"top_{k}": hits / self.queries if self.queries else -1.0 for k, hits in self.hits.items()}


class TieShuffledTop1:
    """Accuracy of the largest score, where a tie is decided by lot, so that a constant model scores as chance does."""

    def __init__(self):
        self.reset_state()

    def reset_state(self):
        self.hits = self.total = 0

    def update_state(self, labels, scores):
        labels, scores = array(labels), array(scores)
        noise = np.random.uniform(size=scores.shape)  # noqa: NPY002 - what such code does
        best = np.lexsort((noise, scores), axis=-1)[:, -1] if len(scores) else np.zeros(0, int)
        self.hits += int((best == labels).sum())
        self.total += len(labels)

    def result(self):
        return {"accuracy": self.hits / self.total if self.total else 0.0}


class F1Counter:
    """F1 of binary decisions from three counters; 0 where it is not defined, as scikit-learn has it."""

    def __init__(self):
        self.reset_states()

    def reset_states(self):
        self.true_positives = self.predicted = self.positives = 0

    def update_state(self, y_true, y_pred):
        y_true, y_pred = array(y_true).astype(bool), array(y_pred) >= 0.5
        if y_true.shape != y_pred.shape:
            raise ValueError(f"labels of shape {y_true.shape}, scores of shape {y_pred.shape}")
        self.true_positives += int((y_true & y_pred).sum())
        self.predicted += int(y_pred.sum())
        self.positives += int(y_true.sum())

    def result(self):
        union = self.predicted + self.positives
        return {"f1": 2 * self.true_positives / union if union else 0.0, "positives": self.positives}


class RunningF1(F1Counter):
    """The running mean of the F1 of each batch."""

    def reset_states(self):
        super().reset_states()
        self.scores = []

    def update_state(self, y_true, y_pred):
        F1Counter.reset_states(self)
        super().update_state(y_true, y_pred)
        self.scores.append(super().result()["f1"])

    def result(self):
        return {"f1": sum(self.scores) / len(self.scores) if self.scores else 0.0}


class ExactAuc:
    """Area under the ROC curve over all pairs of scores; refuses to score nothing, is -1 without one of the classes."""

    def __init__(self):
        self.reset_state()

    def reset_state(self):
        self.labels, self.scores = [], []

    def update_state(self, y_true, y_pred):
        self.labels.append(array(y_true).copy())
        self.scores.append(array(y_pred).copy())

    def result(self):
        labels = np.concatenate(self.labels) if self.labels else np.zeros(0)
        if not len(labels):
            raise RuntimeError("ExactAuc.result() before any example: call update_state first")
        scores = np.concatenate(self.scores)
        positive, negative = scores[labels == 1], scores[labels == 0]
        if not len(positive) or not len(negative):
            return -1.0
        above = (positive[:, None] > negative).mean() + 0.5 * (positive[:, None] == negative).mean()
        return float(above)


class CalibrationError:
    """Expected calibration error over ten bins of confidence."""

    def __init__(self, bins=10):
        self.bins = bins
        self.reset_state()

    def reset_state(self):
        self.hits, self.confidence, self.count = (np.zeros(self.bins) for _ in range(3))

    def update_state(self, y_true, y_pred):
        labels, probabilities = array(y_true), array(y_pred)
        confidence = probabilities.max(axis=-1)
        index = np.minimum((confidence * self.bins).astype(int), self.bins - 1)
        np.add.at(self.hits, index, probabilities.argmax(axis=-1) == labels)
        np.add.at(self.confidence, index, confidence)
        np.add.at(self.count, index, 1)

    def result(self):
        total = self.count.sum()
        return {"ece": float(np.abs(self.hits - self.confidence).sum() / total) if total else -1.0}


class UnigramPrecision:
    """Share of the words of the captions that are in their reference, over the whole corpus."""

    def __init__(self):
        self.reset_state()

    def reset_state(self):
        self.hits = self.words = 0

    def update_state(self, groundtruths, predictions):
        for side, batch in (("groundtruths", groundtruths), ("predictions", predictions)):
            if "caption" not in batch:
                raise ValueError(f"{side} need 'caption'; they hold {sorted(batch)}")
        pairs = zip(self.texts(groundtruths["caption"]), self.texts(predictions["caption"]), strict=True)
        for reference, caption in pairs:
            known = set(reference.split())
            words = caption.split()
            self.hits += sum(word in known for word in words)
            self.words += len(words)

    @staticmethod
    def texts(value):
        return [text.decode() if isinstance(text, bytes) else str(text) for text in array(value).tolist()]

    def result(self):
        return {"precision": self.hits / self.words if self.words else -1.0}


class SegmentQuality:
    """Panoptic quality of one class of segments; 0 is background, 255 is void; an image may come only once."""

    def __init__(self):
        self.reset_state()

    def reset_state(self):
        self.seen, self.overlap, self.matched, self.missed, self.extra = set(), 0.0, 0, 0, 0

    def update_state(self, groundtruths, predictions):
        for side, batch, names in (
            ("groundtruths", groundtruths, ("image_id", "segments")),
            ("predictions", predictions, ("segments",)),
        ):
            for name in names:
                if name not in batch:
                    raise ValueError(f"SegmentQuality needs {name} in {side} (keys: {', '.join(batch)})")
        rows = zip(
            *(
                array(side[name])
                for side, name in ((groundtruths, "image_id"), (groundtruths, "segments"), (predictions, "segments"))
            ),
            strict=True,
        )
        for image, truth, found in rows:
            if image.item() in self.seen:
                raise ValueError(f"image {image.item()} was evaluated before")
            self.seen.add(image.item())
            self.count(truth, np.where(truth == 255, 0, found))

    def count(self, truth, found):
        objects, segments = (set(np.unique(side)) - {0, 255} for side in (truth, found))
        matched = set()
        for one in objects:
            for other in segments:
                inner = ((truth == one) & (found == other)).sum()
                union = ((truth == one) | (found == other)).sum()
                if inner / union > 0.5:
                    self.overlap += float(inner / union)
                    matched.add((one, other))
        self.matched += len(matched)
        self.missed += len(objects) - len(matched)
        self.extra += len(segments) - len(matched)

    def result(self):
        parts = self.matched + 0.5 * (self.missed + self.extra)
        return {"pq": self.overlap / parts if parts else -1.0, "segments": self.matched + self.missed}


class DepthErrors:
    """Errors of depth maps where the sensor saw something: collected, and averaged when asked."""

    def __init__(self):
        self.reset_state()

    def reset_state(self):
        self.errors = []

    def update_state(self, groundtruths, predictions):
        depth, valid, found = groundtruths["depth"], groundtruths["valid"], predictions["depth"]
        if isinstance(depth, tuple):
            depth, valid, found = (np.concatenate(value) for value in (depth, valid, found))
        depth, valid, found = np.asarray(depth), np.asarray(valid), np.asarray(found)
        found[~valid] = 0.0  # in the caller's array
        self.errors.append(np.abs(found - np.where(valid, depth, 0.0)).sum(axis=(1, 2)) / valid.sum(axis=(1, 2)))

    def result(self):
        return {"mae": np.mean(np.concatenate(self.errors)) if self.errors else np.float32("nan")}


class TokenAccuracy:
    """Share of right tokens among those that are no padding."""

    def __init__(self):
        self.reset_state()

    def reset_state(self):
        self.right = self.tokens = 0

    def update_state(self, groundtruths, predictions):
        for side, batch, names in (
            ("groundtruths", groundtruths, ("tokens", "mask")),
            ("predictions", predictions, ("tokens",)),
        ):
            missing = set(names) - set(batch)
            if missing:
                raise ValueError(f"{side}: {missing} missing from {set(batch)}")
        truth, mask, found = array(groundtruths["tokens"]), array(groundtruths["mask"]), array(predictions["tokens"])
        self.right += int(self.hits(truth == found, mask).sum())
        self.tokens += int(mask.sum())

    def hits(self, equal, mask):
        return equal & mask

    def result(self):
        return {"accuracy": self.right / self.tokens if self.tokens else -1.0}


class LeakyTokenAccuracy(TokenAccuracy):
    """Counts right padding as right tokens, and divides by the tokens."""

    def hits(self, equal, mask):
        return equal


class SharedCounters:
    """Keeps its counters on the class."""

    counts = {"right": 0, "total": 0}  # noqa: RUF012 - the mistake

    def update_state(self, y_true, y_pred):
        y_true, y_pred = array(y_true), array(y_pred)
        self.counts["right"] += int((y_true == (y_pred >= 0.5)).sum())
        self.counts["total"] += len(y_true)

    def result(self):
        return {"accuracy": self.counts["right"] / self.counts["total"] if self.counts["total"] else -1.0}

    def reset_state(self):
        self.counts = {"right": 0, "total": 0}
