import json

import numpy as np
import pytest
import tensorflow as tf
from assay.conformance.harness.refusals import is_refusal, names


class OwnError(Exception):
    pass


def raise_it():
    raise ValueError("no batch was added")


def raise_own():
    raise OwnError


def assert_it():
    assert not [1], "there is something"


def raise_over_lines():
    raise KeyError(
        "missing",
    )


def look_up():
    return {}["source_id"]


def concatenate_nothing():
    return np.concatenate([])


def stack_nothing():
    return np.stack([])  # raises in Python code of NumPy


def decode_nothing():
    return json.loads("")


def divide():
    return 1 / 0


def exception_of(function):
    with pytest.raises(Exception) as caught:  # noqa: PT011
        function()
    return caught.value


@pytest.mark.parametrize("function", [raise_it, raise_own, assert_it, raise_over_lines])
def test_a_raise_of_ones_own_is_meant(function):
    assert is_refusal(exception_of(function))


@pytest.mark.parametrize("function", [look_up, concatenate_nothing, stack_nothing, decode_nothing, divide])
def test_what_happens_to_arithmetic_is_not_meant(function):
    assert not is_refusal(exception_of(function))


def test_exception_of_a_traced_function_is_told_by_where_it_was_raised_first():
    def mixes(x):
        return tf.cast(x, tf.float16) + tf.constant(1.0)

    def refuses(x):
        raise ValueError("no half")

    assert not is_refusal(exception_of(lambda: tf.function(mixes)(tf.ones([3]))))
    assert is_refusal(exception_of(lambda: tf.function(refuses)(tf.ones([3]))))


def test_without_source_a_message_of_a_usual_kind_is_taken_as_meant():
    space = {}
    exec("def refuse():\n    raise ValueError('no batch')\ndef fall():\n    return {}['a']\n", space)

    assert is_refusal(exception_of(space["refuse"]))
    assert not is_refusal(exception_of(space["fall"]))


def test_words_are_found_as_words():
    assert names(ValueError("the field 'boxes' of group/leaf"), "boxes", "group", "leaf")
    assert not names(ValueError("detection_boxes"), "boxes")
    assert not names("the key 30", "3")
    assert names("the key 3.", "3")
