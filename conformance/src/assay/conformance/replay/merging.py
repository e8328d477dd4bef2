"""Folds reports of replays into the results of a check: a cell that rested on a stand-in rests on the device then.

A replay speaks for the rules whose checks made the calls that were replayed, on the platform where it ran, in the mode
`xla`, and for nothing else. A cell becomes `executed` when the check of its rule passed here, made the very same calls
(the same programs on the same data), and the device computed the same for every one of them; it fails when the device
did not.
"""

from __future__ import annotations

import collections
import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from assay.conformance.model.result import Finding, Result
from assay.conformance.model.vocabulary import Evidence, Mode, Outcome
from assay.conformance.registry import find_rule
from assay.conformance.replay.reading import ReplayedBundle, ReplayedCall, ReplayError, ReplayReport

Fingerprint = Mapping[str, Sequence[str]]
"""The ids of the calls of each rule, as a check here made them; an id comes as often as there are calls of it."""

_LONGEST = 5


@dataclasses.dataclass(frozen=True)
class Merged:
    """Results with replays folded in.

    Attributes:
      results: The results, in the same order.
      replays: What was folded in, as plain JSON values for the report.
    """

    results: tuple[Result, ...]
    replays: tuple[dict[str, Any], ...]


def speaks_of(replays: Iterable[ReplayReport], name: str, kind: str) -> bool:
    """Whether a report speaks of a subject, so that what its checks call is to be recorded."""
    return any(_is(bundle, name, kind) for replay in replays for bundle in replay.bundles)


def require_fitting(
    replays: Iterable[ReplayReport], subjects: Iterable[tuple[str, str]], targets: Iterable[str]
) -> None:
    """Refuse reports that cannot say anything of a run, before it starts.

    Args:
      replays: The reports.
      subjects: Name and kind of each subject.
      targets: The targets of the run.

    Raises:
      ReplayError: If a report is of other subjects, or of a platform that is no target of the run.
    """
    known, wanted = list(subjects), list(targets)
    for replay in replays:
        if replay.platform not in wanted:
            raise ReplayError(
                f"{replay.source} was replayed on a {replay.platform.upper()} ({replay.device}), and this run speaks "
                f"of {', '.join(wanted)}: add --target {','.join([*wanted, replay.platform])}."
            )
        if not any(_is(bundle, *one) for bundle in replay.bundles for one in known):
            theirs = _listed(f"{bundle.name} ({bundle.kind})" for bundle in replay.bundles)
            ours = _listed(f"{name} ({kind})" for name, kind in known)
            raise ReplayError(f"{replay.source} speaks of another subject: of {theirs}, and this run checks {ours}.")


def merge(
    results: Sequence[Result],
    replays: Sequence[ReplayReport],
    fingerprints: Mapping[str, Fingerprint],
    *,
    seed: int,
    versions: Mapping[str, str],
) -> Merged:
    """Fold reports of replays into results.

    Args:
      results: What the check found here.
      replays: The reports.
      fingerprints: The calls that the checks made here, by the subject's name.
      seed: The seed of the run.
      versions: Versions of what is installed here.

    Raises:
      ReplayError: If a report was made of another version of a subject, or with other options.
    """
    merged, told = list(results), []
    for replay in replays:
        for bundle in replay.bundles:
            places = [
                index
                for index, one in enumerate(merged)
                if _is(bundle, one.subject, one.kind) and one.target == replay.platform and one.mode == Mode.XLA.value
            ]
            if not places:
                continue
            _require_same_seed(replay, bundle, seed)
            claims = _claims(replay, bundle, fingerprints.get(bundle.name, {}), versions)
            confirmed: list[str] = []
            failed: list[str] = []
            for index in places:
                calls = claims.get(merged[index].rule)
                if calls is None or merged[index].outcome is not Outcome.PASS:
                    continue
                merged[index] = _with(merged[index], calls, replay)
                (confirmed if merged[index].outcome is Outcome.PASS else failed).append(merged[index].rule)
            told.append(
                {
                    "subject": bundle.name,
                    "target": replay.platform,
                    "device": replay.device,
                    "how": replay.how,
                    "versions": dict(replay.versions),
                    "calls": sum(map(len, claims.values())),
                    "executed": confirmed,
                    "failed": failed,
                    "source": replay.source,
                }
            )
    return Merged(tuple(merged), tuple(told))


def _with(result: Result, calls: Sequence[ReplayedCall], replay: ReplayReport) -> Result:
    """A result that rests on the device."""
    wrong = [call for call in calls if call.verdict != "pass"]
    if not wrong:
        return dataclasses.replace(result, evidence=Evidence.EXECUTED, device=replay.device)
    more = f"; {len(wrong)} of the {len(calls)} calls of the check differ" if len(calls) > 1 else ""
    finding = Finding(
        requirement=find_rule(result.rule).rule.requirement,
        observed=f"on {replay.device} ({replay.how}), {wrong[0].program}: {wrong[0].said}{more}",
        cause="The device computes it otherwise than the CPU: in fewer bits, with another meaning of an operation, or "
        "with an operation that its compiler does not have.",
        fix="Replay with `--matmul-precision float32`: what passes then is a matter of TensorFloat-32 or bfloat16, and "
        "belongs in float32; what fails still is computed otherwise.",
    )
    return dataclasses.replace(
        result,
        outcome=Outcome.FAIL,
        evidence=Evidence.EXECUTED,
        device=replay.device,
        finding=finding,
        message=finding.as_text(result.replay),
    )


def _claims(
    replay: ReplayReport, bundle: ReplayedBundle, here: Fingerprint, versions: Mapping[str, str]
) -> dict[str, tuple[ReplayedCall, ...]]:
    """The rules that a report can speak for: those whose calls are the same here, and were all replayed.

    Raises:
      ReplayError: If the calls of a rule are others here: the report is of another version of the subject.
    """
    claims = {}
    for rule, calls in bundle.rules.items():
        if rule not in here:
            continue
        theirs, ours = collections.Counter(call.id for call in calls), collections.Counter(here[rule])
        if theirs != ours:
            raise ReplayError(
                f"{replay.source} was made of another version of {bundle.name}, or of its data: of the {ours.total()} "
                f"calls that {rule} makes here, {(theirs & ours).total()} were replayed."
                f"{_other_versions(bundle, versions)} Make the bundle again with `assay bundle`, and replay that."
            )
        if all(call.verdict != "not-run" for call in calls):
            claims[rule] = calls
    return claims


def _other_versions(bundle: ReplayedBundle, versions: Mapping[str, str]) -> str:
    other = [
        f"{name} {version} (here {versions[name]})"
        for name, version in bundle.made_with.items()
        if versions.get(name, version) != version
    ]
    return f" The bundle was made with {', '.join(other)}." if other else ""


def _require_same_seed(replay: ReplayReport, bundle: ReplayedBundle, seed: int) -> None:
    if bundle.seed != seed:
        raise ReplayError(
            f"{replay.source}: the bundle of {bundle.name} was made with --seed {bundle.seed}, and this run has "
            f"{seed}: give both the same."
        )


def _is(bundle: ReplayedBundle, name: str, kind: str) -> bool:
    return bundle.name == name and bundle.kind == kind


def _listed(names: Iterable[str]) -> str:
    found = list(dict.fromkeys(names))
    more = f" and {len(found) - _LONGEST} more" if len(found) > _LONGEST else ""
    return ", ".join(found[:_LONGEST]) + more
