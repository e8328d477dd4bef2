"""Batches for the realistic Keras metrics, as their users would pass them."""

import numpy as np

RANDOM = np.random.default_rng(21)
IDS = np.array([0, 2, 1, 2, 0, 1], np.int64)


def _softmax(logits):
    powers = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return (powers / powers.sum(axis=-1, keepdims=True)).astype(np.float32)


def _logits(*shape):
    return (2.0 * RANDOM.normal(size=shape)).astype(np.float32)


SCORES = (IDS, _logits(6, 3))
"""Class ids `[6]` and logits `[6, 3]`."""

PROBABILITIES = (IDS, _softmax(_logits(6, 3)))
"""Class ids `[6]` and probabilities `[6, 3]`."""

CLICKS = (
    np.array([0.0, 1.0, 1.0, 0.0, 1.0, 0.0], np.float32),
    np.array([0.2, 0.7, 0.4, 0.6, 0.9, 0.1], np.float32),
)
"""Labels and probabilities, one an example."""

NUMBERS = (RANDOM.normal(size=(6,)).astype(np.float32), RANDOM.normal(size=(6,)).astype(np.float32))
"""One number an example."""

COORDINATES = (RANDOM.normal(size=(6, 2)).astype(np.float32), RANDOM.normal(size=(6, 2)).astype(np.float32))
"""Two numbers an example."""

_masks = RANDOM.integers(0, 3, size=(6, 2, 3)).astype(np.int32)
_masks[1, 0, 0] = _masks[4, 1, 2] = 255
SEGMENTS = (_masks, _logits(6, 2, 3, 3))
"""Label maps `[6, 2, 3]`, some of it 255, and logits `[6, 2, 3, 3]`."""

_valid = RANDOM.uniform(size=(6, 2, 3)) < 0.7
_valid[:, 0, 0] = True
DEPTH = (
    {"depth": RANDOM.uniform(1.0, 5.0, size=(6, 2, 3)).astype(np.float32), "valid": _valid},
    RANDOM.uniform(1.0, 5.0, size=(6, 2, 3)).astype(np.float32),
)
"""Depth maps with what the sensor saw, and predicted depth maps."""

HEADS = (
    {"kind": IDS, "size": COORDINATES[0]},
    {"kind": SCORES[1], "size": COORDINATES[1]},
)
"""A class and a size of each example."""

_tokens = RANDOM.integers(1, 5, size=(6, 4)).astype(np.int32)
_tokens[0, 3] = _tokens[2, 2:] = 0
TOKENS = (_tokens, _logits(6, 4, 5), {"pad_id": 0})
"""Tokens `[6, 4]` padded with 0, logits `[6, 4, 5]`, and what else `update_state` takes."""
