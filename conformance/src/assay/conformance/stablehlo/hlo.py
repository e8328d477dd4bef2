"""Rewrites an HLO module so that it can become StableHLO.

XLA marks what a program writes into a variable with a `copy` instruction, which StableHLO does not have. A `reshape` to
the same shape computes the same, and it has that. HLO modules are protocol buffers, and unknown fields survive reading
and writing: a descriptor of just the fields on the way to an instruction's opcode is enough.
"""

from __future__ import annotations

import functools
from typing import Any

_STRING, _MESSAGE, _OPTIONAL, _REPEATED = 9, 11, 1, 3
_PACKAGE = "assay.hlo"
# name, field, the field's number in xla.HloModuleProto and below, the message it holds
_FIELDS = (
    ("Module", "computations", 3, "Computation"),
    ("Computation", "instructions", 2, "Instruction"),
    ("Instruction", "opcode", 2, None),
)


def without_copies(module: bytes) -> bytes:
    """Return the module with every `copy` as a `reshape` to the same shape.

    Args:
      module: A serialised `xla.HloModuleProto`.
    """
    parsed = _module_class()()
    parsed.ParseFromString(module)
    for computation in parsed.computations:
        for instruction in computation.instructions:
            if instruction.opcode == "copy":
                instruction.opcode = "reshape"
    return bytes(parsed.SerializeToString())


@functools.cache
def _module_class() -> Any:
    from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

    file = descriptor_pb2.FileDescriptorProto(name="assay_hlo.proto", package=_PACKAGE, syntax="proto2")
    for message, field, number, holds in _FIELDS:
        entry = file.message_type.add(name=message).field.add(name=field, number=number)
        entry.label, entry.type = (_REPEATED, _MESSAGE) if holds else (_OPTIONAL, _STRING)
        if holds:
            entry.type_name = f".{_PACKAGE}.{holds}"
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName(f"{_PACKAGE}.Module"))
