"""The one place that imports TensorFlow, at first use: importing the package, or writing nothing, costs nothing."""

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

    def call() -> None:
        try:
            outcome["result"] = function()
        except BaseException as error:
            outcome["error"] = error

    thread = threading.Thread(target=call, name="assay-summaries")
    thread.start()
    thread.join()
    if "error" in outcome:
        raise outcome["error"]
    return outcome["result"]
