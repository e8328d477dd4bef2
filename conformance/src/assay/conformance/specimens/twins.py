"""The twins that rules share: one object each, so that a twin's runs are made once for all the rules that use it."""

from __future__ import annotations

import dataclasses
import types
from typing import Any

from assay.conformance.lazy import tf
from assay.conformance.model.kinds import Kind
from assay.conformance.model.subject import Subject
from assay.conformance.specimens.host_twins import HOST_SPECIMENS
from assay.conformance.specimens.keras_metric_twins import KERAS_METRIC_SPECIMENS
from assay.conformance.specimens.loss_twins import LOSS_SPECIMENS
from assay.conformance.specimens.nested_task import NestedTask
from assay.conformance.specimens.pipeline_twins import PIPELINE_SPECIMENS
from assay.conformance.specimens.summary_twins import SUMMARY_SPECIMENS
from assay.conformance.specimens.task import SoundTask


@dataclasses.dataclass(frozen=True)
class _DataConfig:
    """A frozen data configuration, as users of dataclasses write them."""

    is_training: bool
    global_batch_size: int = 6
    drop_remainder: bool = True
    seed: int | None = None


class _ConfiguredTask(NestedTask):
    """A sound Task that brings its own configuration, loads a checkpoint when told to, and has nested batches."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.task_config = types.SimpleNamespace(
            init_checkpoint="",
            init_checkpoint_modules="all",
            train_data=_DataConfig(is_training=True),
            validation_data=_DataConfig(is_training=False),
        )

    def initialize(self, model: Any) -> None:
        """Load the whole model from `init_checkpoint` when there is one, or raise."""
        if self.task_config.init_checkpoint:
            status = tf.train.Checkpoint(model=model).read(self.task_config.init_checkpoint)
            status.expect_partial().assert_existing_objects_matched()


def _frozen_and_regularised() -> SoundTask:
    return _ConfiguredTask(frozen=True, weight_decay=0.01)


def _with_batch_norm() -> SoundTask:
    return SoundTask(batch_norm=True)


def _with_dropout() -> SoundTask:
    return SoundTask(dropout=0.5)


SOUND_TASK = Subject(SoundTask, kind=Kind.TASK, name="sound task")
"""Deterministic, without batch statistics: every comparison applies to it."""

CONFIGURED_TASK = Subject(_frozen_and_regularised, kind=Kind.TASK, name="sound task, configured, frozen, regularised")
"""Has a frozen data configuration, a frozen layer, a weight regulariser, and nested batches with example weights."""

BATCH_NORM_TASK = Subject(
    _with_batch_norm, kind=Kind.TASK, traits={"batch_statistics": True}, name="sound task, batch norm"
)
"""Has moving statistics, which training must move and validation must not."""

DROPOUT_TASK = Subject(_with_dropout, kind=Kind.TASK, traits={"random_step": True}, name="sound task, dropout")
"""Draws random numbers in training, and none in validation."""

ALL_SPECIMENS = (
    SOUND_TASK,
    CONFIGURED_TASK,
    BATCH_NORM_TASK,
    DROPOUT_TASK,
    *HOST_SPECIMENS,
    *SUMMARY_SPECIMENS,
    *LOSS_SPECIMENS,
    *KERAS_METRIC_SPECIMENS,
    *PIPELINE_SPECIMENS,
)
"""Every sound specimen: each must pass, or be exempt from, every rule of its kind."""
