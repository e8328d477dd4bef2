"""What a step gives to `build_losses` and gets back: the real arguments, which the suite could not make up itself.

A train step may turn class ids into one-hot vectors, or pick one of several outputs, before it computes the loss.
"""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from assay.conformance.harness.loss_total import total_loss
from assay.conformance.harness.tasks.layer_calls import replaced_method

AUX_LOSSES = "aux_losses"


@dataclasses.dataclass(frozen=True, eq=False)
class LossCall:
    """One call of `build_losses`.

    Attributes:
      function: The method itself.
      arguments: What it was called with, by the names of its own parameters; `**kwargs` are among them.
      result: What it returned.
    """

    function: Callable[..., Any]
    arguments: Mapping[str, Any]
    result: Any

    @property
    def concrete(self) -> bool:
        """Whether the tensors hold values: those of a graph that the Task traced itself do not."""
        import tensorflow as tf

        leaves = tf.nest.flatten([self.arguments, self.result])
        return all(hasattr(leaf, "numpy") for leaf in leaves if tf.is_tensor(leaf))

    def again(self, aux_losses: Sequence[Any] | None) -> Any:
        """Return the total of a further call, with other auxiliary losses and everything else the same."""
        return total_loss(self.function(**{**self.arguments, AUX_LOSSES: aux_losses}))


@contextlib.contextmanager
def watching_losses(task: Any) -> Iterator[list[LossCall]]:
    """Record the calls that a Task makes of its own `build_losses` while the block runs."""
    calls: list[LossCall] = []
    original = getattr(task, "build_losses", None)
    if not callable(original):
        yield calls
        return
    signature = inspect.signature(original)

    @functools.wraps(original)
    def build_losses(*args: Any, **kwargs: Any) -> Any:
        result = original(*args, **kwargs)
        calls.append(LossCall(original, _by_name(signature, args, kwargs), result))
        return result

    with replaced_method(task, "build_losses", build_losses):
        yield calls


def _by_name(signature: inspect.Signature, args: Any, kwargs: Any) -> dict[str, Any]:
    arguments = dict(signature.bind(*args, **kwargs).arguments)
    for parameter in signature.parameters.values():
        if parameter.kind is parameter.VAR_KEYWORD:
            arguments.update(arguments.pop(parameter.name, {}))
    return arguments
