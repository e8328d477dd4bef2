"""Merging: a replay speaks for the rules whose calls were replayed, on its platform, in the mode xla, and no others."""

import io
import json
import xml.etree.ElementTree as ET

import jsonschema
import pytest
from assay.conformance import Report, report_schema
from assay.conformance.model import Evidence, Outcome
from assay.conformance.replay.merging import merge, require_fitting
from assay.conformance.replay.reading import ReplayError, read_report
from assay.conformance.replay.report import tolerances
from assay.conformance.reports.html import as_html
from assay.conformance.reports.junit import as_junit
from assay.conformance.reports.table import print_report
from assay.conformance.stablehlo.precision import Arithmetic
from conformance_builders import make_result
from rich.console import Console

A, B, C = (letter * 64 for letter in "abc")
DEVICE = "NVIDIA Test 9000"
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
HERE = {"tiny": {"L304": [A, B], "L402": [C]}}


def plain_report(*, verdicts=("pass", "pass", "pass"), **changes):
    """The report of a GPU that nobody has, on a loss `tiny`: two calls of L304, one of L402."""
    cases = [
        {"id": one, "rules": [rule], "verdict": verdict, "said": "" if verdict == "pass" else "it is 0.2 away"}
        for one, rule, verdict in zip((A, B, C), ("L304", "L304", "L402"), verdicts, strict=True)
    ]
    return {
        "report": "assay replay",
        "format": 1,
        "device": {"platform": "gpu", "kind": DEVICE, "runtime": "cuda"},
        "versions": {"jax": "0.10.2", "jaxlib": "0.10.2", "numpy": "2"},
        "products": {"mode": "program", "arithmetic": "tensorfloat32", "how": "x"},
        "tolerances": tolerances(Arithmetic.TENSORFLOAT32, "gpu"),
        "bundles": [
            {
                "subject": {"name": "tiny", "origin": "", "kind": "loss"},
                "seed": 0,
                "made_with": {"tensorflow": "2.21"},
                "left_out": {},
                "programs": [{"id": A, "name": "the loss", "verdict": "pass", "cases": cases}],
            }
        ],
        **changes,
    }


@pytest.fixture
def read(tmp_path):
    def read(plain):
        path = tmp_path / "replay.json"
        path.write_text(plain if isinstance(plain, str) else json.dumps(plain))
        return read_report(path)

    return read


def cell(rule, outcome=Outcome.PASS, *, target="gpu", mode="xla", evidence=Evidence.STAND_IN, **fields):
    evidence = evidence if outcome is Outcome.PASS else Evidence.NONE
    options = {"subject": "tiny", "kind": "loss", "target": target, "mode": mode, "evidence": evidence, **fields}
    return make_result(outcome, rule=rule, slug={"L304": "stable-value"}.get(rule, "made-up"), **options)


def merged(results, *replays, here=HERE, seed=0, versions=None):
    return merge(results, replays, here, seed=seed, versions=versions or {})


def test_stand_in_becomes_executed_with_the_name_of_the_device(read):
    (one,) = merged([cell("L304")], read(plain_report())).results

    assert (one.outcome, one.evidence, one.device) == (Outcome.PASS, Evidence.EXECUTED, DEVICE)
    assert one.rests_on == f"executed on {DEVICE}"


@pytest.mark.parametrize(
    "other",
    [
        cell("L305"),  # the replay does not speak of it
        cell("L304", target="tpu"),
        cell("L304", mode="replicas"),
        cell("L304", subject="another"),
        cell("L304", Outcome.NOT_APPLICABLE),
        cell("L304", Outcome.NOT_RUN),
        cell("L304", Outcome.FAIL),
    ],
)
def test_cell_that_the_replay_does_not_speak_of_stays_as_it_is(read, other):
    results = merged([other, cell("L402")], read(plain_report())).results

    assert results[0] == other
    assert results[1].device == DEVICE


def test_rule_with_one_call_too_far_away_fails_on_the_device(read):
    replay = read(plain_report(verdicts=("pass", "fail", "pass")))

    first, second = merged([cell("L304"), cell("L402")], replay).results

    assert (first.outcome, first.evidence, first.device) == (Outcome.FAIL, Evidence.EXECUTED, DEVICE)
    assert f"on {DEVICE}" in first.finding.observed
    assert "the loss: it is 0.2 away; 1 of the 2 calls of the check differ" in first.finding.observed
    assert first.message.startswith("Required:")
    assert second.outcome is Outcome.PASS


def test_rule_with_a_call_that_was_not_run_keeps_its_evidence(read):
    replay = read(plain_report(verdicts=("pass", "not-run", "pass")))

    assert merged([cell("L304")], replay).results == (cell("L304"),)


def test_rule_whose_calls_are_not_known_here_keeps_its_evidence(read):
    results = merged([cell("L304")], read(plain_report()), here={"tiny": {"L402": [C]}}).results

    assert results == (cell("L304"),)


