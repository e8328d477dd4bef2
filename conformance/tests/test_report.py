import io
import json

import jsonschema
import pytest
from assay.conformance import Outcome, Report, check, report_schema
from assay.conformance.reports import write_json
from assay.conformance.reports.table import print_report
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
    text = printed(report_of(make_result(), make_result(Outcome.NOT_APPLICABLE, mode="graph")))

    assert "specimen (task) on cpu" in text
    header, row = text.splitlines()[1:3]
    assert header.split() == ["rule", "what", "eager", "graph", "evidence"]
    assert row.split() == ["T900", "made-up", "pass", "n/a", "executed"]


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
