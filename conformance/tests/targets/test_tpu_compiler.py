"""The TPU compiler, run ahead of time: what it takes, what it refuses, and what is said where it is missing."""

import importlib.metadata

import pytest
import tensorflow as tf
from assay.conformance.model import SubjectError, UsageError
from assay.conformance.stablehlo.hlo import without_copies
from assay.conformance.targets import tpu
from assay.conformance.targets.programs import Program, lower
from tensorflow.compiler.tf2xla.ops import gen_xla_ops

installed = pytest.mark.skipif(
    not {"jax", "libtpu"} <= {one.metadata["Name"] for one in importlib.metadata.distributions()},
    reason="the extra tpu is not installed",
)


def compiled(function, *arguments, topology=tpu.DEFAULT_TOPOLOGY):
    return tpu.compile_program(lower(Program("the program", function, arguments)), topology)


@installed
def test_program_that_updates_a_variable_compiles_for_every_generation():
    kernel = tf.Variable(tf.random.normal([64, 32], seed=0))

    def step(features, labels):
        with tf.GradientTape() as tape:
            losses = tf.nn.sparse_softmax_cross_entropy_with_logits(labels=labels, logits=features @ kernel)
            loss = tf.reduce_mean(losses)
        kernel.assign_sub(0.1 * tape.gradient(loss, kernel))
        return loss

    for topology in tpu.TOPOLOGIES.values():
        found = compiled(step, tf.zeros([8, 64]), tf.zeros([8], tf.int32), topology=topology)

        assert found.topology == topology
        assert found.argument_bytes >= 4 * 64 * 32  # the variable is one of the arguments
        assert found.aliased_bytes >= 4 * 64 * 32  # and is updated in place
        assert 0 < found.memory_bytes < topology.device_bytes
        assert found.flops >= 2 * 2 * 8 * 64 * 32  # two products of these matrices
        assert "libtpu" in found.compiler


@installed
def test_crash_of_the_compiler_ends_its_own_process_and_the_next_program_is_compiled():
    def sums_over_four(x):
        return gen_xla_ops.xla_all_reduce(x, tf.constant([[0, 1, 2, 3]]), reduce_op="Add", mode="CrossReplica")

    module = lower(Program("the program", sums_over_four, (tf.ones([3]),)))

    with pytest.raises(tpu.CompilerUndecidedError, match=r"crashed over it .*exit code -6: Check failed"):
        tpu.compile_program(module)  # for one device
    assert tpu.compile_program(module, replicas=4).replicas == 4


@installed
def test_copies_of_updated_variables_become_reshapes():
    variable = tf.Variable(tf.zeros([4]))
    module = lower(Program("the program", lambda x: variable.assign(x), (tf.ones([4]),)))

    changed = without_copies(module)

    assert b"copy" not in changed or changed.count(b"copy") < module.count(b"copy")
    assert without_copies(changed) == changed


@installed
def test_complex128_is_refused_in_the_words_of_the_compiler():
    with pytest.raises(tpu.CompilerRefusedError, match="FFT: c128") as refused:
        compiled(lambda x: tf.abs(tf.signal.fft(tf.cast(x, tf.complex128))), tf.zeros([8]))

    assert not refused.value.out_of_memory
    assert "Python Code Location" not in str(refused.value)


@installed
def test_program_that_does_not_fit_is_refused_as_out_of_memory():
    def pairwise(x):
        return tf.reduce_max(tf.cumsum(tf.cumsum(x[:, None] * x[None, :], axis=0), axis=1))

    with pytest.raises(tpu.CompilerRefusedError, match=r"exceeds available HBM") as refused:
        compiled(pairwise, tf.zeros([120_000]))

    assert refused.value.out_of_memory


def test_operation_without_a_lowering_is_the_subjects_error():
    def calls_python(x):
        return tf.numpy_function(lambda array: array, [x], tf.float32)

    with pytest.raises(SubjectError, match="PyFunc"):
        lower(Program("the program", calls_python, (tf.zeros([2]),)))


def test_missing_compiler_says_what_to_install(monkeypatch):
    def version(name):
        raise importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(importlib.metadata, "version", version)

    with pytest.raises(tpu.CompilerMissingError, match=r"pip install 'assay-conformance\[tpu\]'"):
        tpu.require_compiler()


@pytest.mark.parametrize("version", ["0.4.30", "0.11.0", "1.0"])
def test_jax_that_was_not_tried_is_named_with_those_that_were(monkeypatch, version):
    monkeypatch.setattr(importlib.metadata, "version", lambda name: version)

    with pytest.raises(tpu.CompilerMissingError, match=rf"jax {version} is installed.*0\.9 or 0\.10"):
        tpu.require_compiler()


@pytest.mark.parametrize(
    ("text", "name", "gib"), [("v5e", "v5e:2x2", 16), ("V6E:4x4", "v6e:4x4", 32), ("v4:4x8x12", "v4:4x8x12", 16)]
)
def test_topology_is_a_generation_with_or_without_a_shape(text, name, gib):
    topology = tpu.parse_topology(text)

    assert topology.name == name
    assert topology.device_bytes == gib * 2**30


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("v5", "no TPU generation 'v5' in the topology 'v5'; the known ones are v4, v5e, v5p, v6e"),
        ("v6e:3x3", "'v6e:3x3' has the shape '3x3', and no v6e slice has; they are 1x1, 2x2, 2x4, .*16x16"),
        ("v5e:2", "'2', and no v5e slice has"),
        ("v5p:2x2", "'2x2', and no v5p slice has; they are 2x2x1, .*cubes of 4x4x4 chips"),
        ("v4:4x4x6", "'4x4x6', and no v4 slice has"),
        ("v4:64x64x64", "'64x64x64', and no v4 slice has"),
        ("v6e:0x2", "'0x2', and no v6e slice has"),
    ],
)
def test_topology_that_is_none_is_a_usage_error(text, message):
    with pytest.raises(UsageError, match=message):
        tpu.parse_topology(text)
