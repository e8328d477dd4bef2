"""Finds the input files that a configuration names."""

import importlib.resources
from collections.abc import Sequence
from pathlib import Path

import tensorflow as tf

PACKAGE_SCHEME = "package://"
"""Begins a path inside an installed package: `package://my.package/data/train-*`. It means the same on any machine."""


class InputFilesError(FileNotFoundError):
    """The input files that a configuration names cannot be used.

    Common causes of this problem are:

    1. A glob that matches nothing: it is relative to the directory in which the command runs.
    2. A path that holds only on another machine.
    3. Files that are empty, because the tool that writes them did not finish.
    """


def split_path(input_path: str | Sequence[str]) -> list[str]:
    """Return the single paths of `input_path`: commas separate paths, `package://` is resolved, globs stay.

    Raises:
        InputFilesError: There is no path, or no such package.
    """
    entries = [input_path] if isinstance(input_path, str) else list(input_path)
    paths = [part.strip() for entry in entries for part in entry.split(",") if part.strip()]
    if not paths:
        raise InputFilesError(
            "`input_path` names no file: set it to a path, a glob, several of these separated by commas, or a list. "
            f"Received: {input_path!r}."
        )
    return [_resolved(path) for path in paths]


def one_path(input_path: str | Sequence[str], option: str) -> str:
    """Return the path of a file or folder that can only be one; `package://` is resolved.

    Args:
        input_path: The path.
        option: Names it in errors.

    Raises:
        InputFilesError: There is none, or there are several.
    """
    paths = split_path(input_path) if input_path else []
    if len(paths) != 1:
        raise InputFilesError(f"{option} must be one path; received {paths or 'none'}.")
    return paths[0]


def find_files(input_path: str | Sequence[str]) -> list[str]:
    """Return all files that paths and globs name, sorted, each once.

    Args:
        input_path: A path, a glob, several of them separated by commas, or a list of these. Anything that
            `tf.io.gfile` can open, and `package://` paths.

    Raises:
        InputFilesError: Naming the path or glob that matches no file.
    """
    found: set[str] = set()
    for pattern in split_path(input_path):
        try:
            matches = tf.io.gfile.glob(pattern)
        except tf.errors.NotFoundError:
            matches = []
        if not matches:
            raise InputFilesError(
                f"`input_path`: no file matches {pattern!r}. A relative path starts from {str(Path.cwd())!r}, the "
                "directory in which this command runs."
            )
        found.update(matches)
    return sorted(found)


def file_sizes(files: Sequence[str]) -> list[int]:
    """Return the size of each file in bytes.

    Raises:
        InputFilesError: A path is a directory, or all files are empty.
    """
    folders = [path for path in files if tf.io.gfile.isdir(path)]
    if folders:
        raise InputFilesError(
            f"`input_path`: {folders[0]!r} is a directory. To read the files in it, append a glob: "
            f"{folders[0].rstrip('/') + '/*.tfrecord'!r}; for a folder of images set `reader: image_folder`."
        )
    sizes = [tf.io.gfile.stat(path).length for path in files]
    if not any(sizes):
        raise InputFilesError(f"`input_path`: all {len(files)} files are empty, for example {files[0]!r}.")
    return sizes


def _resolved(path: str) -> str:
    if not path.startswith(PACKAGE_SCHEME):
        return path
    package, _, inside = path.removeprefix(PACKAGE_SCHEME).partition("/")
    try:
        root = importlib.resources.files(package)
    except (ImportError, ValueError) as error:
        raise InputFilesError(f"`input_path`: {path!r} names a package that cannot be imported: {error}.") from error
    if not isinstance(root, Path):
        raise InputFilesError(
            f"`input_path`: {path!r} is inside {root}, which is no directory; install the package unpacked."
        )
    return str(root / inside)
