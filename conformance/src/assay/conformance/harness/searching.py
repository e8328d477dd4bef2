"""Property search: Hypothesis draws cases, and shrinks one that breaks the rule to the smallest that still does.

```python
def cases():
    from hypothesis import strategies as st  # importing rules must stay quick

    return st.permutations(range(5))

search(ctx, cases, lambda order: compare(order))
```
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from assay.conformance.bundles.recording import active_recorder, unrecorded
from assay.conformance.context import Context

EXAMPLES = 12
"""How many cases a search looks at: components on the host can be slow, and the plain cases are tried first."""


def search(ctx: Context, cases: Callable[[], Any], examine: Callable[[Any], None], *, examples: int = EXAMPLES) -> None:
    """Examine cases until one raises, and then raise what the smallest such case raises.

    The cases are the same at each run; a seed other than 0 draws others.

    Args:
      ctx: The check's context.
      cases: Returns a Hypothesis strategy.
      examine: Looks at one case; raises `Violation` where it breaks the rule.
      examples: How many cases to draw, unless the run says how many (`--max-examples`).
    """
    import hypothesis

    recorder = active_recorder()
    if recorder is not None and not recorder.searches:
        return

    def body(case: Any) -> None:
        examine(case)

    # Not known by a name of its own: with the same rule and the same seed, the same cases.
    test = hypothesis.given(cases())(body)
    if ctx.seed:
        test = hypothesis.seed(ctx.seed)(test)
    with unrecorded():  # how many cases there is time for is another number each time
        hypothesis.settings(
            max_examples=ctx.session.max_examples or examples,
            derandomize=not ctx.seed,
            database=None,
            deadline=None,
            print_blob=False,
            report_multiple_bugs=False,
            suppress_health_check=list(hypothesis.HealthCheck),
            phases=(hypothesis.Phase.generate, hypothesis.Phase.shrink),
        )(test)()
