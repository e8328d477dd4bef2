"""Reads files that name the classes, a line each."""

from collections.abc import Mapping

import tensorflow as tf
from assay.reference_tasks.vision.inputs.paths import InputFilesError, one_path


def load_class_names(path: str, *, first_id: int = 0) -> Mapping[int, str]:
    """Read a label file: each line a name, or an id and a name (`7 road`). Empty lines and `#` comments are left out.

    Args:
        path: The file; `package://` is resolved.
        first_id: Id of the first name, where lines are names only.

    Returns:
        Names by class id.

    Raises:
        InputFilesError: There is no such file, or it names no class, or a class twice, or only some lines have ids.
    """
    path = one_path(path, "`label_file`")
    if not tf.io.gfile.exists(path) or tf.io.gfile.isdir(path):
        raise InputFilesError(f"`label_file`: there is no file {path!r}.")
    with tf.io.gfile.GFile(path) as file:
        stripped = [line.strip() for line in file.read().splitlines()]
    lines = [line for line in stripped if line and not line.startswith("#")]
    if not lines:
        raise InputFilesError(f"{path}: names no class.")
    numbered = [line.split(maxsplit=1) for line in lines if line.split(maxsplit=1)[0].isdecimal() and " " in line]
    if numbered and len(numbered) < len(lines):
        raise InputFilesError(f"{path}: either all lines or none must begin with an id; for example {numbered[0]}.")
    pairs = [(int(number), name) for number, name in numbered] or list(enumerate(lines, start=first_id))
    names = dict(pairs)
    if len(names) < len(pairs) or len(set(names.values())) < len(names):
        raise InputFilesError(f"{path}: has a class twice: {sorted(pairs)}.")
    return names
