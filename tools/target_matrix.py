"""Check everything of ours on CPU, GPU and TPU in one matrix, on whatever machine this is, and write the page of it.

```
python -m tools.target_matrix                     the reference tasks, all losses, all metrics (an hour on two cores)
python -m tools.target_matrix --group losses      one group; what other groups found before is kept
python -m tools.target_matrix --mutants           what the rules for GPU and TPU make of their mutants
python -m tools.target_matrix --page              write the page again from what is on record
```

What was found is kept in `docs/evidence/targets.json`, a line of it after each subject, so that a run can be broken off
and goes on where it stopped; the page is `docs/evidence/targets.md`.
"""

from __future__ import annotations

import argparse
import collections
import json
import os
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

from assay.conformance import Outcome, Subject, Target, all_rules, check
from assay.conformance.devices import quieten_python, set_up_devices
from assay.conformance.importing import load_subjects
from assay.conformance.model import Evidence, Mode
from assay.conformance.runner import run_rule
from assay.conformance.session import Session
from assay.conformance.targets.carrying_out import modes_of

ROOT = Path(__file__).parents[1]
PAGE, RECORD = ROOT / "docs" / "evidence" / "targets.md", ROOT / "docs" / "evidence" / "targets.json"
GROUPS = {
    "task": (
        "assay.reference_tasks.classification.testing:digits_subject",
        "assay.reference_tasks.segmentation.testing:scenes_subject",
        "assay.reference_tasks.retinanet.testing:scenes_subject",
    ),
    "losses": ("packages/losses/tests/loss_subjects.py:SUBJECTS",),
    "metrics": ("packages/keras_metrics/tests/metric_subjects.py:SUBJECTS",),
}
TARGETS = tuple(target.value for target in Target)
_ABSENT = (Target.GPU, Target.TPU)

Found = dict[str, Any]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run what is asked for, write the page, and return the exit code: 1 when anything of ours fails."""
    parser = argparse.ArgumentParser(prog="python -m tools.target_matrix", description=__doc__.splitlines()[0])
    parser.add_argument("--group", action="append", choices=list(GROUPS), help="only this group; may come again")
    parser.add_argument("--again", action="store_true", help="check what is on record too")
    parser.add_argument("--mutants", action="store_true", help="run the mutants instead")
    parser.add_argument("--page", action="store_true", help="run nothing")
    options = parser.parse_args(arguments)
    record = json.loads(RECORD.read_text()) if RECORD.is_file() else {"subjects": {}, "mutants": {}}
    os.chdir(ROOT)
    if not options.page:
        set_up_devices(hide_others=False)
        quieten_python()
        (_run_mutants if options.mutants else _run_groups)(record, options)
    PAGE.write_text(page(record), encoding="utf-8")
    print(f"wrote {PAGE.relative_to(ROOT)}")
    return 1 if any(one["failures"] for one in record["subjects"].values()) else 0


def _run_groups(record: Found, options: argparse.Namespace) -> None:
    for group in options.group or GROUPS:
        for name, subject in _named(GROUPS[group]):
            key = f"{group}: {name}"
            if options.again or key not in record["subjects"]:
                record["subjects"][key] = {"group": group, "name": name, **_checked(subject)}
                _keep(record)
                print(key, *record["subjects"][key]["failures"], flush=True)


def _named(specs: Sequence[str]) -> Iterator[tuple[str, Subject]]:
    """The subjects of a group with their names; those that two packages give the same begin with the package's."""
    found = [(spec, subject) for spec in specs for subject in load_subjects(spec)]
    names = collections.Counter(subject.name for _, subject in found)
    for spec, subject in found:
        package = spec.partition(":")[0].split(".")[-2]
        yield (subject.name if names[subject.name] == 1 else f"{package}: {subject.name}"), subject


def _checked(subject: Subject) -> Found:
    """What the rules make of a subject on all targets, and the CPU time that each target adds."""
    counts: collections.Counter[tuple[str, str, str]] = collections.Counter()
    seconds = dict.fromkeys(TARGETS, 0.0)
    failures: list[str] = []
    not_run: list[tuple[str, str, str, str]] = []
    last = time.process_time()

    def count(result: Any) -> None:
        nonlocal last
        now = time.process_time()
        seconds[result.target] += now - last
        last = now
        counts[result.target, result.outcome.value, result.evidence.value] += 1
        if result.outcome in (Outcome.FAIL, Outcome.ERROR):
            failures.append(f"{result.rule} ({result.target}, {result.mode})")
        elif result.outcome is Outcome.NOT_RUN:
            not_run.append((result.target, result.rule, result.mode, result.message.splitlines()[0]))

    report = check(subject, targets=TARGETS, timeout=600.0, on_result=count)
    environment = report.environment
    return {
        "counts": [[*key, number] for key, number in sorted(counts.items())],
        "seconds": {target: round(spent, 1) for target, spent in seconds.items()},
        "failures": failures,
        "not_run": sorted(not_run),
        "devices": environment["devices"],
        "versions": {**environment["versions"], "python": environment["python"]},
    }


