"""A sound Python metric over sequences of tokens with a mask, and its sample."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

LENGTH = 7
VOCABULARY = 12


class SoundTokenAccuracy:
    """The share of right tokens, from `tokens` of both sides and `mask` of the groundtruths, all `[batch, length]`."""

    name = "token_accuracy"

    def __init__(self) -> None:
        self.reset_state()

    def reset_state(self) -> None:
        """Forget all batches."""
        self.right = self.total = 0

    def update_state(self, groundtruths: Mapping[str, Any], predictions: Mapping[str, Any]) -> None:
        """Add a batch."""
        tokens = self.take("groundtruths", groundtruths, "tokens")
        mask = self.take("groundtruths", groundtruths, "mask")
        found = self.take("predictions", predictions, "tokens")
        self.right += self.hits(tokens, found, mask)
        self.total += int(mask.sum())

    def take(self, side: str, received: Mapping[str, Any], field: str) -> np.ndarray:
        """Return a field as one array."""
        if field not in received:
            raise ValueError(f"The {side} need {field!r}. Received: {sorted(received)}.")
        value = received[field]
        if isinstance(value, tuple):
            return np.concatenate([np.asarray(part) for part in value])
        return np.asarray(value)

    def hits(self, tokens: np.ndarray, found: np.ndarray, mask: np.ndarray) -> int:
        """Return how many tokens are right."""
        return int(((tokens == found) & mask).sum())

    def result(self) -> float:
        """Return the share, or -1 of nothing."""
        return self.right / self.total if self.total else -1.0


def token_batches(seed: int = 0) -> list[tuple[dict[str, np.ndarray], dict[str, np.ndarray]]]:
    """Return batches of 4, 4 and 2 sequences of 2 to 7 tokens, of which some two thirds are right."""
    random = np.random.default_rng(seed)
    batches = []
    for size in (4, 4, 2):
        mask = np.arange(LENGTH) < random.integers(2, LENGTH + 1, size=(size, 1))
        tokens = random.integers(1, VOCABULARY, size=(size, LENGTH))
        found = np.where(random.uniform(size=tokens.shape) < 0.6, tokens, random.integers(1, VOCABULARY, tokens.shape))
        batches.append(({"tokens": tokens * mask, "mask": mask}, {"tokens": found}))
    return batches
