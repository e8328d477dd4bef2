"""Random layers, switched off: dropout and noise of either Keras flavour, so that two runs can be compared exactly.

Dropout draws a mask of the batch's shape: two replicas cannot draw the mask that one would, and float16 draws another
one than float32. With a rate of zero the step is the user's in everything else.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from assay.conformance.harness.flavour import layers_of

_RATES = {
    "Dropout": ("rate", "_rate", "drop_rate", "_drop_rate"),
    "Noise": ("stddev",),
    "StochasticDepth": ("rate", "drop_rate", "_drop_rate", "drop_prob", "drop_path_rate"),
    "DropPath": ("rate", "drop_rate", "_drop_rate", "drop_prob", "drop_path_rate"),
    "DropConnect": ("rate", "drop_rate", "_drop_rate", "drop_prob"),
    "Cell": ("dropout", "recurrent_dropout"),
    "RNN": ("dropout", "recurrent_dropout"),
    "LSTM": ("dropout", "recurrent_dropout"),
    "GRU": ("dropout", "recurrent_dropout"),
}
"""What decides how random a layer is, by a part of the name of one of its classes."""


def random_layers(model: Any) -> list[str]:
    """Return the random layers of a model, each as `dropout (Dropout)`."""
    return [f"{layer.name} ({type(layer).__name__})" for layer, rates in _random(model) if rates]


def silence_random_layers(model: Any) -> None:
    """Set the rate of every random layer to zero, before the step is traced."""
    for layer, rates in list(_random(model)):
        for rate in rates:
            object.__setattr__(layer, rate, 0.0)  # past Keras' tracking, which has nothing to track here


def _random(model: Any) -> Iterator[tuple[Any, list[str]]]:
    """Each layer of the model with the names of its rates above zero."""
    for layer in layers_of(model):
        classes = [base.__name__ for base in type(layer).__mro__]
        names = {name for part, names in _RATES.items() if any(part in one for one in classes) for name in names}
        # A property shows the rate of a part (LSTM that of its cell), which is a layer of its own here.
        own = [name for name in sorted(names) if not isinstance(getattr(type(layer), name, None), property)]
        yield layer, [name for name in own if _is_positive(getattr(layer, name, None))]


def _is_positive(rate: Any) -> bool:
    return isinstance(rate, int | float) and not isinstance(rate, bool) and rate > 0
