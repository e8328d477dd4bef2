"""Makes the bundle of a subject: runs its checks compiled on the CPU, records what they call, and exports it."""

from __future__ import annotations

import importlib.metadata
from collections.abc import Callable, Iterable
from pathlib import Path

from assay.conformance.bundles.exporting import export
from assay.conformance.bundles.folder import write_folder
from assay.conformance.bundles.manifest import Manifest
from assay.conformance.bundles.recording import Recorder
from assay.conformance.checking import check_subject
from assay.conformance.model.errors import UsageError
from assay.conformance.model.kinds import Kind
from assay.conformance.model.result import Result
from assay.conformance.model.subject import Subject
from assay.conformance.model.vocabulary import Mode, Outcome, Target
from assay.conformance.session import Session
from assay.conformance.stablehlo.versions import JaxMissingError, require_jax
from assay.conformance.timing import DEFAULT_TIMEOUT

KINDS = (Kind.LOSS, Kind.KERAS_METRIC, Kind.TASK)
_PACKAGES = ("tensorflow", "keras", "tf_keras", "jax", "jaxlib", "numpy", "assay-conformance")
_OF_TASKS = ("T402",)
"""Of a Task, the rule that compares compiled steps with others; its further rules take many steps of a whole model."""


def make_bundle(
    subject: Subject,
    path: Path,
    *,
    select: Iterable[str] | None = None,
    ignore: Iterable[str] | None = None,
    seed: int = 0,
    timeout: float | None = DEFAULT_TIMEOUT,
    references: bool = True,
    on_result: Callable[[Result], None] | None = None,
) -> tuple[Manifest, int]:
    """Write the compiled functions of a subject's checks to a folder.

    Args:
      subject: The subject, whose kind is known.
      path: The folder.
      select: Ids or slugs of the rules whose calls are taken; when None, all that speak about accelerators (of a Task:
        T402).
      ignore: Ids or slugs of rules to leave out.
      seed: Where every build and every run starts from.
      timeout: Seconds that one check may take.
      references: Whether to add what float64 gives.
      on_result: Called with each result as it is known.

    Returns:
      The manifest, and how many bytes were written.

    Raises:
      UsageError: If the kind has no compiled functions, jax is missing, or nothing can be exported.
    """
    if subject.kind not in KINDS:
        raise UsageError(
            f"{subject.name} is a {str(subject.kind).replace('_', ' ')}, which runs no compiled functions: bundles are "
            "made of losses, Keras metrics and Tasks."
        )
    try:
        require_jax()
        if select is None and subject.kind is Kind.TASK:
            select = _OF_TASKS
        recorder = Recorder(searches=False)
        session = Session(subject, seed=seed, recorder=recorder)
        results = []
        for result in check_subject(
            subject,
            target=Target.GPU,
            modes=(Mode.XLA,),
            select=select,
            ignore=ignore,
            session=session,
            timeout=timeout,
        ):
            results.append(result)
            if on_result is not None:
                on_result(result)
        passed = [one.rule for one in results if one.outcome is Outcome.PASS]
        made = export(recorder, passed, references=references)
    except JaxMissingError as missing:
        raise UsageError(f"A bundle is made with jax. {missing}") from missing
    left_out = {**_not_passed(results), **made.left_out}
    manifest = Manifest(
        subject={"name": subject.name, "origin": subject.origin, "kind": subject.kind.value},
        seed=seed,
        made_with={name: version for name in _PACKAGES if (version := _version(name))},
        programs=made.programs,
        left_out=left_out,
    )
    if not made.programs:
        why = "; ".join(f"{what}: {reason}" for what, reason in left_out.items()) or "no rule speaks about it"
        raise UsageError(f"Nothing of {subject.name} can be exported. {why}.")
    return manifest, write_folder(path, manifest, made.texts, made.arrays)


def _not_passed(results: Iterable[Result]) -> dict[str, str]:
    """Why rules that did not pass here have nothing to be compared elsewhere."""
    return {
        one.rule: f"{one.outcome}: {one.finding.observed if one.finding else one.message}"[:500]
        for one in results
        if one.outcome not in (Outcome.PASS, Outcome.NOT_APPLICABLE)
    }


def _version(distribution: str) -> str:
    try:
        return importlib.metadata.version(distribution)
    except importlib.metadata.PackageNotFoundError:
        return ""
