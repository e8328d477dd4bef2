"""Run one rule on one Task, and hand back what it says."""

import tensorflow as tf
from assay.conformance.model import Kind, Mode, Outcome, Subject
from assay.conformance.registry import find_rule
from assay.conformance.runner import run_rule
from assay.conformance.session import Session


def result_of(rule, factory, mode=Mode.EAGER, **traits):
    entry = find_rule(rule)
    return run_rule(entry, Session(Subject(factory, kind=Kind.TASK, traits=traits)), kind=Kind.TASK, mode=mode)


def finding_of(rule, factory, mode=Mode.EAGER, **traits):
    result = result_of(rule, factory, mode, **traits)
    assert result.outcome is Outcome.FAIL, result.message
    assert f"--select {rule}" in result.replay or f"select=['{rule}']" in result.replay
    return result.finding


def replicas():
    return tf.distribute.get_strategy().num_replicas_in_sync
