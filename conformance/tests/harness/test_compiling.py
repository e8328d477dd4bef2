"""What XLA says of a step is read as operations, one sentence and a line."""

import pytest
import tensorflow as tf
from assay.conformance.harness import calls_host, compiled, refusal_of, replacement_for
from assay.conformance.harness.compiling import explained
from assay.conformance.model import SubjectError, Target, Violation


def refusal(function, *arguments):
    with pytest.raises(tf.errors.OpError) as caught:
        compiled(function, Target.CPU)(*arguments)
    return refusal_of(SubjectError("a step", caught.value))


def test_operation_without_a_kernel_is_named():
    found = refusal(lambda x: tf.image.resize(x, [2, 2], "area"), tf.ones((1, 4, 4, 1)))

    assert found.kinds == ("ResizeArea",)
    assert found.place.file.endswith("test_compiling.py")


def test_operation_that_needs_a_constant_is_named_in_one_line_without_numbers_of_nodes():
    text = (
        "Input 1 to node `while/Sum` with op Sum must be a compile-time constant.\n\nXLA compilation requires that "
        "operator arguments that represent shapes or dimensions be evaluated to concrete values at compile time.\n"
        'Stack trace for op definition: \nFile "task.py", line 12, in train_step\n\n\t [[{{node while/Sum}}]]\n'
        "\ttf2xla conversion failed while converting __inference_step_12[_XlaMustCompile=true]."
    )

    for error in (tf.errors.InvalidArgumentError(None, None, text), ValueError(f"Failed getting HLO text: '{text}'")):
        found = refusal_of(SubjectError("a step", error))

        assert (found.kinds, found.lacks_constant) == (("Sum",), True)
        assert found.said == "Input 1 to node `while/Sum` with op Sum must be a compile-time constant."
        assert str(found.place) == "task.py:12 in train_step"


def test_another_refusal_is_one_line():
    text = (
        "Pivoting is not there.\n\t [[{{node Solve}}]]\n\ttf2xla conversion failed while converting __inference_f_1[]."
    )

    found = refusal_of(SubjectError("a step", tf.errors.UnimplementedError(None, None, text)))

    assert (found.kinds, found.said, found.lacks_constant) == ((), "Pivoting is not there.", False)


def test_variable_that_is_made_inside_and_values_that_are_asked_for_are_explained():
    def makes(x):
        return x + tf.Variable(1.0)

    def asks(x):
        return tf.constant(x.numpy())

    for function, seen in ((makes, "makes a variable"), (asks, "asks for the values of a tensor")):
        with pytest.raises((ValueError, AttributeError)) as caught:
            tf.function(function)(tf.ones([2]))
        found = explained(SubjectError("a step", caught.value), "a step")

        assert isinstance(found, Violation)
        assert f"a step {seen}" in found.observed
        assert "test_compiling.py" in found.observed


def test_an_error_that_is_no_compilers_is_none_of_its_business():
    assert refusal_of(SubjectError("a step", ValueError("XLA"))) is None
    assert refusal_of(SubjectError("a step", tf.errors.InvalidArgumentError(None, None, "negative input"))) is None


@pytest.mark.parametrize(
    ("kind", "instead"),
    [
        ("Where", "mask"),
        ("UniqueV2", "one_hot"),
        ("PrintV2", "logs"),
        ("NonMaxSuppressionV3", "padded"),
        ("Eig", "host"),
    ],
)
def test_replacement_is_of_the_operation(kind, instead):
    assert instead in replacement_for([kind])[1]


def test_calls_of_the_host_are_known():
    assert calls_host("EagerPyFunc")
    assert not calls_host("MatMul")
