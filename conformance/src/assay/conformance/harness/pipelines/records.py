"""TFRecord files behind a pipeline: found through its parameters, read, and written again with changed records."""

from __future__ import annotations

import contextlib
import dataclasses
import fnmatch
import re
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from assay.conformance.context import Context
from assay.conformance.harness.pipelines.components import make_component
from assay.conformance.harness.pipelines.dataset_graphs import texts_of
from assay.conformance.harness.pipelines.datasets import build_dataset, data_params
from assay.conformance.model.errors import NotApplicable

MOST_RECORDS = 64
_GZIP_MAGIC = b"\x1f\x8b"
_OBJECT_KEY = re.compile(r"(^|/)(objects?|bbox(es)?|boxes)(/|$)")


@dataclasses.dataclass(frozen=True, eq=False)
class Records:
    """The beginning of the TFRecord files that a field of the parameters names.

    Attributes:
      field: The name of the field.
      is_list: Whether its value is a list of paths.
      compression: "GZIP" or "".
      examples: The first records, each a `tf.train.Example`.
    """

    field: str
    is_list: bool
    compression: str
    examples: tuple[Any, ...]

    @property
    def object_keys(self) -> list[str]:
        """The features that hold one entry for each object: `image/object/bbox/xmin`."""
        keys = {key for example in self.examples for key in example.features.feature}
        return sorted(key for key in keys if _OBJECT_KEY.search(key))

    @property
    def encoded_key(self) -> str:
        """The feature that holds an encoded image, or an empty string."""
        keys = sorted({key for example in self.examples for key in example.features.feature})
        return next((key for key in keys if key.endswith("encoded")), "")

    @contextlib.contextmanager
    def written(self, examples: Sequence[Any]) -> Iterator[tuple[dict[str, Any], str]]:
        """Write records to a file of their own.

        Args:
          examples: Of `tf.train.Example`, or serialized.

        Yields:
          What to override in the data parameters, and the path of the file; it is removed afterwards.
        """
        import tensorflow as tf

        with tempfile.TemporaryDirectory(prefix="records-") as folder:
            path = str(Path(folder) / "changed-00000-of-00001.tfrecord")
            with tf.io.TFRecordWriter(path, self.compression) as writer:
                for example in examples:
                    writer.write(example if isinstance(example, bytes) else example.SerializeToString())
            yield {self.field: [path] if self.is_list else path}, path


def read_records(ctx: Context, *, training: bool) -> Records:
    """Return the records behind the subject's data; shared by all rules.

    Raises:
      NotApplicable: If the parameters name no TFRecord file of `tf.train.Example`.
    """

    def read() -> Records:
        task = ctx.share("task for data", lambda: make_component(ctx))
        params = data_params(task, training=training)
        for field, value in _fields(params):
            records = _read_field(field, value)
            if records is not None:
                return records
        for field, value in _fields(params):
            if isinstance(value, str) and "://" in value:  # a scheme of the subject's own: the dataset knows the files
                pattern = value.rsplit("/", 1)[-1]
                texts = texts_of(build_dataset(task, params))
                names = [text for text in texts if fnmatch.fnmatchcase(Path(text).name, pattern)]
                records = _read_field(field, names)
                if records is not None:
                    return dataclasses.replace(records, is_list=False)
        raise NotApplicable(
            "Records can be changed only where the data parameters name TFRecord files of tf.train.Example "
            "(`input_path`), and these name none."
        )

    return ctx.share(("records", training), read)


def without_objects(example: Any, keys: Sequence[str]) -> Any:
    """Return a copy of an example whose lists of objects are empty."""
    copied = type(example)()
    copied.CopyFrom(example)
    for key in keys:
        if key in copied.features.feature:
            feature = copied.features.feature[key]
            kind = feature.WhichOneof("kind")
            if kind:
                getattr(feature, kind).ClearField("value")
    return copied


def _fields(params: Any) -> list[tuple[str, Any]]:
    if isinstance(params, Mapping):
        return [(str(key), value) for key, value in params.items()]
    if dataclasses.is_dataclass(params) and not isinstance(params, type):
        return [(field.name, getattr(params, field.name)) for field in dataclasses.fields(params)]
    named: Callable[[], dict[str, Any]] | None = getattr(params, "as_dict", None)
    return list(named().items()) if callable(named) else list(getattr(params, "__dict__", {}).items())


def _read_field(field: str, value: Any) -> Records | None:
    """The records that a field names, if it names any."""
    import tensorflow as tf

    is_list = isinstance(value, list | tuple)
    patterns = list(value) if is_list else [value]
    if not patterns or not all(isinstance(one, str | Path) and str(one) for one in patterns):
        return None
    try:
        globs = [part.strip() for one in patterns for part in str(one).split(",") if part.strip()]
        paths = sorted(path for one in globs for path in tf.io.gfile.glob(one))
        files = [path for path in paths if not tf.io.gfile.isdir(path)]
        if not files:
            return None
        with tf.io.gfile.GFile(files[0], "rb") as file:
            compression = "GZIP" if file.read(2) == _GZIP_MAGIC else ""
        dataset = tf.data.TFRecordDataset(files, compression_type=compression).take(MOST_RECORDS)
        examples = tuple(tf.train.Example.FromString(record) for record in dataset.as_numpy_iterator())
    except Exception:  # no file, no TFRecord, no tf.train.Example: this field names something else
        return None
    return Records(field, is_list, compression, examples) if any(one.features.feature for one in examples) else None
