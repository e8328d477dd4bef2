"""TensorFlow's kernel registry: whether an operation has a GPU kernel for its dtypes.

The standard Linux wheel registers its GPU kernels when it is imported, with a GPU or without one; `tensorflow-cpu`
registers none. An operation without a kernel runs on the host when soft placement is on, with copies there and back;
without soft placement the step fails.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator
from typing import Any

from assay.conformance.harness.graphs import Operation, operations

_ON_GPU = ("GPU", "DEFAULT")
CALLS = frozenset(
    {
        *("PartitionedCall", "StatefulPartitionedCall", "SymbolicGradient"),
        *("If", "StatelessIf", "While", "StatelessWhile", "Case", "StatelessCase"),
    }
)
"""Operations that call functions, whose own operations are looked at instead."""


def has_gpu_kernels() -> bool:
    """Whether this build of TensorFlow registers GPU kernels at all."""
    import tensorflow as tf

    return any(kernel.device_type == "GPU" for kernel in _kernels("MatMul")) and tf.test.is_built_with_gpu_support()


def without_gpu_kernel(graph: Any) -> Iterator[Operation]:
    """Yield the floating-point operations of a graph, at any depth, that have no GPU kernel for their dtypes.

    Args:
      graph: A `FuncGraph`.
    """
    for operation in operations(graph):
        if operation.kind not in CALLS and _is_floating(operation.op) and not _has_kernel(operation.op):
            yield operation


def _is_floating(op: Any) -> bool:
    return any(tensor.dtype.is_floating or tensor.dtype.is_complex for tensor in (*op.inputs, *op.outputs))


def _has_kernel(op: Any) -> bool:
    attributes = op.node_def.attr
    types = {name: attribute.type for name, attribute in attributes.items() if attribute.WhichOneof("value") == "type"}
    return _registered(op.type, frozenset(types.items()))


@functools.cache
def _registered(kind: str, types: frozenset[tuple[str, int]]) -> bool:
    given = dict(types)
    return any(
        all(
            constraint.name not in given or given[constraint.name] in constraint.allowed_values.list.type
            for constraint in kernel.constraint
        )
        for kernel in _kernels(kind)
        if kernel.device_type in _ON_GPU and not kernel.label
    )


@functools.cache
def _kernels(kind: str) -> tuple[Any, ...]:
    from tensorflow.python.framework import kernels

    return tuple(kernels.get_registered_kernels_for_op(kind).kernel)
