"""From a nested mapping to a flat list of leaves, each with its directory and tag, nothing written yet."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from assay.summaries._errors import UnwritableSummaryError

SEPARATOR = "/"


@dataclass(frozen=True)
class Leaf:
    """One value of a summary dict.

    Attributes:
        directory: Subdirectory, components joined by `/`; "" is the summary directory itself.
        tag: The last key: what TensorBoard shows.
        value: As it came.
        groups: The keys of the groups around it, as they came.
    """

    directory: str
    tag: str
    value: Any
    groups: tuple[str, ...] = ()

    @property
    def path(self) -> str:
        """Where the value stands in the dict, for messages."""
        return f"{self.directory}{SEPARATOR}{self.tag}" if self.directory else self.tag


def flatten(summary_dict: Mapping[str, Any]) -> list[Leaf]:
    """List the leaves of a nested mapping in its order.

    Raises:
        UnwritableSummaryError: If a key is no string or is empty, a group key is no path inside the directory, or two
            values have the same directory and tag.
    """
    if not isinstance(summary_dict, Mapping):
        raise UnwritableSummaryError(
            f"`summary_dict` must be a mapping of names to values. Received {type(summary_dict).__name__}."
        )
    leaves = list(_walk(summary_dict, "", ()))
    seen = set()
    for leaf in leaves:
        if leaf.path in seen:
            raise UnwritableSummaryError(f"The summary dict holds two values for {leaf.path!r}.")
        seen.add(leaf.path)
    return leaves


def directory_of(relative_path: str, *, parent: str = "") -> str:
    """Check a relative path and return it joined to its parent.

    Args:
        relative_path: Components joined by `/`, or "" for the parent itself.
        parent: A directory that this function returned.

    Raises:
        UnwritableSummaryError: If it is absolute, or has a component that is empty, `.` or `..`, or that holds a
            backslash, a colon or a control character.
    """
    if relative_path == "":
        return parent
    if not all(_is_plain(component) for component in relative_path.split(SEPARATOR)):
        place = f" below {parent!r}" if parent else ""
        raise UnwritableSummaryError(
            f"{relative_path!r}{place} cannot name a subdirectory of the summary directory: expected names joined by "
            "'/', none of them empty, '.' or '..', or with a backslash, a colon or a control character."
        )
    return f"{parent}{SEPARATOR}{relative_path}" if parent else relative_path


def _walk(group: Mapping[str, Any], directory: str, groups: tuple[str, ...]) -> Iterator[Leaf]:
    for key, value in group.items():
        if not isinstance(key, str) or not key or not _is_text(key):
            place = f"in the group {directory!r}" if directory else "at the top of the summary dict"
            raise UnwritableSummaryError(
                f"A key {place} must be a text that is not empty. Received {key!r} ({type(key).__name__})."
            )
        if isinstance(value, Mapping):
            yield from _walk(value, directory_of(key, parent=directory), (*groups, key))
        else:
            yield Leaf(directory, key, value, groups)


def _is_text(key: str) -> bool:
    try:
        key.encode()
    except UnicodeEncodeError:  # half of a surrogate pair, which no event file can hold
        return False
    return True


def _is_plain(component: str) -> bool:
    if component in ("", ".", "..") or not component.isprintable():
        return False
    return not any(sign in component for sign in "\\:")
