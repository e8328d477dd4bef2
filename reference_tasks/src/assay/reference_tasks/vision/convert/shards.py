"""Writes records to TFRecord files, all of them or none."""

import collections
import concurrent.futures
import contextlib
import os
from collections.abc import Callable, Iterator

import tensorflow as tf
from assay.reference_tasks.vision.convert.examples import Source

RECORDS_PER_SHARD = 1000
_AHEAD = 4  # records that are made ahead of the one to be written, for each thread


class OutputExistsError(FileExistsError):
    """There are files of an earlier conversion. Remove them, choose another name, or allow overwriting."""


def shard_paths(prefix: str, num_shards: int) -> list[str]:
    """Return `prefix-00000-of-00004.tfrecord` and so on."""
    return [f"{prefix}-{shard:05d}-of-{num_shards:05d}.tfrecord" for shard in range(num_shards)]


def default_num_shards(count: int) -> int:
    """Return the number of files for so many records."""
    return max(1, -(-count // RECORDS_PER_SHARD))


def check_output(prefix: str, *, overwrite: bool) -> list[str]:
    """Return the files of an earlier conversion with this prefix, whatever their number.

    Raises:
        OutputExistsError: There are some, and `overwrite` is false.
    """
    earlier = tf.io.gfile.glob(f"{prefix}-[0-9]*-of-[0-9]*.tfrecord")
    if earlier and not overwrite:
        raise OutputExistsError(f"there are {len(earlier)} files of an earlier conversion, {earlier[0]} for example")
    return earlier


def write_shards(
    source: Source,
    prefix: str,
    *,
    num_shards: int | None = None,
    overwrite: bool = False,
    progress: Callable[[int], None] = lambda done: None,
) -> list[str]:
    """Write the records of a source, the n-th to file n modulo `num_shards`; the same bytes each time.

    Files get their names when all are complete. After an error there are none, and earlier ones are as they were.

    Args:
        source: What to write.
        prefix: Where to: folder and beginning of the names. The folder is made.
        num_shards: Number of files; None for one for each `RECORDS_PER_SHARD` records.
        overwrite: Whether files of an earlier conversion with this prefix are replaced, whatever their number.
        progress: Called with the number of records done.

    Returns:
        The paths.

    Raises:
        OutputExistsError: There are files with this prefix, and `overwrite` is false.
        BrokenRecordError: A record cannot be made.
    """
    paths = shard_paths(prefix, num_shards or default_num_shards(source.count))
    earlier = check_output(prefix, overwrite=overwrite)
    folder = prefix.rpartition("/")[0]
    if folder:
        tf.io.gfile.makedirs(folder)
    unfinished = [f"{path}.unfinished-{os.getpid()}" for path in paths]
    try:
        with contextlib.ExitStack() as stack:
            writers = [stack.enter_context(tf.io.TFRecordWriter(path)) for path in unfinished]
            for number, record in enumerate(_made(source)):
                writers[number % len(writers)].write(record)
                progress(number + 1)
        for path in set(earlier) - set(paths):
            tf.io.gfile.remove(path)
        for path, final in zip(unfinished, paths, strict=True):
            tf.io.gfile.rename(path, final, overwrite=True)
    finally:
        for path in unfinished:
            if tf.io.gfile.exists(path):
                tf.io.gfile.remove(path)
    return paths


def _made(source: Source) -> Iterator[bytes]:
    """Yield the records in order, made by several threads, a bounded number ahead."""
    workers = os.cpu_count() or 1
    with concurrent.futures.ThreadPoolExecutor(workers) as pool:
        waiting: collections.deque[concurrent.futures.Future[bytes]] = collections.deque()
        try:
            for number in range(source.count):
                waiting.append(pool.submit(source.make, number))
                if len(waiting) > workers * _AHEAD:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()
