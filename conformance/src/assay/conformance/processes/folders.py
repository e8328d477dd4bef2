"""Folders that live as long as the object that speaks of them."""

from __future__ import annotations

import shutil
import tempfile
import weakref


class KeptFolder:
    """A temporary folder that is removed when this object is, or at the end of the process.

    Args:
      prefix: What its name begins with.

    Attributes:
      name: Its path.
    """

    def __init__(self, prefix: str) -> None:
        self.name = tempfile.mkdtemp(prefix=prefix)
        weakref.finalize(self, shutil.rmtree, self.name, ignore_errors=True)
