"""Operations of a traced step whose output has a shape that only its values decide."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from assay.conformance.harness.graphs import Operation, operations

_OTHER_REASONS = (
    "While", "StatelessWhile", "If", "StatelessIf", "Case", "StatelessCase", "PartitionedCall",
    "StatefulPartitionedCall", "SymbolicGradient", "RemoteCall", "Placeholder", "PlaceholderWithDefault", "PyFunc",
    "PyFuncStateless", "EagerPyFunc", "ReadVariableOp", "VariableV2", "IteratorGetNext", "OptionalGetValue",
    "RestoreV2", "LookupTableFindV2",
)  # fmt: skip
"""Operations whose output may have an unknown shape although nothing is decided by values."""

_KEPT_FOR_THE_GRADIENT = ("FusedBatchNorm", "CudnnRNN")
"""Operations with an output of a size of their own, scratch space that nothing but their gradient reads."""

_LISTS = ("TensorList", "TensorArray", "Stack")
_ONLY_SHAPES = ("Shape", "ShapeN", "Size", "Rank")


def value_shaped(graph: Any) -> Iterator[Operation]:
    """Yield the operations that make a shape out of values, the first of each chain.

    Such an operation is given tensors of known shapes, some of them computed from data or variables, and returns one
    whose shape is not known while the step is traced: `tf.where(mask)`, `tf.unique(x)`, `x[:n]`. What Keras' optimizers
    do is left out, for it is no choice of the step.

    Args:
      graph: A `FuncGraph`.
    """
    for operation in operations(graph):
        op = operation.op
        if op.type in _OTHER_REASONS or op.type.startswith((*_LISTS, *_KEPT_FOR_THE_GRADIENT)) or not op.inputs:
            continue
        if not all(_is_known(tensor) for tensor in op.inputs) or all(_is_known(tensor) for tensor in op.outputs):
            continue
        if _depends_on_values(op) and not operation.made_by_optimizer:
            yield operation


def _is_known(tensor: Any) -> bool:
    """Whether a tensor's shape is known; of a handle it does not matter."""
    return bool(tensor.dtype.name in ("resource", "variant") or tensor.shape.is_fully_defined())


def _depends_on_values(op: Any) -> bool:
    """Whether an operation computes from anything but constants and shapes."""
    waiting, seen = [tensor.op for tensor in op.inputs], set()
    while waiting:
        source = waiting.pop()
        if id(source) in seen or source.type in _ONLY_SHAPES:
            continue
        seen.add(id(source))
        if not source.inputs and source.type != "Const":
            return True
        waiting.extend(tensor.op for tensor in source.inputs)
    return False
