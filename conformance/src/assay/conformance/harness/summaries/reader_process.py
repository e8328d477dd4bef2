"""Reads the records of event files with the standard library alone: imported by the suite, or run as a second process.

```
python reader_process.py DIRECTORY  # pickles [(relative path, [record, ...]), ...] to standard output
```
"""

from __future__ import annotations

import os
import pickle
import struct
import sys
from collections.abc import Iterator

EVENT_FILE = "tfevents"

# A record is its length (uint64), a checksum of the length, the data, and a checksum of the data (uint32 each).
_LENGTH = struct.Struct("<Q")
_CHECKSUM = 4


def event_files(directory: str) -> list[str]:
    """Return the paths of all event files at any depth, relative to the directory."""
    found = [
        os.path.relpath(os.path.join(folder, name), directory)
        for folder, _, names in os.walk(directory)
        for name in names
        if EVENT_FILE in name
    ]
    return sorted(found)


def records_of(path: str) -> Iterator[bytes]:
    """Yield the whole records of a file; what a writer has not finished is left out."""
    with open(path, "rb") as file:
        data = file.read()
    at = 0
    while at + _LENGTH.size + _CHECKSUM <= len(data):
        (length,) = _LENGTH.unpack_from(data, at)
        at += _LENGTH.size + _CHECKSUM
        if at + length + _CHECKSUM > len(data):
            return
        yield data[at : at + length]
        at += length + _CHECKSUM


def read(directory: str) -> list[tuple[str, list[bytes]]]:
    """Return each event file, relative to the directory, with its records."""
    return [(name, list(records_of(os.path.join(directory, name)))) for name in event_files(directory)]


if __name__ == "__main__":
    pickle.dump(read(sys.argv[1]), sys.stdout.buffer)
