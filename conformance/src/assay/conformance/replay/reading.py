"""Reads the report of a replay, which may come from anyone: what it does not say plainly is refused, and named."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from assay.conformance.model.errors import UsageError
from assay.conformance.replay.report import FORMAT, KIND, tolerances
from assay.conformance.stablehlo.precision import Arithmetic, MatmulPrecision, products_of

_PLATFORMS = ("cpu", "gpu", "tpu")
_VERDICTS = ("pass", "fail", "not-run")
_LARGEST = 256 * 2**20


class ReplayError(UsageError):
    """A file is no report of a replay, or not one that can be merged; the message says why."""


@dataclasses.dataclass(frozen=True)
class ReplayedCall:
    """What became of one call.

    Attributes:
      id: The id of the case.
      program: What the report calls the program.
      verdict: `pass`, `fail` or `not-run`.
      said: What is wrong; empty for a pass.
    """

    id: str
    program: str
    verdict: str
    said: str


@dataclasses.dataclass(frozen=True)
class ReplayedBundle:
    """What became of the bundle of one subject.

    Attributes:
      name: The subject's name.
      kind: The subject's kind.
      seed: The seed of its checks.
      made_with: Versions it was made with.
      rules: The calls of each rule.
    """

    name: str
    kind: str
    seed: int
    made_with: Mapping[str, str]
    rules: Mapping[str, tuple[ReplayedCall, ...]]


@dataclasses.dataclass(frozen=True)
class ReplayReport:
    """The report of a replay.

    Attributes:
      source: The file, for messages.
      platform: `cpu`, `gpu` or `tpu`.
      device: The device's name.
      versions: Versions of what ran it.
      how: How products of float32 were computed.
      bundles: The subjects.
    """

    source: str
    platform: str
    device: str
    versions: Mapping[str, str]
    how: str
    bundles: tuple[ReplayedBundle, ...]


def read_report(path: Path) -> ReplayReport:
    """Return the report of a file.

    Raises:
      ReplayError: If it is none, of another version, or judged by other tolerances than this version's.
    """
    try:
        if path.stat().st_size > _LARGEST:
            raise ReplayError(f"{path} is too large for a report of a replay.")
        plain = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ReplayError(f"The report {path} cannot be read: {error.strerror}.") from error
    except (ValueError, RecursionError) as error:
        raise ReplayError(f"{path} is no JSON, or was cut short: {error}.") from error
    if not isinstance(plain, dict) or plain.get("report") != KIND:
        raise ReplayError(f"{path} is no report of a replay; `assay replay DIR` writes one.")
    if plain.get("format") != FORMAT:
        raise ReplayError(
            f"{path} has the format {plain.get('format')!r}, and this version reads {FORMAT}: replay the bundle again "
            "with this version of assay-conformance."
        )
    try:
        return _Reader(str(path)).report(plain)
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise ReplayError(
            f"{path} is not as a report of a replay should be: {type(error).__name__} {error}."
        ) from error


class _Reader:
    def __init__(self, source: str) -> None:
        self._source = source

    def report(self, plain: Mapping[str, Any]) -> ReplayReport:
        platform = self._one_of(plain["device"]["platform"], _PLATFORMS, "device.platform")
        mode, arithmetic = MatmulPrecision(plain["products"]["mode"]), Arithmetic(plain["products"]["arithmetic"])
        if arithmetic is not products_of(platform, mode).arithmetic or plain["tolerances"] != tolerances(
            arithmetic, platform
        ):
            raise ReplayError(
                f"{self._source} was judged by other tolerances than those of this version: replay the bundle again "
                "with this version of assay-conformance."
            )
        return ReplayReport(
            source=self._source,
            platform=platform,
            device=self._text(plain["device"]["kind"], "device.kind"),
            versions={str(name): self._text(value, "versions") for name, value in plain["versions"].items()},
            how=products_of(platform, mode).how,
            bundles=tuple(self._bundle(one) for one in plain["bundles"]),
        )

    def _bundle(self, plain: Mapping[str, Any]) -> ReplayedBundle:
        rules: dict[str, list[ReplayedCall]] = {}
        for program in plain["programs"]:
            for case in program["cases"]:
                call = ReplayedCall(
                    id=self._text(case["id"], "id of a case"),
                    program=self._text(program["name"], "name of a program"),
                    verdict=self._one_of(case["verdict"], _VERDICTS, "verdict"),
                    said=self._text(case["said"], "said"),
                )
                for rule in case["rules"]:
                    rules.setdefault(self._text(rule, "rules"), []).append(call)
        seed = plain["seed"]
        if not isinstance(seed, int):
            raise TypeError("the seed must be a whole number")
        return ReplayedBundle(
            name=self._text(plain["subject"]["name"], "subject.name"),
            kind=self._text(plain["subject"]["kind"], "subject.kind"),
            seed=seed,
            made_with={str(name): self._text(value, "made_with") for name, value in plain["made_with"].items()},
            rules={rule: tuple(calls) for rule, calls in rules.items()},
        )

    def _text(self, value: Any, what: str) -> str:
        return self._fitting(value, lambda _: True, "text", what)

    def _one_of(self, value: Any, known: tuple[str, ...], what: str) -> str:
        return self._fitting(value, lambda text: text in known, f"one of {', '.join(known)}", what)

    def _fitting(self, value: Any, fits: Callable[[str], bool], expected: str, what: str) -> str:
        if not isinstance(value, str) or not fits(value):
            raise ReplayError(f"{self._source}: {what} must be {expected}; received {str(value)[:80]!r}.")
        return value
