"""The table that decides how a leaf is written: from the beginning of its key to a kind of leaf.

```python
import tensorflow as tf
from assay.summaries import LeafKind, SummaryManager

doubled = LeafKind(write=lambda tag, value, step: tf.summary.scalar(tag, 2 * value, step=step))
with SummaryManager("runs/example/train", global_step=1, kinds={"double/": doubled}) as manager:
    manager.write_summaries({"loss": 0.5, "double/loss": 0.5})
```
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from assay.summaries._errors import UnwritableSummaryError
from assay.summaries._tree import Leaf


@dataclass(frozen=True)
class LeafKind:
    """How the leaves whose key begins with some prefix are written.

    Attributes:
        write: `write(tag, value, step=step)`, called with the writer of the leaf's directory as TensorFlow's default:
            any function of `tf.summary` will do. The tag is the whole key, prefix included.
        check: `check(path, value)` returns what `write` is given, or raises an `UnwritableSummaryError` that names the
            path. It runs for every leaf of a dict before anything is written. None accepts all but None.
    """

    write: Callable[..., Any]
    check: Callable[[str, Any], Any] | None = None

    def checked(self, leaf: Leaf) -> Any:
        """The value to write.

        Raises:
            UnwritableSummaryError: If it cannot be written.
        """
        if leaf.value is None:
            raise UnwritableSummaryError(f"The summary {leaf.path!r} is None: it was never filled.")
        return leaf.value if self.check is None else self.check(leaf.path, leaf.value)


def table_of(kinds: Mapping[str, LeafKind | Callable[..., Any]]) -> dict[str, LeafKind]:
    """Check a table of kinds by prefix, longest prefix first; a bare function stands for `LeafKind(write=function)`.

    Raises:
        TypeError: If a prefix is no text or empty, or an entry is neither a `LeafKind` nor a function.
    """
    table = {}
    for prefix in sorted(kinds, key=lambda one: len(str(one)), reverse=True):
        kind = kinds[prefix]
        if not isinstance(prefix, str) or not prefix:
            raise TypeError(f"`kinds` maps the beginning of keys, such as 'audio/', to kinds. Received {prefix!r}.")
        if not isinstance(kind, LeafKind):
            if not callable(kind):
                raise TypeError(
                    f"`kinds[{prefix!r}]` must be a LeafKind, or a function called as write(tag, value, step=step). "
                    f"Received a {type(kind).__name__}."
                )
            kind = LeafKind(write=kind)
        table[prefix] = kind
    return table


def kind_of(leaf: Leaf, table: Mapping[str, LeafKind]) -> LeafKind | None:
    """The kind of a leaf, None for a scalar; `table` is what `table_of` returned."""
    return next((kind for prefix, kind in table.items() if leaf.tag.startswith(prefix)), None)
