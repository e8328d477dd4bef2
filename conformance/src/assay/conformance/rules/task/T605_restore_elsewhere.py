"""T605 restore-elsewhere: a checkpoint does not depend on how many replicas wrote it."""

from __future__ import annotations

import tempfile
from typing import Any

from assay.conformance.context import Context
from assay.conformance.harness import strategy_for
from assay.conformance.harness.tasks import Snapshot, build_task, changed_names, describe_changes, snapshot
from assay.conformance.harness.tasks.persistence import SavedRun, checkpoint_of, keys_of, read, saved_run, write
from assay.conformance.harness.tasks.persistence.resuming import MOMENTUM
from assay.conformance.lazy import tf
from assay.conformance.messages import subject_error_finding
from assay.conformance.model import Level, Mode, Rule, Subject, SubjectError, Target, Violation
from assay.conformance.specimens import SOUND_TASK, SoundTask
from assay.conformance.specimens.task import NUM_FEATURES

RULE = Rule(
    id="T605",
    slug="restore-elsewhere",
    level=Level.SHOULD,
    requirement="A checkpoint that one number of replicas has written restores on another, every variable of it.",
    checks=(
        "Trains on one replica and on two, writes a checkpoint of each (model, optimizer with momentum, metrics, "
        "`checkpoint_items`), and restores each into a new build on the other number of replicas. Keys and shapes "
        "must fit, and the values must be those that were saved; moving statistics and metrics, of which each "
        "replica holds a part, within rounding."
    ),
    why=(
        "A run is preempted on eight accelerators and goes on with four; a model that was trained on a pod is "
        "evaluated on one chip. State whose shape is the per-replica batch, or that is kept once for each replica, "
        "fits only the machine that wrote it, and that is found out on the day it is gone."
    ),
    bad="""
class Memory(tf.keras.layers.Layer):
    def build(self, input_shape):
        per_replica = GLOBAL_BATCH // tf.distribute.get_strategy().num_replicas_in_sync
        self.bank = self.add_weight(shape=(per_replica, 128), trainable=False)
""",
    good="""
class Memory(tf.keras.layers.Layer):
    def __init__(self, slots=4096):
        super().__init__()
        self.slots = slots

    def build(self, input_shape):
        self.bank = self.add_weight(shape=(self.slots, 128), trainable=False)
""",
    modes=(Mode.REPLICAS,),
    targets=(Target.CPU,),
    references=("TensorFlow guide, Distributed training: Save and load a model using a distribution strategy",),
)

_FIX = (
    "Let build_model make the same variables, of the same names and shapes, whatever the strategy; state of a replica "
    "belongs in a variable with synchronization=ON_READ."
)


def check(ctx: Context) -> None:
    """Restore on two replicas what one has written, and on one what two have."""
    strategy_for(ctx.target, Mode.REPLICAS)  # says so at once when there are not two devices
    for writer, reader in ((Mode.GRAPH, Mode.REPLICAS), (Mode.REPLICAS, Mode.GRAPH)):
        _check_one(ctx, saved_run(ctx, mode=writer), reader)


def _check_one(ctx: Context, run: SavedRun, reader: Mode) -> None:
    build = build_task(ctx, mode=reader, momentum=MOMENTUM, equal_start=False)
    what = f"what {_replicas(run.build.num_replicas)} saved, restored on {_replicas(build.num_replicas)}"
    checkpoint = checkpoint_of(build)
    try:
        read(build, checkpoint, run.path)
    except SubjectError as error:
        raise Violation(
            f"{what}: {subject_error_finding(RULE, error).observed}",
            cause="a variable's shape depends on the number of replicas, or on the batch of one replica",
            fix=_FIX,
        ) from error
    _check_keys(run, checkpoint, what)
    _check_values(ctx, run.saved, snapshot(build), what)


def _check_keys(run: SavedRun, checkpoint: Any, what: str) -> None:
    """Compare the keys of the checkpoint with those that the reader would write."""
    with tempfile.TemporaryDirectory() as folder:
        here = keys_of(write(checkpoint, f"{folder}/checkpoint"))
    there = {key for key in keys_of(run.path) if not key.startswith(("global_step", "iterator"))}
    parts = [
        f"{len(keys)} {how}: {', '.join(sorted(keys)[:4])}"
        for how, keys in (("values have no place", there - here), ("variables have no value", here - there))
        if keys
    ]
    if parts:
        raise Violation(
            f"{what}: {'; '.join(parts)}",
            cause="the model has other variables on another number of replicas",
            fix=_FIX,
        )


def _check_values(ctx: Context, saved: Snapshot, restored: Snapshot, what: str) -> None:
    """Compare the values."""
    for group, quantity in (
        ("weights", "exact"),
        ("optimizer", "exact"),
        ("statistics", "replica statistics"),
        ("train_metrics", "metrics"),
    ):
        tolerance = ctx.tolerance(quantity)
        wanted, values = getattr(saved, group), getattr(restored, group)
        wanted = {name: value for name, value in wanted.items() if name in values}
        names = changed_names(wanted, values, relative=tolerance.relative, absolute=tolerance.absolute)
        if names:
            raise Violation(
                f"{what}: {describe_changes(wanted, values, names)}",
                cause="each replica holds a value of its own, and what is saved and restored is not their mean or sum",
                fix="Give such a variable synchronization=ON_READ and the aggregation (MEAN, SUM) that it stands for.",
            )


def _replicas(number: int) -> str:
    return "1 replica" if number == 1 else f"{number} replicas"


def _count() -> int:
    return int(tf.distribute.get_strategy().num_replicas_in_sync)


class _ShapedByTheReplica(SoundTask):
    """Keeps a bank with a row for each example of one replica."""

    def build_model(self) -> Any:
        model = super().build_model()
        model.bank = tf.Variable(tf.zeros((8 // _count(), NUM_FEATURES)), trainable=False, name="bank")
        return model


class _OneForEachReplica(SoundTask):
    """Keeps a variable for each replica."""

    def build_model(self) -> Any:
        model = super().build_model()
        for replica in range(_count()):
            setattr(model, f"scale_{replica}", tf.Variable(1.0, trainable=False, name=f"scale_{replica}"))
        return model


MUTANTS = (
    Subject(_ShapedByTheReplica, name="a bank shaped by the replica's batch"),
    Subject(_OneForEachReplica, name="a variable for each replica"),
)
TWIN = SOUND_TASK
