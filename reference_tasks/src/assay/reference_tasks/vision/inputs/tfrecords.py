"""Reads `tf.train.Example` records from TFRecord files."""

from collections.abc import Sequence
from typing import Any

import tensorflow as tf
from assay.reference_tasks.vision.inputs.examples import SERIALIZED, ExampleDecoder, decode_examples
from assay.reference_tasks.vision.inputs.messages import require, sentence
from assay.reference_tasks.vision.inputs.paths import file_sizes, find_files
from assay.reference_tasks.vision.inputs.reader import SOURCE, WHOLE, Record, Shard

DEFAULT_CYCLE_LENGTH = 16
"""Files read at once. A fixed number, since tf.data's own choice, the number of cores, would order records by it."""

_FRAME_BYTES = 16  # a TFRecord file has 12 bytes before each record and 4 after it
_END_OF_FILE = b"\0end of file"


class TFRecordReader:
    """Records of TFRecord files, each a `tf.train.Example`.

    A broken example fails with an error that names the file, the number of the record in it (from 0) and the key. In
    uncompressed files, damage to the file itself (a bad checksum, a cut-off end) is named likewise; TensorFlow's own
    error would not tell the file.

    Args:
        input_path: A path, a glob, several separated by commas, or a list of these.
        decoder: What to read of each example.
        compressed: Whether the files are compressed by GZIP.
        cycle_length: Files read at once, `DEFAULT_CYCLE_LENGTH` when None.
        block_length: Records read from a file before the next one.

    Raises:
        InputFilesError: No file matches, or all are empty.
    """

    def __init__(
        self,
        input_path: str | Sequence[str],
        decoder: ExampleDecoder,
        *,
        compressed: bool = False,
        cycle_length: int | None = None,
        block_length: int = 1,
    ) -> None:
        self._files = find_files(input_path)
        self._sizes = file_sizes(self._files)
        self._decoder = decoder
        self._compressed = compressed
        self._cycle_length = cycle_length or DEFAULT_CYCLE_LENGTH
        self._block_length = block_length

    @property
    def num_units(self) -> int:
        """The number of files."""
        return len(self._files)

    def records(self, shard: Shard = WHOLE, *, seed: int | None = None) -> tf.data.Dataset:
        """Return the serialized examples of a shard's files, interleaved; see `Reader.records`."""
        mine = slice(shard.index, None, shard.count)
        files = tf.data.Dataset.from_tensor_slices((self._files[mine], tf.constant(self._sizes[mine], tf.int64)))
        count = len(self._files[mine])
        if seed is not None:
            files = files.shuffle(count, seed=seed, reshuffle_each_iteration=True)
        return files.interleave(
            self._read_compressed if self._compressed else self._read,
            cycle_length=min(self._cycle_length, count),
            block_length=self._block_length,
            num_parallel_calls=tf.data.AUTOTUNE,
            deterministic=True,
        )

    def decode(self, records: tf.data.Dataset) -> tf.data.Dataset:
        """Decode serialized examples; see `Reader.decode`."""
        return decode_examples(records, self._decoder)

    def _read(self, path: tf.Tensor, size: tf.Tensor) -> tf.data.Dataset:
        """Read a file and, at its end, hold the bytes read against its size: an error in reading ends it early."""

        def step(state: tuple[tf.Tensor, tf.Tensor], serialized: tf.Tensor) -> tuple[Any, Record]:
            number, position = state
            at_end = tf.equal(serialized, _END_OF_FILE)
            check = require(
                tf.logical_or(tf.logical_not(at_end), tf.equal(position, size)),
                sentence(
                    *(path, ": the file is damaged at record ", number, ", byte ", position, " of ", size),
                    ": a wrong checksum or an early end, so no key of it can be read. Write the file again.",
                ),
            )
            with tf.control_dependencies([check]):
                end = position + _FRAME_BYTES + tf.cast(tf.strings.length(serialized), tf.int64)
            return (number + 1, end), {SOURCE: _name(path, number), SERIALIZED: serialized}

        start = (tf.constant(0, tf.int64), tf.constant(0, tf.int64))
        serialized = tf.data.TFRecordDataset(path).ignore_errors()
        records = serialized.concatenate(tf.data.Dataset.from_tensors(_END_OF_FILE)).scan(start, step)
        return records.filter(lambda record: tf.not_equal(record[SERIALIZED], _END_OF_FILE))

    def _read_compressed(self, path: tf.Tensor, size: tf.Tensor) -> tf.data.Dataset:
        del size  # of the compressed file; the bytes read are counted after decompression
        records = tf.data.TFRecordDataset(path, compression_type="GZIP").enumerate()
        return records.map(lambda number, serialized: {SOURCE: _name(path, number), SERIALIZED: serialized})


def _name(path: tf.Tensor, number: tf.Tensor) -> tf.Tensor:
    return sentence(path, ", record ", number)
