"""Losses that are a plain function of labels and predictions, with the options of that function fixed."""

from collections.abc import Callable
from copy import copy
from typing import Any, ClassVar

import tensorflow as tf
from assay.losses._cross_entropy import kept_entries
from assay.losses._labels import align_labels, as_predictions
from assay.losses._weighted_loss import WeightedLoss


class FunctionLoss(WeightedLoss):
    """A loss whose unreduced values are those of `function`, whose options are attributes and the config.

    Subclasses name the function, declare its options with their defaults, check them, and hand them on as JSON values.

    Args:
        reduction: As in `WeightedLoss`.
        normalisation: As in `WeightedLoss`.
        name: Name of the loss.
        options: The options of `function` by name.
    """

    function: ClassVar[Callable[..., Any]]

    def __init__(self, *, reduction: str | None, normalisation: str, name: str, **options: Any) -> None:
        super().__init__(reduction=reduction, normalisation=normalisation, name=name)
        self._option_names = tuple(options)
        for option, value in options.items():
            setattr(self, option, value)

    def options(self) -> dict[str, Any]:
        """The options as the plain function takes them."""
        return {option: copy(getattr(self, option)) for option in self._option_names}

    def call(self, y_true: Any, y_pred: Any) -> Any:
        """The unreduced, unweighted loss, of the shape `[batch, ...]` that the class states."""
        return type(self).function(y_true, y_pred, **self.options())

    def get_config(self) -> dict[str, Any]:
        """Every constructor argument, as JSON values."""
        return {**super().get_config(), **self.options()}


class ClassifierLoss(FunctionLoss):
    """A loss with one value per element of predictions `[batch, ..., num_classes]`."""

    ignore_label: int | None = None
    # Whether `ignore_label` names entries as well, where labels have one value per class.
    ignores_entries: ClassVar[bool] = False

    def element_shape(self, y_pred: Any) -> Any:
        """Static shape `[batch, ...]` of the unreduced loss.

        Raises:
            ValueError: If an axis is missing.
        """
        if y_pred.shape.rank is not None and y_pred.shape.rank < 2:
            raise ValueError(
                f"{type(self).__name__} needs predictions of shape [batch, ..., num_classes]. Received shape "
                f"{y_pred.shape}: the axis of the batch or that of the classes is missing."
            )
        return y_pred.shape[:-1]

    def valid_elements(self, y_true: Any, y_pred: Any) -> Any:
        """Elements whose sparse id is not `ignore_label`, or which have an entry that is not."""
        if self.ignore_label is None:
            return None
        predictions = as_predictions(y_pred)
        labels, sparse = align_labels(y_true, predictions)
        if sparse:
            return tf.not_equal(labels, tf.cast(self.ignore_label, labels.dtype))
        if not self.ignores_entries:
            return None
        kept = kept_entries(labels, predictions, sparse=False, ignore_label=self.ignore_label)
        return tf.reduce_any(kept, axis=-1)
