"""The graphs of traced steps: every operation in them, at any depth, and the subject's line that made it."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import Any

from assay.conformance.harness.places import Place, own_place

_MADE_BY_OPTIMIZERS = ("/keras/src/optimizers/", "/tf_keras/src/optimizers/")


@dataclasses.dataclass(frozen=True)
class Operation:
    """One operation of a traced step.

    Attributes:
      op: TensorFlow's operation.
      kind: Its type: `MatMul`.
      name: Its name within its graph.
      depth: How many functions, loops and branches it is inside of.
    """

    op: Any
    kind: str
    name: str
    depth: int

    @property
    def place(self) -> Place | None:
        """The subject's line that made it, or None when no line of the subject's is on the stack."""
        return own_place(self._frames())

    @property
    def made_by_optimizer(self) -> bool:
        """Whether Keras' optimizer made it: what an optimizer does is not the step's choice."""
        return any(part in file for file, _, _ in self._frames() for part in _MADE_BY_OPTIMIZERS)

    def _frames(self) -> list[tuple[str, int, str]]:
        return [(frame.filename, frame.lineno, frame.name) for frame in self.op.traceback or ()]

    def __str__(self) -> str:
        place = self.place
        return f"{self.kind}" + (f" at {place.quoted()}" if place else f" ({self.name})")


def operations(graph: Any) -> Iterator[Operation]:
    """Yield every operation of a graph: those of functions that it calls, of loops and of branches too, each once.

    Args:
      graph: A `FuncGraph`.
    """
    yield from _operations(graph, 0, set())


def _operations(graph: Any, depth: int, seen: set[str]) -> Iterator[Operation]:
    for op in graph.get_operations():
        yield Operation(op, op.type, op.name, depth)
        for name in _called(op):
            inner = None if name in seen else getattr(_function(graph, name), "graph", None)
            seen.add(name)
            if inner is not None:
                yield from _operations(inner, depth + 1, seen)


def called_graphs(op: Any) -> list[Any]:
    """Return the graphs of the functions that an operation calls."""
    found = [getattr(_function(op.graph, name), "graph", None) for name in _called(op)]
    return [graph for graph in found if graph is not None]


def _called(op: Any) -> list[str]:
    """The names of the functions that an operation is given as attributes."""
    names = []
    for attribute in op.node_def.attr.values():
        names.extend([attribute.func.name] if attribute.HasField("func") else [one.name for one in attribute.list.func])
    return [name for name in names if name]


def _function(graph: Any, name: str) -> Any:
    """A function by name, from the library of the graph or of one around it."""
    while graph is not None:
        function = graph._get_function(name)
        if function is not None:
            return function
        graph = getattr(graph, "outer_graph", None)
    return None
