"""The main paths as a user goes them: train, go on and evaluate; check a task; all from the command line."""

import json
import re

import pytest
import tensorflow as tf
from commands import TWO_REPLICAS, run, train
from workspace_map import ROOT

pytestmark = [pytest.mark.slow, pytest.mark.flavour]

TASKS = (
    "classification.testing:digits_subject",
    "segmentation.testing:scenes_subject",
    "retinanet.testing:scenes_subject",
)


def tags(folder):
    """The scalar tags that the event files of a folder hold, with their steps."""
    found = {}
    for path in folder.glob("events.out.tfevents.*"):
        for event in tf.compat.v1.train.summary_iterator(str(path)):
            for value in event.summary.value:
                found.setdefault(value.tag, []).append(event.step)
    return found


def test_train_and_eval_leaves_the_run_directory_that_people_know(tmp_path):
    done = train(
        tmp_path,
        "trainer.train_steps=4",
        "trainer.validation_interval=2",
        "trainer.checkpoint_interval=2",
        "trainer.summary_interval=2",
        mode="train_and_eval",
    )

    assert done.returncode == 0, done.stderr
    assert (tmp_path / "params.yaml").exists()
    assert tf.train.latest_checkpoint(str(tmp_path)) == str(tmp_path / "ckpt-4")
    assert {"training_loss", "learning_rate", "accuracy", "top_5_accuracy"} <= set(tags(tmp_path / "train"))
    assert tags(tmp_path / "validation")["validation_loss"] == [2, 4]
    assert "Traceback" not in done.stderr


def test_two_replicas_train_and_evaluate(tmp_path):
    done = train(tmp_path, "trainer.train_steps=2", *TWO_REPLICAS, mode="train_and_eval")

    assert done.returncode == 0, done.stderr
    assert "validation_loss" in tags(tmp_path / "validation")


@pytest.mark.parametrize(
    ("override", "named"),
    [
        ("task.model.num_clases=10", "task.model.num_clases"),
        ("trainer.train_steps=many", "trainer.train_steps"),
        ("task.train_data.input_path=/nowhere/*.tfrecord", "/nowhere/"),
    ],
)
def test_a_mistake_is_one_clear_sentence(tmp_path, override, named):
    done = train(tmp_path, "trainer.train_steps=2", override)

    assert done.returncode == 2
    assert named in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("task", TASKS)
def test_the_reference_task_is_conformant(tmp_path, task):
    report = tmp_path / "report.json"

    done = run("assay", "check", f"assay.reference_tasks.{task}", "--json", str(report), folder=tmp_path)

    assert done.returncode == 0, done.stdout + done.stderr
    results = json.loads(report.read_text())["results"]
    assert not [result for result in results if result["outcome"] in ("fail", "error")]
    assert len({result["rule"] for result in results if result["outcome"] == "pass"}) >= 19


@pytest.mark.parametrize(("copy", "rule"), [("validates_in_training_mode", "T102"), ("forgets_the_replicas", "T501")])
def test_a_broken_copy_is_caught(copy, rule):
    done = run("assay", "check", f"tools/broken_copies.py:{copy}", "--select", rule, folder=ROOT)

    assert done.returncode == 1, done.stdout + done.stderr
    assert re.search(rf"\b{rule}\b", done.stdout)
    assert "fix" in done.stdout.lower()
