"""Sound ways of writing a summary manager, which no rule may blame."""

import functools
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from assay.conformance.model import Kind, Outcome, Subject
from assay.conformance.registry import rules_for
from assay.conformance.runner import run_subject
from assay.conformance.specimens import SoundImageManager, SoundSummaryManager


class Refuses(SoundSummaryManager):
    """Says no to a step that is there already, instead of leaving it out."""

    def admits(self, group, key, step):
        if not super().admits(group, key, step):
            raise ValueError(f"step {step} of {'/'.join((*group, key))} is there already")
        return True


class Sanitises(SoundSummaryManager):
    """Turns any key into a plain name."""

    def directory(self, group):
        return Path(str(self.summary_dir), *("".join(s if s.isalnum() else "_" for s in key) for key in group))

    def check_group(self, key, where):
        pass

    def summary_writer(self, relative_path=""):
        if not self.enabled():
            return tf.summary.create_noop_writer()
        return self.writer((relative_path,) if relative_path else ())


class KeepsItsStep(SoundSummaryManager):
    """Has a variable of its own for the step, which the loop moves."""

    def __init__(self, summary_dir):
        super().__init__(summary_dir, tf.Variable(0, dtype=tf.int64))


class StepArgument:
    """Is told the step at each write."""

    def __init__(self, directory):
        self.manager = SoundSummaryManager(directory)

    def write_summaries(self, summary_dict, *, step):
        before = self.manager.global_step
        self.manager.global_step = step
        try:
            self.manager.write_summaries(summary_dict)
        finally:
            self.manager.global_step = before

    def flush(self):
        self.manager.flush()


class NeedsADirectory(SoundSummaryManager):
    def __init__(self, summary_dir, global_step=None):
        if summary_dir is None:
            raise ValueError("summary_dir is needed")
        super().__init__(summary_dir, global_step)


class OtherPrefix(SoundImageManager):
    prefix = "picture:"


def positional(directory, /, global_step=None):
    return SoundSummaryManager(directory, global_step)


def hidden_step(summary_dir):
    """The step is out of anybody's reach."""
    step = tf.Variable(3, dtype=tf.int64)

    class Hidden(SoundSummaryManager):
        def step(self):
            return int(step)

    return Hidden(summary_dir)


def pictures():
    return {"loss": 0.5, "picture:first": np.zeros((2, 4, 4, 3), np.uint8), "group": {"iou": 0.25, "name": "road"}}


SUBJECTS = {
    "refuses a repetition": (Refuses, None, {}),
    "sanitises keys": (Sanitises, None, {}),
    "keeps its step": (KeepsItsStep, None, {}),
    "step argument": (StepArgument, None, {}),
    "needs a directory": (NeedsADirectory, None, {}),
    "positional directory": (positional, None, {}),
    "partial": (functools.partial(SoundImageManager, max_outputs=2), None, {"takes_images": True}),
    "images of the sample": (OtherPrefix, pictures, {}),
    "images of a trait": (OtherPrefix, None, {"takes_images": True, "image_prefix": "picture:", "max_outputs": 3}),
    "a sample of its own": (SoundSummaryManager, {"a": np.float32(2), "b": {"c": 3, "d": {}}}, {}),
    "hidden step": (hidden_step, None, {}),
}


@pytest.mark.parametrize("name", SUBJECTS)
def test_no_rule_blames_a_sound_summary_manager(name):
    factory, sample, traits = SUBJECTS[name]
    subject = Subject(factory, sample, kind=Kind.SUMMARY_MANAGER, traits=traits, name=name)

    results = list(run_subject(subject, rules_for(Kind.SUMMARY_MANAGER), kind=Kind.SUMMARY_MANAGER))

    blamed = [result.message for result in results if result.outcome not in (Outcome.PASS, Outcome.NOT_APPLICABLE)]
    assert not blamed, "\n".join(blamed)
    assert sum(result.outcome is Outcome.PASS for result in results) >= 11


def test_the_default_step_is_as_it_was_afterwards():
    before = tf.summary.experimental.get_step()

    list(
        run_subject(
            Subject(SoundSummaryManager, kind=Kind.SUMMARY_MANAGER),
            [entry for entry in rules_for(Kind.SUMMARY_MANAGER) if entry.rule.id in ("S101", "S107", "S113")],
            kind=Kind.SUMMARY_MANAGER,
        )
    )

    assert tf.summary.experimental.get_step() is before


def test_no_file_is_left_behind(tmp_path, monkeypatch):
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", None)

    list(
        run_subject(
            Subject(SoundSummaryManager, kind=Kind.SUMMARY_MANAGER),
            [entry for entry in rules_for(Kind.SUMMARY_MANAGER) if entry.rule.id in ("S102", "S105", "S108")],
            kind=Kind.SUMMARY_MANAGER,
        )
    )

    assert list(tmp_path.iterdir()) == []
