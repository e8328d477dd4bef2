"""The operations of a traced function: those that keep a state or draw random numbers, and the lines that made them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from assay.conformance.harness.places import own_place

_RANDOM = (
    "RandomUniform",
    "RandomUniformInt",
    "RandomStandardNormal",
    "TruncatedNormal",
    "ParameterizedTruncatedNormal",
    "Multinomial",
    "RandomGammaV2",
    "RandomGamma",
    "RandomPoissonV2",
    "RandomShuffle",
    "StatefulRandomBinomial",
    "SampleDistortedBoundingBox",
    "SampleDistortedBoundingBoxV2",
)
"""Operations that draw from the state of TensorFlow's own generator, which no checkpoint holds."""

_HOST = ("PyFunc", "EagerPyFunc", "PyFuncStateless")


def random_operations(graph: Any) -> list[str]:
    """Return the operations that draw from TensorFlow's stateful generator, each as `RandomUniform at task.py:12`."""
    return _described(graph, _RANDOM)


def host_operations(graph: Any) -> list[str]:
    """Return the operations that call Python, each as `EagerPyFunc at task.py:12`."""
    return _described(graph, _HOST)


def operation_places(graph: Any, kind: str) -> list[str]:
    """Return the lines that made the operations of a kind, each as `task.py:12 in augment`."""
    return list(dict.fromkeys(place for one in _operations(graph) if one.type == kind and (place := _place(one))))


def _described(graph: Any, kinds: tuple[str, ...]) -> list[str]:
    found = []
    for one in _operations(graph):
        if one.type in kinds:
            place = _place(one)
            found.append(f"{one.type} ({one.name})" + (f" at {place}" if place else ""))
    return list(dict.fromkeys(found))


def _operations(graph: Any) -> Iterator[Any]:
    """The operations of a graph and of the functions that are defined in it: branches, bodies of loops."""
    yield from graph.get_operations()
    for one in graph._functions.values() if isinstance(getattr(graph, "_functions", None), dict) else ():
        inner = getattr(one, "graph", None)
        if inner is not None:
            yield from inner.get_operations()


def _place(operation: Any) -> str:
    """The innermost line of the subject's own code that made an operation."""
    place = own_place((frame.filename, frame.lineno, frame.name) for frame in operation.traceback or ())
    return "" if place is None else str(place)