def _run_mutants(record: Found, options: argparse.Namespace) -> None:
    for entry in all_rules():
        for mutant in entry.mutants if set(_ABSENT) & set(entry.rule.targets) else ():
            key = f"{entry.rule.id}: {mutant.name}"
            if key in record["mutants"] and not options.again:
                continue
            session, outcomes = Session(mutant), {}
            for target in _ABSENT:
                modes = modes_of(entry.rule, target) if target in entry.rule.targets else ()
                found = [
                    run_rule(entry, session, kind=mutant.kind or entry.rule.kind, target=target, mode=mode)
                    for mode in modes
                ]
                if found:
                    outcomes[target.value] = [[one.mode, one.outcome.value, one.evidence.value] for one in found]
            record["mutants"][key] = {"rule": entry.rule.id, "slug": entry.rule.slug, "outcomes": outcomes}
            _keep(record)
            print(key, flush=True)


def _keep(record: Found) -> None:
    RECORD.parent.mkdir(parents=True, exist_ok=True)
    fresh = RECORD.with_suffix(".new")
    fresh.write_text(json.dumps(record, indent=1, sort_keys=True) + "\n", encoding="utf-8")
    fresh.replace(RECORD)


def page(record: Found) -> str:
    """Return the page of what is on record."""
    subjects = list(record["subjects"].values())
    introduction = (
        "<!-- Generated by `python -m tools.target_matrix`. Do not edit. -->\n\n# CPU, GPU and TPU in one matrix\n\n"
        "What the rules make of everything here on each target, and what that rests on. *executed* ran there; "
        "*compiled* was taken by the TPU compiler; *static* was read off graphs and TensorFlow's kernel registry; a "
        "*stand-in* is XLA on the CPU, and no proof. What needs the devices themselves is *not run*."
    )
    parts = [introduction]
    if subjects:
        devices = sorted({device for one in subjects for device in one["devices"]})
        versions = subjects[0]["versions"]
        parts.append(
            f"Devices of the machine: {', '.join(devices)}. Versions: "
            + ", ".join(f"{name} {version}" for name, version in sorted(versions.items()))
            + "."
        )
    for group in GROUPS:
        own = [one for one in subjects if one["group"] == group]
        if own:
            parts += [f"## {group.capitalize()} ({len(own)})", _sums(own), _each(own)]
    reasons = list(_reasons(subjects))
    if reasons:
        heads = ["target", "rules", "modes", "results", "why"]
        parts += ["## What is not run, and why", _table(heads, reasons)]
    if record["mutants"]:
        parts += [
            "## Mutants of the rules that speak of a GPU or a TPU",
            _MUTANTS,
            _mutants(record["mutants"].values()),
        ]
        unseen = list(_unseen(record["mutants"]))
        if unseen:
            parts += ["### Which of them are not seen, and why", _table(["rule", "mutant", "target", "why"], unseen)]
    return "\n\n".join(parts) + "\n"


_MUTANTS = (
    "How many of a rule's mutants fail it where there is no such device, and what the rule can be judged by there. "
    "Where all modes of a rule need the devices, it is not run, and says so."
)


def _sums(subjects: Sequence[Found]) -> str:
    """Outcomes by target and evidence, of a group."""
    counts: collections.Counter[tuple[str, str, str]] = collections.Counter()
    for one in subjects:
        for target, outcome, evidence, number in one["counts"]:
            counts[target, outcome, evidence] += number
    columns = [(outcome.value, evidence.value) for outcome in Outcome for evidence in Evidence]
    columns = [column for column in columns if any(counts[target, *column] for target in TARGETS)]
    heads = [outcome if evidence == Evidence.NONE else f"{outcome}, {evidence}" for outcome, evidence in columns]
    rows = [[target, *(str(counts[target, *column] or "") for column in columns)] for target in TARGETS]
    return _table(["target", *heads], rows)


