"""An action that runs only when a condition holds."""

from collections.abc import Callable, Iterable
from typing import Any

from assay.core.runner import Output

Action = Callable[[Output], Any]
Condition = Callable[[Output], Any]
"""Given the logs, says whether to act: anything that can be true or false, a scalar tensor included."""


class ConditionalAction:
    """Calls an action, or several, with the logs for which a condition holds.

    ```python
    eval_actions=[ConditionalAction(NewBestMetric("accuracy"), ExportSavedModel(model, files, signatures))]
    ```

    Args:
        condition: Called with the logs.
        action: Called with them when the condition holds; of several, each in turn.
    """

    def __init__(self, condition: Condition, action: Action | Iterable[Action]) -> None:
        self.condition = condition
        self.actions = [action] if callable(action) else list(action)

    def __call__(self, output: Output) -> None:
        """Act on the logs if the condition holds."""
        if self.condition(output):
            for action in self.actions:
                action(output)
