"""The report of a replay: what ran where, how far each result was from what it should be, and how long it took."""

from __future__ import annotations

import dataclasses
import importlib.metadata
import json
import math
import platform as machine
from collections.abc import Mapping, Sequence
from importlib import resources
from pathlib import Path
from typing import Any

from assay.conformance.bundles.folder import Folder
from assay.conformance.bundles.manifest import BundleError
from assay.conformance.replay.running import FAIL, NOT_RUN, PASS, ReplayedProgram
from assay.conformance.replay.tolerances import MAGNIFIED, allowance
from assay.conformance.stablehlo.precision import Arithmetic, MatmulPrecision, Products

FORMAT = 1
"""The version of the report's format; `report.schema.json` beside this module describes it."""

KIND = "assay replay"
SCHEMA_FILE = "report.schema.json"
_PACKAGES = ("jax", "jaxlib", "numpy", "libtpu", "jax-cuda12-plugin", "jax-cuda13-plugin", "assay-conformance")
_DRIVER = Path("/proc/driver/nvidia/version")


def describe_device(device: Any, platform: str) -> dict[str, str]:
    """Return what is known of a device of jax: platform, kind, runtime and, of an NVIDIA GPU, the driver."""
    runtime = str(getattr(device.client, "platform_version", "")).splitlines()
    found = {"platform": platform, "kind": device.device_kind, "runtime": runtime[0][:200] if runtime else ""}
    if platform == "gpu" and _DRIVER.is_file():
        found["driver"] = _DRIVER.read_text(encoding="utf-8").splitlines()[0][:200]
    if platform == "cpu":
        found["kind"] = f"CPU of jax ({machine.machine()})"
    return found


def make_report(
    replays: Sequence[tuple[Folder, Sequence[ReplayedProgram]]],
    *,
    device: Mapping[str, str],
    mode: MatmulPrecision,
    products: Products,
) -> dict[str, Any]:
    """Return the report on some bundles as plain JSON values."""
    return {
        "report": KIND,
        "format": FORMAT,
        "device": dict(device),
        "versions": {name: version for name in _PACKAGES if (version := _version(name))},
        "products": {"mode": mode.value, "arithmetic": products.arithmetic.value, "how": products.how},
        "tolerances": tolerances(products.arithmetic, device["platform"]),
        "bundles": [_bundle(folder, programs) for folder, programs in replays],
    }


def replay_schema() -> dict[str, Any]:
    """Return the JSON schema (draft 2020-12) of a report."""
    text = resources.files("assay.conformance.replay").joinpath(SCHEMA_FILE).read_text(encoding="utf-8")
    return json.loads(text)


def tolerances(arithmetic: Arithmetic, platform: str) -> dict[str, Any]:
    """Return what results of float32 were judged by, so that a report by another table is seen."""
    rows = {role: allowance(arithmetic, role, "float32", platform) for role in ("value", "state")}
    return {
        "magnified": MAGNIFIED,
        **{role: {"relative": row.relative, "absolute": row.absolute} for role, row in rows.items()},
    }


def counts(bundle: Mapping[str, Any]) -> dict[str, int]:
    """Return how many calls of a bundle passed, failed and were not run."""
    found = [case["verdict"] for program in bundle["programs"] for case in program["cases"]]
    return {word: found.count(word) for word in (PASS, FAIL, NOT_RUN)}


def write_report(report: Mapping[str, Any], path: Path) -> None:
    """Write a report, whole or not at all.

    Raises:
      BundleError: If the file cannot be written.
    """
    partial = path.with_name(f".{path.name}.partial")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        partial.write_text(json.dumps(report, indent=1, allow_nan=False) + "\n", encoding="utf-8")
        partial.replace(path)
    except OSError as error:
        raise BundleError(f"The report cannot be written to {path}: {error.strerror}.") from error


def _bundle(folder: Folder, programs: Sequence[ReplayedProgram]) -> dict[str, Any]:
    manifest = folder.manifest
    return {
        "subject": dict(manifest.subject),
        "seed": manifest.seed,
        "made_with": dict(manifest.made_with),
        "left_out": dict(manifest.left_out),
        "programs": [_program(one) for one in programs],
    }


def _program(program: ReplayedProgram) -> dict[str, Any]:
    return {
        "id": program.id,
        "name": program.name,
        "verdict": program.verdict,
        "products": program.products,
        "compile_seconds": _rounded(program.compile_seconds),
        "run_seconds": _rounded(program.run_seconds),
        "runs": program.runs,
        "cases": [
            {"id": case.id, "rules": list(case.rules), "verdict": case.verdict, "said": case.said}
            for case in program.cases
        ],
        "results": _results(program),
    }


def _results(program: ReplayedProgram) -> list[dict[str, Any]]:
    """Each result of the program, at the call where it was worst."""
    worst: dict[int, Any] = {}
    for case in program.cases:
        for number, one in enumerate(case.comparisons):
            if number not in worst or one.badness > worst[number].badness:
                worst[number] = one
    return [
        {
            **{key: _rounded(value) for key, value in dataclasses.asdict(one).items()},
            "verdict": PASS if one.passed else FAIL,
        }
        for _, one in sorted(worst.items())
    ]


def _rounded(value: Any) -> Any:
    """A number with four digits; one that JSON cannot hold becomes text."""
    if isinstance(value, float):
        return float(f"{value:.4g}") if math.isfinite(value) else str(value)
    return value


def _version(distribution: str) -> str:
    try:
        return importlib.metadata.version(distribution)
    except importlib.metadata.PackageNotFoundError:
        return ""
