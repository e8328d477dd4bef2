"""A check that is given the report of a replay: the same calls are known again, those of another version are not."""

import json

import pytest
import replay_builders
from assay.conformance import Kind, Outcome, check
from assay.conformance.bundles.making import make_bundle
from assay.conformance.importing import SubjectSpec
from assay.conformance.isolation import check_isolated
from assay.conformance.isolation.protocol import Request
from assay.conformance.replay.reading import ReplayError
from assay.conformance.replay.report import tolerances
from assay.conformance.stablehlo.precision import Arithmetic
from replay_builders import LOSS, DoubledLoss, replay_in

pytest.importorskip("jax")

DEVICE = "NVIDIA Test 9000"
RULES = ["L304", "L402"]


@pytest.fixture(scope="module")
def reports(tmp_path_factory):
    """The report of a replay on the CPU of jax, and the same as if a GPU had made it."""
    folder = tmp_path_factory.mktemp("bundles") / "loss"
    make_bundle(LOSS.replace(kind=Kind.LOSS), folder, select=RULES, references=False)
    assert replay_in(folder) == 0
    plain = json.loads((folder / "replay-cpu.json").read_text())
    plain["device"].update(platform="gpu", kind=DEVICE)
    plain["products"]["arithmetic"] = "tensorfloat32"
    plain["tolerances"] = tolerances(Arithmetic.TENSORFLOAT32, "gpu")
    (folder / "replay-gpu.json").write_text(json.dumps(plain))
    return folder


def evidence_of(report):
    return {(one.rule, one.target, one.mode): (one.outcome, one.rests_on) for one in report.results}


def test_gpu_that_is_not_here_has_executed_what_its_replay_holds(reports):
    report = check(LOSS, targets=["cpu", "gpu"], select=[*RULES, "L305"], merge_replays=[reports / "replay-gpu.json"])

    found = evidence_of(report)
    assert found["L304", "gpu", "xla"] == (Outcome.PASS, f"executed on {DEVICE}")
    assert found["L402", "gpu", "xla"] == (Outcome.PASS, f"executed on {DEVICE}")
    assert found["L305", "gpu", "xla"] == (Outcome.PASS, "stand-in")
    assert found["L304", "cpu", "eager"] == found["L402", "cpu", "xla"] == (Outcome.PASS, "executed")
    assert report.verdict.stood_in == 1


def test_cpu_of_jax_speaks_for_the_cpu_alone(reports):
    report = check(LOSS, targets=["cpu", "gpu"], select=["L402"], merge_replays=[reports / "replay-cpu.json"])

    assert [one.device.startswith("CPU of jax") for one in report.results] == [True, False]


def test_other_version_of_the_code_is_refused(reports):
    other = LOSS.replace(factory=DoubledLoss)

    with pytest.raises(ReplayError, match=r"was made of another version of tiny, or of its data: of the .* calls"):
        check(other, targets=["gpu"], select=["L402"], merge_replays=[reports / "replay-gpu.json"])


def test_other_data_is_refused(reports):
    labels, logits = LOSS.sample
    other = LOSS.replace(sample=(labels, logits + 1.0))

    with pytest.raises(ReplayError, match="was made of another version of tiny, or of its data"):
        check(other, targets=["gpu"], select=["L402"], merge_replays=[reports / "replay-gpu.json"])


def test_subject_in_a_process_of_its_own_says_what_it_called(reports):
    spec = SubjectSpec(spec=f"{replay_builders.__file__}:LOSS")
    request = Request(spec=spec, targets=("gpu",), select=("L402",))

    report = check_isolated([request], merge_replays=[reports / "replay-gpu.json"])

    assert evidence_of(report) == {("L402", "gpu", "xla"): (Outcome.PASS, f"executed on {DEVICE}")}