def _each(subjects: Iterable[Found]) -> str:
    """A row for each subject: passes by evidence on each target, what fails, and the CPU time of each target."""
    rows = []
    for one in subjects:
        cells = []
        for target in TARGETS:
            passes = [
                f"{number} {evidence}"
                for its, outcome, evidence, number in one["counts"]
                if its == target and outcome == Outcome.PASS
            ]
            others: collections.Counter[str] = collections.Counter()
            for its, outcome, _, number in one["counts"]:
                if its == target and outcome != Outcome.PASS:
                    others[outcome] += number
            rest = "".join(f"; {number} {outcome}" for outcome, number in sorted(others.items()))
            cells.append(f"{', '.join(passes)}{rest} ({one['seconds'].get(target, 0):.0f} s)")
        rows.append([one["name"], *cells, ", ".join(one["failures"])])
    return _table(["subject", *(f"passes on {target} (CPU time)" for target in TARGETS), "fails"], rows)


def _reasons(subjects: Iterable[Found]) -> Iterator[tuple[str, str, str, str, str]]:
    """A row for each target and reason: the rules that were not run for it, in which modes, and how many results."""
    found: dict[tuple[str, str], list[tuple[str, str]]] = {}
    for one in subjects:
        for target, rule, mode, why in one["not_run"]:
            found.setdefault((target, why), []).append((rule, mode))
    for (target, why), cells in sorted(found.items()):
        rules, modes = (", ".join(sorted(set(names))) for names in zip(*cells, strict=True))
        yield target, rules, modes.replace("_", " "), str(len(cells)), why


def _mutants(mutants: Iterable[Found]) -> str:
    by_rule: dict[str, list[Found]] = {}
    for one in mutants:
        by_rule.setdefault(one["rule"], []).append(one)
    rows = []
    for rule, own in sorted(by_rule.items()):
        cells = [_caught([one["outcomes"][target] for one in own if target in one["outcomes"]]) for target in _ABSENT]
        rows.append([f"[{rule}](../rules/{rule}.md)", own[0]["slug"], *cells])
    return _table(["rule", "slug", *(str(target) for target in _ABSENT)], rows)


_COMPILING = {"K": "K402", "L": "L402", "T": "T402"}
_ELSEWHERE = {
    "T102: steps the optimizer in validation": "it needs a step of training first, and what XLA compiles starts afresh",
    "T104: the head is in two lists": "what the optimizer is given twice is seen in eager calls of it",
}
"""Why a stand-in passes a mutant that runs on one replica, in float32."""


def _unseen(mutants: dict[str, Found]) -> Iterator[tuple[str, str, str, str]]:
    """A row for each mutant and target that no result fails, of the rules that can be judged without the device."""
    for key, one in sorted(mutants.items()):
        for target, found in one["outcomes"].items():
            outcomes = {mode: outcome for mode, outcome, _ in found}
            judged = {mode for mode in outcomes if mode not in (Mode.REPLICAS, Mode.MIXED_PRECISION)}
            if not judged or Outcome.FAIL in outcomes.values():
                continue
            if all(outcomes[mode] == Outcome.NOT_RUN for mode in judged):
                why = f"XLA does not compile it, as {_COMPILING[key[0]]} says"
            else:
                waiting = " and ".join(sorted(set(outcomes) - judged)).replace("_", " ")
                why = _ELSEWHERE.get(key) or f"it is wrong with {waiting} alone"
            yield one["rule"], key.partition(": ")[2], target, why


def _caught(mutants: Sequence[Sequence[Sequence[str]]]) -> str:
    """`2 of 3 (stand-in)`; `not run` where every mode needs the device."""
    if not mutants:
        return ""
    evidence = dict.fromkeys(how for one in mutants for _, outcome, how in one if outcome == Outcome.FAIL)
    caught = sum(any(outcome == Outcome.FAIL for _, outcome, _ in one) for one in mutants)
    waiting = dict.fromkeys(mode for one in mutants for mode, outcome, _ in one if outcome == Outcome.NOT_RUN)
    not_run = f"not run: {', '.join(waiting)}" if waiting else ""
    if not caught:
        return not_run or f"0 of {len(mutants)}"
    told = f"{caught} of {len(mutants)} ({', '.join(evidence)})"
    needs = [mode for mode in waiting if mode in (Mode.REPLICAS, Mode.MIXED_PRECISION)]
    return f"{told}; not run: {', '.join(needs)}" if needs else told


def _table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [heads, ["---"] * len(heads), *rows]
    return "\n".join(f"| {' | '.join(cell.replace('|', '/') for cell in line)} |" for line in lines)


if __name__ == "__main__":
    sys.exit(main())
