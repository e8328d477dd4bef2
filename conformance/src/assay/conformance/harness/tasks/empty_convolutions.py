"""A defect of TensorFlow that looks like one of the subject: convolutions of no images, on a CPU with oneDNN.

Inside `tf.function`, oneDNN's convolution gives an empty batch the shape of its input, so that what follows fails with
incompatible shapes (seen with TensorFlow 2.20 and 2.21). A replica that is left without examples, by the last batch of
an evaluation, meets it in every model with a strided or widening convolution. oneDNN is switched off by
`TF_ENABLE_ONEDNN_OPTS=0`, which is read when TensorFlow is imported: `set_up_devices` sets it where it comes first.
"""

from __future__ import annotations

import functools
from typing import Any

from assay.conformance.model.errors import NotRun

_STRIDED = (0, 4, 4, 2)


def raise_if_to_blame(parts: Any) -> None:
    """Raise when a replica has no examples and TensorFlow gets convolutions of no images wrong in this process.

    Args:
      parts: The batches of the replicas whose step failed.

    Raises:
      NotRun: If it may be TensorFlow's fault.
    """
    import tensorflow as tf

    empty = any(leaf.shape.rank and leaf.shape[0] == 0 for part in parts for leaf in tf.nest.flatten(part))
    if empty and _broken():
        raise NotRun(
            "A replica without examples fails, and in this process TensorFlow itself gets the shape of a convolution "
            "of no images wrong (oneDNN), so that nothing can be said of the subject.",
            remedy="Set TF_ENABLE_ONEDNN_OPTS=0 before TensorFlow is imported; the command `assay check` does.",
        )


@functools.cache
def _broken() -> bool:
    import tensorflow as tf

    kernel = tf.zeros((3, 3, 1, 2))
    found = tf.function(lambda images: tf.nn.conv2d(images, kernel, 2, "SAME"))(tf.zeros((0, 8, 8, 1)))
    return tuple(found.shape) != _STRIDED
