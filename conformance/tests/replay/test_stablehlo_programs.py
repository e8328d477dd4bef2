"""Programs as StableHLO: one form whatever was traced before, the same in float64, and products in fewer bits."""

import re

import numpy as np
import pytest
import tensorflow as tf
from assay.conformance.stablehlo import adapter, versions
from assay.conformance.stablehlo.canonical import exported
from assay.conformance.stablehlo.precision import MatmulPrecision, products_of, set_products
from assay.conformance.stablehlo.widening import widened

pytest.importorskip("jax")
ml_dtypes = pytest.importorskip("ml_dtypes")

LEFT = np.random.default_rng(0).normal(size=(4, 64)).astype(np.float32)
RIGHT = np.random.default_rng(1).normal(size=(64, 3)).astype(np.float32)


def export(function, *arguments):
    lowered = tf.function(function, jit_compile=True).experimental_get_compiler_ir(*arguments)(stage="hlo_serialized")
    return exported(lowered)


def run(module, *arguments):
    """Run a module on the CPU of jax; takes an artifact, a text, or what `change` makes of them."""
    adapter.set_up_jax("cpu")
    with adapter.mlir_context():
        parsed = adapter.read_artifact(module) if isinstance(module, bytes) else adapter.parse(module)
        executable = adapter.Executable(parsed, adapter.first_device("cpu"))
        return [np.asarray(one) for one in executable.run(executable.place(arguments))]


def product(mode):
    """`LEFT @ RIGHT` in a mode, on the CPU, and how many products there were."""
    adapter.set_up_jax("cpu")
    with adapter.mlir_context():
        module = adapter.read_artifact(export(lambda a, b: a @ b, tf.constant(LEFT), tf.constant(RIGHT)).artifact)
        count = set_products(module, products_of("cpu", mode))
        executable = adapter.Executable(module, adapter.first_device("cpu"))
        (found,) = executable.run(executable.place([LEFT, RIGHT]))
        return np.asarray(found), count


def test_export_is_the_same_bytes_whatever_was_traced_before():
    def softmax(x):
        return tf.reduce_sum(tf.nn.softmax(tf.keras.layers.Flatten()(x)))

    first = export(softmax, tf.ones([2, 3]))
    export(lambda x: tf.nn.relu(tf.keras.layers.Flatten()(x)), tf.ones([2, 3]))
    second = export(softmax, tf.ones([2, 3]))

    assert first.artifact == second.artifact
    assert not re.search("inference|flatten", first.text)


def test_other_program_is_other_bytes():
    assert export(lambda x: tf.exp(x), tf.ones([2])).artifact != export(lambda x: -x, tf.ones([2])).artifact


def test_updated_variable_is_a_result_that_names_its_argument():
    kept, counted = tf.Variable([1.0, 2.0]), tf.Variable([0.0, 0.0])

    def step(x):
        counted.assign_add(x * kept)
        return tf.reduce_sum(x)

    found = export(step, tf.constant([3.0, 4.0]))

    (place,) = found.aliases.values()
    arguments = [np.array([3.0, 4.0], np.float32), None, None]
    arguments[place] = np.array([10.0, 10.0], np.float32)
    arguments[3 - place] = np.array([1.0, 2.0], np.float32)
    total, after = run(found.artifact, *arguments)
    assert total == 7.0
    assert after.tolist() == [13.0, 18.0]


def test_stateful_random_numbers_are_seen():
    assert export(lambda x: x + tf.random.uniform([2]), tf.ones([2])).own_generator
    assert not export(lambda x: x + tf.random.stateless_uniform([2], [1, 2]), tf.ones([2])).own_generator


def test_program_in_float64_is_the_float64_value():
    logits = np.array([-30.0, -3.0, 0.1, 12.0], np.float32)
    found = export(lambda x: tf.reduce_sum(tf.nn.softplus(x) * 0.1), tf.constant(logits))

    (wide,) = run(widened(found.text), logits.astype(np.float64))

    expected = np.sum(np.logaddexp(0.0, logits.astype(np.float64)) * np.float64(np.float32(0.1)))
    assert wide.dtype == np.float64
    assert wide == pytest.approx(expected, rel=1e-14)