@pytest.mark.parametrize("ours", [[A], [A, C], [A, B, C], [A, A, B]])
def test_replay_of_other_calls_is_refused(read, ours):
    with pytest.raises(ReplayError, match=r"was made of another version of tiny, .* calls that L304 makes here"):
        merged([cell("L304")], read(plain_report()), here={"tiny": {"L304": ours}})


def test_other_calls_with_other_versions_name_the_versions(read):
    with pytest.raises(ReplayError, match=r"The bundle was made with tensorflow 2\.21 \(here 2\.22\)"):
        merged([cell("L304")], read(plain_report()), here={"tiny": {"L304": [C]}}, versions={"tensorflow": "2.22"})


def test_replay_with_another_seed_is_refused(read):
    with pytest.raises(ReplayError, match="was made with --seed 0, and this run has 7"):
        merged([cell("L304")], read(plain_report()), seed=7)


def test_replay_of_another_subject_is_refused(read):
    with pytest.raises(ReplayError, match=r"speaks of another subject: of tiny \(loss\), and this run checks mine"):
        require_fitting([read(plain_report())], [("mine", "loss")], ["cpu", "gpu"])


def test_replay_of_a_platform_that_is_no_target_is_refused_with_the_option(read):
    with pytest.raises(ReplayError, match=f"a GPU \\({DEVICE}\\), and this run speaks of cpu: add --target cpu,gpu"):
        require_fitting([read(plain_report())], [("tiny", "loss")], ["cpu"])


def without(key):
    plain = plain_report()
    del plain[key]
    return plain


def loosened():
    plain = plain_report()
    plain["tolerances"]["value"]["relative"] = 0.5
    return plain


@pytest.mark.parametrize(
    ("plain", "said"),
    [
        ("{", "is no JSON, or was cut short"),
        ("[]", "is no report of a replay; `assay replay DIR` writes one"),
        (plain_report(report="a novel"), "is no report of a replay"),
        (plain_report(format=2), "has the format 2, and this version reads 1: replay the bundle again"),
        (without("bundles"), "is not as a report of a replay should be: KeyError 'bundles'"),
        (plain_report(device={"platform": "npu", "kind": "x"}), "device.platform must be one of cpu, gpu, tpu"),
        (loosened(), "was judged by other tolerances than those of this version"),
        (
            plain_report(products={"mode": "program", "arithmetic": "bfloat16", "how": "x"}),
            "was judged by other tolerances",
        ),
    ],
)
def test_file_that_is_no_such_report_is_refused_by_name(read, plain, said):
    with pytest.raises(ReplayError, match=said.replace(".", r"\.")) as refused:
        read(plain)

    assert "replay.json" in str(refused.value)


def test_missing_file_is_named(tmp_path):
    with pytest.raises(ReplayError, match=r"nowhere\.json cannot be read: No such file"):
        read_report(tmp_path / "nowhere.json")


def folded(read, verdicts=("pass", "pass", "fail")):
    both = merged([cell("L304"), cell("L305"), cell("L402")], read(plain_report(verdicts=verdicts)))
    return Report(results=both.results, environment=ENVIRONMENT, replays=both.replays)


def test_json_report_names_the_device_and_obeys_the_schema(read):
    plain = folded(read).to_dict()

    jsonschema.Draft202012Validator(report_schema()).validate(plain)
    assert [one["device"] for one in plain["results"]] == [DEVICE, "", DEVICE]
    (replay,) = plain["replays"]
    assert (replay["executed"], replay["failed"], replay["device"]) == (["L304"], ["L402"], DEVICE)


def test_terminal_names_the_device(read):
    stream = io.StringIO()
    print_report(folded(read), Console(file=stream, width=140, highlight=False, markup=False), verbose=True)

    told = stream.getvalue()
    assert f"Replayed on {DEVICE} (the GPU's default" in told
    assert "3 calls; 2 rules executed there, 1 failed." in told
    assert f"executed on {DEVICE}" in told
    assert "stand-in" in told  # of L305


def test_junit_names_the_device(read):
    root = ET.fromstring(as_junit(folded(read)))

    assert [one.get("value") for one in root.iter("property")] == [DEVICE, DEVICE]
    assert len(list(root.iter("failure"))) == 1


def test_page_names_the_device(read):
    page = as_html(folded(read))

    assert "<h2>Replays</h2>" in page
    assert f"executed on {DEVICE}" in page
    assert page.count(DEVICE) >= 4  # the table, two cells, the finding


def test_page_without_a_replay_has_no_such_part():
    assert "Replays" not in as_html(Report(results=(cell("L304"),), environment=ENVIRONMENT))


def test_verdict_counts_what_still_rests_on_a_stand_in(read):
    report = folded(read, verdicts=("pass", "pass", "pass"))

    assert report.verdict.stood_in == 1
    assert any("L305 (xla)" in reason for reason in report.verdict.reasons)
