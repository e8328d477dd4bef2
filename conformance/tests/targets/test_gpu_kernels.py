"""TensorFlow's kernel registry, asked about a GPU that is not here."""

import pytest
import tensorflow as tf
from assay.conformance.targets import gpu
from assay.conformance.targets.programs import Program, trace

pytestmark = pytest.mark.skipif(not gpu.has_gpu_kernels(), reason="this build of TensorFlow registers no GPU kernels")


def missing(function, *arguments):
    return [one.kind for one in gpu.without_gpu_kernel(trace(Program("the program", function, arguments)))]


def test_ordinary_step_has_a_kernel_for_everything():
    model = tf.keras.Sequential([tf.keras.layers.Conv2D(4, 3), tf.keras.layers.BatchNormalization()])
    model.build((None, 8, 8, 3))

    def step(images):
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean(tf.square(model(images, training=True)))
        return tape.gradient(loss, model.trainable_variables)

    assert missing(step, tf.zeros([2, 8, 8, 3])) == []


def test_operation_of_the_cpu_alone_is_found_with_its_line():
    def suppress(boxes, scores):
        return tf.image.non_max_suppression_with_scores(boxes, scores, 5)[1]

    graph = trace(Program("the program", suppress, (tf.zeros([6, 4]), tf.zeros([6]))))
    (found,) = gpu.without_gpu_kernel(graph)

    assert found.kind == "NonMaxSuppressionV5"
    assert "test_gpu_kernels.py" in str(found)


def test_operation_inside_a_loop_is_found():
    def loop(x):
        for _ in tf.range(3):
            x = tf.random.shuffle(x)
        return x

    assert missing(loop, tf.zeros([4])) == ["RandomShuffle"]


def test_dtype_decides():
    def product(x):
        return tf.linalg.matmul(x, x)

    assert missing(product, tf.zeros([2, 2], tf.bfloat16)) == []
    assert missing(lambda x: tf.random.shuffle(x), tf.zeros([4], tf.int32)) == []  # no floating-point operation
