"""Folds reports of replays into a run of the suite: what must be recorded for it, and what comes of it at the end."""

from __future__ import annotations

import importlib.metadata
from collections.abc import Iterable, Sequence
from pathlib import Path

from assay.conformance.bundles.fingerprints import fingerprint
from assay.conformance.bundles.recording import Recorder
from assay.conformance.model.result import Result
from assay.conformance.model.subject import Subject
from assay.conformance.replay.merging import Fingerprint, Merged, merge, require_fitting, speaks_of
from assay.conformance.replay.reading import read_report


class Folding:
    """The reports of replays that a run is given.

    Args:
      paths: The reports; none is as good as no folding.

    Raises:
      ReplayError: If one is no report, or not of this version.
    """

    def __init__(self, paths: Iterable[str | Path]) -> None:
        self._replays = [read_report(Path(path)) for path in paths]
        self._fingerprints: dict[str, Fingerprint] = {}

    def __bool__(self) -> bool:
        """Whether there is anything to fold in."""
        return bool(self._replays)

    def require_fitting(self, subjects: Iterable[Subject], targets: Iterable[str]) -> None:
        """Refuse reports that cannot say anything of a run.

        Raises:
          ReplayError: If one speaks of other subjects, or of another target.
        """
        require_fitting(self._replays, [(one.name, str(one.kind)) for one in subjects], targets)

    def recorder_for(self, subject: Subject) -> Recorder | None:
        """Return what records the calls of a subject's checks, where a report speaks of it."""
        return Recorder() if speaks_of(self._replays, subject.name, str(subject.kind)) else None

    def learn(self, name: str, found: Recorder | Fingerprint | None) -> None:
        """Keep what the checks of a subject called.

        Raises:
          UsageError: If jax is missing, which tells whether the programs are the same.
        """
        if isinstance(found, Recorder):
            found = fingerprint(found)
        if found is not None:
            self._fingerprints[name] = {**self._fingerprints.get(name, {}), **found}

    def fold(self, results: Sequence[Result], *, seed: int) -> Merged:
        """Return results with the reports folded in; see `merge`."""
        versions = {
            name: _version(name) for replay in self._replays for one in replay.bundles for name in one.made_with
        }
        return merge(
            results,
            self._replays,
            self._fingerprints,
            seed=seed,
            versions={name: version for name, version in versions.items() if version},
        )


def _version(distribution: str) -> str:
    try:
        return importlib.metadata.version(distribution)
    except importlib.metadata.PackageNotFoundError:
        return ""
