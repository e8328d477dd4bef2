"""The command that replays: what it says of programs that cannot run, of platforms that are not there, of bad input."""

import json

import numpy as np
import pytest
from assay.conformance.bundles.folder import Folder
from assay.conformance.replay.running import replay
from assay.conformance.stablehlo import adapter
from assay.conformance.stablehlo.precision import MatmulPrecision, products_of
from replay_builders import bundle_of, replay_in, small_bundle

pytest.importorskip("jax")

GIVEN = np.array([1.0, 2.0], np.float32)
UNKNOWN_CALL = """
func.func @main(%arg0: tensor<2xf32>) -> tensor<2xf32> {
  %0 = stablehlo.custom_call @__cpu$NoSuchThing(%arg0) : (tensor<2xf32>) -> tensor<2xf32>
  return %0 : tensor<2xf32>
}
"""


def artifact_of(text):
    with adapter.mlir_context():
        return adapter.write_artifact(adapter.parse(text))


def replayed_as(platform, folder):
    """Replay on the CPU of jax as if it were another platform."""
    adapter.set_up_jax("cpu")
    device = adapter.first_device("cpu")
    (program,) = replay(Folder(folder), device, products_of(platform, MatmulPrecision.PROGRAM), platform=platform)
    return program


def test_program_that_the_compiler_refuses_fails(tmp_path):
    folder = bundle_of(tmp_path / "b", artifact_of(UNKNOWN_CALL), GIVEN, GIVEN)

    program = replayed_as("gpu", folder)

    assert program.verdict == "fail"
    assert "NoSuchThing" in program.cases[0].said


def test_call_that_only_a_cpu_has_is_not_run_elsewhere(tmp_path):
    folder = bundle_of(tmp_path / "b", artifact_of(UNKNOWN_CALL), GIVEN, GIVEN, custom_calls=("__cpu$NoSuchThing",))

    program = replayed_as("tpu", folder)

    assert program.verdict == "not-run"
    assert "calls that a TPU does not have (__cpu$NoSuchThing)" in program.cases[0].said


def test_numbers_of_a_generator_of_the_platforms_own_are_not_compared(tmp_path):
    folder = bundle_of(tmp_path / "b", artifact_of(UNKNOWN_CALL), GIVEN, GIVEN, own_generator=True)

    assert "generator of the platform's own" in replayed_as("cpu", folder).cases[0].said
    assert replay_in(folder) == 1  # nothing passed


def test_artifact_that_is_none_is_not_run(tmp_path):
    folder = bundle_of(tmp_path / "b", b"no program at all", GIVEN, GIVEN)

    assert "this jax cannot read it" in replayed_as("cpu", folder).cases[0].said


def test_program_of_another_signature_is_not_run(tmp_path):
    folder = bundle_of(tmp_path / "b", artifact_of(UNKNOWN_CALL.replace("2x", "5x")), GIVEN, GIVEN)

    assert "not those that the manifest names" in replayed_as("cpu", folder).cases[0].said


def test_platform_that_is_not_there_says_what_to_install(tmp_path, capsys):
    from assay.conformance.replay.command import main

    folder = small_bundle(tmp_path / "b")

    assert main([str(folder), "--platform", "gpu"]) == 2
    said = capsys.readouterr().err
    assert said.startswith("assay: jax sees no gpu: ")
    assert "pip install 'jax[cuda12]>=0.9,<0.11'" in said


def test_report_goes_where_it_is_asked_to(tmp_path, capsys):
    folder = small_bundle(tmp_path / "b")

    assert replay_in(folder, "--json", str(tmp_path / "new" / "report.json")) == 0

    assert json.loads((tmp_path / "new" / "report.json").read_text())["report"] == "assay replay"
    assert not (folder / "replay-cpu.json").exists()
    assert str(tmp_path / "new" / "report.json") in capsys.readouterr().out


def test_names_from_elsewhere_do_not_steer_the_terminal(tmp_path, capsys):
    import dataclasses

    from assay.conformance.bundles.folder import MANIFEST
    from assay.conformance.bundles.manifest import to_json

    folder = small_bundle(tmp_path / "b")
    manifest = Folder(folder).manifest
    hostile = dataclasses.replace(manifest, subject={**manifest.subject, "name": "\x1b[2Jnothing to see"})
    (folder / MANIFEST).write_text(to_json(hostile))

    assert replay_in(folder) == 0
    assert "\x1b" not in capsys.readouterr().out


@pytest.mark.parametrize("arguments", [["--runs", "0"], ["--runs", "many"], ["--matmul-precision", "fp8"]])
def test_bad_option_is_a_usage_error(tmp_path, arguments):
    with pytest.raises(SystemExit) as left:
        replay_in(tmp_path, *arguments)

    assert left.value.code == 2