def test_constants_keep_the_value_that_float32_gave_them():
    table = np.linspace(0.1, 1.0, 300, dtype=np.float32)  # written as bits, being long
    found = export(lambda x: x * table + tf.constant([np.inf, 0.1, -np.inf], tf.float32)[1], tf.ones([300]))

    (wide,) = run(widened(found.text), np.ones(300))

    assert np.array_equal(wide, table.astype(np.float64) + np.float64(np.float32(0.1)))


def test_random_numbers_are_the_same_in_float64():
    found = export(lambda x: x * tf.random.stateless_uniform([100], [3, 4]), tf.ones([100]))

    (narrow,), (wide,) = run(found.artifact, np.ones(100, np.float32)), run(widened(found.text), np.ones(100))

    assert np.array_equal(narrow.astype(np.float64), wide)


@pytest.mark.parametrize("dtype", [tf.bfloat16, tf.float16])
def test_program_that_rounds_itself_has_no_reference(dtype):
    found = export(lambda x: tf.cast(tf.cast(x, dtype) * 2, tf.float32), tf.ones([2]))

    assert widened(found.text) is None


def test_program_without_float32_has_no_reference():
    assert widened(export(lambda x: x + 1, tf.constant([1, 2])).text) is None


def rounded(array, bits):
    """The array with so many bits of mantissa, rounded to nearest even, by NumPy."""
    kept = array.view(np.uint32)
    drop = 23 - bits
    bias = (np.uint32(1) << np.uint32(drop - 1)) - np.uint32(1) + ((kept >> np.uint32(drop)) & np.uint32(1))
    return ((kept + bias) & ~np.uint32((1 << drop) - 1)).view(np.float32)


@pytest.mark.parametrize(("mode", "bits"), [(MatmulPrecision.TENSORFLOAT32, 10), (MatmulPrecision.BFLOAT16, 7)])
def test_operands_of_products_are_rounded_to_the_bits_of_the_mode(mode, bits):
    found, count = product(mode)

    expected = rounded(LEFT, bits).astype(np.float64) @ rounded(RIGHT, bits).astype(np.float64)
    assert count == 1
    assert found == pytest.approx(expected, rel=1e-5, abs=1e-5)
    assert np.abs(found - LEFT.astype(np.float64) @ RIGHT).max() > 1e-4


def test_rounding_of_the_test_is_that_of_bfloat16():
    assert np.array_equal(rounded(LEFT, 7), LEFT.astype(ml_dtypes.bfloat16).astype(np.float32))


@pytest.mark.parametrize("mode", [MatmulPrecision.PROGRAM, MatmulPrecision.FLOAT32])
def test_cpu_multiplies_in_float32_otherwise(mode):
    found, _ = product(mode)

    assert found == pytest.approx(LEFT.astype(np.float64) @ RIGHT, rel=1e-5, abs=1e-5)


def test_convolution_is_a_product_and_a_product_of_bfloat16_is_left_alone():
    with adapter.mlir_context():
        products = products_of("gpu", MatmulPrecision.FLOAT32)
        image, kernel = tf.ones([1, 4, 4, 2]), tf.ones([2, 2, 2, 3])
        module = adapter.read_artifact(export(lambda x, k: tf.nn.conv2d(x, k, 1, "VALID"), image, kernel).artifact)
        assert set_products(module, products) == 1
        assert str(module).count("HIGHEST") == 2
        narrow = export(lambda a, b: tf.matmul(tf.cast(a, tf.bfloat16), tf.cast(b, tf.bfloat16)), LEFT, RIGHT)
        assert set_products(adapter.read_artifact(narrow.artifact), products) == 0


def test_other_jax_is_refused_with_the_versions_that_work(monkeypatch):
    monkeypatch.setattr("importlib.metadata.version", lambda name: "0.4.30")

    with pytest.raises(versions.JaxMissingError, match=r"jax 0\.4\.30 is installed, .* jax 0\.9 or 0\.10"):
        versions.require_jax()


def test_text_that_is_no_module_is_refused_by_its_value():
    with adapter.mlir_context(), pytest.raises(ValueError, match="Unable to parse module"):
        adapter.parse('"stablehlo.select"() : () -> tensor<f32>')
