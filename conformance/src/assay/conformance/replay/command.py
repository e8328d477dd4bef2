"""The command: which bundle, on which platform, in which arithmetic; prints a table and writes a report."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TextIO

from assay.conformance.bundles.folder import Folder, find_folders
from assay.conformance.model.errors import UsageError
from assay.conformance.replay.report import counts, describe_device, make_report, write_report
from assay.conformance.replay.running import DEFAULT_RUNS, FAIL, PASS, ReplayedProgram, replay
from assay.conformance.stablehlo import adapter
from assay.conformance.stablehlo.precision import MatmulPrecision, products_of
from assay.conformance.stablehlo.versions import JaxMissingError

PLATFORMS = ("cpu", "gpu", "tpu")
DESCRIPTION = """\
Replay a bundle that `assay bundle` wrote, or all bundles of a folder, on the accelerator that jax sees.

It needs NumPy and jax, and no TensorFlow; `python -m assay.conformance.replay DIR` is the same command.
Exit codes: 0 all that ran agrees, 1 a result is too far away or a program is refused, 2 a usage error.
"""
_INSTALL = {
    "gpu": "Install jax with its CUDA plugin: pip install 'jax[cuda12]>=0.9,<0.11'.",
    "tpu": "Install jax with libtpu on a TPU machine: pip install 'jax[tpu]>=0.9,<0.11'.",
}
_NAME_WIDTH = 46


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command to a parser."""
    parser.add_argument("folder", metavar="DIR", type=Path, help="a bundle, or a folder of bundles")
    parser.add_argument("--platform", choices=PLATFORMS, help="where to run (default: the best that jax sees)")
    parser.add_argument(
        "--matmul-precision",
        default=MatmulPrecision.PROGRAM.value,
        choices=[one.value for one in MatmulPrecision],
        help="the arithmetic of float32 products: what the program asks for (default), float32, TensorFloat-32 or "
        "bfloat16; where the hardware has none, operands are rounded to it",
    )
    parser.add_argument(
        "--runs", type=_count, default=DEFAULT_RUNS, metavar="N", help=f"timed runs a program (default: {DEFAULT_RUNS})"
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="the report (default: replay-PLATFORM.json in DIR)")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace, out: TextIO | None = None) -> int:
    """Replay what the options name.

    Returns:
      0 when everything that ran agrees, else 1.

    Raises:
      UsageError: If there is no such bundle or platform, or no jax that is known to work.
    """
    out = out or sys.stdout
    folders = find_folders(options.folder)
    try:
        adapter.set_up_jax(options.platform)
        device = adapter.first_device(options.platform)
        platform = device.platform if device.platform in PLATFORMS else "gpu"
        mode = MatmulPrecision(options.matmul_precision)
        products = products_of(platform, mode)
        about = describe_device(device, platform)
        print(f"{about['kind']}, products of float32: {products.how}", file=out)
        done = []
        for folder in folders:
            _print_heading(folder, out)
            programs = replay(
                folder,
                device,
                products,
                platform=platform,
                runs=options.runs,
                on_program=lambda one: _print_program(one, out),
            )
            done.append((folder, programs))
    except JaxMissingError as missing:
        raise UsageError(f"Replaying needs jax. {missing}") from missing
    except adapter.NoSuchPlatformError as none:
        raise UsageError(f"jax sees no {options.platform}: {none}. {_INSTALL.get(options.platform, '')}") from none
    report = make_report(done, device=about, mode=mode, products=products)
    path = options.json or options.folder / f"replay-{platform}.json"
    write_report(report, path)
    total = {word: sum(counts(one)[word] for one in report["bundles"]) for word in ("pass", "fail", "not-run")}
    said = ", ".join(f"{count} {word}" for word, count in total.items() if count)
    print(f"{sum(total.values())} calls: {said}. The report: {path}", file=out)
    return 1 if total[FAIL] or not total[PASS] else 0


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command by itself: `python -m assay.conformance.replay`."""
    parser = argparse.ArgumentParser(
        prog="python -m assay.conformance.replay",
        description=DESCRIPTION,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_arguments(parser)
    try:
        return run(parser.parse_args(arguments))
    except UsageError as error:
        sys.stderr.write(f"assay: {error}\n")
        return 2
    except KeyboardInterrupt:
        sys.stderr.write("assay: interrupted; no report was written.\n")
        return 130


def _print_heading(folder: Folder, out: TextIO) -> None:
    manifest = folder.manifest
    kind = manifest.subject["kind"].replace("_", " ")
    print(
        f"\n{_plain(manifest.subject['name'])} ({kind}): {len(manifest.programs)} programs, {manifest.cases} calls",
        file=out,
    )
    print(
        f"  {'program':<{_NAME_WIDTH}} {'calls':>5}  {'verdict':<8} {'worst':>9} {'allowed':>9} {'compile s':>9} "
        f"{'run ms':>8}",
        file=out,
    )


def _print_program(program: ReplayedProgram, out: TextIO) -> None:
    """Print a line of the table, and what is wrong beneath it."""
    compared = [one for case in program.cases for one in case.comparisons if not one.seen]
    worst = max(compared, key=lambda one: one.badness) if compared else None
    numbers = (f"{worst.error:.1e}", f"{worst.allowed:.1e}") if worst is not None else ("", "")
    compiled = "" if program.compile_seconds is None else f"{program.compile_seconds:.2f}"
    ran = "" if program.run_seconds is None else f"{1e3 * program.run_seconds:.3f}"
    name = _plain(program.name)
    name = name if len(name) <= _NAME_WIDTH else f"{name[: _NAME_WIDTH - 3]}..."
    word = program.verdict.upper() if program.verdict == FAIL else program.verdict
    print(
        f"  {name:<{_NAME_WIDTH}} {len(program.cases):>5}  {word:<8} {numbers[0]:>9} {numbers[1]:>9} {compiled:>9} "
        f"{ran:>8}",
        file=out,
        flush=True,
    )
    for said in dict.fromkeys(case.said for case in program.cases if case.said):
        print(f"    {_plain(said)}", file=out)


def _plain(text: str) -> str:
    """Text of a folder from elsewhere, without what would steer a terminal."""
    return "".join(one if one.isprintable() else "?" for one in text)


def _count(text: str) -> Any:
    if not text.isdigit() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is no whole number of 1 or more")
    return int(text)
