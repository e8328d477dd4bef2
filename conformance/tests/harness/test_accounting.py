"""Evaluations in batches of several sizes are accounts of the same examples."""

import numpy as np
import pytest
import tensorflow as tf
from assay.conformance.context import Context
from assay.conformance.harness.pipelines.readings import example_rows
from assay.conformance.harness.tasks import SINGLE, account_of, contributions, evaluation_data, head_of, rows_of
from assay.conformance.model import Subject
from assay.conformance.session import Session
from assay.conformance.specimens import SoundTask

pytestmark = pytest.mark.flavour


class HasMore(SoundTask):
    def examples(self, *, training):
        features, labels = super().examples(training=training)
        return np.concatenate([features] * 3), np.concatenate([labels] * 3)


def context(factory=SoundTask):
    return Context(rule_id="T203", session=Session(Subject(factory)))


@pytest.mark.parametrize(("factory", "whole"), [(SoundTask, True), (HasMore, False)])
def test_every_size_holds_the_same_examples(factory, whole):
    data = evaluation_data(context(factory))

    assert data.examples == 23
    assert data.whole is whole
    assert [rows_of(batch) for batch in data.batches[8]] == [8, 8, 7]
    rows = {size: [row for batch in batches for row in example_rows(batch)] for size, batches in data.batches.items()}
    assert rows[8] == rows[3] == rows[1]


def test_contributions_add_up_to_an_account_of_another_size():
    ctx = context()
    account, parts = account_of(ctx, 8, mode=SINGLE), contributions(ctx)

    assert len(parts) == 23
    for name, total in account.added.items():
        np.testing.assert_allclose(sum(part[name] for part in parts), total, rtol=1e-5)
    (count,) = [name for name in parts[0] if name.startswith("confidence") and name.endswith("count")]
    assert account.added[count] == 23


def test_states_are_recorded_after_every_call():
    account = account_of(context(), 8, mode=SINGLE)

    assert [called for called, _ in account.states] == ["validation_step", "aggregate_logs"] * 3
    assert account.rows == (8, 8, 7)


def test_head_of_a_batch_leaves_what_has_no_rows():
    batch = {"x": tf.ones((4, 2)), "scale": tf.constant(2.0), "table": tf.ones((9,)), "y": tf.range(4)}

    head = head_of(batch, 3)

    assert {key: tuple(value.shape) for key, value in head.items()} == {
        "x": (3, 2),
        "scale": (),
        "table": (9,),
        "y": (3,),
    }


def test_step_that_needs_the_length_of_its_batch_is_traced_for_each():
    class NeedsTheLength(SoundTask):
        def build_losses(self, labels, model_outputs, aux_losses=None):
            return super().build_losses(labels, model_outputs, aux_losses) * (float(labels.shape[0]) / 8.0)

    assert account_of(context(NeedsTheLength), 8, mode=SINGLE).rows == (8, 8, 7)


def test_data_that_goes_on_for_ever_is_cut_alike_at_every_size():
    class Repeats(SoundTask):
        def build_inputs(self, params, input_context=None):
            return super().build_inputs(params, input_context).repeat()

    data = evaluation_data(context(Repeats))

    assert not data.whole
    assert {sum(map(rows_of, batches)) for batches in data.batches.values()} == {23}
