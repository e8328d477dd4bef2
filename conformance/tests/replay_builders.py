"""What the tests of bundles and replays share: a small loss, metric and Task, and a bundle that is made once."""

import numpy as np
import tensorflow as tf
from assay.conformance import Subject
from assay.conformance.bundles.arrays import digest
from assay.conformance.bundles.folder import write_folder
from assay.conformance.bundles.manifest import DATA, VALUE, Case, Manifest, Program, Tensor, case_id
from assay.conformance.replay.command import main

LABELS = np.array([[0.0], [1.0], [1.0]], np.float32)
LOGITS = np.array([[0.3], [-0.4], [2.0]], np.float32)


class TinyLoss(tf.keras.losses.Loss):
    """Binary cross-entropy of logits, by `softplus`."""

    factor = 1.0

    def call(self, y_true, y_pred):
        signs = 2.0 * tf.cast(y_true, y_pred.dtype) - 1.0
        return self.factor * tf.reduce_mean(tf.nn.softplus(-signs * y_pred), axis=-1)


class DoubledLoss(TinyLoss):
    """The same loss in another version."""

    factor = 2.0


LOSS = Subject(TinyLoss, sample=(LABELS, LOGITS), name="tiny")


def small_bundle(path, *, expected=(3.0, 4.0), rules=("L402",)):
    """Write a bundle of one program that no TensorFlow made: it doubles two numbers."""
    from assay.conformance.stablehlo import adapter

    text = """
    func.func @main(%arg0: tensor<2xf32>) -> tensor<2xf32> {
      %0 = stablehlo.add %arg0, %arg0 : tensor<2xf32>
      return %0 : tensor<2xf32>
    }
    """
    with adapter.mlir_context():
        artifact = adapter.write_artifact(adapter.parse(text))
    return bundle_of(path, artifact, np.array([1.5, 2.0], np.float32), np.array(expected, np.float32), rules=rules)


def bundle_of(path, artifact, given, expected, *, rules=("L402",), custom_calls=(), own_generator=False):
    """Write a bundle of one program with one argument, one result and one call."""
    import hashlib

    name = hashlib.sha256(artifact).hexdigest()
    inputs = (Tensor("argument 0", given.shape, given.dtype.name, DATA),)
    outputs = (Tensor("output 0", expected.shape, expected.dtype.name, VALUE),)
    case = Case(case_id(name, [digest(given)]), rules, (digest(given),), (digest(expected),), ("",))
    program = Program(name, "doubles", inputs, outputs, custom_calls, own_generator, (case,))
    manifest = Manifest(
        subject={"name": "tiny", "origin": "", "kind": "loss"},
        seed=0,
        made_with={"tensorflow": tf.__version__},
        programs=(program,),
        left_out={},
    )
    write_folder(path, manifest, {name: artifact}, {digest(one): one for one in (given, expected)})
    return path


def replay_in(folder, *options):
    """Replay a folder on the CPU of jax in this process; returns the exit code."""
    return main([str(folder), "--platform", "cpu", "--runs", "1", *options])
