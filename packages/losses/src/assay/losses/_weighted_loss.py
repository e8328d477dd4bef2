"""The base of the package's losses: what `__call__` does around a plain function."""

from typing import Any

import tensorflow as tf
from assay.losses import _reduction
from assay.losses._flavour import FlavourLoss, keras_mask


class WeightedLoss(FlavourLoss):
    """A Keras loss that masks before it computes, computes in at least float32, and reduces in one place.

    `__call__` replaces that of Keras: labels are not cast (an integer id stays an integer, also under a float16 or
    bfloat16 policy), and what a weight of 0 takes out is hidden before the computation, so that a NaN there reaches
    neither the value nor the gradient.

    Subclasses implement `call(y_true, y_pred)`, one value per element, and `valid_elements`.

    Args:
        reduction: "none", "sum", "sum_over_batch_size" or "mean_with_sample_weight".
        name: Name of the loss.
    """

    def __init__(self, *, reduction: str | None, name: str) -> None:
        super().__init__(reduction=_reduction.check_reduction(reduction), name=name)

    def __call__(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> Any:
        """Compute the loss.

        Args:
            y_true: Labels, see the class.
            y_pred: Predictions, see the class. A mask that Keras layers attached to it is honoured.
            sample_weight: None, a scalar, or weights of the shape of the unreduced loss or a leading part of it. An
                element of weight 0 changes neither value nor gradient, even where it is not finite.

        Returns:
            A float32 tensor (float64 for float64 predictions): of shape `[batch, ...]` for reduction "none", else a
            scalar.

        Raises:
            ValueError: If the shapes of labels, predictions and weights do not fit each other.
        """
        mask = keras_mask(y_pred)
        y_true, y_pred = tf.convert_to_tensor(y_true), tf.convert_to_tensor(y_pred)
        elements = self.element_shape(y_pred)
        valid = self.valid_elements(y_true, y_pred)
        if mask is not None:
            mask = tf.cast(_reduction.align_weights(tf.convert_to_tensor(mask), elements, argument="mask"), tf.bool)
            y_true, y_pred = _reduction.hide(y_true, mask), _reduction.hide(y_pred, mask)
            valid = mask if valid is None else tf.logical_and(valid, mask)
        weights = None
        if sample_weight is not None:
            weights = _reduction.align_weights(tf.convert_to_tensor(sample_weight), elements)
            keep = tf.not_equal(weights, tf.zeros([], weights.dtype))
            y_true, y_pred = _reduction.hide(y_true, keep), _reduction.hide(y_pred, keep)
        values = self.call(y_true, y_pred)
        return _reduction.reduce_values(values, weights=weights, valid=valid, reduction=self.reduction)

    def element_shape(self, y_pred: Any) -> Any:
        """Static shape of the unreduced loss; by default that of the predictions without their last axis."""
        return y_pred.shape[:-1]

    def valid_elements(self, y_true: Any, y_pred: Any) -> Any:
        """Boolean mask `[batch, ...]` of the elements that the normaliser counts, or None for all of them."""
        del y_true, y_pred
        return None
