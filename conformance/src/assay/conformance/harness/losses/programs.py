"""What a target must be able to compile of a loss: its value and its gradients, with and without weights."""

from __future__ import annotations

import functools
from typing import Any

from assay.conformance.context import Context
from assay.conformance.harness.losses.comparing import ROWS, weights_of
from assay.conformance.harness.losses.component import as_tensors, component
from assay.conformance.harness.losses.values import differentiated
from assay.conformance.harness.samples import sample_of
from assay.conformance.harness.strategies import placement, strategy_for
from assay.conformance.model.vocabulary import Mode
from assay.conformance.targets.programs import Program


def programs(ctx: Context, *, narrow: bool = False) -> list[Program]:
    """Return the loss with its gradients as a program, and the same with weights where it takes them.

    Args:
      ctx: The check's context.
      narrow: Pass floating-point labels and predictions of more than 32 bits as float32.

    Raises:
      SubjectError: If the loss cannot be made.
    """
    return ctx.share(("programs", narrow), lambda: _make(ctx, narrow=narrow))


def _make(ctx: Context, *, narrow: bool) -> list[Program]:
    import tensorflow as tf

    loss = component(ctx)
    batch = sample_of(ctx).grow(ROWS)
    sides = tf.nest.map_structure(_narrowed, as_tensors(batch)) if narrow else as_tensors(batch)
    weights = weights_of(ctx, batch) if loss.takes_weights else None
    strategy = strategy_for(ctx.target, Mode.XLA)
    make = functools.partial(Program, placed=functools.partial(placement, ctx.target, strategy))
    found = [make("the loss with its gradients", differentiated(loss), sides)]
    if weights is not None:
        weighted = (*sides, tf.constant(weights, tf.float32))
        found.append(make("the weighted loss with its gradients", differentiated(loss), weighted))
    return found


def _narrowed(tensor: Any) -> Any:
    import tensorflow as tf

    return tf.cast(tensor, tf.float32) if tensor.dtype == tf.float64 else tensor
