"""The folder of a bundle: `manifest.json`, `programs/` and `arrays/`, whose files are named after what they hold.

A manifest names no path, only digests, so that nothing outside the folder can be asked for; what a file holds is
compared with its name before it is used.
"""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
from assay.conformance.bundles.arrays import digest as digest_of
from assay.conformance.bundles.arrays import from_npy, largest_file, to_npy
from assay.conformance.bundles.manifest import BundleError, Manifest, Program, Tensor, from_json, to_json

MANIFEST = "manifest.json"
_PROGRAMS, _ARRAYS = "programs", "arrays"
_LARGEST_MANIFEST, _LARGEST_PROGRAM = 64 * 2**20, 256 * 2**20


class Folder:
    """A bundle on the disk, read file by file.

    Args:
      path: The folder.

    Raises:
      BundleError: If it holds no bundle of this version.

    Attributes:
      path: The folder.
      manifest: What it holds.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        if not path.is_dir():
            raise BundleError(f"There is no folder {path}; `assay bundle SUBJECT --out {path}` makes one.")
        if not (path / MANIFEST).exists():
            raise BundleError(f"{path} is no bundle: it has no {MANIFEST}.")
        text = self._read(MANIFEST, _LARGEST_MANIFEST)
        self.manifest = from_json(text.decode("utf-8", errors="replace"), str(path / MANIFEST))

    def program(self, program: Program) -> bytes:
        """Return the StableHLO of a program.

        Raises:
          BundleError: If the file is missing, or not what it was.
        """
        name = f"{_PROGRAMS}/{program.id}.mlirbc"
        content = self._read(name, _LARGEST_PROGRAM)
        if hashlib.sha256(content).hexdigest() != program.id:
            raise self._changed(name, "its content is not what its name says")
        return content

    def array(self, digest: str, tensor: Tensor, dtype: str = "") -> np.ndarray:
        """Return an array.

        Args:
          digest: Its name.
          tensor: What it is: shape and dtype.
          dtype: Another dtype than that, for a reference.

        Raises:
          BundleError: If the file is missing, or not what it was.
        """
        name, dtype = f"{_ARRAYS}/{digest}.npy", dtype or tensor.dtype
        content = self._read(name, largest_file(tensor.shape, dtype))
        try:
            array = from_npy(content, tensor.shape, dtype)
        except (ValueError, EOFError, OSError) as error:
            raise self._changed(name, str(error)) from error
        if digest_of(array) != digest:
            raise self._changed(name, "its content is not what its name says")
        return array

    def _read(self, name: str, at_most: int) -> bytes:
        path = self.path / name
        try:
            about = path.lstat()
            if not stat.S_ISREG(about.st_mode) or path.parent.is_symlink():
                raise BundleError(f"{path} is a link or no plain file, and is not read.")
            if about.st_size > at_most:
                raise self._changed(name, f"it has {about.st_size} bytes, and {at_most} are possible")
            return path.read_bytes()
        except FileNotFoundError:
            raise BundleError(f"{path} is missing: the bundle is not whole. Copy the folder again.") from None
        except OSError as error:
            raise BundleError(f"{path} cannot be read: {error.strerror}.") from error

    def _changed(self, name: str, how: str) -> BundleError:
        return BundleError(f"{self.path / name} was cut short or changed: {how}. Copy the folder again.")


def find_folders(path: Path) -> list[Folder]:
    """Return the bundle in a folder, or the bundles in the folders within, by name.

    Raises:
      BundleError: If there is none.
    """
    if path.is_dir() and not (path / MANIFEST).exists():
        within = sorted(one for one in path.iterdir() if (one / MANIFEST).exists())
        if within:
            return [Folder(one) for one in within]
    return [Folder(path)]


def write_folder(
    path: Path, manifest: Manifest, programs: Mapping[str, bytes], arrays: Mapping[str, np.ndarray]
) -> int:
    """Write a bundle; the manifest comes last, so that half a bundle is none.

    Args:
      path: The folder; one that holds a bundle is written over.
      manifest: What it holds.
      programs: StableHLO by the id of the program.
      arrays: Arrays by digest.

    Returns:
      How many bytes it has.

    Raises:
      BundleError: If the folder cannot be written, or holds something else.
    """
    content = {f"{_PROGRAMS}/{name}.mlirbc": text for name, text in programs.items()}
    content |= {f"{_ARRAYS}/{name}.npy": to_npy(array) for name, array in arrays.items()}
    content[MANIFEST] = to_json(manifest).encode()
    try:
        for old in _old_files(path):
            old.unlink()
        for name in (_PROGRAMS, _ARRAYS):
            (path / name).mkdir(parents=True, exist_ok=True)
        for name, data in content.items():
            partial = path / f"{name}.{os.getpid()}.partial"
            partial.write_bytes(data)
            partial.replace(path / name)
    except OSError as error:
        raise BundleError(f"The bundle cannot be written to {path}: {error.strerror}.") from error
    return sum(map(len, content.values()))


def _old_files(path: Path) -> Iterator[Path]:
    """The files of a bundle that is written over, the manifest first.

    Raises:
      BundleError: If the folder holds what is no bundle.
    """
    if not path.exists():
        return
    if not path.is_dir() or (any(path.iterdir()) and not (path / MANIFEST).exists()):
        raise BundleError(f"{path} is no bundle and not empty: give a new folder, or remove it first.")
    yield from path.glob(MANIFEST)
    yield from (path / _PROGRAMS).glob("*.mlirbc")
    yield from (path / _ARRAYS).glob("*.npy")
