"""Arrays as files: no pickle, named after what they hold, so that one that was changed is seen."""

from __future__ import annotations

import hashlib
import io
from typing import Any

import numpy as np

DTYPES = {
    "i1": "bool",
    "i8": "int8",
    "i16": "int16",
    "i32": "int32",
    "i64": "int64",
    "ui8": "uint8",
    "ui16": "uint16",
    "ui32": "uint32",
    "ui64": "uint64",
    "bf16": "bfloat16",
    "f16": "float16",
    "f32": "float32",
    "f64": "float64",
    "complex<f32>": "complex64",
    "complex<f64>": "complex128",
}
"""The dtypes that a bundle holds, by the name of the element type in StableHLO."""

_HEADER_AT_MOST = 4096
_BFLOAT16 = "bfloat16"


def dtype_of(name: str) -> Any:
    """Return the NumPy dtype of a name in `DTYPES`; NumPy has bfloat16 from ml_dtypes alone."""
    if name == _BFLOAT16:
        import ml_dtypes

        return np.dtype(ml_dtypes.bfloat16)
    return np.dtype(name)


def digest(array: np.ndarray) -> str:
    """Return what an array is called: the SHA-256 of its dtype, its shape and its bytes."""
    array = np.asarray(array)
    head = f"{array.dtype.name}{list(array.shape)}".encode()
    return hashlib.sha256(head + np.ascontiguousarray(array).tobytes()).hexdigest()


def to_npy(array: np.ndarray) -> bytes:
    """Return an array as the bytes of a .npy file; bfloat16 is written as the integers of the same bits."""
    plain = np.asarray(array)
    file = io.BytesIO()
    np.save(file, plain.view(np.uint16) if plain.dtype.name == _BFLOAT16 else plain, allow_pickle=False)
    return file.getvalue()


def largest_file(shape: tuple[int, ...], dtype: str) -> int:
    """Return the size in bytes that a .npy file of such an array has at most."""
    return int(np.prod(shape, dtype=np.float64)) * dtype_of(dtype).itemsize + _HEADER_AT_MOST


def from_npy(content: bytes, shape: tuple[int, ...], dtype: str) -> np.ndarray:
    """Return the array of a .npy file.

    Raises:
      ValueError: If it holds none, or one of another shape or dtype.
    """
    array = np.load(io.BytesIO(content), allow_pickle=False)
    if dtype == _BFLOAT16 and array.dtype == np.uint16:
        array = array.view(dtype_of(dtype))
    if array.shape != shape or array.dtype.name != dtype:
        raise ValueError(f"it holds {array.dtype.name}{list(array.shape)}, and should hold {dtype}{list(shape)}")
    return array
