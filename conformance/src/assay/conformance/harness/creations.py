"""Which variables a piece of the subject's code makes, and at which of its lines."""

from __future__ import annotations

import contextlib
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import Any

_LIBRARIES = ("site-packages", "dist-packages", "/lib/python", "<frozen", "__autograph_generated_file")
_HARNESS = Path(__file__).parent


@contextlib.contextmanager
def recording_variables() -> Iterator[list[str]]:
    """Record every variable made eagerly while the block runs, each as `ema of shape [3] at task.py:12 in step`.

    Variables of both Keras flavours are TensorFlow variables underneath, and are recorded as such.
    """
    import tensorflow as tf

    made: list[str] = []

    def creator(next_creator: Any, **kwargs: Any) -> Any:
        variable = next_creator(**kwargs)
        name = variable.name.partition(":")[0]
        made.append(f"{name} of shape {list(variable.shape)}{_place()}")
        return variable

    with tf.variable_creator_scope(creator):
        yield made


def _place() -> str:
    """The innermost line of the subject's own code on the stack."""
    for frame in reversed(traceback.extract_stack()):
        path = Path(frame.filename)
        if path.parent != _HARNESS and not any(part in frame.filename for part in _LIBRARIES):
            return f" at {path.name}:{frame.lineno} in {frame.name}"
    return ""
