"""Which versions of jax the suite works with: compilers and devices are reached through some of its private corners."""

from __future__ import annotations

import contextlib
import importlib.metadata
from collections.abc import Iterator

WORKS = "jax 0.9 or 0.10"
_OLDEST, _NEWEST = (0, 9), (0, 10)


class JaxMissingError(Exception):
    """jax is not installed, or not in a version that is known to work; the message says which are."""


def require_jax() -> str:
    """Return the version of jax, when it is one that is known to work.

    Raises:
      JaxMissingError: If it is not installed, or another.
    """
    try:
        version = importlib.metadata.version("jax")
    except importlib.metadata.PackageNotFoundError:
        raise JaxMissingError(f"jax is not installed; needed is {WORKS}: pip install 'jax>=0.9,<0.11'.") from None
    if not _OLDEST <= tuple(int(part) for part in version.split(".")[:2]) <= _NEWEST:
        raise JaxMissingError(f"jax {version} is installed, and the versions that work are {WORKS}.")
    return version


@contextlib.contextmanager
def private_corners() -> Iterator[None]:
    """Mark a block that reaches into jax: a name that is not there says which versions have it.

    Raises:
      JaxMissingError: If jax's interface is another than expected.
    """
    try:
        yield
    except (ImportError, AttributeError) as changed:
        raise JaxMissingError(
            f"jax's interface is another than expected ({changed}); what works is {WORKS}."
        ) from changed
