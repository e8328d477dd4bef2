import os
import subprocess
import sys

import pytest

SCRIPT = """
import tensorflow as tf
from assay.conformance import set_up_devices
set_up_devices()
from assay.conformance.specimens import SoundTask
from assay.conformance.context import Context
from assay.conformance.harness.tasks import build_task, evaluate
from assay.conformance.model import Mode, NotRun, Subject
from assay.conformance.session import Session


class Convolutional(SoundTask):
    def build_model(self):
        layers = tf.keras.layers
        return tf.keras.Sequential([
            layers.Input((8,)), layers.Reshape((4, 2, 1)), layers.Conv2D(4, 3, 2, "same"), layers.Flatten(),
            layers.Dense(3),
        ])


build = build_task(Context("T203", Session(Subject(Convolutional)), mode=Mode.REPLICAS))
batch = tf.zeros([1, 8]), tf.zeros([1], tf.int32)
try:
    evaluate(build, [batch])
    print("ran")
except NotRun as reason:
    print("not run:", reason)
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("setting", "expected"), [("0", ("ran",)), ("1", ("ran", "not run: A replica without examples"))]
)
def test_convolution_of_no_images_is_not_held_against_the_subject(setting, expected):
    environment = {**os.environ, "TF_ENABLE_ONEDNN_OPTS": setting, "TF_CPP_MIN_LOG_LEVEL": "3"}

    done = subprocess.run([sys.executable, "-c", SCRIPT], env=environment, capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stderr[-2000:]
    assert done.stdout.strip().splitlines()[-1].startswith(expected)
