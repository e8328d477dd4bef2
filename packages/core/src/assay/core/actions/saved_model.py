"""Export SavedModels, a few of them, each in a directory of its own."""

import re
from collections.abc import Callable
from typing import Any

import tensorflow as tf
from assay.core.runner import Output


class ExportFileManager:
    """Names exports by a counter, and removes old ones.

    Exports are `<base_name>-<id>`, or `<base_name>-<id>/<subdirectory>`.

    Args:
        base_name: The path before the id.
        max_to_keep: How many to keep; None or -1 for all.
        next_id_fn: Gives the id of the next export, `lambda: int(global_step.numpy())` say; by default one above the
            largest there is.
        subdirectory: Where in its directory an export is.

    Raises:
        ValueError: `max_to_keep` is 0 or below -1.
    """

    def __init__(
        self,
        base_name: str,
        *,
        max_to_keep: int | None = 5,
        next_id_fn: Callable[[], int] | None = None,
        subdirectory: str | None = None,
    ) -> None:
        if max_to_keep is not None and (max_to_keep < -1 or max_to_keep == 0):
            raise ValueError(f"`max_to_keep` must be above 0, or None or -1 for all; received {max_to_keep}.")
        self._base_name = base_name.rstrip("/")
        self._max_to_keep = None if max_to_keep == -1 else max_to_keep
        self._next_id_fn = next_id_fn or self._one_above
        self._subdirectory = subdirectory or ""

    @property
    def managed_files(self) -> list[str]:
        """The exports there are, by rising id."""
        return [f"{self._base_name}-{number}" for number in self._ids()]

    def next_name(self) -> str:
        """Return the path of the next export."""
        return tf.io.gfile.join(f"{self._base_name}-{self._next_id_fn()}", self._subdirectory).rstrip("/")

    def clean_up(self) -> None:
        """Remove the exports with the lowest ids, down to `max_to_keep`."""
        if self._max_to_keep is not None:
            for path in self.managed_files[: -self._max_to_keep]:
                tf.io.gfile.rmtree(path)

    def _ids(self) -> list[int]:
        pattern = re.compile(re.escape(self._base_name) + r"-(\d+)/?$")
        matches = (pattern.match(path) for path in tf.io.gfile.glob(f"{self._base_name}-*"))
        return sorted(int(match.group(1)) for match in matches if match)

    def _one_above(self) -> int:
        return max(self._ids(), default=-1) + 1


class ExportSavedModel:
    """An action that exports a SavedModel each time.

    Args:
        model: A trackable: a `tf.Module`, or a Keras model.
        file_manager: Where to.
        signatures: What can be called in the export, as `tf.saved_model.save` takes it.
        options: A `tf.saved_model.SaveOptions`.
    """

    def __init__(
        self,
        model: Any,
        file_manager: ExportFileManager,
        signatures: Any = None,
        options: tf.saved_model.SaveOptions | None = None,
    ) -> None:
        self.model, self.file_manager = model, file_manager
        self.signatures, self.options = signatures, options

    def __call__(self, output: Output) -> None:
        """Export the model; the logs do not matter."""
        del output
        tf.saved_model.save(self.model, self.file_manager.next_name(), signatures=self.signatures, options=self.options)
        self.file_manager.clean_up()
