"""The same program in float64: a reference for what it computes in float32, and for how well it can be computed at all.

Every float32 tensor of the text becomes a float64 tensor, and constants keep the value that float32 gave them, so that
the two programs differ in rounding alone. What is made of bits (random numbers) is made as before, and widened then. A
shortcut that a program takes because float32 would not see the difference is taken still: the reference is good to a
unit in the last place of float32, and not to one of float64.
"""

from __future__ import annotations

import re

import numpy as np

_CONSTANT = re.compile(r"(stablehlo\.constant dense<)(.*)(> : tensor<(?:\d+x)*f32>)")
_BITS = re.compile(r'^"0x([0-9A-Fa-f]*)"$')
_NUMBER = re.compile(r"0x[0-9A-Fa-f]{8}|-?\d+\.\d+(?:[eE][-+]?\d+)?")
_FLOAT32 = re.compile(r"(?<=[x<])f32(?=>)")
_FROM_BITS = re.compile(
    r"^(?P<before>\s*)(?P<name>%[\w#]+) = (?P<rest>stablehlo\.bitcast_convert .*-> (?P<to>\S*f32>))$"
)
_BETWEEN_BITS = "stablehlo.bitcast_convert"
_OTHER = re.compile(
    r"(?<=[x<])(?:f16|bf16|f8\w*|complex<f32>)(?=>)|stablehlo\.(?:custom_call|composite|reduce_precision)"
)


def widened(text: str) -> str | None:
    """Return a program with float64 in place of float32.

    Args:
      text: The program as MLIR text, without locations.

    Returns:
      The text; None where there is no such program: it rounds to float16 or bfloat16 itself, calls what is not part of
      StableHLO, reads the bits of floating-point numbers, or holds no float32.
    """
    if _OTHER.search(text) or not _FLOAT32.search(text):
        return None
    lines = []
    for line in text.splitlines():
        if _BETWEEN_BITS in line and "f32>" in line:
            match = _FROM_BITS.match(line)
            if match is None or "f32>" in match["rest"].removesuffix(match["to"]):
                return None
            narrow = f"{match['name']}_bits"
            lines.append(f"{match['before']}{narrow} = {match['rest']}")
            wide = _FLOAT32.sub("f64", match["to"])
            lines.append(f"{match['before']}{match['name']} = stablehlo.convert {narrow} : ({match['to']}) -> {wide}")
            continue
        lines.append(_FLOAT32.sub("f64", _CONSTANT.sub(_constant, line)))
    return "\n".join(lines)


def _constant(match: re.Match[str]) -> str:
    bits = _BITS.match(match[2])
    if bits:
        values = np.frombuffer(bytes.fromhex(bits[1]), "<f4").astype("<f8")
        return f'{match[1]}"0x{values.tobytes().hex().upper()}"{match[3]}'
    return f"{match[1]}{_NUMBER.sub(_number, match[2])}{match[3]}"


def _number(match: re.Match[str]) -> str:
    """A number of the value that float32 gives it, written for float64."""
    written = match.group()
    if written.startswith("0x"):
        value = np.frombuffer(bytes.fromhex(written[2:]), ">f4").astype(">f8")
        return f"0x{value.tobytes().hex().upper()}"
    return f"{float(np.float32(written)):.17e}"
