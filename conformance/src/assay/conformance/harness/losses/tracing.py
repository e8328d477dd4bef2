"""Counts the graphs that `tf.function` builds while a block runs."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any


@contextlib.contextmanager
def counting_graphs() -> Iterator[list[str]]:
    """Record the name of every function graph that is built while the block runs.

    TensorFlow offers a count for each `tf.function`, and none for all of them; a loss may hold any number, or make new
    ones, so the one place is watched through which all of them pass.
    """
    from tensorflow.python.framework import func_graph

    built: list[str] = []
    original = func_graph.func_graph_from_py_func

    def recording(name: Any, *args: Any, **kwargs: Any) -> Any:
        built.append(str(name))
        return original(name, *args, **kwargs)

    func_graph.func_graph_from_py_func = recording
    try:
        yield built
    finally:
        func_graph.func_graph_from_py_func = original
