"""Operations of a traced step whose output has a shape that only its values decide."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from assay.conformance.harness.graphs import Operation, called_graphs, operations

_OTHER_REASONS = (
    "While", "StatelessWhile", "If", "StatelessIf", "Case", "StatelessCase", "PartitionedCall",
    "StatefulPartitionedCall", "SymbolicGradient", "RemoteCall", "Placeholder", "PlaceholderWithDefault", "PyFunc",
    "PyFuncStateless", "EagerPyFunc", "ReadVariableOp", "VariableV2", "IteratorGetNext", "OptionalGetValue",
    "RestoreV2", "LookupTableFindV2",
)  # fmt: skip
"""Operations whose output may have an unknown shape although nothing is decided by values."""

_KEPT_FOR_THE_GRADIENT = ("FusedBatchNorm", "CudnnRNN")
"""Operations with an output of a size of their own, scratch space that nothing but their gradient reads."""

_BRANCHES, _LOOPS = ("If", "StatelessIf", "Case", "StatelessCase"), ("While", "StatelessWhile")
_LISTS = ("TensorList", "TensorArray", "Stack")
_DECIDING = {
    "Pad": (1,), "PadV2": (1,), "MirrorPad": (1,), "Tile": (1,), "Reshape": (1,), "BroadcastTo": (1,), "Fill": (0,),
    "Slice": (2,), "StridedSlice": (1, 2, 3), "OneHot": (1,), "TopKV2": (1,), "ScatterNd": (2,),
}  # fmt: skip
"""Which inputs decide the shape of the output, where not all do."""

_ONLY_SHAPES = ("Shape", "ShapeN", "Size", "Rank")


def value_shaped(graph: Any) -> Iterator[Operation]:
    """Yield the operations that make a shape out of values, the first of each chain.

    Such an operation is given tensors of known shapes, some of them computed from data or variables, and returns one
    whose shape is not known while the step is traced: `tf.where(mask)`, `tf.unique(x)`, `x[:n]`. What Keras' optimizers
    do is left out, for it is no choice of the step.

    Args:
      graph: A `FuncGraph`.
    """
    found = list(operations(graph))
    passed = _passed(found)
    for operation in found:
        op = operation.op
        if op.type in _OTHER_REASONS or op.type.startswith((*_LISTS, *_KEPT_FOR_THE_GRADIENT)) or not op.inputs:
            continue
        if not all(_is_known(tensor) for tensor in op.inputs) or all(_is_known(tensor) for tensor in op.outputs):
            continue
        if _depends_on_values(op, passed) and not operation.made_by_optimizer:
            yield operation


def _is_known(tensor: Any) -> bool:
    """Whether a tensor's shape is known; of a handle it does not matter."""
    return bool(tensor.dtype.name in ("resource", "variant") or tensor.shape.is_fully_defined())


def _passed(found: Iterable[Operation]) -> dict[tuple[int, str], Any]:
    """What is passed for each argument of a function: a constant stays one inside, and its shape a shape."""
    passed = {}
    for operation in found:
        op, graphs = operation.op, called_graphs(operation.op)
        given = list(op.inputs)[1:] if op.type in _BRANCHES else list(op.inputs)
        for inner in graphs:
            for index, (argument, tensor) in enumerate(zip(inner.inputs, given, strict=False)):
                if op.type not in _LOOPS or _stays(graphs, index):
                    passed[_key(argument.op)] = tensor.op
    return passed


def _stays(graphs: Iterable[Any], index: int) -> bool:
    """Whether a loop hands on what it was given: its body, the graph with an output for each input, returns it."""
    for graph in graphs:
        if len(graph.outputs) == len(graph.inputs) > 1:
            source = graph.outputs[index].op
            while source.type == "Identity":
                source = source.inputs[0].op
            return source is graph.inputs[index].op
    return False


def _key(op: Any) -> tuple[int, str]:
    return id(op.graph), op.name


def _depends_on_values(op: Any, passed: Mapping[tuple[int, str], Any]) -> bool:
    """Whether an operation computes from anything but constants and shapes."""
    deciding = _DECIDING.get(op.type, range(len(op.inputs)))
    waiting, seen = [op.inputs[index].op for index in deciding], set()
    while waiting:
        source = waiting.pop()
        if id(source) in seen or source.type in _ONLY_SHAPES:
            continue
        seen.add(id(source))
        if not source.inputs and source.type != "Const":
            if _key(source) not in passed:
                return True
            waiting.append(passed[_key(source)])
        waiting.extend(tensor.op for tensor in source.inputs)
    return False
