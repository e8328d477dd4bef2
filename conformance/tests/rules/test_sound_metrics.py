"""Sound Keras metrics in the shapes that people write them in: no rule may blame one."""

import numpy as np
import pytest
import tensorflow as tf
from assay.conformance import Subject, check
from assay.conformance.model import Outcome
from assay.conformance.specimens import HIT_RATE, SoundHitRate

pytestmark = pytest.mark.flavour


class Compensated(SoundHitRate):
    """Float32 sums, each with what rounding took off in a second variable (Kahan)."""

    def __init__(self):
        super().__init__()
        self.lost = [self.add(f"{name}_lost") for name in ("total", "weight")]

    def count_dtype(self):
        return tf.float32

    def accumulate(self, values, weights):
        for variable, lost, terms in zip((self.total, self.weight), self.lost, (values, weights), strict=True):
            before = tf.convert_to_tensor(variable)
            term = tf.reduce_sum(terms) - tf.convert_to_tensor(lost)
            variable.assign_add(term)
            lost.assign((tf.convert_to_tensor(variable) - before) - term)

    def result(self):
        total, weight = (
            tf.cast(one, tf.float64) - tf.cast(tf.convert_to_tensor(lost), tf.float64)
            for one, lost in zip((self.total, self.weight), self.lost, strict=True)
        )
        return tf.cast(tf.math.divide_no_nan(total, weight), self.dtype)


class Split(SoundHitRate):
    """Float32 counts of units below 1,024, and of how often they were full."""

    full = 1024.0

    def __init__(self):
        super().__init__()
        self.carried = [self.add(f"{name}_carried") for name in ("total", "weight")]

    def count_dtype(self):
        return tf.float32

    def accumulate(self, values, weights):
        for variable, carried, terms in zip((self.total, self.weight), self.carried, (values, weights), strict=True):
            units = tf.convert_to_tensor(variable) + tf.reduce_sum(terms)
            over = tf.floor(units / self.full)
            variable.assign(units - over * self.full)
            carried.assign_add(over)

    def result(self):
        total, weight = (
            tf.cast(one, tf.float64) + self.full * tf.cast(tf.convert_to_tensor(carried), tf.float64)
            for one, carried in zip((self.total, self.weight), self.carried, strict=True)
        )
        return tf.cast(tf.math.divide_no_nan(total, weight), self.dtype)


class FixedPoint(SoundHitRate):
    """Counts of 2^-20 in int64, and what is finer in float32."""

    unit = 2.0**20

    def __init__(self):
        super().__init__()
        self.variables.clear()
        self.total, self.weight = self.add("total"), self.add("weight")
        self.finer = [self.add_float(name) for name in ("total_finer", "weight_finer")]

    def add(self, name, shape=()):
        if name not in ("total", "weight"):
            return super().add(name, shape)
        return self._add(name, tf.int64)

    def add_float(self, name):
        return self._add(name, tf.float32)

    def _add(self, name, dtype):
        variable = tf.Variable(
            tf.zeros((), dtype),
            trainable=False,
            name=name,
            synchronization=tf.VariableSynchronization.ON_READ,
            aggregation=tf.VariableAggregation.SUM,
        )
        self.variables.append(variable)
        return variable

    def accumulate(self, values, weights):
        for variable, finer, terms in zip((self.total, self.weight), self.finer, (values, weights), strict=True):
            scaled = tf.reduce_sum(terms) * self.unit
            variable.assign_add(tf.cast(tf.round(scaled), tf.int64))
            finer.assign_add(tf.cast((scaled - tf.round(scaled)) / self.unit, tf.float32))

    def read(self, variable):
        finer = self.finer[0 if variable is self.total else 1]
        return tf.cast(variable, tf.float64) / self.unit + tf.cast(tf.convert_to_tensor(finer), tf.float64)


class Whole(FixedPoint):
    """The same with weights that are no multiples of its unit."""

    unit = 1000.0


@pytest.mark.parametrize("metric", [Compensated, Split, FixedPoint, Whole])
def test_counts_in_two_variables_are_left_alone(metric):
    report = check(
        HIT_RATE.replace(factory=metric, name=metric.__name__),
        select=["K201", "K202", "K204", "K206", "K301", "K302", "K403", "K404", "K601"],
    )

    blamed = {result.rule: result.message for result in report.results if result.outcome is not Outcome.PASS}
    assert not blamed


def test_a_metric_that_counts_nothing_is_left_alone():
    class Last:
        """The last prediction."""

        def __init__(self):
            self.last = tf.Variable(0.5, trainable=False)
            self.variables = [self.last]

        def update_state(self, values):
            self.last.assign(tf.reduce_sum(values[-1:]))

        def result(self):
            return tf.convert_to_tensor(self.last)

        def reset_state(self):
            self.last.assign(0.5)

    numbers = np.linspace(0.1, 0.7, 4, dtype=np.float32)
    report = check(Subject(Last, (numbers, numbers), kind="keras_metric"), select=["K302"])

    assert [result.outcome for result in report.results] == [Outcome.NOT_APPLICABLE]
