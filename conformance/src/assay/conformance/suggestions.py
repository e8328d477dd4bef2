"""The nearest known name to one that is unknown."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

_CUTOFF = 0.5
_LISTED_AT_MOST = 12


def nearest(name: str, known: Iterable[str]) -> str | None:
    """Return the known name that is most like the one given, letter case aside, or None when none is near.

    Of several that share as much with it, the one that has most of it in the same places is taken, then the first.
    """
    by_folded = {candidate.casefold(): candidate for candidate in known}
    wanted = name.casefold()

    def likeness(candidate: str) -> tuple[float, int]:
        shared = difflib.SequenceMatcher(None, candidate, wanted).ratio()
        return shared, sum(one == other for one, other in zip(candidate, wanted, strict=False))

    matches = difflib.get_close_matches(wanted, by_folded, n=len(by_folded) or 1, cutoff=_CUTOFF)
    ranked = sorted(matches, key=lambda match: (*(-part for part in likeness(match)), match))
    return by_folded[ranked[0]] if ranked else None


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Return `did you mean 'x'?`-like advice, as the end of a sentence without its full stop."""
    candidates = sorted(known)
    near = nearest(name, candidates)
    if near is not None:
        return f"the nearest is {near!r}"
    if not candidates:
        return "there are none to choose from"
    if len(candidates) <= _LISTED_AT_MOST:
        return f"the known ones are {', '.join(candidates)}"
    return f"there are {len(candidates)} known ones, from {candidates[0]} to {candidates[-1]}"
