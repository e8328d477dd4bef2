"""The graphs of traced steps: every operation in them, at any depth, and the subject's line that made it."""

from __future__ import annotations

import dataclasses
import tempfile
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from assay.conformance.context import Context
from assay.conformance.harness.batches import training_batches, validation_batches
from assay.conformance.harness.build import build_task
from assay.conformance.harness.calls import calling
from assay.conformance.harness.containers import fresh_containers
from assay.conformance.harness.places import Place, own_place
from assay.conformance.harness.runs import DEFAULT_STEPS
from assay.conformance.model.vocabulary import Mode

TRAIN_STEP, VALIDATION_STEP = "train_step", "validation_step"

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


def traced_steps(ctx: Context) -> Mapping[str, Any]:
    """Return the graphs of the train step and the validation step by name, traced on a first batch and not run.

    They are traced as a training loop does it that records summaries: under a default summary writer, so that what a
    step writes with `tf.summary` is in the graph. Random layers are left on.

    Args:
      ctx: The check's context; its mode does not matter.

    Raises:
      SubjectError: If a step raises.
    """
    import tensorflow as tf

    def trace() -> dict[str, Any]:
        build = build_task(ctx, mode=Mode.GRAPH)

        # A step that changes the containers of its batch is another rule's affair.
        def train(batch: Any) -> Any:
            batch = fresh_containers(batch)
            return build.task.train_step(batch, build.model, build.optimizer, metrics=list(build.train_metrics))

        def validate(batch: Any) -> Any:
            batch = fresh_containers(batch)
            return build.task.validation_step(batch, build.model, metrics=list(build.validation_metrics))

        steps: list[tuple[str, Callable[[Any], Any], tuple[Any, ...]]] = [
            (TRAIN_STEP, train, training_batches(ctx, DEFAULT_STEPS)[:1]),
            (VALIDATION_STEP, validate, validation_batches(ctx)[:1]),
        ]
        graphs = {}
        with tempfile.TemporaryDirectory() as folder:
            writer = tf.summary.create_file_writer(folder)
            with writer.as_default(step=0), tf.summary.record_if(True):
                for name, step, batches in steps:
                    for batch in batches:  # one, or none where there is no data
                        with build.placed(), calling(f"{name}, while it is traced"):
                            graphs[name] = tf.function(step).get_concrete_function(batch).graph
            writer.close()
        return graphs

    return ctx.share("traced steps", trace)


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
