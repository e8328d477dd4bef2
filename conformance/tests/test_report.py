import io
import json

import jsonschema
import pytest
from assay.conformance import Outcome, Report, check, report_schema
from assay.conformance.model import Finding
from assay.conformance.reports import write_json
from assay.conformance.reports.table import print_durations, print_report
from assay.conformance.specimens import SOUND_TASK, SoundTask
from conformance_builders import make_result
from rich.console import Console

ENVIRONMENT = {
    "python": "3.11",
    "platform": "x",
    "tensorflow": "2.21",
    "keras_flavour": "keras",
    "keras_version": "3",
    "versions": {},
    "loaded_flavours": [],
    "devices": [],
    "seed": 0,
}
VALIDATOR = jsonschema.Draft202012Validator(report_schema())


def report_of(*results, **fields):
    return Report(results=results, environment=ENVIRONMENT, **fields)


def printed(report, **options):
    stream = io.StringIO()
    print_report(report, Console(file=stream, width=100, highlight=False, markup=False), **options)
    return stream.getvalue()


class Broken(SoundTask):
    def train_logs(self, loss):
        return {"loss": loss, "learning_rate": 0.1}


def test_schema_is_a_schema():
    jsonschema.Draft202012Validator.check_schema(report_schema())


@pytest.mark.parametrize("outcome", list(Outcome))
def test_result_of_each_outcome_obeys_the_schema(outcome):
    VALIDATOR.validate(report_of(make_result(outcome)).to_dict())


def test_report_of_a_real_run_obeys_the_schema():
    report = check([SOUND_TASK, Broken], select=["T101"], modes=["eager"])

    VALIDATOR.validate(report.to_dict())
    assert json.loads(json.dumps(report.to_dict(), allow_nan=False)) == report.to_dict()
    assert report.to_dict()["counts"]["fail"] == 1


@pytest.mark.parametrize(
    "damage",
    [
        lambda plain: plain["results"][0].pop("replay"),
        lambda plain: plain["results"][0].update(outcome="passed"),
        lambda plain: plain["results"][0].update(message="a pass has nothing to say"),
        lambda plain: plain.update(conformant="yes"),
        lambda plain: plain["counts"].pop("not-run"),
        lambda plain: plain.update(extra=1),
    ],
)
def test_schema_refuses_a_damaged_report(damage):
    plain = report_of(make_result()).to_dict()
    damage(plain)

    with pytest.raises(jsonschema.ValidationError):
        VALIDATOR.validate(plain)


def test_failure_without_its_parts_is_refused_by_the_schema():
    plain = report_of(make_result(Outcome.FAIL)).to_dict()
    plain["results"][0]["finding"] = None

    with pytest.raises(jsonschema.ValidationError):
        VALIDATOR.validate(plain)


def test_json_file_is_whole(tmp_path):
    path = tmp_path / "report.json"

    write_json(report_of(make_result()), path)

    assert json.loads(path.read_text())["format"] == 1
    assert [entry.name for entry in tmp_path.iterdir()] == ["report.json"]


def test_table_has_a_row_per_rule_and_a_column_per_mode():
    text = printed(report_of(make_result(), make_result(Outcome.NOT_APPLICABLE, mode="graph")), verbose=True)

    assert "specimen (task) on cpu  1 rule: 1 pass 1 n/a" in text
    header, row = text.splitlines()[1:3]
    assert header.split() == ["rule", "what", "eager", "graph", "evidence"]
    assert row.split() == ["T900", "made-up", "pass", "n/a", "executed"]


def test_only_rules_that_deserve_attention_have_a_row_by_default():
    text = printed(report_of(make_result(), make_result(Outcome.FAIL, rule="T901")))

    rows = [line.split()[0] for line in text.splitlines() if line.startswith("  T9")]
    assert rows == ["T901"]
    assert "2 rules: 1 pass 1 FAIL" in text


def test_reason_that_many_rules_share_is_said_once():
    results = [make_result(Outcome.NOT_RUN, rule=f"T9{number:02}", message="No device.") for number in range(20)]

    text = printed(report_of(*results))

    assert text.count("No device.") == 1
    assert "T907 and 12 more: No device." in text


def test_what_was_inferred_is_printed_with_its_subject():
    report = report_of(make_result(), notes={"specimen": ("y_pred: logits",)})

    assert "  y_pred: logits" in printed(report).splitlines()


def test_rule_that_fails_in_several_modes_is_printed_in_full_once():
    found = Finding("It must hold.", "7 is not 8", "a slip", "Hold it.")
    results = [make_result(Outcome.FAIL, mode=mode, finding=found) for mode in ("eager", "graph")]
    other = make_result(Outcome.FAIL, mode="xla", finding=Finding("It must hold.", "9 is not 8", "a slip", "Hold it."))

    text = printed(report_of(*results, other))

    assert text.count("FAIL T900") == 1
    assert "FAIL too in graph: the same" in text
    assert "FAIL too in xla: 9 is not 8" in text


def test_durations_are_printed_longest_first():
    stream = io.StringIO()
    report = report_of(make_result(seconds=1.0), make_result(rule="T901", seconds=3.0), make_result(rule="T902"))

    print_durations(report, Console(file=stream, width=100), count=2)

    lines = stream.getvalue().splitlines()
    assert [line.split()[:3] for line in lines[2:4]] == [["3.00", "75%", "T901"], ["1.00", "25%", "T900"]]
    assert "T902" not in stream.getvalue()


def test_failures_are_printed_in_full():
    text = printed(report_of(make_result(Outcome.FAIL, message="Required: this\nObserved: that")))

    assert "FAIL T900 made-up (MUST) on specimen: cpu, eager" in text
    assert "Observed:     that" in text
    assert "NOT CONFORMANT" in text


def test_long_parts_stand_beside_their_label_and_commands_stay_whole():
    message = f"Observed:     {'weights ' * 30}\nReplay:       assay check {'x' * 120}"

    lines = printed(report_of(make_result(Outcome.FAIL, message=message))).splitlines()

    observed = next(number for number, line in enumerate(lines) if "Observed:" in line)
    assert all(len(line) <= 100 for line in lines[observed : observed + 3])
    assert lines[observed + 1].startswith(" " * 16 + "weights")
    assert f"  Replay:       assay check {'x' * 120}" in lines


def test_reason_of_what_did_not_run_is_always_printed():
    result = make_result(Outcome.NOT_RUN, rule="T501", message="Two replicas need 2 devices.")

    text = printed(report_of(make_result(), result))

    assert "not run T501: Two replicas need 2 devices." in text
    assert "CONFORMANT AS FAR AS IT RAN" in text


def test_reason_of_what_does_not_apply_is_printed_on_demand():
    report = report_of(make_result(), make_result(Outcome.NOT_APPLICABLE, mode="graph", message="No such layer."))

    assert "No such layer." not in printed(report)
    assert "No such layer." in printed(report, verbose=True)


def test_reason_of_an_expected_failure_is_printed():
    result = make_result(Outcome.EXPECTED_FAIL, reason="known since May")

    assert "xfail T900: known since May" in printed(report_of(make_result(), result))
