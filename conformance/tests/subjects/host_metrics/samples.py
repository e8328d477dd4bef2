"""Sample batches for the subjects over plain arrays and small dicts."""

import numpy as np

BATCH_SIZES = (4, 4, 3)


def batches(make, seed=0):
    random = np.random.default_rng(seed)
    return [make(random, size) for size in BATCH_SIZES]


def retrieval():
    def make(random, size):
        ids = np.stack([random.permutation(12)[:5] for _ in range(size)])
        return {"label_id": random.integers(0, 12, size=size)}, {"ids": ids}

    return batches(make)


def class_scores():
    def make(random, size):
        scores = random.uniform(size=(size, 4)).round(1)
        return random.integers(0, 4, size=size), scores / scores.sum(axis=-1, keepdims=True)

    return batches(make)


def decisions():
    def make(random, size):
        labels = random.integers(0, 2, size=size)
        return labels, np.clip(labels * 0.4 + random.uniform(size=size) * 0.6, 0, 1).astype(np.float32)

    return batches(make)


def captions():
    words = np.array(["a", "the", "dog", "cat", "runs", "sleeps", "on", "grass", "sofa"])

    def make(random, size):
        text = lambda: np.array([" ".join(random.choice(words, 5)) for _ in range(size)])  # noqa: E731
        return {"caption": text()}, {"caption": text()}

    return batches(make)


def segments():
    ids = iter(range(100))

    def make(random, size):
        truth = np.repeat(np.repeat(random.integers(0, 4, size=(size, 3, 3)), 4, axis=1), 4, axis=2)
        found = np.where(random.uniform(size=truth.shape) < 0.2, 0, truth)
        truth[:, 0, :] = 255
        return {"image_id": np.array([next(ids) for _ in range(size)]), "segments": truth}, {"segments": found}

    return batches(make)


def depths():
    def make(random, size):
        depth = random.uniform(1, 9, size=(size, 5, 6)).astype(np.float32)
        found = depth + random.normal(scale=0.2, size=depth.shape).astype(np.float32)
        return {"depth": depth, "valid": random.uniform(size=depth.shape) < 0.8}, {"depth": found}

    return batches(make)


def tokens():
    def make(random, size):
        truth = random.integers(1, 20, size=(size, 8))
        mask = np.arange(8) < random.integers(2, 9, size=size)[:, None]
        found = np.where(random.uniform(size=truth.shape) < 0.7, truth, random.integers(1, 20, size=truth.shape))
        return {"tokens": truth * mask, "mask": mask}, {"tokens": found}

    return batches(make)
