"""The one place that imports TensorFlow, at first use: importing the package, or writing nothing, costs nothing."""

import sys
import threading
from collections.abc import Callable
from typing import Any


def tensorflow() -> Any:
    """The `tensorflow` module."""
    import tensorflow as tf

    return tf


def run_eagerly(function: Callable[[], Any]) -> Any:
    """Call a function where TensorFlow executes eagerly, whichever graph is the caller's default.

    A new thread always starts in eager mode, so a caller inside `with tf.Graph().as_default()` is served by one.

    Raises:
        RuntimeError: If called while a `tf.function` is traced: it would happen once, at tracing time.
    """
    tf = tensorflow()
    if tf.executing_eagerly():
        return function()
    if tf.compat.v1.get_default_graph().building_function:
        raise RuntimeError(
            "A summary manager was used while a tf.function was traced. It writes from the host: call it after the "
            "function returned, or use tf.summary ops inside the function."
        )
    outcome: dict[str, Any] = {}
    condition = recording_condition()

    def call() -> None:
        try:
            with tf.summary.record_if(condition):  # each thread has one of its own
                outcome["result"] = function()
        except BaseException as error:
            outcome["error"] = error

    thread = threading.Thread(target=call, name="assay-summaries")
    thread.start()
    thread.join()
    if "error" in outcome:
        raise outcome["error"]
    return outcome["result"]


def recording_condition() -> Any:
    """What `tf.summary.record_if` was given in this thread: a bool, a tensor, a function of one, or None.

    `tf.summary.should_record_summaries` would say the same, but only where an event file is the default writer.
    """
    # Nobody can have called it where TensorFlow was never imported.
    module = sys.modules.get("tensorflow.python.ops.summary_ops_v2")
    return getattr(getattr(module, "_summary_state", None), "is_recording", None)


def is_recording() -> bool:
    """Whether `tf.summary.record_if` lets anything be written now."""
    condition = recording_condition()
    value = condition() if callable(condition) else condition
    return value is None or bool(value)
