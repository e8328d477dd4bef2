"""The command, as a user runs it: in a process of its own."""

import json
import re
import subprocess
import sys

import jsonschema
import pytest
from assay.conformance import report_schema

TASKS = """
import sys
import tensorflow as tf
from assay.conformance.specimens import SoundTask

print("chatter on standard output")
print("chatter on standard error", file=sys.stderr)


class Broken(SoundTask):
    def train_logs(self, loss):
        return {"loss": loss, "learning_rate": tf.constant(0.1)}
"""


def assay(*arguments, folder):
    program = "import sys; from assay.conformance.cli import main; sys.exit(main())"
    return subprocess.run(
        [sys.executable, "-c", program, *arguments], cwd=folder, capture_output=True, text=True, check=False
    )


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "tasks.py").write_text(TASKS)
    return tmp_path


def test_conformant_subject_exits_with_0_and_a_table(folder):
    finished = assay("check", "tasks.py:SoundTask", "--select", "T101", folder=folder)

    assert finished.returncode == 0, finished.stderr
    assert "SoundTask (task) on cpu  1 rule: 3 pass" in finished.stdout
    assert re.search(r"CONFORMANT: 1 of \d+ rules, 3 results: 3 pass", finished.stdout)
    assert finished.stderr == ""
    assert "chatter" not in finished.stdout


def test_violation_exits_with_1_and_the_message(folder):
    finished = assay("check", "tasks.py:Broken", "--select", "T101", "--mode", "eager", folder=folder)

    assert finished.returncode == 1
    assert "FAIL T101 logs-stable (MUST) on Broken: cpu, eager" in finished.stdout
    assert (
        "Replay:       assay check tasks.py:Broken --kind task --select T101 --mode eager --seed 0" in finished.stdout
    )


def test_json_alone_is_valid_and_its_replay_line_repeats_the_failure(folder):
    arguments = ["check", "tasks.py:Broken", "--select", "T101", "--mode", "eager", "--json", "-"]
    plain = json.loads(assay(*arguments, folder=folder).stdout)

    jsonschema.validate(plain, report_schema())
    assert plain["environment"]["devices"] == ["/device:CPU:0", "/device:CPU:1"]
    replay = plain["results"][0]["replay"].split()
    assert assay(*replay[1:], folder=folder).returncode == 1


def test_project_table_is_read_when_no_subject_is_given(folder):
    text = '[tool.assay]\nsubjects = ["tasks.py:Broken"]\n[[tool.assay.expectations]]\nrule = "T101"\nreason = "soon"\n'
    (folder / "pyproject.toml").write_text(text)

    finished = assay("check", "--select", "T101", "--mode", "eager", folder=folder)

    assert finished.returncode == 0, finished.stdout + finished.stderr
    assert "xfail T101: soon" in finished.stdout


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["check"], "There is nothing to check"),
        (["check", "tasks"], "'tasks' is neither"),
        (["check", "tasks.py:Brokn"], "no attribute 'Brokn'; the nearest is 'Broken'"),
        (["check", "tasks.py:SoundTask", "--select", "T1"], "no rule 'T1'"),
        (["check", "tasks.py:SoundTask", "--target", "gpv"], "no target 'gpv'; the nearest is 'gpu'"),
        (["check", "tasks.py:SoundTask", "--mode", "egaer"], "no mode 'egaer'; the nearest is 'eager'"),
        (["check", "tasks.py:SoundTask", "--kind", "tsk"], "no kind 'tsk'; the nearest is 'task'"),
        (["check", "tasks.py:SoundTask", "--trait", "batch_statistic"], "the nearest is 'batch_statistics'"),
        (
            ["check", "tasks.py:SoundTask", "--html", "tasks.py/report.html"],
            "cannot be written to tasks.py/report.html",
        ),
        (["check", "tasks.py:SoundTask", "--json", "."], "cannot be written to .: It is a folder"),
        (["explain", "T1O1"], "no rule 'T1O1'; the nearest is 'T101'"),
        (["rules", "--kind", "tasks"], "the nearest is 'task'"),
    ],
)
def test_usage_error_exits_with_2_and_one_sentence(folder, arguments, message):
    finished = assay(*arguments, folder=folder)

    assert finished.returncode == 2
    assert message in finished.stderr
    assert finished.stderr.startswith("assay: ")
    assert finished.stderr.count("\n") == 1
    assert finished.stdout == ""


def test_every_file_that_is_asked_for_is_written(folder):
    files = ("out/report.json", "out/report.xml", "out/report.html")
    arguments = ["check", "tasks.py:Broken", "--select", "T101", "--mode", "eager", "--durations", "1"]

    finished = assay(*arguments, "--json", files[0], "--junit", files[1], "--html", files[2], folder=folder)

    assert finished.returncode == 1
    assert "s of checks went" in finished.stdout
    texts = [(folder / file).read_text() for file in files]
    assert all("T101" in text for text in texts)
    assert [text.lstrip()[:5].lower() for text in texts] == ['{\n  "', "<?xml", "<!doc"]


@pytest.mark.parametrize(
    ("option", "value"), [("--timeout", "soon"), ("--timeout", "-1"), ("--max-examples", "0"), ("--durations", "1.5")]
)
def test_value_of_an_option_that_is_none_is_refused(folder, option, value):
    finished = assay("check", "tasks.py:SoundTask", f"{option}={value}", folder=folder)

    assert finished.returncode == 2
    assert f"argument {option}: '{value}' is no " in finished.stderr


@pytest.mark.parametrize("arguments", [["--help"], ["rules"], ["rules", "--json"], ["explain", "logs-stable"]])
def test_questions_are_answered_without_tensorflow(folder, arguments):
    program = (
        "import sys\n"
        "from assay.conformance.cli import main\n"
        "try:\n    main()\nexcept SystemExit:\n    pass\n"
        "assert not {'tensorflow', 'keras', 'tf_keras'} & set(sys.modules)\n"
    )

    finished = subprocess.run(
        [sys.executable, "-c", program, *arguments], cwd=folder, capture_output=True, text=True, check=False
    )

    assert finished.returncode == 0, finished.stderr
    assert finished.stdout


def test_explain_prints_the_whole_page(folder):
    text = assay("explain", "t101", folder=folder).stdout

    for heading in ("# T101 logs-stable", "## What is checked", "## Why it matters", "## Wrong", "## Right"):
        assert heading in text


def test_rules_as_json_name_each_rule(folder):
    rules = json.loads(assay("rules", "--kind", "task", "--json", folder=folder).stdout)

    assert {"T000", "T101"} <= {rule["id"] for rule in rules}
    assert all(rule["kind"] == "task" for rule in rules)
