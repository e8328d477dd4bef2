"""Start TensorFlow without what its C++ side prints before a program can say anything."""

import contextlib
import os
import sys
import tempfile
from collections.abc import Iterator

_STDERR = 2


@contextlib.contextmanager
def quiet_stderr() -> Iterator[None]:
    """Send what any code of the process writes to the standard error nowhere; give it back if an exception passes.

    For a start-up only: the lines that it hides come from libraries, before they read their log level.
    """
    sys.stderr.flush()
    kept = os.dup(_STDERR)
    with tempfile.TemporaryFile() as hidden:
        os.dup2(hidden.fileno(), _STDERR)
        try:
            yield
        except BaseException:
            sys.stderr.flush()
            os.dup2(kept, _STDERR)
            hidden.seek(0)
            os.write(_STDERR, hidden.read())
            raise
        finally:
            sys.stderr.flush()
            os.dup2(kept, _STDERR)
            os.close(kept)


def start_tensorflow_quietly() -> None:
    """Import TensorFlow with its C++ log at errors and its Python log at errors, and look for devices."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    with quiet_stderr():
        import tensorflow as tf

        tf.config.list_physical_devices()
    tf.get_logger().setLevel("ERROR")
