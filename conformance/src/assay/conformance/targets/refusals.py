"""Why a target does not take a program, told by the subject's own lines instead of the compiler's text."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Sequence
from typing import Any

from assay.conformance.harness.graphs import Operation, operations
from assay.conformance.harness.replacements import FIXED_SIZE, replacement_for
from assay.conformance.harness.tasks.value_shapes import value_shaped
from assay.conformance.model.errors import Violation
from assay.conformance.model.vocabulary import Evidence
from assay.conformance.targets.gpu.kernels import CALLS
from assay.conformance.targets.programs import Program
from assay.conformance.targets.tpu import CompilerRefusedError, Topology

NAMED_AT_MOST = 3
_WIDE = {"c128": "complex128", "f64": "float64", "s64": "int64", "u64": "uint64"}
_WIDE_DTYPE = re.compile(r"\b(c128|f64|s64|u64)\b")
_HLO_OPERATION = re.compile(r"\bfor ([A-Z][A-Za-z]+)\b")
_OF_THE_GRADIENT = "gradient_tape/"
_FROM_VALUES = ("a length, a bound or a shape is computed from values", FIXED_SIZE)
_HANDLES = ("resource", "variant")
_OF_THE_HOST = ("LookupTable", "Iterator", "Queue", "Reader", "Barrier")
_HOST_RESOURCE = (
    "a table, an iterator or a queue lives on the host",
    "Do it in build_inputs, before the data reaches the step.",
)
_HBM = re.compile(r"\((?P<used>[\d.]+[KMGT]?)\) exceeds available HBM \((?P<there>[\d.]+[KMGT]?)\)")


def refuse_value_shapes(program: Program, graph: Any) -> None:
    """Raise when an operation of a program makes a shape out of values.

    Args:
      program: The program.
      graph: Its graph.

    Raises:
      Violation: Naming the operations.
    """
    found = list(itertools.islice(value_shaped(graph), NAMED_AT_MOST))
    if found:
        why, instead = replacement_for((one.kind for one in found), _FROM_VALUES)
        raise Violation(
            f"a TPU runs programs of fixed shapes, and in {program.name} a shape depends on values: {named(found)}",
            cause=why,
            fix=instead,
            evidence=Evidence.STATIC,
        )


def refuse_resources(program: Program, graph: Any) -> None:
    """Raise when a program uses a table, an iterator or another resource of the host that is no variable.

    Args:
      program: The program.
      graph: Its graph.

    Raises:
      Violation: Naming the operations.
    """
    variables = {id(variable.handle) for variable in graph.variables}
    foreign = [
        inner
        for outer, inner in graph.captures
        if outer.dtype.name in _HANDLES and id(outer) not in variables and not _is_of_variable(outer)
    ]
    if not foreign:
        return
    users = {id(op) for inner in foreign for op in inner.consumers()}
    found = list(operations(graph))
    found = [one for one in found if id(one.op) in users and one.kind not in CALLS] or [
        one for one in found if one.kind.startswith(_OF_THE_HOST)
    ]
    why, instead = replacement_for((one.kind for one in found), _HOST_RESOURCE)
    raise Violation(
        f"{program.name} uses what only the host has: {named(found)}",
        cause=why,
        fix=instead,
        evidence=Evidence.STATIC,
    )


def _is_of_variable(handle: Any) -> bool:
    """Whether a handle is a variable's, which has a shape; those that raw operations alone use no graph lists."""
    known = getattr(handle, "_handle_data", None)
    return known is not None and bool(known.is_set)


def refused_by_compiler(program: Program, graph: Any, topology: Topology, refused: CompilerRefusedError) -> Violation:
    """Return what to raise for a program that the TPU compiler does not take.

    Args:
      program: The program.
      graph: Its graph.
      topology: What it was compiled for.
      refused: What the compiler said.
    """
    by = f"the TPU compiler ({refused.compiler}, for {topology.name})"
    if refused.out_of_memory:
        return does_not_fit(program, topology, refused)
    dtypes = [_WIDE[sign] for sign in dict.fromkeys(_WIDE_DTYPE.findall(str(refused)))]
    culprits = _culprits(graph, str(refused), dtypes)
    where = f", at {named(culprits)}" if culprits else ""
    if dtypes:
        return Violation(
            f"{by} refuses {program.name}, because a TPU does not have this operation in {' or '.join(dtypes)}{where}",
            cause="a NumPy array or a cast brought the wide dtype in; a CPU has it, a TPU computes in 32 bits and less",
            fix="Cast to float32 (complex64) before the operation, or do it in build_inputs or in aggregate_logs, "
            "which run on the host.",
            evidence=Evidence.COMPILED,
        )
    return Violation(
        f"{by} refuses {program.name}{where}: {refused}",
        cause="an operation that XLA computes on a CPU and no TPU has",
        fix="Compute it with operations that TPUs have, or do it in build_inputs or in aggregate_logs, which run on "
        "the host.",
        evidence=Evidence.COMPILED,
    )


def does_not_fit(program: Program, topology: Topology, refused: CompilerRefusedError) -> Violation:
    """Return what to raise for a program that needs more memory than a device has.

    Args:
      program: The program.
      topology: What it was compiled for.
      refused: What the compiler said.
    """
    used = _HBM.search(str(refused))
    needs = f"{used['used']}iB, and {used['there']}iB are free" if used else str(refused)
    return Violation(
        f"{program.name} needs more memory than a device of {topology.name} has: {needs}",
        cause="a large intermediate result: everything compared with everything, one-hot labels of large images, "
        "activations that are kept for the gradient",
        fix="Make the batch a replica smaller, compute in bfloat16, recompute activations (`tf.recompute_grad`), or "
        "split what is large (`tf.map_fn` over rows).",
        evidence=Evidence.COMPILED,
    )


def refuse_strings(what: str, leaves: Sequence[Any]) -> None:
    """Raise when a batch holds strings.

    Args:
      what: Whose batch it is: `train_step`.
      leaves: Its tensors.

    Raises:
      Violation: Saying how many.
    """
    import tensorflow as tf

    dtypes = [getattr(leaf, "dtype", None) for leaf in leaves]
    if tf.string in dtypes:
        raise Violation(
            f"the batches of {what} hold strings ({dtypes.count(tf.string)} of {len(dtypes)} tensors)",
            cause="an id, a file name or raw text is yielded beside the data",
            fix="Turn strings into numbers in build_inputs (a hash, an index), or leave them out.",
            evidence=Evidence.STATIC,
        )


def _culprits(graph: Any, message: str, dtypes: Iterable[str]) -> list[Operation]:
    """The operations that a message of the compiler may speak of: by what it calls them, and by dtype."""
    wide = [one for one in operations(graph) if one.kind != "Const" and _has_dtype(one, dtypes)]
    forward = [one for one in wide if not one.name.startswith(_OF_THE_GRADIENT)] or wide
    called = [word.lower() for word in _HLO_OPERATION.findall(message)]
    return [one for one in forward if any(word in one.kind.lower() for word in called)] or forward


def _has_dtype(operation: Operation, dtypes: Iterable[str]) -> bool:
    names = {tensor.dtype.name for tensor in (*operation.op.inputs, *operation.op.outputs)}
    return bool(names.intersection(dtypes))


def named(found: Iterable[Operation]) -> str:
    """The operations with the lines that made them, each once, a few of them in words."""
    texts = list(dict.fromkeys(map(str, found)))
    more = len(texts) - NAMED_AT_MOST
    return "; ".join(texts[:NAMED_AT_MOST]) + (f"; and {more} more" if more > 0 else "")
