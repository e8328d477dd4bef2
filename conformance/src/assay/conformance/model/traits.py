"""The traits: what a subject may declare about itself, in one table, checked by name and by value.

A rule reads a trait with `ctx.trait("batch_statistics")`. To add one, add a row here: the table in the documentation,
the error messages and the suggestions all come from it.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from assay.conformance.model.errors import UsageError
from assay.conformance.model.kinds import Kind
from assay.conformance.suggestions import did_you_mean


@dataclasses.dataclass(frozen=True)
class Trait:
    """One thing that a subject may declare.

    Attributes:
      name: The name that a subject uses.
      kinds: The kinds of subject that may declare it.
      accepts: The types that the value may have.
      default: The value when the subject declares nothing.
      meaning: What declaring it says, in one sentence.
      choices: The values allowed, when they are few.
    """

    name: str
    kinds: tuple[Kind, ...]
    accepts: tuple[type, ...]
    default: Any
    meaning: str
    choices: tuple[Any, ...] = ()


_LOSSES = (Kind.LOSS,)
_METRICS = (Kind.KERAS_METRIC, Kind.PYTHON_METRIC)
_LOSSES_AND_KERAS_METRICS = (Kind.LOSS, Kind.KERAS_METRIC)
_KERAS_METRICS = (Kind.KERAS_METRIC,)
_HOST_METRICS = (Kind.PYTHON_METRIC,)
_MANAGERS = (Kind.SUMMARY_MANAGER,)
_TASKS = (Kind.TASK,)
_PIPELINES = (Kind.TASK, Kind.INPUT_PIPELINE)

_TABLE = (
    Trait(
        "batch_statistics",
        _TASKS,
        (bool,),
        False,
        "The train step's result depends on which examples share a batch (batch normalisation, in-batch negatives), "
        "so that replicas cannot equal one replica exactly.",
    ),
    Trait(
        "random_step",
        _TASKS,
        (bool,),
        False,
        "The train step draws random numbers (dropout, noise), so that two runs differ although nothing is wrong.",
    ),
    Trait(
        "random_inference",
        _TASKS,
        (bool,),
        False,
        "Validation and inference draw random numbers on purpose (a sampling decoder, dropout kept on to measure "
        "uncertainty), so that two passes over the same batch differ.",
    ),
    Trait(
        "untrained_variables",
        _TASKS,
        (tuple, list),
        (),
        "Patterns (as in a shell: `*/codebook`) of the names of trainable variables without a gradient by design.",
    ),
    Trait(
        "host_callbacks",
        _TASKS,
        (bool,),
        False,
        "The steps call Python, print or write summaries from within on purpose, so that they cannot be compiled.",
    ),
    Trait(
        "overfit_steps",
        _TASKS,
        (int,),
        60,
        "How many steps on one batch it may take until the loss has fallen; a model that learns slowly needs more.",
    ),
    Trait(
        "overfit_fall",
        _TASKS,
        (float,),
        0.3,
        "By which part of its first value the loss of one batch must fall; less for a loss with a high floor (noise "
        "that is drawn anew, soft labels).",
    ),
    Trait(
        "eval_drops_remainder",
        _PIPELINES,
        (bool,),
        False,
        "Evaluation drops the last partial batch on purpose, so that some examples are not counted.",
    ),
    Trait(
        "train_ends",
        _PIPELINES,
        (bool,),
        False,
        "The training dataset ends after one epoch on purpose: the caller repeats it.",
    ),
    Trait(
        "train_order",
        _PIPELINES,
        (str,),
        None,
        "What the order of the training examples is on purpose: the same in every epoch; another one with the same "
        "seed; or drawn by weight or with replacement, so that an epoch does not hold each example once.",
        ("fixed", "varies", "sampled"),
    ),
    Trait(
        "value_ranges",
        _PIPELINES,
        (dict,),
        {},
        "The lowest and the highest value of tensors by name or pattern, or None where anything will do, NaN included: "
        '`{"features/image": (0, 1), "boxes": None}`.',
    ),
    Trait(
        "box_format",
        _PIPELINES,
        (str,),
        "yxyx",
        "How the edges of boxes are ordered.",
        ("yxyx", "xyxy", "xywh", "cxcywh"),
    ),
    Trait(
        "mixes_examples",
        _LOSSES,
        (bool,),
        False,
        "The loss of one example depends on the other examples of the batch (contrastive, Dice).",
    ),
    Trait("zero_at_target", _LOSSES, (bool,), False, "A perfect prediction scores exactly zero."),
    Trait(
        "normaliser",
        _LOSSES,
        (str,),
        "elements",
        "What the mean divides by.",
        ("weights", "elements", "valid"),
    ),
    Trait(
        "non_negative",
        _LOSSES,
        (bool,),
        False,
        "The value is never below zero; `zero_at_target` says so too.",
    ),
    Trait(
        "random_loss",
        _LOSSES,
        (bool,),
        False,
        "The value draws random numbers by design (sampled negatives, noise), so that two calls differ.",
    ),
    Trait(
        "stopped_gradient",
        _LOSSES,
        (bool,),
        False,
        "The gradient is not that of the value on purpose: part of the formula is a constant to the optimizer.",
    ),
    Trait(
        "domain",
        _LOSSES_AND_KERAS_METRICS,
        (str, dict),
        None,
        "What the predictions stand for (`logits`, `probabilities`, `simplex`, `unit_vectors`, `real`, ...), or a dict "
        'for both sides and for what they hold: `{"y_true": "class_ids", "y_pred/boxes": "boxes"}`; inferred from the '
        "sample's values.",
    ),
    Trait(
        "arguments",
        _LOSSES_AND_KERAS_METRICS,
        (tuple, list, dict),
        None,
        'How it is called: the order, `("y_pred", "y_true")`, or the names, `{"y_true": "labels", "y_pred": '
        '"logits"}`; inferred from names such as `logits, labels`.',
    ),
    Trait(
        "ignore_label",
        (*_LOSSES, *_METRICS, *_PIPELINES),
        (int,),
        None,
        "The label id whose elements count for nothing.",
    ),
    Trait(
        "result_resets",
        _HOST_METRICS,
        (bool,),
        False,
        "`result()` also forgets all batches, so that a second call says what a new metric says.",
    ),
    Trait(
        "random_result",
        _HOST_METRICS,
        (bool,),
        False,
        "The result draws random numbers by design (a bootstrap, ties broken by lot), so that two runs differ.",
    ),
    Trait(
        "id_field",
        _HOST_METRICS,
        (str, tuple, list),
        (),
        "The name, or the names, of the field with the id of each example; inferred from names and values.",
    ),
    Trait(
        "count_field",
        _HOST_METRICS,
        (str, tuple, list),
        (),
        "The name, or the names, of the field with the number of slots in use; inferred from names and values.",
    ),
    Trait(
        "slot_fields",
        _HOST_METRICS,
        (str, tuple, list),
        (),
        "The names of the fields `[batch, slots, ...]` with one entry an object; inferred from names and shapes.",
    ),
    Trait(
        "duplicates",
        _HOST_METRICS,
        (str,),
        None,
        "What the metric does with an example id that comes again; either will do when nothing is declared.",
        ("counted_once", "rejected"),
    ),
    Trait(
        "no_data",
        _HOST_METRICS,
        (str,),
        None,
        "What `result()` does before any example: every number is `undefined_value`, or 0 where it counts; it gives "
        "numbers; it raises an error that says so. The last two will do when nothing is declared.",
        ("undefined", "value", "error"),
    ),
    Trait(
        "undefined_value",
        _HOST_METRICS,
        (int, float),
        -1.0,
        "The number that stands for one that the data does not define; NaN is allowed in results only when it is this.",
    ),
    Trait("order_dependent", _METRICS, (bool,), False, "The result depends on the order of the updates."),
    Trait("bounds", _KERAS_METRICS, (tuple, list), None, "The lowest and the highest value that a result can have."),
    Trait(
        "best", _KERAS_METRICS, (int, float), None, "The value of every number of the result for perfect predictions."
    ),
    Trait(
        "absent_class",
        _KERAS_METRICS,
        (str,),
        None,
        "What a class that occurs nowhere does to the mean over classes: it is left out, or counts as 0 or as 1.",
        ("excluded", "zero", "one"),
    ),
    Trait(
        "takes_images",
        _MANAGERS,
        (bool,),
        False,
        "The manager also writes images `[n, h, w, c]`, under keys that begin with `image_prefix`.",
    ),
    Trait(
        "image_prefix",
        _MANAGERS,
        (str,),
        "image/",
        "What the key of an image begins with; the sample's own image says it otherwise.",
    ),
    Trait(
        "max_outputs",
        _MANAGERS,
        (int,),
        None,
        "How many images of a batch are written at most; given to a factory that takes `max_outputs`.",
    ),
    Trait(
        "reader",
        _MANAGERS,
        (object,),
        None,
        "Reads back what a manager writes that makes no event files: `reader(directory)` gives (relative directory, "
        "tag, step, value) for each value, in the order of writing.",
    ),
    Trait("reference", (*_LOSSES, *_METRICS), (object,), None, "A callable that computes the value in NumPy float64."),
)

TRAITS: Mapping[str, Trait] = {trait.name: trait for trait in _TABLE}
"""Every trait by name."""


def check_traits(traits: Mapping[str, Any] | None, *, kind: Kind | None = None) -> dict[str, Any]:
    """Return the declared traits as a dict, or say which one is unknown, misplaced or of the wrong type.

    Args:
      traits: What the subject declares, by name.
      kind: The kind of the subject when it is known; a trait of another kind is then refused.

    Returns:
      A new dict with the same entries.

    Raises:
      UsageError: If a name is not in the table, belongs to another kind, or has a value of the wrong type.
    """
    for name, value in (traits or {}).items():
        trait = TRAITS.get(name)
        if trait is None:
            raise UsageError(f"There is no trait {name!r}; {did_you_mean(name, TRAITS)}.")
        if kind is not None and kind not in trait.kinds:
            kinds = ", ".join(trait.kinds)
            raise UsageError(f"The trait {name!r} belongs to subjects of kind {kinds}, and this one is a {kind}.")
        if not isinstance(value, trait.accepts) or (isinstance(value, bool) and bool not in (*trait.accepts, object)):
            expected = " or ".join(accepted.__name__ for accepted in trait.accepts)
            raise UsageError(f"The trait {name!r} takes a {expected}, and it was given {value!r}.")
        if trait.choices and value not in trait.choices:
            raise UsageError(f"The trait {name!r} is one of {list(trait.choices)}, and it was given {value!r}.")
    return dict(traits or {})
