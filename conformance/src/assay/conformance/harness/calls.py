"""Calls into the subject: an exception that comes out of its code is told apart from one of the suite."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

from assay.conformance.model.errors import NotApplicable, NotRun, SubjectError, Violation

_OURS = (Violation, NotApplicable, NotRun, SubjectError)


@contextlib.contextmanager
def calling(doing: str) -> Iterator[None]:
    """Mark a block as the subject's code: whatever it raises becomes a `SubjectError` that says what was being done.

    ```python
    with calling("build_model"):
        model = task.build_model()
    ```

    Args:
      doing: What the suite is calling, with the step and the mode where they matter: `train_step, step 2, mode graph`.

    Raises:
      SubjectError: If the block raises anything but the suite's own signals.
    """
    try:
        yield
    except _OURS:
        raise
    except (Exception, SystemExit) as exception:
        raise SubjectError(doing, exception) from exception


def require(component: Any, method: str) -> Any:
    """Return a bound method of the component, or lift the rule when there is none.

    Raises:
      NotApplicable: If the component has no such method.
    """
    found = getattr(component, method, None)
    if not callable(found):
        raise NotApplicable(f"The component has no method {method}().")
    return found
