"""A value that outlives the process, in a JSON file."""

import json
import os
from typing import Any

import tensorflow as tf
from assay.core.checkpoints import write_atomically


class JSONPersistedValue:
    """A JSON value that is read from a file at the start and written to it, atomically, at each change.

    Args:
        initial_value: The value when there is no file. JSON: numbers, strings, lists, dicts, None.
        filename: The file; None keeps the value in memory only.
        write_value: Whether changes are written; False reads a file that another process writes.

    Raises:
        ValueError: The file exists and is not JSON.
    """

    def __init__(self, initial_value: Any, filename: str | None, *, write_value: bool = True) -> None:
        self._filename = filename
        self._write_value = write_value
        self._value = initial_value
        if filename is not None and tf.io.gfile.exists(filename):
            with tf.io.gfile.GFile(filename, "r") as file:
                text = file.read()
            try:
                self._value = json.loads(text)
            except ValueError as error:
                raise ValueError(
                    f"{filename} is not JSON ({error}). Something else than this run has written it: remove it to "
                    "start from the initial value."
                ) from error

    def read(self) -> Any:
        """Return the value."""
        return self._value

    def write(self, value: Any) -> None:
        """Set the value.

        Raises:
            TypeError: It is not JSON.
        """
        text = json.dumps(value)
        self._value = value
        if self._filename is not None and self._write_value:
            tf.io.gfile.makedirs(os.path.dirname(self._filename))
            write_atomically(self._filename, text)
